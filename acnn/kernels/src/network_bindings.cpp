// The Python face of embeddings with a readout network.
#include <nanobind/stl/string.h>

#include "dispatch.h"
#include "network_engine.h"
#include "numpy_arrays.h"

namespace {

template <class T, class I>
void energies(
    acnn::Network &network, const IntegersOf<I> &species, const IntegersOf<I> &pair_i, const IntegersOf<I> &pair_j,
    const Array<const T> &vectors, Array<double> energies, Array<T> gradients, bool add, int n_threads) {
    const auto graph = graph_of<T, I>(species, pair_i, pair_j, vectors, (int64_t)energies.size());
    require(gradients.size() == vectors.size(), "gradients and vectors differ in length");
    nb::gil_scoped_release release;
    network.energies<T, I>(graph, energies.data(), gradients.data(), add, n_threads);
}

template <class T, class I>
void bind(nb::class_<acnn::Network> &network) {
    network.def(
        "energies", &energies<T, I>, ACNN_GRAPH, "energies"_a.noconvert(), "gradients"_a.noconvert(), "add"_a,
        "n_threads"_a);
}

}  // namespace

void bind_network(nb::module_ &m) {
    auto network = nb::class_<acnn::Network>(m, "Network");
    bind_engine(network, acnn::embedding_kernels_of);
    bind<double, int64_t>(network);
    bind<float, int64_t>(network);
    bind<double, int32_t>(network);
    bind<float, int32_t>(network);
}
