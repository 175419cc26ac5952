#include "embedding_engine.h"

namespace acnn {

namespace {

// Derivatives with respect to theta are summed in so many parts, whatever the number of threads: the windows of a part one
// after the other, then the parts.
constexpr int PARTS = 8;

template <class T>
void add_parts(const std::vector<double> &parts, int64_t n, T *out) {
    for (int64_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int part = 0; part < PARTS; ++part) sum += parts[part * n + i];
        out[i] = (T)sum;
    }
}

}  // namespace

Embedding::Embedding(Arrays arrays, const EmbeddingInstructions *kernels)
    : arrays_(std::move(arrays)), kernels_(kernels), programs_(arrays_), driver_(arrays_) {}

template <class T, class Work>
void Embedding::run(const Graph<T> &graph, T *gradients, T *theta_gradient, int n_threads, const Work &work) {
    const EmbeddingProgram<T> &embedding = program<T>();
    std::vector<double> parts(theta_gradient ? PARTS * embedding.n_theta : 0);
    const Loop<T> loop{embedding.shared, lanes<T>().width, n_threads, gradients, theta_gradient ? PARTS : 0};
    driver_.run<T, int64_t>(graph, loop, [&](Turn<T> turn) {
        turn.take_workspace(lanes<T>().bytes(embedding, turn.batch.n_slots));
        work(turn, theta_gradient ? parts.data() + turn.part * embedding.n_theta : nullptr);
    });
    if (theta_gradient) add_parts(parts, embedding.n_theta, theta_gradient);
}

template <class T>
void Embedding::values(const Graph<T> &graph, const T *theta, T *descriptors, int n_threads) {
    run<T>(graph, nullptr, nullptr, n_threads, [&](const Turn<T> &turn, double *) {
        const auto rows = turn.lane_rows(descriptors, n_descriptors());
        lanes<T>().values(program<T>(), turn.batch, theta, rows.data());
    });
}

template <class T>
void Embedding::vjp(
    const Graph<T> &graph, const T *theta, const T *adjoints, T *gradients, T *theta_gradient, int n_threads) {
    run<T>(graph, gradients, theta_gradient, n_threads, [&](const Turn<T> &turn, double *sums) {
        const auto rows = turn.lane_rows(adjoints, n_descriptors());
        lanes<T>().vjp(program<T>(), turn.batch, theta, rows.data(), gradients, sums);
    });
}

template <class T>
void Embedding::dual(
    const Graph<T> &graph, const T *theta, const T *adjoints, const T *directions, T *derivatives, T *theta_gradient,
    int n_threads) {
    run<T>(graph, nullptr, theta_gradient, n_threads, [&](const Turn<T> &turn, double *sums) {
        const auto rows = turn.lane_rows(adjoints, n_descriptors());
        const auto out = turn.lane_rows(derivatives, n_descriptors());
        lanes<T>().dual(program<T>(), turn.batch, theta, rows.data(), directions, out.data(), sums);
    });
}

#define ACNN_INSTANTIATE(T)                                                                 \
    template void Embedding::values<T>(const Graph<T> &, const T *, T *, int);              \
    template void Embedding::vjp<T>(const Graph<T> &, const T *, const T *, T *, T *, int); \
    template void Embedding::dual<T>(const Graph<T> &, const T *, const T *, const T *, T *, T *, int);
ACNN_INSTANTIATE(double)
ACNN_INSTANTIATE(float)

}  // namespace acnn
