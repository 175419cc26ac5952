// Radial functions and spherical harmonics of one slot of neighbors, with their derivatives.
#pragma once

#include "lane_vector.h"
#include "program_views.h"

namespace {

using namespace acnn;

// y(r) = numerator / denominator and the rest of dy/dr = factor / (denominator² r) of the Agnesi transform.
template <class T>
struct Agnesi {
    Vec<T> numerator, denominator, factor;
};

template <class T>
inline Agnesi<T> agnesi(const Transform<T> &t, Vec<T> r) {
    const Vec<T> s = r * t.inverse_r0;
    const Vec<T> sd = power<T>(s, t.q - t.p), sq = t.amplitude * power<T>(s, t.q);
    const Vec<T> numerator = 1 + sd;
    return {numerator, numerator + sq, -(sq * (t.q + t.p * sd))};
}

// A radial series Σ_n c_n F_n with F_1 = envelope and the recurrence of the polynomials, or with F_n from a table; the first
// n_kept F_n, F'_n are stored.
template <class T>
struct Series {
    Vec<T> x, x_slope, envelope, envelope_slope;
    int n_kept;
    Vec<T> *kept, *kept_slope;
    int n_summed;
    const T *coefficients;
    const RadialTable<T> *table;
    Vec<T> r, r_slope, mask;  // of the table: the distance, its slope, and 0 where there is nothing
};

template <class T>
inline void sum_table(const Series<T> &f, int n_max, Vec<T> &value, Vec<T> &derivative) {
    const RadialTable<T> &table = *f.table;
    for (int lane = 0; lane < Lane<T>::W; ++lane) {
        const T r = f.r[lane], place = (r - table.first) * table.per_step;
        const bool beyond = f.mask[lane] == 0 || place >= table.n_intervals;
        const int interval = beyond || !(place > 0) ? 0 : (int)place;
        const T t = place - interval, inverse = beyond ? 0 : 1 / r;
        const T *c = table.coefficients + (int64_t)interval * table.n_functions * 6;
        for (int n = 0; n < n_max; ++n, c += 6) {
            const T product = c[0] + t * (c[1] + t * (c[2] + t * (c[3] + t * (c[4] + t * c[5]))));
            const T rise = c[1] + t * (2 * c[2] + t * (3 * c[3] + t * (4 * c[4] + t * (5 * c[5]))));
            const T now = beyond ? 0 : product * inverse;
            const T now_slope = beyond ? 0 : (rise * table.per_step - now) * inverse * f.r_slope[lane];
            if (n < f.n_kept) {
                f.kept[n][lane] = now;
                f.kept_slope[n][lane] = now_slope;
            }
            if (n < f.n_summed) {
                value[lane] += f.coefficients[n] * now;
                derivative[lane] += f.coefficients[n] * now_slope;
            }
        }
    }
}

template <class T>
inline void sum_series(const Recurrence<T> &recurrence, const Series<T> &f, Vec<T> &value, Vec<T> &derivative) {
    const int n_max = f.n_kept > f.n_summed ? f.n_kept : f.n_summed;
    if (f.table) return sum_table<T>(f, n_max, value, derivative);
    Vec<T> before{}, before_slope{}, now = f.envelope, now_slope = f.envelope_slope, sum{}, sum_slope{};
    for (int n = 0; n < n_max; ++n) {
        if (n < f.n_kept) {
            f.kept[n] = now;
            f.kept_slope[n] = now_slope;
        }
        if (n < f.n_summed) {
            sum += f.coefficients[n] * now;
            sum_slope += f.coefficients[n] * now_slope;
        }
        const T u = recurrence.u[n], w = recurrence.w[n];
        const Vec<T> t = u * f.x - recurrence.v[n];
        const Vec<T> next = t * now - w * before;
        const Vec<T> next_slope = t * now_slope + ((u * f.x_slope) * now - w * before_slope);
        before = now;
        before_slope = now_slope;
        now = next;
        now_slope = next_slope;
    }
    value += sum;
    derivative += sum_slope;
}

// The densities' R_n, with the envelope (y - y_cut)³, zero in lanes without a neighbor.
template <class T>
inline Series<T> shaped_series(
    const ElementProgram<T> &element, int neighbor, Vec<T> r, Vec<T> y, Vec<T> y_slope, Vec<T> mask, Vec<T> *kept,
    Vec<T> *kept_slope) {
    const Transform<T> &t = element.transforms[neighbor];
    const Vec<T> excess = (y - t.y_cut) * mask, square = excess * excess;
    return {t.x_scale * y + t.x_shift,
            t.x_scale * y_slope,
            square * excess,
            3 * square * y_slope,
            element.n_radial[neighbor],
            kept,
            kept_slope,
            element.n_scalar,
            element.scalar_coefficients + neighbor * element.n_scalar,
            element.tables ? element.tables + neighbor : nullptr,
            r,
            splat<T>(1),
            mask};
}

// The pair part's R_n, with the envelope r0/r (1 - r/r_cut)³.
template <class T>
inline Series<T> pair_series(
    const Program<T> &program, const ElementProgram<T> &element, int neighbor, Vec<T> r, Vec<T> inverse, Vec<T> y,
    Vec<T> y_slope, Vec<T> mask) {
    const Transform<T> &t = element.pair_transforms[neighbor];
    mask = r < program.pair_cutoff ? mask : Vec<T>{};
    const T per_cutoff = 1 / program.pair_cutoff;
    const Vec<T> left = 1 - r * per_cutoff, tail = mask * (left * left) * (t.r0 * inverse);
    return {t.x_scale * y + t.x_shift,
            t.x_scale * y_slope,
            tail * left,
            -tail * (3 * per_cutoff + left * inverse),
            0,
            nullptr,
            nullptr,
            element.n_pair,
            element.pair_coefficients + neighbor * element.n_pair,
            element.pair_tables ? element.pair_tables + neighbor : nullptr,
            r,
            splat<T>(1),
            mask};
}

// Half of the screened nuclear repulsion of Ziegler, Biersack and Littmark, switched off at `reach`; rarely in range.
template <class T>
inline void zbl(
    const Program<T> &program, int element, int neighbor, Vec<T> r, Vec<T> mask, Vec<T> &value, Vec<T> &derivative) {
    constexpr double amplitudes[] = {0.18175, 0.50986, 0.28022, 0.02817};
    constexpr double exponents[] = {3.1998, 0.94229, 0.4029, 0.20162};
    const int pair = element * program.n_elements + neighbor;
    const double length = program.zbl_length[pair], reach = program.zbl_reach[pair];
    for (int lane = 0; lane < Lane<T>::W; ++lane) {
        const double distance = r[lane], x = distance / reach;
        if (mask[lane] == 0 || x >= 1) continue;
        double screening = 0, screening_slope = 0;
        for (int term = 0; term < 4; ++term) {
            const double part = amplitudes[term] * __builtin_exp(-exponents[term] * distance / length);
            screening += part;
            screening_slope -= exponents[term] / length * part;
        }
        const double on = 1 - x * x * x * (10 - 15 * x + 6 * x * x);
        const double on_slope = -30 * x * x * (1 - x) * (1 - x) / reach;
        const double coulomb = 0.5 * program.zbl_strength[pair] / distance;
        value[lane] += (T)(coulomb * screening * on);
        derivative[lane] += (T)(coulomb * (screening_slope * on + screening * on_slope - screening * on / distance));
    }
}

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
            const Vec<T> cosine = m ? turn * phases[2 * m - 2] : Vec<T>{}, sine = m ? turn * phases[2 * m - 1] : Vec<T>{};
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
