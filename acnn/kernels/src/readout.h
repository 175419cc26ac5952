// The readout network of one element in lanes, forward and back (acnn/models/readout.py is the definition).
//
// Its energies level off below those of the training data.
//
//     t_k = bias_k + W_kᵀ h_{k-1},  h_k = g(t_k),  h_0 = D,  g(t) = t/2 (1 + t u),  g'(t) = ½ (1 + t u + t u³),  u = 1/√(1 + t²)
#pragma once

#include "embedding_views.h"
#include "lane_vector.h"

namespace {

using namespace acnn;

// Outputs of a layer that are summed together in registers.
constexpr int TILE = ACNN_REGISTERS == 32 ? 16 : 8;
// Inputs of a layer that stay in the first-level cache while the weights pass by.
constexpr int INPUTS = 96;
// Inputs by which the weights are fetched ahead.
constexpr int AHEAD = 16, CACHE_LINE = 64;

inline int64_t padded(int64_t n) { return (n + TILE - 1) / TILE * TILE; }

// out_o = start_o + Σ_i in_i weight_io; `out` has rows for whole tiles, no start is zero.
template <class T>
__attribute__((noinline)) void dense(
    int n_in, int n_out, const Vec<T> *in, const T *weights, const T *start, Vec<T> *out) {
    for (int first = 0; first < n_in; first += INPUTS) {
        const int count = n_in - first < INPUTS ? n_in - first : INPUTS;
        for (int o0 = 0; o0 < n_out; o0 += TILE) {
            const T *w = weights + ((int64_t)o0 * n_in + (int64_t)first * TILE);
            const Vec<T> *x = in + first;
            Vec<T> *y = out + o0, sum[TILE];
            ACNN_UNROLL
            for (int o = 0; o < TILE; ++o) sum[o] = first ? y[o] : start ? splat<T>(start[o0 + o]) : Vec<T>{};
            for (int i = 0; i < count; ++i, ++x, w += TILE) {
                for (int o = 0; o < TILE; o += CACHE_LINE / (int)sizeof(T)) __builtin_prefetch(w + AHEAD * TILE + o);
                ACNN_UNROLL
                for (int o = 0; o < TILE; ++o) sum[o] += w[o] * *x;
            }
            ACNN_UNROLL
            for (int o = 0; o < TILE; ++o) y[o] = sum[o];
        }
    }
}

template <class T>
struct ReadoutRows {
    const Readout<T> &readout;
    Vec<T> *values, *slopes;  // h and g' of all hidden layers, one after the other
    int64_t n_rows;

    ReadoutRows(Arena<T> &arena, const Readout<T> &readout) : readout(readout), n_rows(0) {
        for (int k = 0; k < readout.n_hidden; ++k) n_rows += padded(readout.hidden[k].outputs);
        values = arena.take(n_rows);
        slopes = arena.take(n_rows);
    }

    // Returns h of the last layer.
    const Vec<T> *forward(const Vec<T> *in) {
        Vec<T> *h = values, *slope = slopes;
        for (int k = 0; k < readout.n_hidden; ++k) {
            const Dense<T> &layer = readout.hidden[k];
            dense<T>(layer.inputs, layer.outputs, in, layer.forward, layer.bias, h);
            for (int i = 0; i < layer.outputs; ++i) {
                const Vec<T> t = h[i], u = inverse_square_root<T>(1 + t * t), s = t * u;
                h[i] = (T)0.5 * t * (1 + s);
                slope[i] = (T)0.5 * (1 + s + s * (u * u));
            }
            in = h;
            h += padded(layer.outputs);
            slope += padded(layer.outputs);
        }
        return in;
    }

    DoubleSum<T> energy(const Vec<T> *descriptors) {
        DoubleSum<T> sum{};
        const Vec<T> *last = forward(descriptors);
        for (int i = 0; i < readout.hidden[readout.n_hidden - 1].outputs; ++i)
            sum.add(readout.out[i] * (last[i] - readout.at_zero[i]));
        for (int64_t d = 0; d < readout.hidden[0].inputs; d += TILE) {
            Vec<T> part{};
            for (int i = 0; i < TILE && d + i < readout.hidden[0].inputs; ++i)
                part += readout.skip[d + i] * descriptors[d + i];
            sum.add(part);
        }
        return sum;
    }

    // The energies of f, in place, and their slope.
    Vec<T> level_off(double *energies) const {
        const double width = 0.5 * (readout.high - readout.low);
        Vec<T> slope = splat<T>(1);
        for (int lane = 0; lane < Lane<T>::W; ++lane) {
            const double below = readout.low - energies[lane];
            if (!(below > 0)) continue;
            const double u = below / width, root = __builtin_sqrt(1 + u * u);
            energies[lane] = readout.low - below / root;
            slope[lane] = (T)(1 / (root * root * root));
        }
        return slope;
    }

    // The adjoints of D for these of f; rows are for whole tiles.
    void backward(Vec<T> of_energy, Vec<T> *adjoints) {
        int64_t row = n_rows;
        const T *above = readout.out;
        for (int k = readout.n_hidden - 1; k >= 0; --k) {
            const Dense<T> &layer = readout.hidden[k];
            row -= padded(layer.outputs);
            Vec<T> *bar = values + row, *below = k ? bar - padded(layer.inputs) : adjoints;
            for (int i = 0; i < layer.outputs; ++i)
                bar[i] = above ? above[i] * slopes[row + i] : bar[i] * slopes[row + i];
            dense<T>(layer.outputs, layer.inputs, bar, layer.back, k ? nullptr : readout.skip, below);
            above = nullptr;
        }
        for (int i = 0; i < readout.hidden[0].inputs; ++i) adjoints[i] *= of_energy;
    }
};

}  // namespace
