// Rows of the design matrix of one structure: its energy, forces and virial per basis function.
#pragma once

#include "basis_functions.h"

namespace {

// ∂A_c/∂r of one slot for the densities of its neighbor element, in three sets of n_rows.
template <class T>
inline void density_tangents(
    const Program<T> &program, const ElementProgram<T> &element, int k, int neighbor, BasisWorkspace<T> &w) {
    const int n_harmonics = (program.l_max + 1) * (program.l_max + 1);
    const Vec<T> *radial = w.slots.radial + (int64_t)k * w.slots.stride;
    const Vec<T> *slope = w.slots.radial_slope + (int64_t)k * w.slots.stride;
    const Vec<T> direction[3] = {w.slots.x[k], w.slots.y[k], w.slots.z[k]};
    slot_harmonics<T>(program, k, w);
    for (int i = 0; i < element.n_blocks; ++i) {
        const Block &block = element.blocks[i];
        if (block.neighbor != neighbor) continue;
        int row = block.offset;
        for (int n = 0; n < block.n_count; ++n)
            for (int c = block.l * block.l; c < (block.l + 1) * (block.l + 1); ++c, ++row) {
                const Vec<T> along = slope[n] * w.harmonic[c];
                for (int axis = 0; axis < 3; ++axis)
                    w.tangents[(int64_t)axis * element.n_rows + row] =
                        along * direction[axis] + radial[n] * w.harmonic[(axis + 1) * n_harmonics + c];
            }
    }
}

// Adds sign · g to the rows of one atom per lane, `count` columns from `column` on; g holds three sets of `stride`.
template <class T>
inline void scatter(
    const Rows<T> &rows, const int64_t *atoms, T sign, int64_t column, int count, const Vec<T> *g, int stride) {
    for (int lane = 0; lane < Lane<T>::W; ++lane) {
        if (atoms[lane] < 0) continue;
        for (int axis = 0; axis < 3; ++axis) {
            T *out = rows.forces + (3 * atoms[lane] + axis) * rows.n_functions + column;
            for (int i = 0; i < count; ++i) out[i] += sign * g[axis * stride + i][lane];
        }
    }
}

// What the derivative g of functions with respect to one slot's vector adds: to the force on the neighbor now, to that on
// the center and to the virial when the batch ends.
template <class T>
struct RowSums {
    const Rows<T> &rows;
    Vec<T> *forces, *virials;
    int stride;

    inline void clear() {
        for (int i = 0; i < 3 * stride; ++i) forces[i] = Vec<T>{};
        for (int i = 0; i < 6 * stride; ++i) virials[i] = Vec<T>{};
    }

    inline void add(
        int k, const int64_t *neighbors, const Slots<T> &slots, int first, int64_t column, int count, const Vec<T> *g) {
        const Vec<T> r = 1 / slots.inverse[k];
        const Vec<T> x = slots.x[k] * r, y = slots.y[k] * r, z = slots.z[k] * r;
        for (int i = 0; i < count; ++i) {
            const Vec<T> gx = g[i], gy = g[count + i], gz = g[2 * count + i];
            forces[first + i] += gx;
            forces[stride + first + i] += gy;
            forces[2 * stride + first + i] += gz;
            Vec<T> *v = virials + 6 * (first + i);
            v[0] += x * gx;
            v[1] += y * gy;
            v[2] += z * gz;
            v[3] += y * gz + z * gy;
            v[4] += x * gz + z * gx;
            v[5] += x * gy + y * gx;
        }
        scatter<T>(rows, neighbors, -1, column, count, g, count);
    }

    inline void finish(int64_t column, int count) {
        scatter<T>(rows, rows.centers, 1, column, count, forces, stride);
        for (int i = 0; i < count; ++i)
            for (int c = 0; c < 6; ++c) {
                T sum = 0;
                for (int lane = 0; lane < Lane<T>::W; ++lane) sum += virials[6 * i + c][lane];
                rows.virial[c * rows.n_functions + column + i] -= c < 3 ? sum : sum / 2;
            }
    }
};

template <class T>
void rows(const Program<T> &program, const Batch<T> &batch, const Rows<T> &out) {
    constexpr int W = Lane<T>::W;
    const ElementProgram<T> &element = program.elements[batch.element];
    const Invariants<T> &b = element.invariants;
    const int S = program.n_elements, n_pair = element.n_pair_functions;
    BasisWorkspace<T> w((Vec<T> *)batch.workspace, program, element, batch.n_slots);
    forward<T>(program, batch, w);
    for (int e = 0; e < b.n_entries; ++e) w.entries[e] = derivative_entry<T>(b, e, w.f);
    const auto add_energy = [&](int64_t column, Vec<T> value) {
        for (int lane = 0; lane < W; ++lane) out.energy[column] += value[lane];
    };
    const auto entry = [&](int e) { return w.entries[e]; };
    for (int k = 0; k < b.n_functions; ++k)
        add_energy(b.first_column + k, contract<T>(b, S, k, b.inverse_order[k], w.f, entry));
    const T y00 = program.alpha[0];
    RowSums<T> sums{out, w.sums, w.virials, b.n_functions};
    sums.clear();
    int64_t neighbors[W];
    const auto find_neighbors = [&](int k) {
        for (int lane = 0; lane < W; ++lane) {
            const int64_t pair = batch.pair[(int64_t)k * W + lane];
            neighbors[lane] = pair >= 0 ? out.pair_j[pair] : -1;
        }
    };
    for_each_slot<T>(program, batch, [&](int k, int neighbor, bool near) {
        if (!near || !element.n_radial[neighbor]) return;
        find_neighbors(k);
        density_tangents<T>(program, element, k, neighbor, w);
        const Vec<T> *slope = w.slots.radial_slope + (int64_t)k * w.slots.stride;
        const Vec<T> *tx = w.tangents, *ty = tx + element.n_rows, *tz = ty + element.n_rows;
        for (int first = 0; first < b.n_functions; first += W) {
            const int count = b.n_functions - first < W ? b.n_functions - first : W;
            Vec<T> g[3 * W];
            for (int i = 0; i < count; ++i) {
                const int at = (first + i) * S + neighbor;
                Vec<T> gx{}, gy{}, gz{}, radial{};
                for (int e = b.entry_start[at]; e < b.entry_start[at + 1]; ++e) {
                    const Vec<T> d = w.entries[e];
                    const int c = b.component[e];
                    gx += d * tx[c];
                    gy += d * ty[c];
                    gz += d * tz[c];
                }
                for (int t = b.linear_start[at]; t < b.linear_start[at + 1]; ++t)
                    radial += b.linear_value[t] * slope[b.linear_n[t]];
                radial *= y00;
                g[i] = gx + radial * w.slots.x[k];
                g[count + i] = gy + radial * w.slots.y[k];
                g[2 * count + i] = gz + radial * w.slots.z[k];
            }
            sums.add(k, neighbors, w.slots, first, b.first_column + first, count, g);
        }
    });
    sums.finish(b.first_column, b.n_functions);
    if (!n_pair) return;
    for (int s = 0; s < S; ++s) {
        RowSums<T> pair_sums{out, w.sums, w.virials, n_pair};
        pair_sums.clear();
        const int64_t column = element.pair_columns[s];
        for_each_slot<T>(program, batch, [&](int k, int neighbor, bool) {
            if (neighbor != s) return;
            find_neighbors(k);
            pair_functions<T>(program, batch, k, s, w);
            for (int n = 0; n < n_pair; ++n) {
                add_energy(column + n, (T)0.5 * w.pair[n]);
                const Vec<T> slope = (T)0.5 * w.pair_slope[n];
                w.tangents[n] = slope * w.slots.x[k];
                w.tangents[n_pair + n] = slope * w.slots.y[k];
                w.tangents[2 * n_pair + n] = slope * w.slots.z[k];
            }
            pair_sums.add(k, neighbors, w.slots, 0, column, n_pair, w.tangents);
        });
        pair_sums.finish(column, n_pair);
    }
}

}  // namespace
