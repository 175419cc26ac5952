// Products of two densities of a channel (rows a · n_channels + c) that turn as one density does, and the way back.
//
//     P_ac = Σ_v S_vc Q_vac,  Q_vac = Σ_t coefficient_t A_{a1(t) c} A_{a2(t) c}
#pragma once

#include "dual_numbers.h"
#include "embedding_views.h"

namespace {

using namespace acnn;

// Q_vac of a component (v, a) for C channels from c0 on.
template <class A, int C>
inline void product_tile(
    const EmbeddingProgram<typename A::T> &program, int component, int c0, const Number<A> *density, Number<A> *out) {
    const int n = program.n_channels;
    for (int t = program.product_start[component]; t < program.product_start[component + 1]; ++t) {
        const Number<A> *p = density + program.product_factors[2 * t] * n + c0,
                        *q = density + program.product_factors[2 * t + 1] * n + c0;
        ACNN_UNROLL
        for (int c = 0; c < C; ++c)
            Arithmetic<A>::add(out[c], Arithmetic<A>::scaled(program.product_coefficients[t], p[c]), q[c]);
    }
}

template <class A, int C>
inline void couple_tile(
    const EmbeddingProgram<typename A::T> &program, const typename A::T *S, int c0, const Number<A> *density,
    Number<A> *out) {
    const int n = program.n_channels;
    for (int component = 0; component < program.n_components; ++component) {
        const int v = program.product_components[2 * component], a = program.product_components[2 * component + 1];
        Number<A> product[C] = {};
        product_tile<A, C>(program, component, c0, density, product);
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) Arithmetic<A>::add(out[a * n + c0 + c], S[v * n + c0 + c], product[c]);
    }
}

template <class A, int C>
inline void couple_tile_back(
    const EmbeddingProgram<typename A::T> &program, const typename A::T *S, int c0, const Number<A> *density,
    const Number<A> *adjoint, Number<A> *bar, Vec<typename A::T> *to_S) {
    using X = Number<A>;
    const int n = program.n_channels;
    for (int component = 0; component < program.n_components; ++component) {
        const int v = program.product_components[2 * component], a = program.product_components[2 * component + 1];
        const X *above = adjoint + a * n + c0;
        if (to_S) {
            X product[C] = {};
            product_tile<A, C>(program, component, c0, density, product);
            ACNN_UNROLL
            for (int c = 0; c < C; ++c) Arithmetic<A>::add_share(to_S[v * n + c0 + c], product[c], above[c]);
        }
        X to_product[C];
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) to_product[c] = Arithmetic<A>::scaled(S[v * n + c0 + c], above[c]);
        for (int t = program.product_start[component]; t < program.product_start[component + 1]; ++t) {
            const int p = program.product_factors[2 * t] * n + c0, q = program.product_factors[2 * t + 1] * n + c0;
            ACNN_UNROLL
            for (int c = 0; c < C; ++c) {
                const X scaled = Arithmetic<A>::scaled(program.product_coefficients[t], to_product[c]);
                Arithmetic<A>::add(bar[p + c], scaled, density[q + c]);  // one after the other: factors may be the same
                Arithmetic<A>::add(bar[q + c], scaled, density[p + c]);
            }
        }
    }
}

// Writes P.
template <class A>
inline void couple(
    const EmbeddingProgram<typename A::T> &program, const typename A::T *S, const Number<A> *density, Number<A> *out) {
    const int n = program.n_channels, n_harmonics = (program.shared.l_max + 1) * (program.shared.l_max + 1);
    for (int i = 0; i < n_harmonics * n; ++i) out[i] = Number<A>{};
    int c = 0;
    for (; c + 4 <= n; c += 4) couple_tile<A, 4>(program, S, c, density, out);
    for (; c < n; ++c) couple_tile<A, 1>(program, S, c, density, out);
}

// Adds to the adjoints `bar` of the densities, and to those of S in lanes if they are given.
template <class A>
inline void couple_back(
    const EmbeddingProgram<typename A::T> &program, const typename A::T *S, const Number<A> *density,
    const Number<A> *adjoint, Number<A> *bar, Vec<typename A::T> *to_S) {
    const int n = program.n_channels;
    int c = 0;
    for (; c + 4 <= n; c += 4) couple_tile_back<A, 4>(program, S, c, density, adjoint, bar, to_S);
    for (; c < n; ++c) couple_tile_back<A, 1>(program, S, c, density, adjoint, bar, to_S);
}

}  // namespace
