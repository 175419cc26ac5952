// Between rows of a workspace, one number for each atom, and the atoms' own rows in memory; sums over lanes.
#pragma once

#include "lane_vector.h"

namespace {

template <class T>
inline void copy(T *to, const T *from, int n) {
    for (int i = 0; i < n; ++i) to[i] = from[i];
}

template <class Value>
inline void fill(Value *rows, int64_t n, Value value) {
    for (int64_t i = 0; i < n; ++i) rows[i] = value;
}

// Writes rows 0 … n - 1, `step` apart, to the atoms' rows.
template <class T>
inline void store_rows(const Vec<T> *first, int step, int64_t n, T *const *atoms) {
    constexpr int W = Lane<T>::W;
    for (int64_t row = 0; row < n; row += W) {
        const int count = n - row < W ? (int)(n - row) : W;
        Vec<T> tile[W];
        for (int i = 0; i < W; ++i) tile[i] = i < count ? first[(row + i) * step] : Vec<T>{};
        transpose<T>(tile);
        for (int lane = 0; lane < W; ++lane)
            if (atoms[lane]) {
                if (count == W)
                    __builtin_memcpy(atoms[lane] + row, &tile[lane], sizeof(Vec<T>));
                else
                    copy<T>(atoms[lane] + row, (const T *)&tile[lane], count);
            }
    }
}

// Reads them; zero in lanes without an atom.
template <class T>
inline void load_rows(T const *const *atoms, int64_t n, Vec<T> *first, int step) {
    constexpr int W = Lane<T>::W;
    for (int64_t row = 0; row < n; row += W) {
        const int count = n - row < W ? (int)(n - row) : W;
        Vec<T> tile[W];
        for (int lane = 0; lane < W; ++lane) {
            tile[lane] = Vec<T>{};
            if (atoms[lane]) {
                if (count == W)
                    __builtin_memcpy(&tile[lane], atoms[lane] + row, sizeof(Vec<T>));
                else
                    copy<T>((T *)&tile[lane], atoms[lane] + row, count);
            }
        }
        transpose<T>(tile);
        for (int i = 0; i < count; ++i) first[(row + i) * step] = tile[i];
    }
}

// Adds the sum over the lanes of every row to out [n].
template <class T>
inline void add_over_lanes(const Vec<T> *rows, int64_t n, double *out) {
    constexpr int W = Lane<T>::W;
    int64_t row = 0;
    for (; row + W <= n; row += W) {
        Vec<T> tile[W];
        for (int i = 0; i < W; ++i) tile[i] = rows[row + i];
        transpose<T>(tile);
        for (int half = W / 2; half; half /= 2)
            for (int i = 0; i < half; ++i) tile[i] += tile[i + half];
        for (int i = 0; i < W; ++i) out[row + i] += (double)tile[0][i];
    }
    for (; row < n; ++row) {
        T sum = 0;
        for (int lane = 0; lane < W; ++lane) sum += rows[row][lane];
        out[row] += (double)sum;
    }
}

}  // namespace
