// One layer of the embedding: where its tables are in theta, and what it keeps.
#pragma once

#include "dual_numbers.h"
#include "embedding_views.h"

namespace {

using namespace acnn;

// Where the tables of a layer begin in theta, those of one center and neighbor element.
struct Offsets {
    int64_t W, b, U, T, V, S;
};

template <class T>
inline Offsets offsets(const EmbeddingProgram<T> &program, int layer, int element, int neighbor) {
    const int64_t pairs = program.shared.n_elements * program.shared.n_elements, N = program.n_radial;
    const int64_t CL = program.n_channels * (program.shared.l_max + 1), H = program.n_heads;
    const int64_t pair = element * program.shared.n_elements + neighbor;
    if (layer == 0) return {pair * N * CL, 0, 0, 0, 0, 0};
    const int64_t seen = program.n_couplings ? 2 * CL : CL, couplings = program.n_couplings * program.n_channels;
    const int64_t per_layer = pairs * (N * CL + H + N * H) + (seen + CL) * H + couplings;
    const int64_t start = pairs * N * CL + (layer - 1) * per_layer;
    const int64_t b = start + pairs * N * CL, U = b + pairs * H, T_ = U + pairs * N * H, V = T_ + seen * H;
    return {start + pair * N * CL, b + pair * H, U + pair * N * H, T_, V, V + CL * H};
}

// What a layer keeps for the way back.
template <class A>
struct Kept {
    Number<A> *phi, *gate, *weight, *root, *query, *density, *coupled;
};

}  // namespace
