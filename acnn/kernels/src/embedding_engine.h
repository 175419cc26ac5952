// Runs the embedding with learnable tables theta over the atoms of a graph.
#pragma once

#include <vector>

#include "graph_batches.h"
#include "program_memory.h"
#include "embedding_views.h"
#include "threads.h"

namespace acnn {

// An embedding's program in one precision, with the memory its views point to.
template <class T>
struct StoredEmbedding {
    EmbeddingProgram<T> program{};
    std::vector<std::vector<T>> values;
    std::vector<Transform<T>> transforms;

    explicit StoredEmbedding(const Arrays &arrays);

  private:
    const T *keep(const std::vector<double> &source);
};

class Embedding {
  public:
    Embedding(Arrays arrays, const EmbeddingInstructions *kernels);

    // Descriptors D [n_centers, n_descriptors].
    template <class T>
    void values(const Graph<T> &graph, const T *theta, T *descriptors, int n_threads);

    // For adjoints v [n_centers, n_descriptors]: Σ_d v_d ∂D_d/∂r_p [n_pairs, 3], and v · ∂D/∂theta; null for none of it.
    template <class T>
    void vjp(const Graph<T> &graph, const T *theta, const T *adjoints, T *gradients, T *theta_gradient, int n_threads);

    // Along directions u [n_pairs, 3]: the derivatives of D, and ∂/∂theta of Σ_p u_p · g_p with the gradients g of vjp.
    template <class T>
    void dual(
        const Graph<T> &graph, const T *theta, const T *adjoints, const T *directions, T *derivatives, T *theta_gradient,
        int n_threads);

    int64_t n_descriptors() const { return in_double_.program.n_descriptors; }
    int64_t n_theta() const { return in_double_.program.n_theta; }
    int64_t workspace_bytes() const { return frames_.bytes(); }

  private:
    Arrays arrays_;
    const EmbeddingInstructions *kernels_;
    StoredEmbedding<double> in_double_;
    StoredEmbedding<float> in_single_;
    std::vector<int32_t> element_of_number_;
    Frames frames_;

    template <class T>
    const EmbeddingProgram<T> &program() const;
    template <class T>
    const EmbeddingKernels<T> &lanes() const;
    template <class T, class Work>
    void run(const Graph<T> &graph, T *gradients, T *theta_gradient, int n_threads, const Work &work);
};

}  // namespace acnn
