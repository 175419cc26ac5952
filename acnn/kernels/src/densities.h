// From the pair vectors of a batch to its densities, and from their adjoints back to dE/dr of every pair.
#pragma once

#include "harmonics.h"
#include "pooling.h"
#include "radial_functions.h"

namespace {

// Slots whose radial functions and harmonics are in the first-level cache together.
constexpr int CHUNK = 8;

template <class T>
struct Slots {
    Vec<T> *x, *y, *z, *inverse, *slope, *radial, *radial_slope;
    int stride;
    // Where the functions of single distances are summed later: rows of all of them, and memory for sums over slots.
    bool keep_all;
    Vec<T> *pair, *pair_slope, *sums;
};

template <class T>
struct Workspace {
    Slots<T> slots;
    Vec<T> *harmonics, *legendre, *phases, *values, *f, *bar;
    int64_t rows;

    Workspace(
        Vec<T> *memory, const Program<T> &program, const ElementProgram<T> &element, int64_t n_slots,
        bool keep_all = false) {
        const int64_t n_harmonics = (program.l_max + 1) * (program.l_max + 1);
        int stride = 0;
        for (int s = 0; s < program.n_elements; ++s)
            stride = element.n_radial[s] > stride ? element.n_radial[s] : stride;
        if (keep_all && element.n_scalar > stride) stride = element.n_scalar;
        Arena<T> arena{memory, 0};
        slots.stride = stride;
        slots.keep_all = keep_all;
        slots.pair = arena.take(keep_all ? n_slots * element.n_pair : 0);
        slots.pair_slope = arena.take(keep_all ? n_slots * element.n_pair : 0);
        slots.sums = arena.take(keep_all ? element.n_scalar + element.n_pair : 0);
        slots.x = arena.take(n_slots);
        slots.y = arena.take(n_slots);
        slots.z = arena.take(n_slots);
        slots.inverse = arena.take(n_slots);
        slots.slope = arena.take(n_slots);
        slots.radial = arena.take(n_slots * stride);
        slots.radial_slope = arena.take(n_slots * stride);
        harmonics = arena.take(CHUNK * n_harmonics);
        legendre = arena.take(n_harmonics + 1);
        phases = arena.take(2 * program.l_max + 2);
        values = arena.take(2 * TILE_K * n_harmonics);
        f = arena.take(element.n_rows);
        bar = arena.take(element.n_rows);
        rows = arena.used;
    }
};

// Unit vectors of a slot; lanes without a neighbor get a harmless one and the mask 0.
template <class T>
inline Vec<T> load_slot(const Program<T> &program, const Batch<T> &batch, int k, Slots<T> &slots, Vec<T> &mask) {
    constexpr int W = Lane<T>::W;
    const int64_t *pair = batch.pair + (int64_t)k * W;
    Vec<T> x{}, y{}, z{};
    for (int lane = 0; lane < W; ++lane) {
        const bool there = pair[lane] >= 0;
        const T *vector = batch.vectors + 3 * (there ? pair[lane] : 0);
        x[lane] = there ? vector[0] : program.cutoff;
        y[lane] = there ? vector[1] : 0;
        z[lane] = there ? vector[2] : 0;
        mask[lane] = there ? 1 : 0;
    }
    const Vec<T> r = square_root<T>(x * x + y * y + z * z), inverse = 1 / r;
    slots.x[k] = x * inverse;
    slots.y[k] = y * inverse;
    slots.z[k] = z * inverse;
    slots.inverse[k] = inverse;
    return r;
}

// A series whose sum is taken later, from all of its functions.
template <class T>
inline Series<T> kept_whole(Series<T> series, Vec<T> *kept, Vec<T> *kept_slope) {
    series.n_kept = series.n_kept > series.n_summed ? series.n_kept : series.n_summed;
    series.n_summed = 0;
    series.kept = kept;
    series.kept_slope = kept_slope;
    return series;
}

// Everything that depends on distances alone, for `count` slots of one neighbor element: the pair energy, and R_n for the
// densities. One short loop after the other, so that the processor overlaps the slots: each alone is a chain of operations
// that wait for one another.
template <class T>
inline void radial_part(
    const Program<T> &program, const Batch<T> &batch, int neighbor, bool near, int first, int count, Slots<T> &slots,
    Vec<T> &energy) {
    const ElementProgram<T> &element = program.elements[batch.element];
    Vec<T> r[CHUNK], mask[CHUNK], y[CHUNK], y_slope[CHUNK], pair_y[CHUNK], pair_y_slope[CHUNK], slope[CHUNK];
    for (int k = 0; k < count; ++k) {
        mask[k] = slope[k] = Vec<T>{};
        r[k] = load_slot<T>(program, batch, first + k, slots, mask[k]);
    }
    for (int k = 0; k < count; ++k) {
        const Agnesi<T> a = agnesi<T>(element.transforms[neighbor], r[k]);
        const Agnesi<T> b = agnesi<T>(element.pair_transforms[neighbor], r[k]);
        const Vec<T> both = 1 / (a.denominator * b.denominator);
        const Vec<T> inverse_a = b.denominator * both, inverse_b = a.denominator * both;
        y[k] = a.numerator * inverse_a;
        y_slope[k] = a.factor * inverse_a * inverse_a * slots.inverse[first + k];
        pair_y[k] = b.numerator * inverse_b;
        pair_y_slope[k] = b.factor * inverse_b * inverse_b * slots.inverse[first + k];
    }
    for (int k = 0; k < count && near; ++k) {
        const int64_t row = (int64_t)(first + k) * slots.stride;
        Series<T> series = shaped_series<T>(
            element, neighbor, r[k], y[k], y_slope[k], mask[k], slots.radial + row, slots.radial_slope + row);
        if (slots.keep_all) series = kept_whole<T>(series, series.kept, series.kept_slope);
        sum_series<T>(program.recurrence, series, energy, slope[k]);
    }
    for (int k = 0; k < count && element.n_pair; ++k) {
        const int64_t row = (int64_t)(first + k) * element.n_pair;
        Series<T> series = pair_series<T>(
            program, element, neighbor, r[k], slots.inverse[first + k], pair_y[k], pair_y_slope[k], mask[k]);
        if (slots.keep_all) series = kept_whole<T>(series, slots.pair + row, slots.pair_slope + row);
        sum_series<T>(program.pair_recurrence, series, energy, slope[k]);
    }
    for (int k = 0; k < count && program.zbl; ++k)
        zbl<T>(program, batch.element, neighbor, r[k], mask[k], energy, slope[k]);
    for (int k = 0; k < count; ++k) slots.slope[first + k] = slope[k];
}

template <class T>
inline void store_gradient(const Batch<T> &batch, int k, const Vec<T> *gradient, T *gradients) {
    constexpr int W = Lane<T>::W;
    const int64_t *pair = batch.pair + (int64_t)k * W;
    for (int lane = 0; lane < W; ++lane)
        if (pair[lane] >= 0)
            for (int axis = 0; axis < 3; ++axis) gradients[3 * pair[lane] + axis] = gradient[axis][lane];
}

// The densities of a batch, and on the way the energy of its pairs.
template <class T>
inline void densities(const Program<T> &program, const Batch<T> &batch, Workspace<T> &w, Vec<T> &pair_energy) {
    const ElementProgram<T> &element = program.elements[batch.element];
    const int n_harmonics = (program.l_max + 1) * (program.l_max + 1);
    for (int b = 0; b < element.n_blocks; ++b) {
        const Block &block = element.blocks[b];
        for (int i = 0; i < block.n_count * (2 * block.l + 1); ++i) w.f[block.offset + i] = Vec<T>{};
    }
    int begin = 0;
    for (int segment = 0; segment < 2 * program.n_elements; ++segment) {
        const bool near = segment < program.n_elements;
        const int neighbor = near ? segment : segment - program.n_elements, end = batch.segment_end[segment];
        for (int first = begin; first < end; first += CHUNK) {
            const int count = end - first < CHUNK ? end - first : CHUNK;
            radial_part<T>(program, batch, neighbor, near, first, count, w.slots, pair_energy);
            if (!near || !element.n_radial[neighbor]) continue;
            for (int k = 0; k < count; ++k) {
                const int slot = first + k;
                legendre_and_phases<T>(
                    program, w.slots.x[slot], w.slots.y[slot], w.slots.z[slot], w.legendre, w.phases);
                harmonics<T>(program.l_max, w.legendre, w.phases, w.harmonics + k * n_harmonics);
            }
            for (int b = 0; b < element.n_blocks; ++b)
                if (element.blocks[b].neighbor == neighbor)
                    pool<T>(
                        element.blocks[b], count, w.slots.radial + (int64_t)first * w.slots.stride, w.slots.stride,
                        w.harmonics, n_harmonics, w.f);
        }
        begin = end;
    }
}

template <class T, int K>
inline void slot_gradients(
    const Program<T> &program, const Batch<T> &batch, int neighbor, int first, Workspace<T> &w, T *gradients) {
    const ElementProgram<T> &element = program.elements[batch.element];
    const int n_harmonics = (program.l_max + 1) * (program.l_max + 1);
    Vec<T> *values = w.values, *slopes = w.values + TILE_K * n_harmonics;
    const int64_t row = (int64_t)first * w.slots.stride;
    for (int i = 0; i < 2 * TILE_K * n_harmonics; ++i) w.values[i] = Vec<T>{};
    for (int b = 0; b < element.n_blocks; ++b)
        if (element.blocks[b].neighbor == neighbor)
            unpool<T, K>(
                element.blocks[b], w.bar, w.slots.radial + row, w.slots.radial_slope + row, w.slots.stride, values,
                slopes, n_harmonics);
    for (int k = 0; k < K; ++k) {
        const int slot = first + k;
        Vec<T> g[3];
        gradient<T>(
            program, w.slots.x[slot], w.slots.y[slot], w.slots.z[slot], w.slots.inverse[slot], w.slots.slope[slot],
            values + k * n_harmonics, slopes + k * n_harmonics, w.legendre, w.phases, g);
        store_gradient<T>(batch, slot, g, gradients);
    }
}

// From the adjoints of the densities to dE/dr of every pair.
template <class T>
inline void pair_gradients(const Program<T> &program, const Batch<T> &batch, Workspace<T> &w, T *gradients) {
    const ElementProgram<T> &element = program.elements[batch.element];
    int k = 0;
    for (int segment = 0; segment < 2 * program.n_elements; ++segment) {
        const bool near = segment < program.n_elements;
        const int neighbor = near ? segment : segment - program.n_elements, end = batch.segment_end[segment];
        if (near && element.n_radial[neighbor]) {
            for (; k + TILE_K <= end; k += TILE_K) slot_gradients<T, TILE_K>(program, batch, neighbor, k, w, gradients);
            for (; k < end; ++k) slot_gradients<T, 1>(program, batch, neighbor, k, w, gradients);
        }
        for (; k < end; ++k) {
            const Vec<T> slope = w.slots.slope[k];
            const Vec<T> g[3] = {slope * w.slots.x[k], slope * w.slots.y[k], slope * w.slots.z[k]};
            store_gradient<T>(batch, k, g, gradients);
        }
    }
}

}  // namespace
