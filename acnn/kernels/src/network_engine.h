// Runs an embedding with a fitting network on top over the atoms of a graph: energies and forces of a trained model.
#pragma once

#include <vector>

#include "embedding_engine.h"

namespace acnn {

// Tables theta and fitting networks in one precision, with the memory their views point to.
template <class T>
struct StoredNetwork {
    std::vector<T> theta;
    std::vector<Fitting<T>> fittings;  // of every element

    StoredNetwork(const Arrays &arrays, const EmbeddingProgram<T> &program, const EmbeddingKernels<T> &lanes);

  private:
    std::vector<std::vector<T>> values_;
    std::vector<std::vector<Dense<T>>> layers_;

    const T *keep(const std::vector<T> &source);
};

class Network {
  public:
    // The arrays of an embedding, and those of acnn/kernels/network.py.
    Network(Arrays arrays, const EmbeddingInstructions *kernels);

    // Energies [n_centers] and gradients [n_pairs, 3]: written, those of pairs beyond the cutoff as zero, or added.
    template <class T, class I>
    void energies(const Graph<T, I> &graph, double *energies, T *gradients, bool add, int n_threads);

    int64_t workspace_bytes() const { return frames_.bytes(); }

  private:
    Arrays arrays_;
    const EmbeddingInstructions *kernels_;
    StoredEmbedding<double> in_double_;
    StoredEmbedding<float> in_single_;
    StoredNetwork<double> double_network_;
    StoredNetwork<float> single_network_;
    std::vector<int32_t> element_of_number_;
    Frames frames_;

    template <class T, class Double, class Single>
    static const auto &choose(const Double &in_double, const Single &in_single) {
        if constexpr (sizeof(T) == 8)
            return in_double;
        else
            return in_single;
    }
};

}  // namespace acnn
