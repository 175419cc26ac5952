#include "network_engine.h"

namespace acnn {

Network::Network(Arrays arrays, const EmbeddingInstructions *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), programs_(arrays_, *kernels), driver_(arrays_) {}

template <class T, class I>
void Network::energies(const Graph<T, I> &graph, double *energies, T *gradients, bool add, int n_threads) {
    const StoredNetwork<T> &network = in_precision<T>(programs_);
    const EmbeddingProgram<T> &embedding = network.embedding.program;
    const EmbeddingKernels<T> &lanes = in_precision<T>(*kernels_);
    const Loop<T> loop{embedding.shared, lanes.width, n_threads, add ? nullptr : gradients};
    driver_.run<T, I>(graph, loop, [&](Turn<T> turn) {
        const Readout<T> &readout = network.readouts[turn.batch.element];
        double *of_lanes = turn.take_energies(lanes.width);
        turn.take_workspace(lanes.energy_bytes(embedding, readout, turn.batch.n_slots));
        lanes.energy(embedding, readout, turn.batch, network.theta.data(), of_lanes, gradients, add);
        for (int lane = 0; lane < lanes.width; ++lane) {
            const int64_t center = turn.scratch.lanes[lane];
            if (center >= 0) energies[center] = of_lanes[lane] + (add ? energies[center] : 0);
        }
    });
}

#define ACNN_INSTANTIATE(T, I) template void Network::energies<T, I>(const Graph<T, I> &, double *, T *, bool, int);
ACNN_INSTANTIATE(double, int64_t)
ACNN_INSTANTIATE(double, int32_t)
ACNN_INSTANTIATE(float, int64_t)
ACNN_INSTANTIATE(float, int32_t)

}  // namespace acnn
