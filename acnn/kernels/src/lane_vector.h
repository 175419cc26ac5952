// A lane vector: one number for each of W atoms. GCC's and Clang's vector extensions, so that the same source serves every
// instruction set. Everything is static: see program_views.h.
#pragma once

#include <stdint.h>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define ACNN_VECTOR_BYTES 64
#define ACNN_REGISTERS 32
#elif defined(__AVX__)
#define ACNN_VECTOR_BYTES 32
#define ACNN_REGISTERS 16
#else
#define ACNN_VECTOR_BYTES 16
#if defined(__aarch64__)
#define ACNN_REGISTERS 32
#else
#define ACNN_REGISTERS 16
#endif
#endif

#define ACNN_UNROLL _Pragma("GCC unroll 16")

namespace {

template <class T>
struct Lane;

template <>
struct Lane<double> {
    typedef double V __attribute__((vector_size(ACNN_VECTOR_BYTES)));
    static constexpr int W = ACNN_VECTOR_BYTES / 8;
};

template <>
struct Lane<float> {
    typedef float V __attribute__((vector_size(ACNN_VECTOR_BYTES)));
    static constexpr int W = ACNN_VECTOR_BYTES / 4;
};

template <class T>
using Vec = typename Lane<T>::V;

template <class T>
inline Vec<T> splat(T value) {
    return value - Vec<T>{};
}

template <class T>
inline Vec<T> square_root(Vec<T> x) {
    for (int lane = 0; lane < Lane<T>::W; ++lane)
        x[lane] = sizeof(T) == 8 ? (T)__builtin_sqrt(x[lane]) : (T)__builtin_sqrtf((float)x[lane]);
    return x;
}

// 1 / sqrt(x) for x > 0, within a few units of the last place.
template <class T>
inline Vec<T> inverse_square_root(Vec<T> x) {
#if defined(__AVX512F__)
    Vec<T> root;  // 14 bits, and Newton's steps, which double them: faster than root and quotient
    if constexpr (sizeof(T) == 8)
        root = (Vec<T>)_mm512_maskz_rsqrt14_pd(255, (__m512d)x);
    else
        root = (Vec<T>)_mm512_maskz_rsqrt14_ps(65535, (__m512)x);
    for (int step = 0; step < (sizeof(T) == 8 ? 2 : 1); ++step) {
        const Vec<T> error = 1 - (x * root) * root;
        root += ((T)0.5 * root) * error;
    }
    return root;
#else
    return 1 / square_root<T>(x);
#endif
}

// x^e for x > 0; e of a program is nearly always a small integer.
template <class T>
inline Vec<T> power(Vec<T> x, T exponent) {
    const int whole = (int)exponent;
    if ((T)whole == exponent && whole >= 0 && whole <= 16) {
        Vec<T> result = splat<T>(1);
        for (int i = 0; i < whole; ++i) result *= x;
        return result;
    }
    for (int lane = 0; lane < Lane<T>::W; ++lane) x[lane] = (T)__builtin_pow(x[lane], exponent);
    return x;
}

// Two vectors of W numbers, one after the other: the numbers at these places. GCC has had Clang's builtin since 12.
template <class T, int... Place>
inline Vec<T> places(Vec<T> a, Vec<T> b) {
#if defined(__clang__) || __GNUC__ >= 12
    return __builtin_shufflevector(a, b, Place...);
#else
    return __builtin_shuffle(a, b, decltype(a < b){Place...});
#endif
}

// W rows of W numbers, seen from the other side: row i holds what was at place i of every row.
template <class T, int H, int... J>
inline void exchange(Vec<T> &low, Vec<T> &high) {
    constexpr int W = Lane<T>::W;
    const Vec<T> a = low, b = high;
    low = places<T, ((J & H) ? W + J - H : J)...>(a, b);
    high = places<T, ((J & H) ? W + J : J + H)...>(a, b);
}

template <class T, int H, int... J>
inline void transpose_steps(Vec<T> *rows) {
    constexpr int W = Lane<T>::W;
    if constexpr (H < W) {
        ACNN_UNROLL
        for (int i = 0; i < W; ++i)
            if (!(i & H)) exchange<T, H, J...>(rows[i], rows[i + H]);
        transpose_steps<T, 2 * H, J...>(rows);
    }
}

template <class T>
inline void transpose(Vec<T> *rows) {
    constexpr int W = Lane<T>::W;
    if constexpr (W == 2) transpose_steps<T, 1, 0, 1>(rows);
    if constexpr (W == 4) transpose_steps<T, 1, 0, 1, 2, 3>(rows);
    if constexpr (W == 8) transpose_steps<T, 1, 0, 1, 2, 3, 4, 5, 6, 7>(rows);
    if constexpr (W == 16) transpose_steps<T, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(rows);
}

template <class T>
struct DoubleSum {
    typedef double Wide __attribute__((vector_size(8 * Lane<T>::W)));
    Wide lanes;
    inline void add(Vec<T> values) { lanes += __builtin_convertvector(values, Wide); }
};

// Consecutive rows of a workspace.
template <class T>
struct Arena {
    Vec<T> *memory;  // null while rows are only counted
    int64_t used;
    inline Vec<T> *take(int64_t rows) {
        Vec<T> *first = memory ? memory + used : nullptr;
        used += rows;
        return first;
    }
};

}  // namespace
