#include "linear_engine.h"

#include "require.h"

namespace acnn {

Engine::Engine(Arrays arrays, const InstructionSet *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), programs_(arrays_), driver_(arrays_) {
    if (arrays_.is_energy()) reference_energies_ = arrays_.of_real("reference_energies");
}

template <class T, class I>
void Engine::energies(const Graph<T, I> &graph, double *energies, T *gradients, int n_threads, double *seconds) {
    require(arrays_.is_energy(), "this is not an energy program");
    const LaneKernels<T> &kernels = lanes<T>();
    const Loop<T> loop{program<T>(), kernels.width, n_threads, gradients};
    driver_.run<T, I>(graph, loop, [&](Turn<T> turn) {
        const int32_t element = turn.batch.element;
        double *of_lanes = turn.take_energies(kernels.width);
        turn.take_workspace(kernels.energy_bytes(loop.program, element, turn.batch.n_slots));
        kernels.energy(loop.program, turn.batch, of_lanes, gradients, turn.thread == 0 ? seconds : nullptr);
        for (int lane = 0; lane < kernels.width; ++lane)
            if (turn.scratch.lanes[lane] >= 0)
                energies[turn.scratch.lanes[lane]] = reference_energies_[element] + of_lanes[lane];
    });
}

template <class T>
void Engine::members(const Graph<T> &graph, int64_t n_members, double *energies, T *gradients, int n_threads) {
    require(arrays_.has_members(), "this is not a program of several members");
    require(n_members == program<T>().n_members, "the program has another number of members");
    const LaneKernels<T> &kernels = lanes<T>();
    const int width = kernels.width;
    const Loop<T> loop{program<T>(), width, n_threads};
    driver_.run<T, int64_t>(graph, loop, [&](Turn<T> turn) {
        double *of_lanes = turn.take_energies(n_members * width);
        turn.take_workspace(kernels.members_bytes(loop.program, turn.batch.element, turn.batch.n_slots));
        kernels.members(loop.program, turn.batch, graph.n_pairs, of_lanes, gradients);
        for (int64_t m = 0; m < n_members; ++m)
            for (int lane = 0; lane < width; ++lane)
                if (turn.scratch.lanes[lane] >= 0)
                    energies[m * graph.n_centers + turn.scratch.lanes[lane]] = of_lanes[m * width + lane];
    });
}

template <class T>
void Engine::values(const Graph<T> &graph, int64_t n_functions, T *values, int n_threads) {
    basis_run<T>(graph, n_functions, nullptr, n_threads, [&](const Turn<T> &turn) {
        lanes<T>().values(program<T>(), turn.batch, turn.lane_rows(values, n_functions).data());
    });
}

template <class T>
void Engine::vjp(const Graph<T> &graph, int64_t n_functions, const T *adjoints, T *gradients, int n_threads) {
    basis_run<T>(graph, n_functions, gradients, n_threads, [&](const Turn<T> &turn) {
        lanes<T>().vjp(program<T>(), turn.batch, turn.lane_rows(adjoints, n_functions).data(), gradients);
    });
}

template <class T>
void Engine::jvp(const Graph<T> &graph, int64_t n_functions, const T *directions, T *derivatives, int n_threads) {
    basis_run<T>(graph, n_functions, nullptr, n_threads, [&](const Turn<T> &turn) {
        lanes<T>().jvp(program<T>(), turn.batch, directions, turn.lane_rows(derivatives, n_functions).data());
    });
}

template <class T>
void Engine::rows(const Graph<T> &graph, int64_t n_functions, T *energy, T *forces, T *virial) {
    basis_run<T>(graph, n_functions, nullptr, 1, [&](const Turn<T> &turn) {
        const Rows<T> out{n_functions, graph.pair_j, turn.scratch.lanes.data(), energy, forces, virial};
        lanes<T>().rows(program<T>(), turn.batch, out);
    });
}

template <class T, class Work>
void Engine::basis_run(const Graph<T> &graph, int64_t n_functions, T *gradients, int n_threads, const Work &work) {
    require(!arrays_.is_energy() && !arrays_.has_members(), "this is not a basis program");
    require(n_functions == arrays_.of_int("n_functions").at(0), "the program has another number of functions");
    const Loop<T> loop{program<T>(), lanes<T>().width, n_threads, gradients};
    driver_.run<T, int64_t>(graph, loop, [&](Turn<T> turn) {
        turn.take_workspace(lanes<T>().basis_bytes(loop.program, turn.batch.element, turn.batch.n_slots));
        work(turn);
    });
}

#define ACNN_INSTANTIATE(T)                                                                  \
    template void Engine::energies(const Graph<T, int64_t> &, double *, T *, int, double *); \
    template void Engine::energies(const Graph<T, int32_t> &, double *, T *, int, double *); \
    template void Engine::members<T>(const Graph<T> &, int64_t, double *, T *, int);         \
    template void Engine::values<T>(const Graph<T> &, int64_t, T *, int);                    \
    template void Engine::vjp<T>(const Graph<T> &, int64_t, const T *, T *, int);            \
    template void Engine::jvp<T>(const Graph<T> &, int64_t, const T *, T *, int);            \
    template void Engine::rows<T>(const Graph<T> &, int64_t, T *, T *, T *);
ACNN_INSTANTIATE(double)
ACNN_INSTANTIATE(float)

}  // namespace acnn
