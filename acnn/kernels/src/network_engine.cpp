#include "network_engine.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace acnn {

namespace {

// Weights [n_rows, n_columns] in tiles of columns [tiles, n_rows, tile], or those of the transposed matrix.
template <class T>
std::vector<T> tiled(const double *weights, int64_t n_rows, int64_t n_columns, bool transposed, int tile) {
    if (transposed) std::swap(n_rows, n_columns);
    std::vector<T> out((n_columns + tile - 1) / tile * tile * n_rows);
    for (int64_t column = 0; column < n_columns; ++column)
        for (int64_t row = 0; row < n_rows; ++row)
            out[(column / tile * n_rows + row) * tile + column % tile] =
                (T)(transposed ? weights[column * n_rows + row] : weights[row * n_columns + column]);
    return out;
}

template <class T>
std::vector<T> filled_up(const double *first, int64_t n, int tile) {
    std::vector<T> out((n + tile - 1) / tile * tile);
    for (int64_t i = 0; i < n; ++i) out[i] = (T)first[i];
    return out;
}

// The next n numbers of an array.
struct Reader {
    const std::vector<double> &source;
    size_t at = 0;

    const double *next(int64_t n) {
        if (n < 0 || at + n > source.size()) throw std::invalid_argument("a fitting network has too few numbers");
        at += n;
        return source.data() + at - n;
    }
    void end() const {
        if (at != source.size()) throw std::invalid_argument("a fitting network has too many numbers");
    }
};

}  // namespace

// At the start of a cache line.
template <class T>
const T *StoredNetwork<T>::keep(const std::vector<T> &source) {
    constexpr size_t LINE = 64;
    values_.emplace_back(source.size() + LINE / sizeof(T));
    auto &memory = values_.back();
    const size_t past = reinterpret_cast<uintptr_t>(memory.data()) % LINE;
    T *first = memory.data() + (LINE - past) % LINE / sizeof(T);
    std::copy(source.begin(), source.end(), first);
    return first;
}

template <class T>
StoredNetwork<T>::StoredNetwork(
    const Arrays &arrays, const EmbeddingProgram<T> &program, const EmbeddingKernels<T> &lanes) {
    const auto &tables = arrays.of_real("theta");
    if ((int64_t)tables.size() != program.n_theta) throw std::invalid_argument("theta has another number of values");
    theta.assign(tables.begin(), tables.end());
    const auto &widths = arrays.of_int("widths");
    if (widths.empty()) throw std::invalid_argument("a fitting network has at least one hidden layer");
    Reader weights{arrays.of_real("weights")}, biases{arrays.of_real("biases")}, skips{arrays.of_real("skip")},
        outs{arrays.of_real("out")}, bounds{arrays.of_real("bounds")};
    const int tile = lanes.tile;
    Scratch scratch;
    for (int z = 0; z < program.shared.n_elements; ++z) {
        std::vector<Dense<T>> hidden;
        int64_t n_in = program.n_descriptors;
        for (const int32_t width : widths) {
            if (width < 1) throw std::invalid_argument("a hidden layer has at least one output");
            const double *matrix = weights.next(n_in * width);
            const T *forward = keep(tiled<T>(matrix, n_in, width, false, tile));
            const T *back = keep(tiled<T>(matrix, n_in, width, true, tile));
            hidden.push_back({(int32_t)n_in, width, forward, back, keep(filled_up<T>(biases.next(width), width, tile))});
            n_in = width;
        }
        layers_.push_back(std::move(hidden));
        const T *skip = keep(filled_up<T>(skips.next(program.n_descriptors), program.n_descriptors, tile));
        const T *out = keep(filled_up<T>(outs.next(n_in), n_in, tile));
        std::vector<T> at_zero(n_in);
        const double *bound = bounds.next(2);
        Fitting<T> fitting{(int32_t)widths.size(), layers_.back().data(), skip, out, nullptr, bound[0], bound[1]};
        lanes.at_zero(program, fitting, scratch.workspace(lanes.energy_bytes(program, fitting, 0)), at_zero.data());
        fitting.at_zero = keep(at_zero);
        fittings.push_back(fitting);
    }
    weights.end();
    biases.end();
    skips.end();
    outs.end();
    bounds.end();
}

Network::Network(Arrays arrays, const EmbeddingInstructions *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), in_double_(arrays_), in_single_(arrays_),
      double_network_(arrays_, in_double_.program, kernels->in_double),
      single_network_(arrays_, in_single_.program, kernels->in_single), element_of_number_(element_index_of(arrays_)) {}

template <class T, class I>
void Network::energies(const Graph<T, I> &graph, double *energies, T *gradients, bool add, int n_threads) {
    const EmbeddingProgram<T> &embedding = choose<T>(in_double_, in_single_).program;
    const StoredNetwork<T> &network = choose<T>(double_network_, single_network_);
    const EmbeddingKernels<T> &lanes = choose<T>(kernels_->in_double, kernels_->in_single);
    auto frame = frames_.borrow();
    index_graph(graph, element_of_number_, embedding.shared.n_elements, lanes.width, n_threads, *frame);
    const size_t n_windows = frame->windows.size();
    n_threads = std::max(1, std::min<int>(n_threads, (int)n_windows));
    if ((int)frame->scratch.size() < n_threads) frame->scratch.resize(n_threads);
    std::atomic<size_t> next{0};
    run_threads(n_threads, [&](int thread) {
        Scratch &scratch = frame->scratch[thread];
        scratch.energies.resize(lanes.width);
        const auto evaluate = [&](Batch<T> &batch) {
            const Fitting<T> &fitting = network.fittings[batch.element];
            batch.workspace = scratch.workspace(lanes.energy_bytes(embedding, fitting, batch.n_slots));
            lanes.energy(embedding, fitting, batch, network.theta.data(), scratch.energies.data(), gradients, add);
            for (int lane = 0; lane < lanes.width; ++lane) {
                const int64_t center = scratch.lanes[lane];
                if (center >= 0) energies[center] = scratch.energies[lane] + (add ? energies[center] : 0);
            }
        };
        for (size_t w = next++; w < n_windows; w = next++)
            for_each_batch<T, I>(
                graph, embedding.shared, lanes.width, *frame, frame->windows[w], scratch, add ? nullptr : gradients,
                evaluate);
    });
    frames_.give_back(std::move(frame));
}

#define ACNN_INSTANTIATE(T, I) template void Network::energies<T, I>(const Graph<T, I> &, double *, T *, bool, int);
ACNN_INSTANTIATE(double, int64_t)
ACNN_INSTANTIATE(double, int32_t)
ACNN_INSTANTIATE(float, int64_t)
ACNN_INSTANTIATE(float, int32_t)

}  // namespace acnn
