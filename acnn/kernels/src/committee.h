// Several models that differ in their coefficients alone, on one set of radial functions, harmonics, densities and products.
#pragma once

#include "densities.h"
#include "products.h"

namespace {

template <class T>
int64_t members_bytes(const Program<T> &program, int32_t element, int32_t n_slots) {
    return Workspace<T>(nullptr, program, program.elements[element], n_slots, true).rows * (int64_t)sizeof(Vec<T>);
}

// One member's coefficients as those of a model of its own.
template <class T>
inline ElementProgram<T> member_of(const Program<T> &program, const ElementProgram<T> &element, int64_t member) {
    ElementProgram<T> own = element;
    own.scalar_coefficients += member * program.n_elements * element.n_scalar;
    own.pair_coefficients += member * program.n_elements * element.n_pair;
    own.complex_tiles.coefficients += member * element.complex_tiles.start[element.complex_tiles.count] * COMPLEX_TILE;
    own.real_tiles.coefficients += member * element.real_tiles.start[element.real_tiles.count] * REAL_TILE;
    return own;
}

// Adds to sums the ½ fᵀ M f of MEMBERS members: every product of two rows once, then a multiplication for each member.
template <class T, bool COMPLEX>
inline void add_form(const Form<T> &form, int64_t group, const Vec<T> *f, DoubleSum<T> *sums) {
    const T *value = form.values + group * form.start[form.count] * MEMBERS;
    for (int r = 0; r < form.count; ++r) {
        const Vec<T> *row = f + form.rows[r];
        const Vec<T> x = row[0], y = COMPLEX ? row[1] : Vec<T>{};
        Vec<T> part[MEMBERS]{};
        for (int j = form.start[r]; j < form.start[r + 1]; ++j, value += MEMBERS) {
            const Vec<T> *column = f + form.columns[j];
            Vec<T> product = x * column[0];
            if (COMPLEX) product += y * column[1];
            ACNN_UNROLL
            for (int m = 0; m < MEMBERS; ++m) part[m] += splat<T>(value[m]) * product;
        }
        for (int m = 0; m < MEMBERS; ++m) sums[m].add(part[m]);
    }
}

// Σ_k R_n(r_k) over the slots first … end, n_functions rows of `sums`.
template <class T>
inline void sum_slots(const Vec<T> *kept, int stride, int n_functions, int first, int end, Vec<T> *sums) {
    for (int n = 0; n < n_functions; ++n) {
        Vec<T> sum{};
        for (int k = first; k < end; ++k) sum += kept[(int64_t)k * stride + n];
        sums[n] = sum;
    }
}

template <class T>
inline Vec<T> dot(int n, const T *coefficients, const Vec<T> *values) {
    Vec<T> sum{};
    for (int i = 0; i < n; ++i) sum += coefficients[i] * values[i];
    return sum;
}

// Energies of the functions of single distances, into energies [n_members, W].
template <class T>
inline void scalar_energies(
    const Program<T> &program, const Batch<T> &batch, const ElementProgram<T> &element, const Slots<T> &slots,
    double *energies) {
    constexpr int W = Lane<T>::W;
    for (int64_t m = 0; m < program.n_members; ++m)
        for (int lane = 0; lane < W; ++lane) energies[m * W + lane] = 0;
    int first = 0;
    for (int segment = 0; segment < 2 * program.n_elements; ++segment) {
        const bool near = segment < program.n_elements;
        const int neighbor = near ? segment : segment - program.n_elements, end = batch.segment_end[segment];
        if (first == end) continue;
        const int n_scalar = near ? element.n_scalar : 0;
        sum_slots<T>(slots.radial, slots.stride, n_scalar, first, end, slots.sums);
        sum_slots<T>(slots.pair, element.n_pair, element.n_pair, first, end, slots.sums + n_scalar);
        for (int64_t m = 0; m < program.n_members; ++m) {
            const ElementProgram<T> own = member_of<T>(program, element, m);
            const T *scalar = own.scalar_coefficients + neighbor * element.n_scalar;
            const T *pair = own.pair_coefficients + neighbor * element.n_pair;
            const Vec<T> value =
                dot<T>(n_scalar, scalar, slots.sums) + dot<T>(element.n_pair, pair, slots.sums + n_scalar);
            for (int lane = 0; lane < W; ++lane) energies[m * W + lane] += (double)value[lane];
        }
        first = end;
    }
}

// Σ_n c_n F_n of K slots, added to `sums`: each alone is a chain of operations that wait for one another.
template <class T, int K>
inline void add_dots(int n, const T *coefficients, const Vec<T> *values, int stride, Vec<T> *sums) {
    Vec<T> own[K];
    ACNN_UNROLL
    for (int k = 0; k < K; ++k) own[k] = sums[k];
    for (int i = 0; i < n; ++i) {
        ACNN_UNROLL
        for (int k = 0; k < K; ++k) own[k] += coefficients[i] * values[(int64_t)k * stride + i];
    }
    ACNN_UNROLL
    for (int k = 0; k < K; ++k) sums[k] = own[k];
}

template <class T, int K>
inline void slot_slopes(const ElementProgram<T> &own, int neighbor, bool near, int k, Slots<T> &slots) {
    for (int i = 0; i < K; ++i) slots.slope[k + i] = Vec<T>{};
    add_dots<T, K>(
        own.n_pair, own.pair_coefficients + neighbor * own.n_pair, slots.pair_slope + (int64_t)k * own.n_pair,
        own.n_pair, slots.slope + k);
    add_dots<T, K>(
        near ? own.n_scalar : 0, own.scalar_coefficients + neighbor * own.n_scalar,
        slots.radial_slope + (int64_t)k * slots.stride, slots.stride, slots.slope + k);
}

// Derivatives of one member's functions of single distances, into slots.slope.
template <class T>
inline void scalar_slopes(
    const Program<T> &program, const Batch<T> &batch, const ElementProgram<T> &own, Slots<T> &slots) {
    int k = 0;
    for (int segment = 0; segment < 2 * program.n_elements; ++segment) {
        const bool near = segment < program.n_elements;
        const int neighbor = near ? segment : segment - program.n_elements;
        const int end = batch.segment_end[segment];
        for (; k + 8 <= end; k += 8) slot_slopes<T, 8>(own, neighbor, near, k, slots);
        for (; k < end; ++k) slot_slopes<T, 1>(own, neighbor, near, k, slots);
    }
}

// Adds the energies of the members first … of one group.
template <class T>
inline void add_energies(
    const Program<T> &program, const ElementProgram<T> &element, int first, const Vec<T> *f, double *energies) {
    constexpr int W = Lane<T>::W;
    DoubleSum<T> sums[MEMBERS]{};
    add_form<T, true>(element.complex_form, first / MEMBERS, f, sums);
    add_form<T, false>(element.real_form, first / MEMBERS, f, sums);
    for (int64_t m = first; m < first + MEMBERS && m < program.n_members; ++m)
        for (int lane = 0; lane < W; ++lane) energies[m * W + lane] += sums[m - first].lanes[lane];
}

// Adds one member's energies [W] and writes its gradients [n_pairs, 3].
template <class T>
inline void member_gradients(
    const Program<T> &program, const Batch<T> &batch, const ElementProgram<T> &own, Workspace<T> &w, double *energies,
    T *gradients) {
    DoubleSum<T> twice{};
    quadratic_form<T>(own, w.f, w.bar, twice);
    for (int lane = 0; lane < Lane<T>::W; ++lane) energies[lane] += 0.5 * twice.lanes[lane];
    multiply_backward<T>(own, w.f, w.bar);
    scalar_slopes<T>(program, batch, own, w.slots);
    pair_gradients<T>(program, batch, w, gradients);
}

// See LaneKernels.
template <class T>
void members(const Program<T> &program, const Batch<T> &batch, int64_t n_pairs, double *energies, T *gradients) {
    const ElementProgram<T> &element = program.elements[batch.element];
    Workspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots, true);
    Vec<T> none{};
    w.f[element.n_rows - 2] = w.f[element.n_rows - 1] = Vec<T>{};
    densities<T>(program, batch, w, none);
    multiply<T>(element, w.f);
    scalar_energies<T>(program, batch, element, w.slots, energies);
    for (int m = 0; m < program.n_members && !gradients; m += MEMBERS)
        add_energies<T>(program, element, m, w.f, energies);
    for (int64_t m = 0; m < program.n_members && gradients; ++m)
        member_gradients<T>(
            program, batch, member_of<T>(program, element, m), w, energies + m * Lane<T>::W,
            gradients + 3 * n_pairs * m);
}

}  // namespace
