// The Python face of the programs of linear models.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "dispatch.h"
#include "linear_engine.h"
#include "numpy_arrays.h"

namespace {

template <class T, class I>
void energies(
    acnn::Engine &engine, const IntegersOf<I> &species, const IntegersOf<I> &pair_i, const IntegersOf<I> &pair_j,
    const Array<const T> &vectors, Array<double> energies, Array<T> gradients, int n_threads,
    std::optional<Array<double>> seconds) {
    const auto graph = graph_of<T, I>(species, pair_i, pair_j, vectors, (int64_t)energies.size());
    require(gradients.size() == vectors.size(), "gradients and vectors differ in length");
    require(!seconds || seconds->size() == 5, "there are five stages");
    nb::gil_scoped_release release;
    engine.energies(graph, energies.data(), gradients.data(), n_threads, seconds ? seconds->data() : nullptr);
}

template <class T>
void members(
    acnn::Engine &engine, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, Table<double> energies, std::optional<Array<T>> gradients, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)energies.shape(1));
    const size_t n_members = energies.shape(0);
    require(!gradients || gradients->size() == n_members * vectors.size(), "gradients and vectors differ in length");
    nb::gil_scoped_release release;
    engine.members<T>(graph, (int64_t)n_members, energies.data(), gradients ? gradients->data() : nullptr, n_threads);
}

template <class T>
void values(
    acnn::Engine &engine, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, Table<T> values, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)values.shape(0));
    nb::gil_scoped_release release;
    engine.values<T>(graph, (int64_t)values.shape(1), values.data(), n_threads);
}

template <class T>
void vjp(
    acnn::Engine &engine, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, Table<const T> adjoints, Array<T> gradients, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)adjoints.shape(0));
    require(gradients.size() == vectors.size(), "gradients and vectors differ in length");
    nb::gil_scoped_release release;
    engine.vjp<T>(graph, (int64_t)adjoints.shape(1), adjoints.data(), gradients.data(), n_threads);
}

template <class T>
void jvp(
    acnn::Engine &engine, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const T> &vectors, const Array<const T> &directions, Table<T> derivatives, int n_threads) {
    const auto graph = graph_of<T, int64_t>(species, pair_i, pair_j, vectors, (int64_t)derivatives.shape(0));
    require(directions.size() == vectors.size(), "directions and vectors differ in length");
    nb::gil_scoped_release release;
    engine.jvp<T>(graph, (int64_t)derivatives.shape(1), directions.data(), derivatives.data(), n_threads);
}

void rows(
    acnn::Engine &engine, const Integers &species, const Integers &pair_i, const Integers &pair_j,
    const Array<const double> &vectors, Array<double> energy, Table<double> forces, Table<double> virial) {
    const auto graph = graph_of<double, int64_t>(species, pair_i, pair_j, vectors, (int64_t)species.size());
    const int64_t n_functions = (int64_t)energy.size();
    require(forces.shape(0) == 3 * species.size() && (int64_t)forces.shape(1) == n_functions, "forces: wrong shape");
    require(virial.shape(0) == 6 && (int64_t)virial.shape(1) == n_functions, "virial: wrong shape");
    nb::gil_scoped_release release;
    engine.rows<double>(graph, n_functions, energy.data(), forces.data(), virial.data());
}

template <class T, class I>
void bind_energies(nb::class_<acnn::Engine> &engine) {
    engine.def(
        "energies", &energies<T, I>, ACNN_GRAPH, "energies"_a.noconvert(), "gradients"_a.noconvert(), "n_threads"_a,
        "seconds"_a.noconvert() = nb::none());
}

template <class T>
void bind(nb::class_<acnn::Engine> &engine) {
    bind_energies<T, int64_t>(engine);
    bind_energies<T, int32_t>(engine);
    engine
        .def(
            "members", &members<T>, ACNN_GRAPH, "energies"_a.noconvert(), "gradients"_a.noconvert().none(),
            "n_threads"_a)
        .def("values", &values<T>, ACNN_GRAPH, "values"_a.noconvert(), "n_threads"_a)
        .def("vjp", &vjp<T>, ACNN_GRAPH, "adjoints"_a.noconvert(), "gradients"_a.noconvert(), "n_threads"_a)
        .def("jvp", &jvp<T>, ACNN_GRAPH, "directions"_a.noconvert(), "derivatives"_a.noconvert(), "n_threads"_a);
}

}  // namespace

void bind_linear(nb::module_ &m) {
    auto engine = nb::class_<acnn::Engine>(m, "Engine");
    bind_engine(engine, acnn::kernels_of);
    bind<double>(engine);
    bind<float>(engine);
    engine.def("rows", &rows, ACNN_GRAPH, "energy"_a.noconvert(), "forces"_a.noconvert(), "virial"_a.noconvert());
}
