// Embeddings, and networks on top of them, with the memory they live in.
#pragma once

#include <vector>

#include "embedding_views.h"
#include "program_memory.h"

namespace acnn {

// An embedding's program in one precision, with the memory its views point to.
template <class T>
struct StoredEmbedding {
    EmbeddingProgram<T> program{};
    std::vector<std::vector<T>> values;
    RadialForms<T> radial;

    explicit StoredEmbedding(const Arrays &arrays);

  private:
    const T *keep(const std::vector<double> &source);
};

// An embedding with its tables theta and readout networks in one precision, with the memory their views point to.
template <class T>
struct StoredNetwork {
    StoredEmbedding<T> embedding;
    std::vector<T> theta;
    std::vector<Readout<T>> readouts;  // of every element

    StoredNetwork(const Arrays &arrays, const EmbeddingKernels<T> &lanes);

  private:
    std::vector<std::vector<T>> values_;
    std::vector<std::vector<Dense<T>>> layers_;

    const T *keep(const std::vector<T> &source);
};

}  // namespace acnn
