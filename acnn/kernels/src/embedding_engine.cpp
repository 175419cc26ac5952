#include "embedding_engine.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace acnn {

namespace {

// Derivatives with respect to theta are summed in so many parts, whatever the number of threads: the windows of a part one
// after the other, then the parts.
constexpr int PARTS = 8;
constexpr int MOST_LAYERS = 8;  // as in attention_layers.h

template <class T>
std::vector<T *> lane_rows(T *first, int64_t n, const std::vector<int64_t> &centers) {
    std::vector<T *> rows;
    for (const int64_t center : centers) rows.push_back(center < 0 ? nullptr : first + center * n);
    return rows;
}

template <class T>
void add_parts(const std::vector<double> &parts, int64_t n, T *out) {
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int part = 0; part < PARTS; ++part) sum += parts[part * n + i];
        out[i] = (T)sum;
    }
}

}  // namespace

template <class T>
const T *StoredEmbedding<T>::keep(const std::vector<double> &source) {
    values.emplace_back(source.begin(), source.end());
    return values.back().data();
}

template <class T>
StoredEmbedding<T>::StoredEmbedding(const Arrays &arrays) {
    const auto &sizes = arrays.of_int("sizes");
    Program<T> &shared = program.shared;
    shared.n_elements = sizes.at(0);
    shared.l_max = sizes.at(1);
    program.n_channels = sizes.at(2);
    program.n_radial = sizes.at(3);
    program.n_heads = sizes.at(4);
    program.n_layers = sizes.at(5);
    if (program.n_layers > MOST_LAYERS) throw std::invalid_argument("at most eight layers of attention");
    shared.cutoff = shared.reach = (T)arrays.of_real("cutoff").at(0);
    const T *recurrence = keep(arrays.of_real("recurrence"));
    shared.recurrence = {recurrence, recurrence + program.n_radial, recurrence + 2 * program.n_radial};
    const auto n_harmonics = arrays.of_real("harmonics").size() / 3;
    shared.alpha = keep(arrays.of_real("harmonics"));
    shared.beta = shared.alpha + n_harmonics;
    shared.slope = shared.beta + n_harmonics;
    transforms = transforms_of<T>(arrays.of_real("transforms"));
    program.transforms = transforms.data();
    program.inner = keep(arrays.of_real("inner"));
    program.inner_width = program.inner + (int64_t)shared.n_elements * shared.n_elements;
    program.inverse_root = keep(arrays.of_real("inverse_root"));
    program.term_start = arrays.of_int("term_start").data();
    program.n_invariants = (int32_t)arrays.of_int("term_start").size() - 1;
    program.factors = arrays.of_int("factors").data();
    program.coefficients = keep(arrays.of_real("coefficients"));
    program.product_components = arrays.of_int("product_components").data();
    program.product_start = arrays.of_int("product_start").data();
    program.product_factors = arrays.of_int("product_factors").data();
    program.product_coefficients = keep(arrays.of_real("product_coefficients"));
    program.n_components = (int32_t)arrays.of_int("product_start").size() - 1;
    program.n_couplings = program.n_components ? program.product_components[2 * program.n_components - 2] + 1 : 0;

    const int64_t C = program.n_channels, L1 = shared.l_max + 1, N = program.n_radial, H = program.n_heads;
    const int64_t pairs = (int64_t)shared.n_elements * shared.n_elements, K = program.n_layers;
    program.n_descriptors = (K + 1) * (C + L1 * (C * (C + 1) / 2) + program.n_invariants * C);
    const int64_t seen = program.n_couplings ? 2 * C : C;
    program.n_theta = (K + 1) * pairs * N * L1 * C +
                      K * (pairs * (H + N * H) + L1 * (seen + C) * H + program.n_couplings * C);
}

Embedding::Embedding(Arrays arrays, const EmbeddingInstructions *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), in_double_(arrays_), in_single_(arrays_),
      element_of_number_(element_index_of(arrays_)) {}

template <>
const EmbeddingProgram<double> &Embedding::program<double>() const { return in_double_.program; }
template <>
const EmbeddingProgram<float> &Embedding::program<float>() const { return in_single_.program; }
template <>
const EmbeddingKernels<double> &Embedding::lanes<double>() const { return kernels_->in_double; }
template <>
const EmbeddingKernels<float> &Embedding::lanes<float>() const { return kernels_->in_single; }

template <class T, class Work>
void Embedding::run(const Graph<T> &graph, T *gradients, T *theta_gradient, int n_threads, const Work &work) {
    const EmbeddingProgram<T> &embedding = program<T>();
    const int width = lanes<T>().width;
    auto frame = frames_.borrow();
    index_graph(
        graph, element_of_number_, embedding.shared.n_elements, width, theta_gradient ? PARTS : n_threads, *frame);
    const size_t n_windows = frame->windows.size(), stride = theta_gradient ? PARTS : n_windows;
    n_threads = std::max(1, std::min<int>(n_threads, (int)std::min(stride, n_windows)));
    if ((int)frame->scratch.size() < n_threads) frame->scratch.resize(n_threads);
    std::vector<double> parts(theta_gradient ? PARTS * embedding.n_theta : 0);
    std::atomic<size_t> next{0};
    run_threads(n_threads, [&](int thread) {
        Scratch &scratch = frame->scratch[thread];
        for (size_t part = next++; part < stride; part = next++)
            for (size_t w = part; w < n_windows; w += stride)
                for_each_batch<T, int64_t>(
                    graph, embedding.shared, width, *frame, frame->windows[w], scratch, gradients, [&](Batch<T> &batch) {
                        batch.workspace = scratch.workspace(lanes<T>().bytes(embedding, batch.n_slots));
                        work(batch, scratch.lanes, theta_gradient ? parts.data() + part * embedding.n_theta : nullptr);
                    });
    });
    frames_.give_back(std::move(frame));
    if (theta_gradient) add_parts(parts, embedding.n_theta, theta_gradient);
}

template <class T>
void Embedding::values(const Graph<T> &graph, const T *theta, T *descriptors, int n_threads) {
    run<T>(graph, nullptr, nullptr, n_threads, [&](Batch<T> &batch, const std::vector<int64_t> &centers, double *) {
        const auto rows = lane_rows(descriptors, n_descriptors(), centers);
        lanes<T>().values(program<T>(), batch, theta, rows.data());
    });
}

template <class T>
void Embedding::vjp(
    const Graph<T> &graph, const T *theta, const T *adjoints, T *gradients, T *theta_gradient, int n_threads) {
    run<T>(
        graph, gradients, theta_gradient, n_threads,
        [&](Batch<T> &batch, const std::vector<int64_t> &centers, double *sums) {
            const auto rows = lane_rows(adjoints, n_descriptors(), centers);
            lanes<T>().vjp(program<T>(), batch, theta, rows.data(), gradients, sums);
        });
}

template <class T>
void Embedding::dual(
    const Graph<T> &graph, const T *theta, const T *adjoints, const T *directions, T *derivatives, T *theta_gradient,
    int n_threads) {
    run<T>(
        graph, nullptr, theta_gradient, n_threads,
        [&](Batch<T> &batch, const std::vector<int64_t> &centers, double *sums) {
            const auto rows = lane_rows(adjoints, n_descriptors(), centers);
            const auto out = lane_rows(derivatives, n_descriptors(), centers);
            lanes<T>().dual(program<T>(), batch, theta, rows.data(), directions, out.data(), sums);
        });
}

template struct StoredEmbedding<double>;
template struct StoredEmbedding<float>;

#define ACNN_INSTANTIATE(T)                                                                       \
    template void Embedding::values<T>(const Graph<T> &, const T *, T *, int);                    \
    template void Embedding::vjp<T>(const Graph<T> &, const T *, const T *, T *, T *, int);       \
    template void Embedding::dual<T>(const Graph<T> &, const T *, const T *, const T *, T *, T *, int);
ACNN_INSTANTIATE(double)
ACNN_INSTANTIATE(float)

}  // namespace acnn
