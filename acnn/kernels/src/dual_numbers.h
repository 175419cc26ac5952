// The two kinds of numbers on which the embedding runs: lane vectors, and dual numbers v + d ε of them (ε² = 0), whose d is
// the derivative along a direction. A kind A is a type with A::T, the numbers of a lane, and A::Number.
#pragma once

#include "lane_vector.h"

namespace {

template <class T>
struct Dual {
    Vec<T> v, d;
};

template <class T_>
struct Plain {
    using T = T_;
    typedef Vec<T> Number;
    static constexpr int ROWS = 1;
};

template <class T_>
struct Dualized {
    using T = T_;
    typedef Dual<T> Number;
    static constexpr int ROWS = 2;
};

template <class A>
using Number = typename A::Number;

// Arithmetic of one kind. The sums of derivatives with respect to theta take what is linear in ε alone: `add_share`.
template <class A>
struct Arithmetic;

template <class T>
struct Arithmetic<Plain<T>> {
    typedef Vec<T> X;
    static inline X of(T value) { return splat<T>(value); }
    static inline X times(X x, X y) { return x * y; }
    static inline void add(X &sum, X x, X y) { sum += x * y; }
    static inline void add(X &sum, T x, X y) { sum += x * y; }
    static inline void add_share(X &sum, X x, X y) { sum += x * y; }
    static inline X sum(X x, X y) { return x + y; }
    static inline X scaled(T factor, X x) { return factor * x; }
    static inline Vec<T> share(X x) { return x; }
    static inline X inverse_root(X x) { return inverse_square_root<T>(x); }
};

template <class T>
struct Arithmetic<Dualized<T>> {
    typedef Dual<T> X;
    static inline X of(T value) { return {splat<T>(value), Vec<T>{}}; }
    static inline X times(X x, X y) { return {x.v * y.v, x.v * y.d + x.d * y.v}; }
    static inline void add(X &sum, X x, X y) {
        sum.v += x.v * y.v;
        sum.d += x.v * y.d;
        sum.d += x.d * y.v;
    }
    static inline void add(X &sum, T x, X y) {
        sum.v += x * y.v;
        sum.d += x * y.d;
    }
    static inline void add_share(Vec<T> &sum, X x, X y) {
        sum += x.v * y.d;
        sum += x.d * y.v;
    }
    static inline X sum(X x, X y) { return {x.v + y.v, x.d + y.d}; }
    static inline X scaled(T factor, X x) { return {factor * x.v, factor * x.d}; }
    static inline Vec<T> share(X x) { return x.d; }
    static inline X inverse_root(X x) {
        const Vec<T> root = inverse_square_root<T>(x.v);
        return {root, (T)-0.5 * root * root * root * x.d};
    }
};

}  // namespace
