// A_nlm = Σ_k R_n(r_k) Y_lm(r̂_k) over a few slots, and back: G_lm = Σ_n Ā_nlm R_n, G'_lm = Σ_n Ā_nlm R'_n per slot.
// Small matrix products whose tiles stay in registers.
#pragma once

#include "lane_vector.h"
#include "program_views.h"

namespace {

using namespace acnn;

constexpr int TILE_C = 4, TILE_N = ACNN_REGISTERS == 32 ? 4 : 2, TILE_K = ACNN_REGISTERS == 32 ? 2 : 1;

template <class T, int N, int C>
inline void pool_tile(
    int n_slots, const Vec<T> *radial, int radial_stride, const Vec<T> *harmonic, int harmonic_stride, Vec<T> *density,
    int n_stride) {
    Vec<T> sum[N][C];
    ACNN_UNROLL
    for (int n = 0; n < N; ++n) {
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) sum[n][c] = density[n * n_stride + c];
    }
    for (int k = 0; k < n_slots; ++k) {
        const Vec<T> *r = radial + (int64_t)k * radial_stride, *h = harmonic + (int64_t)k * harmonic_stride;
        ACNN_UNROLL
        for (int n = 0; n < N; ++n) {
            ACNN_UNROLL
            for (int c = 0; c < C; ++c) sum[n][c] += r[n] * h[c];
        }
    }
    ACNN_UNROLL
    for (int n = 0; n < N; ++n) {
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) density[n * n_stride + c] = sum[n][c];
    }
}

template <class T, int N>
inline void pool_columns(
    int n_components, int n_slots, const Vec<T> *radial, int radial_stride, const Vec<T> *harmonic, int harmonic_stride,
    Vec<T> *density, int n_stride) {
    int c = 0;
    for (; c + TILE_C <= n_components; c += TILE_C)
        pool_tile<T, N, TILE_C>(n_slots, radial, radial_stride, harmonic + c, harmonic_stride, density + c, n_stride);
    const int left = n_components - c;
    if (left == 1)
        pool_tile<T, N, 1>(n_slots, radial, radial_stride, harmonic + c, harmonic_stride, density + c, n_stride);
    else if (left == 2)
        pool_tile<T, N, 2>(n_slots, radial, radial_stride, harmonic + c, harmonic_stride, density + c, n_stride);
    else if (left == 3)
        pool_tile<T, N, 3>(n_slots, radial, radial_stride, harmonic + c, harmonic_stride, density + c, n_stride);
}

// Adds n_slots slots to the densities of a block.
template <class T>
inline void pool(
    const Block &block, int n_slots, const Vec<T> *radial, int radial_stride, const Vec<T> *harmonic,
    int harmonic_stride, Vec<T> *rows) {
    const int components = 2 * block.l + 1;
    Vec<T> *density = rows + block.offset;
    harmonic += block.l * block.l;
    int n = 0;
    for (; n + TILE_N <= block.n_count; n += TILE_N)
        pool_columns<T, TILE_N>(
            components, n_slots, radial + n, radial_stride, harmonic, harmonic_stride, density + n * components,
            components);
    for (; n < block.n_count; ++n)
        pool_columns<T, 1>(
            components, n_slots, radial + n, radial_stride, harmonic, harmonic_stride, density + n * components,
            components);
}

template <class T, int K, int C>
inline void unpool_tile(
    int n_count, const Vec<T> *adjoint, int n_stride, const Vec<T> *radial, const Vec<T> *slope, int radial_stride,
    Vec<T> *values, Vec<T> *slopes, int out_stride) {
    Vec<T> g[K][C]{}, d[K][C]{};
    for (int n = 0; n < n_count; ++n) {
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) {
            const Vec<T> a = adjoint[n * n_stride + c];
            ACNN_UNROLL
            for (int k = 0; k < K; ++k) {
                g[k][c] += a * radial[k * radial_stride + n];
                d[k][c] += a * slope[k * radial_stride + n];
            }
        }
    }
    ACNN_UNROLL
    for (int k = 0; k < K; ++k) {
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) {
            values[k * out_stride + c] = g[k][c];
            slopes[k * out_stride + c] = d[k][c];
        }
    }
}

// Writes the rows l² … l² + 2l of G and G' for K slots.
template <class T, int K>
inline void unpool(
    const Block &block, const Vec<T> *adjoints, const Vec<T> *radial, const Vec<T> *slope, int radial_stride,
    Vec<T> *values, Vec<T> *slopes, int out_stride) {
    const int components = 2 * block.l + 1;
    const Vec<T> *adjoint = adjoints + block.offset;
    values += block.l * block.l;
    slopes += block.l * block.l;
    int c = 0;
    for (; c + TILE_C <= components; c += TILE_C)
        unpool_tile<T, K, TILE_C>(
            block.n_count, adjoint + c, components, radial, slope, radial_stride, values + c, slopes + c, out_stride);
    const int left = components - c;
    if (left == 1)
        unpool_tile<T, K, 1>(
            block.n_count, adjoint + c, components, radial, slope, radial_stride, values + c, slopes + c, out_stride);
    else if (left == 3)
        unpool_tile<T, K, 3>(
            block.n_count, adjoint + c, components, radial, slope, radial_stride, values + c, slopes + c, out_stride);
}

}  // namespace
