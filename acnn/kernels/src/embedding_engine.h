// Runs the embedding with learnable tables theta over the atoms of a graph.
#pragma once

#include "driver.h"
#include "embedding_memory.h"

namespace acnn {

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
        const Graph<T> &graph, const T *theta, const T *adjoints, const T *directions, T *derivatives,
        T *theta_gradient, int n_threads);

    int64_t n_descriptors() const { return programs_.in_double.program.n_descriptors; }
    int64_t n_theta() const { return programs_.in_double.program.n_theta; }
    int64_t workspace_bytes() const { return driver_.workspace_bytes(); }

  private:
    Arrays arrays_;
    const EmbeddingInstructions *kernels_;
    Both<StoredEmbedding> programs_;
    Driver driver_;

    template <class T>
    const EmbeddingProgram<T> &program() const {
        return in_precision<T>(programs_).program;
    }
    template <class T>
    const EmbeddingKernels<T> &lanes() const {
        return in_precision<T>(*kernels_);
    }
    template <class T, class Work>
    void run(const Graph<T> &graph, T *gradients, T *theta_gradient, int n_threads, const Work &work);
};

}  // namespace acnn
