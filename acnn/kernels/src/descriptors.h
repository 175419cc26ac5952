// Rotation invariants of densities A_ac (rows a · n_channels + c), and the way back.
//
//     order 1: A_0c          order 2: Σ_{a∈l} A_ac A_ac' / sqrt(2l + 1), c ≤ c'
//     order 3: Σ_t coefficient_t A_{a1(t) c} A_{a2(t) c} A_{a3(t) c}
#pragma once

#include "contraction.h"
#include "embedding_views.h"

namespace {

using namespace acnn;

template <class A>
inline void order_two(
    const EmbeddingProgram<typename A::T> &program, const Number<A> *density, Number<A> *square, Number<A> *out) {
    const int n = program.n_channels;
    for (int l = 0; l <= program.shared.l_max; ++l) {
        const Number<A> *rows = density + (int64_t)l * l * n;
        for (int i = 0; i < n * n; ++i) square[i] = Number<A>{};
        for (int c = 0; c < n; c += 4)
            Outer<A, Sums<A>>{2 * l + 1, n - c < 4 ? n - c : 4, n - c, rows + c, n, rows + c, n, square + c * n + c, n}
                .run();
        for (int c = 0; c < n; ++c)
            for (int d = c; d < n; ++d) *out++ = Arithmetic<A>::scaled(program.inverse_root[l], square[c * n + d]);
    }
}

template <class A>
inline void order_two_back(
    const EmbeddingProgram<typename A::T> &program, const Number<A> *density, Number<A> *square,
    const Number<A> *adjoint, Number<A> *bar) {
    using T = typename A::T;
    const int n = program.n_channels;
    for (int l = 0; l <= program.shared.l_max; ++l) {
        const int64_t first = (int64_t)l * l * n;
        for (int c = 0; c < n; ++c)
            for (int d = c; d < n; ++d) {
                const T factor = (c == d ? 2 : 1) * program.inverse_root[l];
                square[c * n + d] = square[d * n + c] = Arithmetic<A>::scaled(factor, *adjoint++);
            }
        Multiply<A, OfLanes<A>>{2 * l + 1, n, n, density + first, n, square, n, 1}.add(bar + first, n);
    }
}

template <class A, int C>
inline void order_three_tile(
    const EmbeddingProgram<typename A::T> &program, int c0, const Number<A> *density, Number<A> *out) {
    const int n = program.n_channels;
    for (int v = 0; v < program.n_invariants; ++v) {
        Number<A> sum[C] = {};
        for (int t = program.term_start[v]; t < program.term_start[v + 1]; ++t) {
            const int32_t *factor = program.factors + 3 * t;
            const Number<A> *p = density + factor[0] * n + c0, *q = density + factor[1] * n + c0,
                            *r = density + factor[2] * n + c0;
            ACNN_UNROLL
            for (int c = 0; c < C; ++c)
                Arithmetic<A>::add(
                    sum[c], Arithmetic<A>::scaled(program.coefficients[t], p[c]), Arithmetic<A>::times(q[c], r[c]));
        }
        ACNN_UNROLL
        for (int c = 0; c < C; ++c) out[v * n + c0 + c] = sum[c];
    }
}

template <class A, int C>
inline void order_three_tile_back(
    const EmbeddingProgram<typename A::T> &program, int c0, const Number<A> *density, const Number<A> *adjoint,
    Number<A> *bar) {
    using X = Number<A>;
    const int n = program.n_channels;
    for (int v = 0; v < program.n_invariants; ++v)
        for (int t = program.term_start[v]; t < program.term_start[v + 1]; ++t) {
            const int32_t *factor = program.factors + 3 * t;
            const int p = factor[0] * n + c0, q = factor[1] * n + c0, r = factor[2] * n + c0;
            ACNN_UNROLL
            for (int c = 0; c < C; ++c) {
                const X scaled = Arithmetic<A>::scaled(program.coefficients[t], adjoint[v * n + c0 + c]);
                const X first = density[p + c], second = density[q + c], third = density[r + c];
                const X to_first = Arithmetic<A>::times(scaled, second),
                        to_second = Arithmetic<A>::times(scaled, first);
                Arithmetic<A>::add(bar[p + c], to_first, third);  // one after the other: factors may be the same
                Arithmetic<A>::add(bar[q + c], to_second, third);
                Arithmetic<A>::add(bar[r + c], to_second, second);
            }
        }
}

// `square` is memory for n_channels² rows.
template <class A>
inline void describe(
    const EmbeddingProgram<typename A::T> &program, const Number<A> *density, Number<A> *square, Number<A> *out) {
    const int n = program.n_channels, n_two = (program.shared.l_max + 1) * (n * (n + 1) / 2);
    for (int c = 0; c < n; ++c) out[c] = density[c];
    order_two<A>(program, density, square, out + n);
    int c = 0;
    for (; c + 4 <= n; c += 4) order_three_tile<A, 4>(program, c, density, out + n + n_two);
    for (; c < n; ++c) order_three_tile<A, 1>(program, c, density, out + n + n_two);
}

// Adds to the adjoints `bar` of the densities.
template <class A>
inline void describe_back(
    const EmbeddingProgram<typename A::T> &program, const Number<A> *density, Number<A> *square,
    const Number<A> *adjoint, Number<A> *bar) {
    const int n = program.n_channels, n_two = (program.shared.l_max + 1) * (n * (n + 1) / 2);
    for (int c = 0; c < n; ++c) bar[c] = Arithmetic<A>::sum(bar[c], adjoint[c]);
    order_two_back<A>(program, density, square, adjoint + n, bar);
    int c = 0;
    for (; c + 4 <= n; c += 4) order_three_tile_back<A, 4>(program, c, density, adjoint + n + n_two, bar);
    for (; c < n; ++c) order_three_tile_back<A, 1>(program, c, density, adjoint + n + n_two, bar);
}

}  // namespace
