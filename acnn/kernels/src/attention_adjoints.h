// The way back through the layers of the embedding.
#pragma once

#include "attention_layers.h"

namespace {

// From the adjoints in `descriptors` to those of R_n and Y_a (`positions`; lane vectors only), and to the derivatives
// with respect to theta, which are added to theta_gradient if it is given.
template <class A>
inline void Layers<A>::backward(bool positions, double *theta_gradient) {
    if (positions) {
        fill<X>(radial_bar, (int64_t)batch.n_slots * N, X{});
        fill<X>(harmonic_bar, (int64_t)batch.n_slots * Y, X{});
    }
    const int64_t per_layer = program.n_descriptors / (program.n_layers + 1);
    fill<X>(bar, Y * C, X{});
    for (int k = program.n_layers; k >= 0; --k) {
        describe_back<A>(program, kept[k].density, square, descriptors + k * per_layer, bar);
        if (k == 0)
            pool_back(positions, theta_gradient);
        else
            attend_back(k, positions, theta_gradient);
    }
}

template <class A>
inline void Layers<A>::pool_back(bool positions, double *theta_gradient) {
    for_each_segment([&](int neighbor, int first, int end) {
        const int64_t W = table(0, neighbor).W;
        if (theta_gradient) {
            const X *sums = pooled + (int64_t)neighbor * Y * N;
            fill<Vec<T>>(to_W, N * CL, Vec<T>{});
            for (int l = 0; l <= L; ++l)
                Outer<A, Shares<A>>{2 * l + 1, N, C, sums + l * l * N, N, bar + l * l * C, C, to_W + l * C, CL}.run();
            add_over_lanes<T>(to_W, N * CL, theta_gradient + W);
        }
        if constexpr (A::ROWS == 1) {
            if (!positions) return;
            for (int l = 0; l <= L; ++l)
                Multiply<A, SameInLanes<A>>{2 * l + 1, C, N, bar + l * l * C, C, theta + W + l * C, 1, CL}.write(
                    pooled_bar + l * l * N, N);
            X *to_radial = radial_bar + (int64_t)first * N, *to_harmonic = harmonic_bar + (int64_t)first * Y;
            Multiply<A, OfLanes<A>>{end - first, Y, N, harmonic(first), Y, pooled_bar, N, 1}.add(to_radial, N);
            Multiply<A, OfLanes<A>>{end - first, N, Y, radial(first), N, pooled_bar, 1, N}.add(to_harmonic, Y);
        }
    });
}

// Leaves the adjoints of the densities below in `bar`.
template <class A>
inline void Layers<A>::attend_back(int k, bool positions, double *theta_gradient) {
    fill<X>(query_bar, Y * H, X{});
    fill<Vec<T>>(to_V, H * CL, Vec<T>{});
    for_each_segment([&](int neighbor, int begin, int end) {
        const Offsets at = table(k, neighbor);
        fill<Vec<T>>(to_W, N * CL, Vec<T>{});
        fill<Vec<T>>(to_U, N * H, Vec<T>{});
        fill<Vec<T>>(to_b, H, Vec<T>{});
        for_each_chunk(begin, end, [&](int first, int count) {
            attend_chunk_back(k, at, positions, first, count);
            if (theta_gradient) table_chunk_back(k, first, count);
            if constexpr (A::ROWS == 1)
                if (positions) position_chunk_back(k, at, first, count);
        });
        if (!theta_gradient) return;
        add_over_lanes<T>(to_W, N * CL, theta_gradient + at.W);
        add_over_lanes<T>(to_U, N * H, theta_gradient + at.U);
        add_over_lanes<T>(to_b, H, theta_gradient + at.b);
    });
    const Offsets at = table(k, 0);
    query_back(kept[k - 1].density, at.T, 0, theta_gradient, bar_below);
    if (program.n_couplings) {
        query_back(kept[k].coupled, at.T, C, theta_gradient, coupled_bar);
        fill<Vec<T>>(to_S, program.n_couplings * C, Vec<T>{});
        couple_back<A>(
            program, theta + at.S, kept[k - 1].density, coupled_bar, bar_below, theta_gradient ? to_S : nullptr);
    }
    X *const above = bar;
    bar = bar_below;
    bar_below = above;
    if (!theta_gradient) return;
    add_over_lanes<T>(to_T, seen * (L + 1) * H, theta_gradient + at.T);
    add_over_lanes<T>(to_V, CL * H, theta_gradient + at.V);
    add_over_lanes<T>(to_S, program.n_couplings * C, theta_gradient + at.S);
}

// From the adjoints of Q to those of A or P, which are written, and to those of the rows of T from `channel` on.
template <class A>
inline void Layers<A>::query_back(const X *density, int64_t table, int channel, bool of_theta, X *density_bar) {
    for (int l = 0; l <= L; ++l) {
        const int64_t rows = (l * seen + channel) * H;
        const X *query = query_bar + l * l * H;
        Multiply<A, SameInLanes<A>>{2 * l + 1, H, C, query, H, theta + table + rows, 1, H}.write(
            density_bar + l * l * C, C);
        if (!of_theta) continue;
        fill<Vec<T>>(to_T + rows, C * H, Vec<T>{});
        Outer<A, Shares<A>>{2 * l + 1, C, H, density + l * l * C, C, query, H, to_T + rows, H}.run();
    }
}

// Adjoints of g in `products`, of φ in `adjoints`, of t in `logit_bar`, of Q, and of Y_a as far as A depends on them.
template <class A>
inline void Layers<A>::attend_chunk_back(int k, const Offsets &at, bool positions, int first, int count) {
    const X *const root = kept[k].root + (int64_t)first * H;
    for (int l = 0; l <= L; ++l) {
        const int64_t column = (int64_t)first * CL + l * C;
        const X *const gate = kept[k].gate + column, *const phi = kept[k].phi + column;
        X *const to_gate = products + l * C, *const to_phi = adjoints + l * C, *const product = gated;
        const int stride = CL, C = this->C;
        Multiply<A, OfLanes<A>>{count, 2 * l + 1, C, harmonic(first) + l * l, Y, bar + l * l * C, C, 1}.finish(
            [=](int s, int c, X sum) {
                const X g = gate[s * stride + c], f = phi[s * stride + c];
                to_gate[s * stride + c] = Arithmetic<A>::times(f, sum);
                to_phi[s * stride + c] = Arithmetic<A>::times(g, sum);
                product[s * C + c] = Arithmetic<A>::times(g, f);
            });
        if constexpr (A::ROWS == 1)
            if (positions && l > 0)
                Multiply<A, OfLanes<A>>{count, C, 2 * l + 1, product, C, bar + l * l * C, 1, C}.add(
                    harmonic_bar + (int64_t)first * Y + l * l, Y);
    }
    X *const to_logit = logit_bar;
    const int H = this->H;
    Multiply<A, SameInLanes<A>>{count, CL, H, products, CL, theta + at.V, 1, CL}.finish([=](int s, int h, X sum) {
        const X u = root[s * H + h];
        to_logit[s * H + h] = Arithmetic<A>::times(Arithmetic<A>::times(u, Arithmetic<A>::times(u, u)), sum);
    });
    Outer<A, Sums<A>>{count, Y, H, harmonic(first), Y, logit_bar, H, query_bar, H}.run();
}

template <class A>
inline void Layers<A>::table_chunk_back(int k, int first, int count) {
    const X *weight = kept[k].weight + (int64_t)first * H;
    Outer<A, Shares<A>>{count, N, CL, radial(first), N, adjoints, CL, to_W, CL}.run();
    Outer<A, Shares<A>>{count, N, H, radial(first), N, logit_bar, H, to_U, H}.run();
    Outer<A, Shares<A>>{count, H, CL, weight, H, products, CL, to_V, CL}.run();
    for (int s = 0; s < count; ++s)
        for (int h = 0; h < H; ++h) to_b[h] += Arithmetic<A>::share(logit_bar[s * H + h]);
}

template <class A>
inline void Layers<A>::position_chunk_back(int k, const Offsets &at, int first, int count) {
    X *to_radial = radial_bar + (int64_t)first * N, *to_harmonic = harmonic_bar + (int64_t)first * Y;
    Multiply<A, SameInLanes<A>>{count, CL, N, adjoints, CL, theta + at.W, 1, CL}.add(to_radial, N);
    Multiply<A, SameInLanes<A>>{count, H, N, logit_bar, H, theta + at.U, 1, H}.add(to_radial, N);
    Multiply<A, OfLanes<A>>{count, H, Y, logit_bar, H, kept[k].query, 1, H}.add(to_harmonic, Y);
}

// From the adjoints of R_n and Y_a to those of the vectors, written or added.
template <class A>
inline void Layers<A>::store_gradients(T *gradients, bool add) {
    for (int k = 0; k < batch.n_slots; ++k)
        store_token_gradient<T>(
            program, batch, k, radial_bar + (int64_t)k * N, harmonic_bar + (int64_t)k * Y, tokens, gradients, add);
}

}  // namespace
