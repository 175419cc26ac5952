#include "linear_engine.h"

#include <algorithm>
#include <atomic>

namespace acnn {

namespace {

void require(bool condition, const char *message) {
    if (!condition) throw std::invalid_argument(message);
}

template <class T>
std::vector<T *> lane_rows(T *first, int64_t n_functions, const std::vector<int64_t> &centers) {
    std::vector<T *> rows;
    for (const int64_t center : centers) rows.push_back(center < 0 ? nullptr : first + center * n_functions);
    return rows;
}

}  // namespace

Engine::Engine(Arrays arrays, const InstructionSet *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), in_double_(arrays_), in_single_(arrays_),
      element_of_number_(element_index_of(arrays_)) {
    if (arrays_.is_energy()) reference_energies_ = arrays_.of_real("reference_energies");
}

template <>
const StoredProgram<double> &Engine::stored<double>() const { return in_double_; }
template <>
const StoredProgram<float> &Engine::stored<float>() const { return in_single_; }
template <>
const LaneKernels<double> &Engine::lanes<double>() const { return kernels_->in_double; }
template <>
const LaneKernels<float> &Engine::lanes<float>() const { return kernels_->in_single; }

int64_t Engine::workspace_bytes() const { return frames_.bytes(); }

template <class T, class I, class Work>
void Engine::run(const Graph<T, I> &graph, T *gradients, int n_threads, const Work &work) {
    const Program<T> &program = stored<T>().program;
    const int width = lanes<T>().width;
    auto frame = frames_.borrow();
    index_graph(graph, element_of_number_, program.n_elements, width, n_threads, *frame);
    n_threads = std::max(1, std::min<int>(n_threads, (int)frame->windows.size()));
    if ((int)frame->scratch.size() < n_threads) frame->scratch.resize(n_threads);
    std::atomic<size_t> next{0};
    run_threads(n_threads, [&](int thread) {
        Scratch &scratch = frame->scratch[thread];
        scratch.energies.resize(width);
        for (size_t w = next++; w < frame->windows.size(); w = next++)
            for_each_batch<T, I>(
                graph, program, width, *frame, frame->windows[w], scratch, gradients,
                [&](Batch<T> &batch) { work(batch, scratch, thread); });
    });
    frames_.give_back(std::move(frame));
}

template <class T, class I>
void Engine::energies(const Graph<T, I> &graph, double *energies, T *gradients, int n_threads, double *seconds) {
    require(arrays_.is_energy(), "this is not an energy program");
    const Program<T> &program = stored<T>().program;
    const LaneKernels<T> &kernels = lanes<T>();
    run(graph, gradients, n_threads, [&](Batch<T> &batch, Scratch &scratch, int thread) {
        batch.workspace = scratch.workspace(kernels.energy_bytes(program, batch.element, batch.n_slots));
        kernels.energy(program, batch, scratch.energies.data(), gradients, thread == 0 ? seconds : nullptr);
        for (int lane = 0; lane < kernels.width; ++lane)
            if (scratch.lanes[lane] >= 0)
                energies[scratch.lanes[lane]] = reference_energies_[batch.element] + scratch.energies[lane];
    });
}

template <class T>
void Engine::members(const Graph<T> &graph, int64_t n_members, double *energies, T *gradients, int n_threads) {
    require(arrays_.has_members(), "this is not a program of several members");
    const Program<T> &program = stored<T>().program;
    require(n_members == program.n_members, "the program has another number of members");
    const LaneKernels<T> &kernels = lanes<T>();
    const int width = kernels.width;
    run(graph, (T *)nullptr, n_threads, [&](Batch<T> &batch, Scratch &scratch, int) {
        batch.workspace = scratch.workspace(kernels.members_bytes(program, batch.element, batch.n_slots));
        scratch.energies.resize(n_members * width);
        kernels.members(program, batch, graph.n_pairs, scratch.energies.data(), gradients);
        for (int64_t m = 0; m < n_members; ++m)
            for (int lane = 0; lane < width; ++lane)
                if (scratch.lanes[lane] >= 0)
                    energies[m * graph.n_centers + scratch.lanes[lane]] = scratch.energies[m * width + lane];
    });
}

template <class T>
void Engine::values(const Graph<T> &graph, int64_t n_functions, T *values, int n_threads) {
    basis_run<T>(graph, n_functions, nullptr, n_threads, [&](const Program<T> &program, Batch<T> &batch, Scratch &scratch) {
        std::vector<T *> rows = lane_rows(values, n_functions, scratch.lanes);
        lanes<T>().values(program, batch, rows.data());
    });
}

template <class T>
void Engine::vjp(const Graph<T> &graph, int64_t n_functions, const T *adjoints, T *gradients, int n_threads) {
    basis_run<T>(graph, n_functions, gradients, n_threads, [&](const Program<T> &program, Batch<T> &batch, Scratch &scratch) {
        std::vector<const T *> rows = lane_rows(adjoints, n_functions, scratch.lanes);
        lanes<T>().vjp(program, batch, rows.data(), gradients);
    });
}

template <class T>
void Engine::jvp(const Graph<T> &graph, int64_t n_functions, const T *directions, T *derivatives, int n_threads) {
    basis_run<T>(graph, n_functions, nullptr, n_threads, [&](const Program<T> &program, Batch<T> &batch, Scratch &scratch) {
        std::vector<T *> rows = lane_rows(derivatives, n_functions, scratch.lanes);
        lanes<T>().jvp(program, batch, directions, rows.data());
    });
}

template <class T>
void Engine::rows(const Graph<T> &graph, int64_t n_functions, T *energy, T *forces, T *virial) {
    basis_run<T>(graph, n_functions, nullptr, 1, [&](const Program<T> &program, Batch<T> &batch, Scratch &scratch) {
        const Rows<T> out{n_functions, graph.pair_j, scratch.lanes.data(), energy, forces, virial};
        lanes<T>().rows(program, batch, out);
    });
}

template <class T, class Work>
void Engine::basis_run(
    const Graph<T> &graph, int64_t n_functions, T *gradients, int n_threads, const Work &work) {
    require(!arrays_.is_energy() && !arrays_.has_members(), "this is not a basis program");
    require(n_functions == arrays_.of_int("n_functions").at(0), "the program has another number of functions");
    const Program<T> &program = stored<T>().program;
    run(graph, gradients, n_threads, [&](Batch<T> &batch, Scratch &scratch, int) {
        batch.workspace = scratch.workspace(lanes<T>().basis_bytes(program, batch.element, batch.n_slots));
        work(program, batch, scratch);
    });
}

#define ACNN_INSTANTIATE(T)                                                                   \
    template void Engine::energies(const Graph<T, int64_t> &, double *, T *, int, double *);  \
    template void Engine::energies(const Graph<T, int32_t> &, double *, T *, int, double *);  \
    template void Engine::members<T>(const Graph<T> &, int64_t, double *, T *, int);          \
    template void Engine::values<T>(const Graph<T> &, int64_t, T *, int);                     \
    template void Engine::vjp<T>(const Graph<T> &, int64_t, const T *, T *, int);             \
    template void Engine::jvp<T>(const Graph<T> &, int64_t, const T *, T *, int);             \
    template void Engine::rows<T>(const Graph<T> &, int64_t, T *, T *, T *);
ACNN_INSTANTIATE(double)
ACNN_INSTANTIATE(float)

}  // namespace acnn
