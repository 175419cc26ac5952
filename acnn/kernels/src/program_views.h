// Views of a compiled program (acnn/kernels/program.py says what the arrays mean) and the interface between the driver,
// which is compiled once, and the lane kernels, which are compiled once per instruction set. Plain data only: nothing here
// may emit code, or the linker could keep the copy that was compiled for the newest processor.
#pragma once

#include <cstdint>

namespace acnn {

// y(r) = 1 / (1 + a s^q / (1 + s^(q-p))), s = r / r0, and x = x_scale y + x_shift in [-1, 1].
template <class T>
struct Transform {
    T inverse_r0, amplitude, p, q, y_cut, x_scale, x_shift;
    T r0;  // 1 / inverse_r0
};

// Radial functions without a closed form here: r R_n by quintic splines between the first knot and the cutoff, one polynomial
// in t = (r - knot) / step for every interval. Below the first knot the first of them goes on.
template <class T>
struct RadialTable {
    int32_t n_intervals, n_functions;
    T first, per_step;      // Å, 1/Å
    const T *coefficients;  // [n_intervals, n_functions, 6] of t⁰ … t⁵
};

// P_{n+1} = (u x - v) P_n - w P_{n-1}
template <class T>
struct Recurrence {
    const T *u, *v, *w;
};

// The densities A_nlm of one neighbor element and degree: n = 1 … n_count, component c = 0 … 2l at
// row offset + (n - 1) (2l + 1) + c; the components are m = 0, Re m = 1, Im m = 1, Re m = 2, …
struct Block {
    int32_t neighbor, l, n_count, offset;
};

// Products left · right (or left · conj(right)) of complex rows (re, im = re + 1) or real rows.
enum ProductKind : int32_t { REAL_REAL, REAL_COMPLEX, COMPLEX_COMPLEX, COMPLEX_CONJUGATE };
struct ProductGroup {
    int32_t kind, begin, end;
};
struct Product {
    int32_t left, right, out;
};

constexpr int COMPLEX_TILE = 4, REAL_TILE = 6;

// Rows of a symmetric sparse matrix, `rows` at a time, that share a list of columns.
template <class T>
struct Tiles {
    int32_t count;
    const int32_t *rows;     // [count, tile]
    const int32_t *start;    // [count + 1] into columns
    const int32_t *columns;  // [n]
    const T *coefficients;   // [n, tile]
};

// The upper half of a symmetric sparse matrix M, in rows, with the values of MEMBERS members beside one another such that
// ½ fᵀ M f = Σ value f_row f_column.
constexpr int MEMBERS = 8;
template <class T>
struct Form {
    int32_t count;
    const int32_t *rows;     // [count]
    const int32_t *start;    // [count + 1] into columns
    const int32_t *columns;  // [n]
    const T *values;         // [n_members / MEMBERS, n, MEMBERS]
};

// The invariants of one center element. Their derivatives are ∂B_k/∂A_c = Σ_t value_t f[row_t] + constants, where c are
// density rows; B_k = 1/ν_k Σ_c A_c ∂B_k/∂A_c of the products, plus the constants' share Σ_n value A_n00.
// "By k and s" is the index k · n_elements + s of a function and a neighbor element.
template <class T>
struct Invariants {
    int32_t n_functions, n_entries, first_column;
    const int32_t *entry_start;  // [n_functions n_elements + 1], by k and s
    const int32_t *component;    // [n_entries] density row c
    const int32_t *term_start;   // [n_entries + 1]
    const int32_t *term_row;
    const T *term_value;
    const T *inverse_order;       // [n_functions]
    const int32_t *linear_start;  // [n_functions n_elements + 1], by k and s
    const int32_t *linear_n;      // n - 1
    const T *linear_value;
    const int32_t *linear_row;  // [n_elements] density row of n = 1, l = 0; -1 for none
};

template <class T>
struct ElementProgram {
    int32_t n_blocks, n_rows, n_groups, n_idle, n_scalar, n_pair;
    const Block *blocks;
    const int32_t *n_radial;         // [n_elements] radial functions that enter densities
    const Transform<T> *transforms;  // [n_elements]
    const Transform<T> *pair_transforms;
    const RadialTable<T> *tables, *pair_tables;  // [n_elements] instead of transforms; null: there are none
    const T *scalar_coefficients;                // [n_elements, n_scalar]: Σ_n c_n R_n(r), energy programs
    const T *pair_coefficients;                  // [n_elements, n_pair]: Σ_n c_n R^pair_n(r)
    const ProductGroup *groups;
    const Product *products;
    const int32_t *idle;  // rows that no tile writes
    Tiles<T> complex_tiles, real_tiles;
    Form<T> complex_form, real_form;  // programs of several members
    Invariants<T> invariants;         // basis programs, as all below
    int32_t n_pair_functions;
    const int32_t *pair_columns;  // [n_elements] first column of the pair functions with a neighbor element
};

template <class T>
struct Program {
    int32_t n_elements, l_max, zbl;
    int32_t n_members;             // all coefficients are those of member 0, then of member 1, …
    T cutoff, pair_cutoff, reach;  // of the densities, of the pair part, of everything
    Recurrence<T> recurrence, pair_recurrence;
    const T *alpha, *beta, *slope;                   // harmonics, by l (l + 1) / 2 + m: see harmonics.h
    const T *zbl_length, *zbl_reach, *zbl_strength;  // [n_elements, n_elements]
    const ElementProgram<T> *elements;
};

// One batch: W atoms of one element. Slots hold the same neighbor element in every lane: first those inside the cutoff of
// the densities, by element, then those that only the pair part reaches.
template <class T>
struct Batch {
    int32_t element, n_slots;
    const int32_t *segment_end;  // [2 n_elements]
    const int64_t *pair;         // [n_slots, W], -1 for none
    const T *vectors;            // [n_pairs, 3]
    void *workspace;
};

// Sums over all atoms of one structure: Σ_i B_i, -∂/∂r of it, and its virial (Voigt), n_functions columns each.
template <class T>
struct Rows {
    int64_t n_functions;
    const int64_t *pair_j, *centers;  // centers of the lanes, -1 for none
    T *energy, *forces, *virial;      // [1], [3 n_atoms], [6] rows
};

template <class T>
struct LaneKernels {
    int32_t width;
    int64_t (*energy_bytes)(const Program<T> &, int32_t element, int32_t n_slots);
    void (*energy)(const Program<T> &, const Batch<T> &, double *energies, T *gradients, double *seconds);

    // Energies [n_members, width], gradients [n_members, n_pairs, 3] or null, which is faster.
    int64_t (*members_bytes)(const Program<T> &, int32_t element, int32_t n_slots);
    void (*members)(const Program<T> &, const Batch<T> &, int64_t n_pairs, double *energies, T *gradients);

    // Basis programs. Arrays of pointers hold one row of all functions per lane, null for lanes without an atom.
    int64_t (*basis_bytes)(const Program<T> &, int32_t element, int32_t n_slots);
    void (*values)(const Program<T> &, const Batch<T> &, T *const *values);
    void (*vjp)(const Program<T> &, const Batch<T> &, const T *const *adjoints, T *gradients);
    void (*jvp)(const Program<T> &, const Batch<T> &, const T *directions, T *const *derivatives);
    void (*rows)(const Program<T> &, const Batch<T> &, const Rows<T> &);
};

struct InstructionSet {
    LaneKernels<double> in_double;
    LaneKernels<float> in_single;
};

}  // namespace acnn
