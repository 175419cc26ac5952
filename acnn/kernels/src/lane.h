// A lane vector: one number for each of W atoms. GCC's and Clang's vector extensions, so that the same source serves every
// instruction set. Everything is static: see program.h.
#pragma once

#include <stdint.h>

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
