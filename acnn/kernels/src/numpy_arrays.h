// NumPy arrays as the bindings take them.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>

#include "graph_batches.h"
#include "program_memory.h"
#include "require.h"

namespace nb = nanobind;
using namespace nb::literals;
using acnn::require;

template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
template <class I>
using IntegersOf = Array<const I>;
using Integers = IntegersOf<int64_t>;

inline acnn::Arrays arrays_of(const nb::dict &source) {
    acnn::Arrays arrays;
    for (const auto &[key, value] : source) {
        const auto name = nb::cast<std::string>(key);
        Array<const int32_t> integers;
        Array<const double> reals;
        if (nb::try_cast(value, integers, false))
            arrays.integers[name].assign(integers.data(), integers.data() + integers.size());
        else if (nb::try_cast(value, reals, false))
            arrays.reals[name].assign(reals.data(), reals.data() + reals.size());
        else
            throw std::invalid_argument("the array " + name + " of a program is neither int32 nor float64");
    }
    return arrays;
}

// What all engines have: the constructor from arrays and the name of an instruction set, and their memory.
template <class E, class Kernels>
void bind_engine(nb::class_<E> &engine, Kernels *(*kernels_of)(const std::string &)) {
    engine
        .def(
            "__init__",
            [kernels_of](E *self, const nb::dict &arrays, const std::string &instruction_set) {
                new (self) E(arrays_of(arrays), kernels_of(instruction_set));
            },
            "arrays"_a, "instruction_set"_a)
        .def_prop_ro("workspace_bytes", &E::workspace_bytes);
}

template <class T, class I>
acnn::Graph<T, I> graph_of(
    const IntegersOf<I> &species, const IntegersOf<I> &pair_i, const IntegersOf<I> &pair_j,
    const Array<const T> &vectors, int64_t n_centers) {
    require(pair_i.size() == pair_j.size() && vectors.size() == 3 * pair_i.size(), "pair arrays differ in length");
    require(n_centers >= 0 && n_centers <= (int64_t)species.size(), "more centers than atoms");
    return {(int64_t)species.size(), n_centers,     (int64_t)pair_i.size(), species.data(),
            pair_i.data(),           pair_j.data(), vectors.data()};
}

template <class T>
using Table = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// noconvert: nanobind would otherwise pass a converted copy of an output array.
#define ACNN_GRAPH "species"_a.noconvert(), "pair_i"_a.noconvert(), "pair_j"_a.noconvert(), "vectors"_a.noconvert()

void bind_linear(nb::module_ &m);
void bind_embedding(nb::module_ &m);
void bind_network(nb::module_ &m);
