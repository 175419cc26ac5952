// Real spherical harmonics of one slot of neighbors, with their derivatives.
#pragma once

#include "lane_vector.h"
#include "program_views.h"

namespace {

using namespace acnn;

// P̄_lm(z) and (x + iy)^m with Y_lm = P̄_lm (x + iy)^m: rows l (l + 1) / 2 + m, and cosine and sine of m at 2m and 2m + 1.
// P̄_lm = alpha z P̄_{l-1,m} + beta P̄_{l-2,m}; the constant P̄_ll is alpha_ll.
template <class T>
inline void legendre_and_phases(
    const Program<T> &program, Vec<T> x, Vec<T> y, Vec<T> z, Vec<T> *legendre, Vec<T> *phases) {
    phases[0] = splat<T>(1);
    phases[1] = Vec<T>{};
    for (int m = 1; m <= program.l_max; ++m) {
        phases[2 * m] = phases[2 * m - 2] * x - phases[2 * m - 1] * y;
        phases[2 * m + 1] = phases[2 * m - 1] * x + phases[2 * m - 2] * y;
    }
    for (int l = 0; l <= program.l_max; ++l) {
        const int row = l * (l + 1) / 2, below = row - l, second = below - (l - 1);
        legendre[row + l] = splat<T>(program.alpha[row + l]);
        for (int m = 0; m < l; ++m) {
            Vec<T> value = (program.alpha[row + m] * z) * legendre[below + m];
            if (m <= l - 2) value += program.beta[row + m] * legendre[second + m];
            legendre[row + m] = value;
        }
    }
}

// Real components of Y_lm: row l² + c, c as in Block.
template <class T>
inline void harmonics(int l_max, const Vec<T> *legendre, const Vec<T> *phases, Vec<T> *values) {
    for (int l = 0; l <= l_max; ++l) {
        const Vec<T> *row = legendre + l * (l + 1) / 2;
        Vec<T> *out = values + l * l;
        out[0] = row[0];
        for (int m = 1; m <= l; ++m) {
            out[2 * m - 1] = row[m] * phases[2 * m];
            out[2 * m] = row[m] * phases[2 * m + 1];
        }
    }
}

// ∂Y_lm(r̂)/∂r: rows as in `harmonics`, in three sets of (l_max + 1)² for x, y, z.
template <class T>
inline void harmonic_gradients(
    int l_max, const T *slope, Vec<T> x, Vec<T> y, Vec<T> z, Vec<T> inverse, const Vec<T> *legendre,
    const Vec<T> *phases, Vec<T> *out) {
    const int n = (l_max + 1) * (l_max + 1);
    const auto store = [&](int row, Vec<T> gx, Vec<T> gy, Vec<T> gz) {
        const Vec<T> inward = x * gx + y * gy + z * gz;
        out[row] = (gx - x * inward) * inverse;
        out[row + n] = (gy - y * inward) * inverse;
        out[row + 2 * n] = (gz - z * inward) * inverse;
    };
    for (int l = 0; l <= l_max; ++l)
        for (int m = 0; m <= l; ++m) {
            const int lm = l * (l + 1) / 2 + m, row = l * l + (m ? 2 * m - 1 : 0);
            const Vec<T> tilt = m < l ? slope[lm] * legendre[lm + 1] : Vec<T>{};
            const Vec<T> turn = (T)m * legendre[lm];
            const Vec<T> cosine = m ? turn * phases[2 * m - 2] : Vec<T>{},
                         sine = m ? turn * phases[2 * m - 1] : Vec<T>{};
            store(row, cosine, -sine, tilt * phases[2 * m]);
            if (m) store(row + 1, sine, cosine, tilt * phases[2 * m + 1]);
        }
}

// The gradient with respect to r of Σ_lm G_lm Y_lm(r̂) + Σ_lm G'_lm Y_lm r, that is of functions whose radial part has the
// value in G and the derivative in G' (rows as in `harmonics`), plus `radial` along r̂.
template <class T>
inline void gradient(
    const Program<T> &program, Vec<T> x, Vec<T> y, Vec<T> z, Vec<T> inverse, Vec<T> radial, const Vec<T> *values,
    const Vec<T> *slopes, Vec<T> *legendre, Vec<T> *phases, Vec<T> *out) {
    legendre_and_phases<T>(program, x, y, z, legendre, phases);
    Vec<T> gx{}, gy{}, gz{};
    for (int m = 0; m <= program.l_max; ++m) {
        Vec<T> along_re{}, along_im{}, turn_re{}, turn_im{}, tilt_re{}, tilt_im{};
        for (int l = m; l <= program.l_max; ++l) {
            const int lm = l * (l + 1) / 2 + m, c = l * l + (m ? 2 * m - 1 : 0);
            const Vec<T> p = legendre[lm], dp = m < l ? program.slope[lm] * legendre[lm + 1] : Vec<T>{};
            along_re += p * slopes[c];
            turn_re += p * values[c];
            tilt_re += dp * values[c];
            if (m) {
                along_im += p * slopes[c + 1];
                turn_im += p * values[c + 1];
                tilt_im += dp * values[c + 1];
            }
        }
        const Vec<T> cosine = phases[2 * m], sine = phases[2 * m + 1];
        radial += along_re * cosine + along_im * sine;
        gz += tilt_re * cosine + tilt_im * sine;
        if (m) {
            const Vec<T> before_cosine = (T)m * phases[2 * m - 2], before_sine = (T)m * phases[2 * m - 1];
            gx += turn_re * before_cosine + turn_im * before_sine;
            gy += turn_im * before_cosine - turn_re * before_sine;
        }
    }
    const Vec<T> inward = radial - (x * gx + y * gy + z * gz) * inverse;
    out[0] = gx * inverse + x * inward;
    out[1] = gy * inverse + y * inward;
    out[2] = gz * inverse + z * inward;
}

}  // namespace
