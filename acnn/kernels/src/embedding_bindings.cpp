// The Python face of the embedding.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "dispatch.h"
#include "embedding_engine.h"
#include "numpy_arrays.h"

namespace {

template <class T>
void require_sizes(
    const acnn::Embedding &embedding, const Array<const T> &theta, size_t n_descriptors,
    const std::optional<Array<T>> &theta_gradient) {
    require((int64_t)theta.size() == embedding.n_theta(), "theta has another number of values");
    require((int64_t)n_descriptors == embedding.n_descriptors(), "the embedding has another number of descriptors");
    require(!theta_gradient || theta_gradient->size() == theta.size(), "theta and its gradient differ in length");
}

template <class T>
void values(
    acnn::Embedding &embedding, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, const Array<const T> &theta, Table<T> descriptors, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)descriptors.shape(0));
    require_sizes<T>(embedding, theta, descriptors.shape(1), std::nullopt);
    nb::gil_scoped_release release;
    embedding.values<T>(graph, theta.data(), descriptors.data(), n_threads);
}

template <class T>
void vjp(
    acnn::Embedding &embedding, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, const Array<const T> &theta, Table<const T> adjoints,
    std::optional<Array<T>> gradients, std::optional<Array<T>> theta_gradient, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)adjoints.shape(0));
    require_sizes<T>(embedding, theta, adjoints.shape(1), theta_gradient);
    require(!gradients || gradients->size() == vectors.size(), "gradients and vectors differ in length");
    nb::gil_scoped_release release;
    embedding.vjp<T>(
        graph, theta.data(), adjoints.data(), gradients ? gradients->data() : nullptr,
        theta_gradient ? theta_gradient->data() : nullptr, n_threads);
}

template <class T>
void dual(
    acnn::Embedding &embedding, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, const Array<const T> &theta, Table<const T> adjoints, Array<const T> directions,
    Table<T> derivatives, std::optional<Array<T>> theta_gradient, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)adjoints.shape(0));
    require_sizes<T>(embedding, theta, adjoints.shape(1), theta_gradient);
    require(derivatives.size() == adjoints.size(), "adjoints and derivatives differ in length");
    require(directions.size() == vectors.size(), "directions and vectors differ in length");
    nb::gil_scoped_release release;
    embedding.dual<T>(
        graph, theta.data(), adjoints.data(), directions.data(), derivatives.data(),
        theta_gradient ? theta_gradient->data() : nullptr, n_threads);
}

template <class T>
void bind(nb::class_<acnn::Embedding> &embedding) {
    embedding.def("values", &values<T>, ACNN_GRAPH, "theta"_a.noconvert(), "descriptors"_a.noconvert(), "n_threads"_a)
        .def(
            "vjp", &vjp<T>, ACNN_GRAPH, "theta"_a.noconvert(), "adjoints"_a.noconvert(),
            "gradients"_a.noconvert().none(), "theta_gradient"_a.noconvert().none(), "n_threads"_a)
        .def(
            "dual", &dual<T>, ACNN_GRAPH, "theta"_a.noconvert(), "adjoints"_a.noconvert(), "directions"_a.noconvert(),
            "derivatives"_a.noconvert(), "theta_gradient"_a.noconvert().none(), "n_threads"_a);
}

}  // namespace

void bind_embedding(nb::module_ &m) {
    auto embedding = nb::class_<acnn::Embedding>(m, "Embedding");
    bind_engine(embedding, acnn::embedding_kernels_of);
    bind<double>(embedding);
    bind<float>(embedding);
    embedding.def_prop_ro("n_descriptors", &acnn::Embedding::n_descriptors)
        .def_prop_ro("n_theta", &acnn::Embedding::n_theta);
}
