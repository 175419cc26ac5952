// Radial functions of one slot of neighbors, with their derivatives, and the repulsion of nuclei.
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
    return {
        t.x_scale * y + t.x_shift,
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
    return {
        t.x_scale * y + t.x_shift,
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

}  // namespace
