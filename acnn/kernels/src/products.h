// Products of densities, their adjoints, and the quadratic form of the energy.
#pragma once

#include "lane_vector.h"
#include "program_views.h"

namespace {

using namespace acnn;

template <class T>
inline void multiply(const ElementProgram<T> &element, Vec<T> *f) {
    for (int g = 0; g < element.n_groups; ++g) {
        const ProductGroup group = element.groups[g];
        const Product *end = element.products + group.end;
        const Product *p = element.products + group.begin;
        switch (group.kind) {
        case REAL_REAL:
            for (; p < end; ++p) f[p->out] = f[p->left] * f[p->right];
            break;
        case REAL_COMPLEX:
            for (; p < end; ++p) {
                const Vec<T> a = f[p->left];
                f[p->out] = a * f[p->right];
                f[p->out + 1] = a * f[p->right + 1];
            }
            break;
        case COMPLEX_COMPLEX:
            for (; p < end; ++p) {
                const Vec<T> ar = f[p->left], ai = f[p->left + 1], br = f[p->right], bi = f[p->right + 1];
                f[p->out] = ar * br - ai * bi;
                f[p->out + 1] = ar * bi + ai * br;
            }
            break;
        default:
            for (; p < end; ++p) {
                const Vec<T> ar = f[p->left], ai = f[p->left + 1], br = f[p->right], bi = f[p->right + 1];
                f[p->out] = ar * br + ai * bi;
                f[p->out + 1] = ai * br - ar * bi;
            }
        }
    }
}

// From ∂E/∂(Re P), ∂E/∂(Im P) of the products to those of their factors, in reverse order.
template <class T>
inline void multiply_backward(const ElementProgram<T> &element, const Vec<T> *f, Vec<T> *bar) {
    for (int g = element.n_groups - 1; g >= 0; --g) {
        const ProductGroup group = element.groups[g];
        const Product *end = element.products + group.end;
        const Product *p = element.products + group.begin;
        switch (group.kind) {
        case REAL_REAL:
            for (; p < end; ++p) {
                const Vec<T> out = bar[p->out];
                bar[p->left] += out * f[p->right];
                bar[p->right] += out * f[p->left];
            }
            break;
        case REAL_COMPLEX:
            for (; p < end; ++p) {
                const Vec<T> re = bar[p->out], im = bar[p->out + 1], a = f[p->left];
                bar[p->left] += re * f[p->right] + im * f[p->right + 1];
                bar[p->right] += re * a;
                bar[p->right + 1] += im * a;
            }
            break;
        case COMPLEX_COMPLEX:
            for (; p < end; ++p) {
                const Vec<T> re = bar[p->out], im = bar[p->out + 1];
                const Vec<T> ar = f[p->left], ai = f[p->left + 1], br = f[p->right], bi = f[p->right + 1];
                bar[p->left] += re * br + im * bi;
                bar[p->left + 1] += im * br - re * bi;
                bar[p->right] += re * ar + im * ai;
                bar[p->right + 1] += im * ar - re * ai;
            }
            break;
        default:
            for (; p < end; ++p) {
                const Vec<T> re = bar[p->out], im = bar[p->out + 1];
                const Vec<T> ar = f[p->left], ai = f[p->left + 1], br = f[p->right], bi = f[p->right + 1];
                bar[p->left] += re * br - im * bi;
                bar[p->left + 1] += re * bi + im * br;
                bar[p->right] += re * ar + im * ai;
                bar[p->right + 1] += re * ai - im * ar;
            }
        }
    }
}

// bar = M f for rows that come as real and imaginary part with the same coefficients; returns Σ f · bar.
template <class T>
inline Vec<T> complex_tile(
    const int32_t *rows, int n_columns, const int32_t *columns, const T *coefficients, const Vec<T> *f, Vec<T> *bar) {
    Vec<T> re[COMPLEX_TILE]{}, im[COMPLEX_TILE]{};
    for (int j = 0; j < n_columns; ++j) {
        const Vec<T> *column = f + columns[j];
        const Vec<T> x = column[0], y = column[1];
        ACNN_UNROLL
        for (int r = 0; r < COMPLEX_TILE; ++r) {
            const Vec<T> c = splat<T>(coefficients[j * COMPLEX_TILE + r]);
            re[r] += c * x;
            im[r] += c * y;
        }
    }
    Vec<T> sum{};
    ACNN_UNROLL
    for (int r = 0; r < COMPLEX_TILE; ++r) {
        const int row = rows[r];
        bar[row] = re[r];
        bar[row + 1] = im[r];
        sum += re[r] * f[row] + im[r] * f[row + 1];
    }
    return sum;
}

template <class T>
inline Vec<T> real_tile(
    const int32_t *rows, int n_columns, const int32_t *columns, const T *coefficients, const Vec<T> *f, Vec<T> *bar) {
    Vec<T> value[REAL_TILE]{};
    for (int j = 0; j < n_columns; ++j) {
        const Vec<T> x = f[columns[j]];
        ACNN_UNROLL
        for (int r = 0; r < REAL_TILE; ++r) value[r] += splat<T>(coefficients[j * REAL_TILE + r]) * x;
    }
    Vec<T> sum{};
    ACNN_UNROLL
    for (int r = 0; r < REAL_TILE; ++r) {
        bar[rows[r]] = value[r];
        sum += value[r] * f[rows[r]];
    }
    return sum;
}

// bar = M f and Σ f · M f, which is twice the energy.
template <class T>
inline void quadratic_form(const ElementProgram<T> &element, const Vec<T> *f, Vec<T> *bar, DoubleSum<T> &twice) {
    for (int i = 0; i < element.n_idle; ++i) bar[element.idle[i]] = Vec<T>{};
    const Tiles<T> &c = element.complex_tiles, &r = element.real_tiles;
    for (int t = 0; t < c.count; ++t)
        twice.add(
            complex_tile<T>(
                c.rows + t * COMPLEX_TILE, c.start[t + 1] - c.start[t], c.columns + c.start[t],
                c.coefficients + (int64_t)c.start[t] * COMPLEX_TILE, f, bar));
    for (int t = 0; t < r.count; ++t)
        twice.add(
            real_tile<T>(
                r.rows + t * REAL_TILE, r.start[t + 1] - r.start[t], r.columns + r.start[t],
                r.coefficients + (int64_t)r.start[t] * REAL_TILE, f, bar));
}

}  // namespace
