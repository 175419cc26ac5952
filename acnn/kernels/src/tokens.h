// Neighbors of a batch: radial functions R_n = f(r) P_n(x) with f = (1 - (r / r_cut)²)³ of the distance that is seen, and real
// harmonics Y_a, for every slot; in dual numbers with their derivatives along a direction u of all pair vectors.
#pragma once

#include "dual_numbers.h"
#include "embedding_views.h"
#include "harmonics.h"
#include "radial_functions.h"

namespace {

template <class A>
struct Tokens {
    typedef typename A::T T;
    int n_radial, n_harmonics;
    Vec<T> *x, *y, *z, *inverse, *slope;  // unit vectors, 1 / r, and R'_n
    Number<A> *radial, *harmonic;
    Vec<T> *legendre, *phases, *directed;  // of one slot

    Tokens(Arena<T> &arena, const EmbeddingProgram<T> &program, int64_t n_slots) {
        const int l_max = program.shared.l_max;
        n_radial = program.n_radial;
        n_harmonics = (l_max + 1) * (l_max + 1);
        x = arena.take(n_slots);
        y = arena.take(n_slots);
        z = arena.take(n_slots);
        inverse = arena.take(n_slots);
        slope = arena.take(n_slots * n_radial);
        radial = (Number<A> *)arena.take(A::ROWS * n_slots * n_radial);
        harmonic = (Number<A> *)arena.take(A::ROWS * n_slots * n_harmonics);
        legendre = arena.take((l_max + 1) * (l_max + 2) / 2 + 1);
        phases = arena.take(2 * l_max + 2);
        directed = arena.take(4 * n_harmonics + n_radial);
    }
};

// The vectors of a slot; `absent` along x in lanes without a neighbor.
template <class T>
inline void load_vectors(const int64_t *pair, const T *vectors, T absent, Vec<T> *out) {
    for (int lane = 0; lane < Lane<T>::W; ++lane) {
        const bool there = pair[lane] >= 0;
        const T *vector = vectors + 3 * (there ? pair[lane] : 0);
        out[0][lane] = there ? vector[0] : absent;
        out[1][lane] = there ? vector[1] : 0;
        out[2][lane] = there ? vector[2] : 0;
    }
}

// The distance that radial functions see and its slope: r above the inner cutoff, constant where t = 0, and between them with
// the slope 10t³ - 15t⁴ + 6t⁵.
template <class T>
struct Seen {
    Vec<T> distance, slope;
};

template <class T>
inline Seen<T> seen_distance(Vec<T> r, T inner, T width) {
    const Vec<T> zero{}, one = splat<T>(1), edge = splat<T>(inner);
    if (width == 0) return {r, one};
    Vec<T> t = (r - (inner - width)) * (1 / width);
    t = t < zero ? zero : t;
    t = t > one ? one : t;
    const Vec<T> square = t * t, above = r > edge ? r : edge;
    return {
        above - width * ((T)0.5 - square * square * ((T)2.5 - 3 * t + square)),
        t * square * (10 - 15 * t + 6 * square)};
}

template <class A>
inline void load_token(
    const EmbeddingProgram<typename A::T> &program, const Batch<typename A::T> &batch, int neighbor, int k,
    const typename A::T *directions, Tokens<A> &t) {
    using T = typename A::T;
    constexpr int W = Lane<T>::W;
    const Program<T> &shared = program.shared;
    const int64_t *pair = batch.pair + (int64_t)k * W;
    const T cutoff = shared.cutoff, per_square = 1 / (cutoff * cutoff);
    Vec<T> vector[3] = {}, mask{};
    load_vectors<T>(pair, batch.vectors, cutoff, vector);
    for (int lane = 0; lane < W; ++lane) mask[lane] = pair[lane] >= 0 ? 1 : 0;
    const Vec<T> square = vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2];
    const Vec<T> inverse = inverse_square_root<T>(square), r = square * inverse;
    const Vec<T> x = vector[0] * inverse, y = vector[1] * inverse, z = vector[2] * inverse;
    t.x[k] = x;
    t.y[k] = y;
    t.z[k] = z;
    t.inverse[k] = inverse;

    const int kind = batch.element * shared.n_elements + neighbor;
    const Transform<T> &transform = program.transforms[kind];
    const Seen<T> seen = seen_distance<T>(r, program.inner[kind], program.inner_width[kind]);
    const Agnesi<T> a = agnesi<T>(transform, seen.distance);
    const Vec<T> inverse_a = 1 / a.denominator, root = (1 - seen.distance * seen.distance * per_square) * mask;
    const Vec<T> y_slope = a.factor * inverse_a * inverse_a * seen.slope / seen.distance;
    Vec<T> unused{}, unused_slope{}, *slope = t.slope + (int64_t)k * t.n_radial;
    Vec<T> *values = A::ROWS == 1 ? (Vec<T> *)(t.radial + (int64_t)k * t.n_radial) : t.directed;
    sum_series<T>(
        shared.recurrence,
        {transform.x_scale * (a.numerator * inverse_a) + transform.x_shift, transform.x_scale * y_slope,
         root * root * root, (-6 * per_square) * seen.distance * seen.slope * root * root, t.n_radial, values, slope, 0,
         nullptr, program.tables ? program.tables + kind : nullptr, seen.distance, seen.slope, mask},
        unused, unused_slope);
    legendre_and_phases<T>(shared, x, y, z, t.legendre, t.phases);

    if constexpr (A::ROWS == 1) {
        harmonics<T>(shared.l_max, t.legendre, t.phases, t.harmonic + (int64_t)k * t.n_harmonics);
    } else {
        const int n = t.n_harmonics;
        Vec<T> u[3] = {}, *harmonic = t.directed + t.n_radial, *tilt = harmonic + n;
        load_vectors<T>(pair, directions, 0, u);
        harmonics<T>(shared.l_max, t.legendre, t.phases, harmonic);
        harmonic_gradients<T>(shared.l_max, shared.slope, x, y, z, inverse, t.legendre, t.phases, tilt);
        const Vec<T> along = x * u[0] + y * u[1] + z * u[2];
        for (int i = 0; i < t.n_radial; ++i) t.radial[(int64_t)k * t.n_radial + i] = {values[i], slope[i] * along};
        for (int c = 0; c < n; ++c)
            t.harmonic[(int64_t)k * n + c] = {
                harmonic[c], tilt[c] * u[0] + tilt[c + n] * u[1] + tilt[c + 2 * n] * u[2]};
    }
}

// From the adjoints of R_n and Y_a of a slot to the derivative with respect to its vectors, written or added.
template <class T>
inline void store_token_gradient(
    const EmbeddingProgram<T> &program, const Batch<T> &batch, int k, const Vec<T> *radial_bar,
    const Vec<T> *harmonic_bar, Tokens<Plain<T>> &t, T *gradients, bool add) {
    constexpr int W = Lane<T>::W;
    const Vec<T> *slope = t.slope + (int64_t)k * t.n_radial;
    Vec<T> radial{}, g[3];
    for (int i = 0; i < t.n_radial; ++i) radial += radial_bar[i] * slope[i];
    Vec<T> *nothing = t.directed;
    for (int c = 0; c < t.n_harmonics; ++c) nothing[c] = Vec<T>{};
    gradient<T>(
        program.shared, t.x[k], t.y[k], t.z[k], t.inverse[k], radial, harmonic_bar, nothing, t.legendre, t.phases, g);
    const int64_t *pair = batch.pair + (int64_t)k * W;
    for (int lane = 0; lane < W; ++lane)
        if (pair[lane] >= 0)
            for (int axis = 0; axis < 3; ++axis) {
                T &out = gradients[3 * pair[lane] + axis];
                out = add ? out + g[axis][lane] : g[axis][lane];
            }
}

}  // namespace
