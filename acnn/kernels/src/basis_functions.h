// What a basis program computes: the invariants B, products with their Jacobian from either side, and design-matrix rows.
#pragma once

#include "densities.h"
#include "products.h"

namespace {

using namespace acnn;

template <class T>
struct BasisWorkspace : Workspace<T> {
    Vec<T> *pair, *pair_slope, *pair_sums, *harmonic, *tangents, *entries, *sums, *virials;
    int64_t rows;

    BasisWorkspace(Vec<T> *memory, const Program<T> &program, const ElementProgram<T> &element, int64_t n_slots)
        : Workspace<T>(memory, program, element, n_slots) {
        const int64_t n_harmonics = (program.l_max + 1) * (program.l_max + 1);
        const Invariants<T> &b = element.invariants;
        const int64_t n_functions = b.n_functions > element.n_pair_functions ? b.n_functions : element.n_pair_functions;
        Arena<T> arena{memory, Workspace<T>::rows};
        pair = arena.take(element.n_pair_functions);
        pair_slope = arena.take(element.n_pair_functions);
        pair_sums = arena.take((int64_t)element.n_pair_functions * program.n_elements);
        harmonic = arena.take(4 * n_harmonics);
        tangents = arena.take(3 * (int64_t)(element.n_rows + element.n_pair_functions));
        entries = arena.take(b.n_entries);
        sums = arena.take(3 * (n_functions + Lane<T>::W));
        virials = arena.take(6 * n_functions);
        rows = arena.used;
    }
};

template <class T>
int64_t basis_bytes(const Program<T> &program, int32_t element, int32_t n_slots) {
    return BasisWorkspace<T>(nullptr, program, program.elements[element], n_slots).rows * (int64_t)sizeof(Vec<T>);
}

template <class T>
inline Vec<T> derivative_entry(const Invariants<T> &b, int entry, const Vec<T> *f) {
    Vec<T> value{};
    for (int t = b.term_start[entry]; t < b.term_start[entry + 1]; ++t) value += b.term_value[t] * f[b.term_row[t]];
    return value;
}

template <class T>
inline Vec<T> load_column(const T *const *lanes, int64_t column) {
    Vec<T> values{};
    for (int lane = 0; lane < Lane<T>::W; ++lane)
        if (lanes[lane]) values[lane] = lanes[lane][column];
    return values;
}

template <class T>
inline void store_column(T *const *lanes, int64_t column, Vec<T> values) {
    for (int lane = 0; lane < Lane<T>::W; ++lane)
        if (lanes[lane]) lanes[lane][column] = values[lane];
}

template <class T>
inline Vec<T> slot_mask(const Batch<T> &batch, int k) {
    Vec<T> mask{};
    for (int lane = 0; lane < Lane<T>::W; ++lane) mask[lane] = batch.pair[(int64_t)k * Lane<T>::W + lane] >= 0 ? 1 : 0;
    return mask;
}

// Calls action(slot, neighbor element, near) for every slot.
template <class T, class Action>
inline void for_each_slot(const Program<T> &program, const Batch<T> &batch, const Action &action) {
    int k = 0;
    for (int segment = 0; segment < 2 * program.n_elements; ++segment)
        for (; k < batch.segment_end[segment]; ++k)
            action(k, segment % program.n_elements, segment < program.n_elements);
}

// R^pair_n and its derivative of one slot, in w.pair and w.pair_slope.
template <class T>
inline void pair_functions(
    const Program<T> &program, const Batch<T> &batch, int k, int neighbor, BasisWorkspace<T> &w) {
    const ElementProgram<T> &element = program.elements[batch.element];
    const Vec<T> inverse = w.slots.inverse[k], r = 1 / inverse;
    const Agnesi<T> a = agnesi<T>(element.pair_transforms[neighbor], r);
    const Vec<T> whole = 1 / a.denominator;
    Series<T> series = pair_series<T>(
        program, element, neighbor, r, inverse, a.numerator * whole, a.factor * whole * whole * inverse,
        slot_mask<T>(batch, k));
    series.n_kept = element.n_pair_functions;
    series.kept = w.pair;
    series.kept_slope = w.pair_slope;
    series.n_summed = 0;
    Vec<T> unused{};
    sum_series<T>(program.pair_recurrence, series, unused, unused);
}

// Y_lm and ∂Y_lm/∂r of one slot, in w.harmonic.
template <class T>
inline void slot_harmonics(const Program<T> &program, int k, BasisWorkspace<T> &w) {
    const int l_max = program.l_max;
    const Vec<T> x = w.slots.x[k], y = w.slots.y[k], z = w.slots.z[k];
    legendre_and_phases<T>(program, x, y, z, w.legendre, w.phases);
    harmonics<T>(l_max, w.legendre, w.phases, w.harmonic);
    harmonic_gradients<T>(
        l_max, program.slope, x, y, z, w.slots.inverse[k], w.legendre, w.phases,
        w.harmonic + (l_max + 1) * (l_max + 1));
}

// Σ_c A_c ∂B_k/∂A_c with the products' share times `scale`, where entry(e) is the derivative of entry e: with the densities
// and 1/ν_k this is B_k, with their derivatives along a direction and 1 the derivative of B_k.
template <class T, class Entry>
inline Vec<T> contract(
    const Invariants<T> &b, int n_elements, int k, T scale, const Vec<T> *densities, const Entry &entry) {
    const int first = k * n_elements, last = first + n_elements;
    Vec<T> sum{};
    for (int e = b.entry_start[first]; e < b.entry_start[last]; ++e) sum += entry(e) * densities[b.component[e]];
    sum *= scale;
    for (int s = 0; s < n_elements; ++s)
        for (int t = b.linear_start[first + s]; t < b.linear_start[first + s + 1]; ++t)
            sum += b.linear_value[t] * densities[b.linear_row[s] + b.linear_n[t]];
    return sum;
}

template <class T>
inline void forward(const Program<T> &program, const Batch<T> &batch, BasisWorkspace<T> &w) {
    Vec<T> pair_energy{};
    densities<T>(program, batch, w, pair_energy);
    multiply<T>(program.elements[batch.element], w.f);
}

template <class T>
inline void store_pair_sums(
    const Program<T> &program, const ElementProgram<T> &element, const BasisWorkspace<T> &w, T *const *out) {
    for (int s = 0; s < program.n_elements; ++s)
        for (int n = 0; n < element.n_pair_functions; ++n)
            store_column<T>(out, element.pair_columns[s] + n, (T)0.5 * w.pair_sums[s * element.n_pair_functions + n]);
}

template <class T>
void values(const Program<T> &program, const Batch<T> &batch, T *const *out) {
    const ElementProgram<T> &element = program.elements[batch.element];
    BasisWorkspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots);
    const int n_pair = element.n_pair_functions;
    forward<T>(program, batch, w);
    const Invariants<T> &b = element.invariants;
    const auto entry = [&](int e) { return derivative_entry<T>(b, e, w.f); };
    for (int k = 0; k < b.n_functions; ++k)
        store_column<T>(out, b.first_column + k, contract<T>(b, program.n_elements, k, b.inverse_order[k], w.f, entry));
    for (int i = 0; i < n_pair * program.n_elements; ++i) w.pair_sums[i] = Vec<T>{};
    if (n_pair)
        for_each_slot<T>(program, batch, [&](int k, int neighbor, bool) {
            pair_functions<T>(program, batch, k, neighbor, w);
            for (int n = 0; n < n_pair; ++n) w.pair_sums[neighbor * n_pair + n] += w.pair[n];
        });
    store_pair_sums<T>(program, element, w, out);
}

template <class T>
void vjp(const Program<T> &program, const Batch<T> &batch, const T *const *adjoints, T *gradients) {
    const ElementProgram<T> &element = program.elements[batch.element];
    const Invariants<T> &b = element.invariants;
    const int S = program.n_elements, n_pair = element.n_pair_functions;
    BasisWorkspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots);
    forward<T>(program, batch, w);
    for (int i = 0; i < element.n_rows; ++i) w.bar[i] = Vec<T>{};
    for (int k = 0; k < b.n_functions; ++k) {
        const Vec<T> v = load_column<T>(adjoints, b.first_column + k);
        for (int e = b.entry_start[k * S]; e < b.entry_start[(k + 1) * S]; ++e)
            w.bar[b.component[e]] += v * derivative_entry<T>(b, e, w.f);
        for (int s = 0; s < S; ++s)
            for (int t = b.linear_start[k * S + s]; t < b.linear_start[k * S + s + 1]; ++t)
                w.bar[b.linear_row[s] + b.linear_n[t]] += b.linear_value[t] * v;
    }
    for (int s = 0; s < S; ++s)
        for (int n = 0; n < n_pair; ++n)
            w.pair_sums[s * n_pair + n] = (T)0.5 * load_column<T>(adjoints, element.pair_columns[s] + n);
    if (n_pair)
        for_each_slot<T>(program, batch, [&](int k, int neighbor, bool) {
            pair_functions<T>(program, batch, k, neighbor, w);
            for (int n = 0; n < n_pair; ++n) w.slots.slope[k] += w.pair_sums[neighbor * n_pair + n] * w.pair_slope[n];
        });
    pair_gradients<T>(program, batch, w, gradients);
}

template <class T>
void jvp(const Program<T> &program, const Batch<T> &batch, const T *directions, T *const *out) {
    const ElementProgram<T> &element = program.elements[batch.element];
    const int n_pair = element.n_pair_functions, n_harmonics = (program.l_max + 1) * (program.l_max + 1);
    BasisWorkspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots);
    forward<T>(program, batch, w);
    for (int i = 0; i < element.n_rows; ++i) w.bar[i] = Vec<T>{};
    for (int i = 0; i < n_pair * program.n_elements; ++i) w.pair_sums[i] = Vec<T>{};
    for_each_slot<T>(program, batch, [&](int k, int neighbor, bool near) {
        Vec<T> u[3]{};
        for (int lane = 0; lane < Lane<T>::W; ++lane) {
            const int64_t pair = batch.pair[(int64_t)k * Lane<T>::W + lane];
            for (int axis = 0; axis < 3 && pair >= 0; ++axis) u[axis][lane] = directions[3 * pair + axis];
        }
        const Vec<T> outward = w.slots.x[k] * u[0] + w.slots.y[k] * u[1] + w.slots.z[k] * u[2];
        if (n_pair) pair_functions<T>(program, batch, k, neighbor, w);
        for (int n = 0; n < n_pair; ++n) w.pair_sums[neighbor * n_pair + n] += outward * w.pair_slope[n];
        if (!near || !element.n_radial[neighbor]) return;
        slot_harmonics<T>(program, k, w);
        const Vec<T> *radial = w.slots.radial + (int64_t)k * w.slots.stride;
        const Vec<T> *slope = w.slots.radial_slope + (int64_t)k * w.slots.stride;
        for (int i = 0; i < n_harmonics; ++i)
            w.values[i] = w.harmonic[n_harmonics + i] * u[0] + w.harmonic[2 * n_harmonics + i] * u[1] +
                          w.harmonic[3 * n_harmonics + i] * u[2];
        for (int i = 0; i < element.n_blocks; ++i) {
            const Block &block = element.blocks[i];
            if (block.neighbor != neighbor) continue;
            Vec<T> *density = w.bar + block.offset;
            for (int n = 0; n < block.n_count; ++n)
                for (int c = block.l * block.l; c < (block.l + 1) * (block.l + 1); ++c, ++density)
                    *density += slope[n] * outward * w.harmonic[c] + radial[n] * w.values[c];
        }
    });
    const Invariants<T> &b = element.invariants;
    const auto entry = [&](int e) { return derivative_entry<T>(b, e, w.f); };
    for (int k = 0; k < b.n_functions; ++k)
        store_column<T>(out, b.first_column + k, contract<T>(b, program.n_elements, k, (T)1, w.bar, entry));
    store_pair_sums<T>(program, element, w, out);
}

}  // namespace
