// Views of an embedding with learnable tables theta (acnn/models/embedding.py is the definition) and of a readout network
// (acnn/models/readout.py), and the interface of their lane kernels. Plain data only, for the reason in program_views.h.
#pragma once

#include "program_views.h"

namespace acnn {

constexpr int MOST_LAYERS = 8;  // of attention

template <class T>
struct EmbeddingProgram {
    Program<T> shared;  // elements, cutoff, polynomials, and harmonics whose squares average to one
    int32_t n_channels, n_radial, n_heads, n_layers, n_invariants;
    int64_t n_descriptors, n_theta;
    const Transform<T> *transforms;  // [n_elements, n_elements], by center and neighbor
    const RadialTable<T> *tables;    // likewise, instead of transforms; null: there are none
    const T *inner, *inner_width;  // [n_elements, n_elements] below which distances are seen as constant, see tokens.h
    const T *inverse_root;         // [l_max + 1] 1 / sqrt(2l + 1)
    const int32_t *term_start;     // [n_invariants + 1]
    const int32_t *factors;        // [n_terms, 3] components of the densities
    const T *coefficients;         // [n_terms]
    int32_t n_couplings, n_components;  // of the products of two densities that attention sees; 0: it sees none
    const int32_t *product_components;  // [n_components, 2] coupling and component of the density
    const int32_t *product_start;       // [n_components + 1]
    const int32_t *product_factors;     // [n_products, 2] components of the densities
    const T *product_coefficients;      // [n_products]
};

// A layer t_o = bias_o + Σ_i weight_io h_i of `inputs` and `outputs`, with its weights in tiles of TILE outputs
// [tiles, inputs, TILE] for the way forward and of TILE inputs [tiles, outputs, TILE] for the way back, filled up with zeros.
template <class T>
struct Dense {
    int32_t inputs, outputs;
    const T *forward, *back, *bias;
};

// f = Σ_d skip_d D_d + Σ_o out_o (h_o - h_o(D = 0)), h those of the last hidden layer, of one element; the energy is f, but
// levels off below low: low - d / √(1 + d²/w²) with d = low - f, w = ½ (high - low).
template <class T>
struct Readout {
    int32_t n_hidden;
    const Dense<T> *hidden;
    const T *skip, *out, *at_zero;
    double low, high;
};

// Arrays of pointers hold one row of descriptors per lane, null for lanes without an atom. Derivatives with respect to theta
// are added to theta_gradient; null leaves them out, as null gradients leave out those of vectors.
template <class T>
struct EmbeddingKernels {
    int32_t width;
    int64_t (*bytes)(const EmbeddingProgram<T> &, int32_t n_slots);  // enough for all of them
    void (*values)(const EmbeddingProgram<T> &, const Batch<T> &, const T *theta, T *const *descriptors);
    void (*vjp)(
        const EmbeddingProgram<T> &, const Batch<T> &, const T *theta, const T *const *adjoints, T *gradients,
        double *theta_gradient);
    void (*dual)(
        const EmbeddingProgram<T> &, const Batch<T> &, const T *theta, const T *const *adjoints, const T *directions,
        T *const *derivatives, double *theta_gradient);

    int32_t tile;  // see Dense
    int64_t (*energy_bytes)(const EmbeddingProgram<T> &, const Readout<T> &, int32_t n_slots);
    void (*at_zero)(const EmbeddingProgram<T> &, const Readout<T> &, void *workspace, T *hidden);
    void (*energy)(  // gradients are written, or added to those that are there
        const EmbeddingProgram<T> &, const Readout<T> &, const Batch<T> &, const T *theta, double *energies, T *gradients,
        bool add);
};

struct EmbeddingInstructions {
    EmbeddingKernels<double> in_double;
    EmbeddingKernels<float> in_single;
};

}  // namespace acnn
