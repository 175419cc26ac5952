// Runs an embedding with a readout network on top over the atoms of a graph: energies and forces of a trained model.
#pragma once

#include "driver.h"
#include "embedding_memory.h"

namespace acnn {

class Network {
  public:
    // The arrays of an embedding, and those of acnn/kernels/network.py.
    Network(Arrays arrays, const EmbeddingInstructions *kernels);

    // Energies [n_centers] and gradients [n_pairs, 3]: written, those of pairs beyond the cutoff as zero, or added.
    template <class T, class I>
    void energies(const Graph<T, I> &graph, double *energies, T *gradients, bool add, int n_threads);

    int64_t workspace_bytes() const { return driver_.workspace_bytes(); }

  private:
    Arrays arrays_;
    const EmbeddingInstructions *kernels_;
    Both<StoredNetwork> programs_;
    Driver driver_;
};

}  // namespace acnn
