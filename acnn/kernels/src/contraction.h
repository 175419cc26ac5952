// Small matrix products whose tiles stay in registers, over a few slots s. Rows follow one another in memory, slots and
// weights have strides.
#pragma once

#include "dual_numbers.h"

namespace {

template <int N>
struct Size {
    static constexpr int VALUE = N;
};

// Calls action(Size<n>, first) for pieces of FULL, and at the end of 3 or 2 rather than of 1: small tiles wait for their sums.
template <int FULL, class Action>
inline void cut(int n, const Action &action) {
    int at = 0;
    for (; n - at == FULL || n - at >= FULL + 2; at += FULL) action(Size<FULL>{}, at);
    if (n - at >= 3) {
        action(Size<3>{}, at);
        at += 3;
    }
    if (n - at == 2) action(Size<2>{}, at);
    if (n - at == 1) action(Size<1>{}, at);
}

// Edges of the tiles: slots by outputs of Multiply, and inputs by outputs of Outer.
template <class A>
struct Edges {
    static constexpr bool MANY = ACNN_REGISTERS == 32, PLAIN = A::ROWS == 1;
    static constexpr int S = MANY ? 4 : 2, O = PLAIN ? 4 : 2;
};

// A weight that is the same in all lanes, or one for each.
template <class A>
struct SameInLanes {
    typedef typename A::T Weight;
};
template <class A>
struct OfLanes {
    typedef Number<A> Weight;
};

// sum[s][o] = Σ_i in[s][i] weight[i][o], from start(s, o) on, and then finish(s, o, sum).
template <class A, class Kind>
struct Multiply {
    typedef typename Kind::Weight Weight;
    int n_slots, n_in, n_out;
    const Number<A> *in;
    int in_stride;
    const Weight *weight;
    int weight_in, weight_out;  // strides

    template <int S, int O, class Start, class Finish>
    inline void tile(int slot, int o0, const Start &start, const Finish &finish) const {
        const Number<A> *x = in + (int64_t)slot * in_stride;
        const Weight *w = weight + (int64_t)o0 * weight_out;
        Number<A> sum[S][O];
        ACNN_UNROLL
        for (int s = 0; s < S; ++s) {
            ACNN_UNROLL
            for (int o = 0; o < O; ++o) sum[s][o] = start(slot + s, o0 + o);
        }
        for (int i = 0; i < n_in; ++i, ++x, w += weight_in) {
            ACNN_UNROLL
            for (int o = 0; o < O; ++o) {
                ACNN_UNROLL
                for (int s = 0; s < S; ++s) Arithmetic<A>::add(sum[s][o], w[o * weight_out], x[s * in_stride]);
            }
        }
        ACNN_UNROLL
        for (int s = 0; s < S; ++s) {
            ACNN_UNROLL
            for (int o = 0; o < O; ++o) finish(slot + s, o0 + o, sum[s][o]);
        }
    }

    template <class Start, class Finish>
    __attribute__((noinline)) void run(const Start &start, const Finish &finish) const {
        cut<Edges<A>::S>(n_slots, [&](auto slots, int slot) {
            cut<Edges<A>::O>(n_out, [&](auto outs, int o) {
                tile<decltype(slots)::VALUE, decltype(outs)::VALUE>(slot, o, start, finish);
            });
        });
    }

    // The same from zero.
    template <class Finish>
    void finish(const Finish &each) const {
        run([](int, int) { return Number<A>{}; }, each);
    }
    template <class Start>
    void write_from(const Start &start, Number<A> *out, int stride) const {
        run([=](int, int o) { return start(o); }, [=](int s, int o, Number<A> sum) { out[s * stride + o] = sum; });
    }
    void write(Number<A> *out, int stride) const {
        finish([=](int s, int o, Number<A> sum) { out[s * stride + o] = sum; });
    }
    void add(Number<A> *out, int stride) const {
        run([=](int s, int o) { return out[s * stride + o]; },
            [=](int s, int o, Number<A> sum) { out[s * stride + o] = sum; });
    }
};

// Products with sums over slots: sum[i][o] += Σ_s x[s][i] y[s][o], and of these only the shares in derivatives with respect
// to theta.
template <class A>
struct Sums {
    typedef Number<A> Sum;
    static inline void add(Sum &sum, Number<A> x, Number<A> y) { Arithmetic<A>::add(sum, x, y); }
};
template <class A>
struct Shares {
    typedef Vec<typename A::T> Sum;
    static inline void add(Sum &sum, Number<A> x, Number<A> y) { Arithmetic<A>::add_share(sum, x, y); }
};

template <class A, class Kind>
struct Outer {
    typedef typename Kind::Sum Sum;
    int n_slots, n_in, n_out;
    const Number<A> *x;
    int x_stride;
    const Number<A> *y;
    int y_stride;
    Sum *sum;
    int sum_stride;

    template <int I, int O>
    inline void tile(int i0, int o0) const {
        const Number<A> *from = x + i0, *to = y + o0;
        Sum *first = sum + (int64_t)i0 * sum_stride + o0, total[I][O];
        ACNN_UNROLL
        for (int i = 0; i < I; ++i) {
            ACNN_UNROLL
            for (int o = 0; o < O; ++o) total[i][o] = first[i * sum_stride + o];
        }
        for (int s = 0; s < n_slots; ++s, from += x_stride, to += y_stride) {
            ACNN_UNROLL
            for (int i = 0; i < I; ++i) {
                ACNN_UNROLL
                for (int o = 0; o < O; ++o) Kind::add(total[i][o], from[i], to[o]);
            }
        }
        ACNN_UNROLL
        for (int i = 0; i < I; ++i) {
            ACNN_UNROLL
            for (int o = 0; o < O; ++o) first[i * sum_stride + o] = total[i][o];
        }
    }

    __attribute__((noinline)) void run() const {
        cut<Edges<A>::S>(n_in, [&](auto ins, int i) {
            cut<Edges<A>::O>(n_out, [&](auto outs, int o) { tile<decltype(ins)::VALUE, decltype(outs)::VALUE>(i, o); });
        });
    }
};

}  // namespace
