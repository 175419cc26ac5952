// The Python face of the kernel: NumPy arrays in and out, nothing of torch.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "dispatch.h"
#include "engine.h"
#include "numpy_arrays.h"

namespace {

template <class T, class I>
void energies(
    acnn::Engine &engine, const IntegersOf<I> &species, const IntegersOf<I> &pair_i, const IntegersOf<I> &pair_j,
    const Array<const T> &vectors, Array<double> energies, Array<T> gradients, int n_threads,
    std::optional<Array<double>> seconds) {
    const auto graph = graph_of<T, I>(species, pair_i, pair_j, vectors, (int64_t)energies.size());
    require(gradients.size() == vectors.size(), "gradients and vectors differ in length");
    require(n_threads >= 1, "at least one thread is needed");
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

// F_i = Σ_j (g_ij - g_ji), added to forces [n_atoms, 3].
template <class T>
void add_forces(const Integers &pair_i, const Integers &pair_j, const Array<const T> &gradients, Array<T> forces) {
    const size_t n = pair_i.size();
    require(pair_j.size() == n && gradients.size() == 3 * n, "pair arrays differ in length");
    const int64_t n_atoms = (int64_t)forces.size() / 3, *i = pair_i.data(), *j = pair_j.data();
    const T *g = gradients.data();
    T *f = forces.data();
    nb::gil_scoped_release release;
    for (size_t p = 0; p < n; ++p) {
        require(i[p] >= 0 && i[p] < n_atoms && j[p] >= 0 && j[p] < n_atoms, "a pair names an atom that is not there");
        for (int axis = 0; axis < 3; ++axis) {
            f[3 * i[p] + axis] += g[3 * p + axis];
            f[3 * j[p] + axis] -= g[3 * p + axis];
        }
    }
}

}  // namespace

#define ACNN_RESULTS \
    "energies"_a.noconvert(), "gradients"_a.noconvert(), "n_threads"_a, "seconds"_a.noconvert() = nb::none()

NB_MODULE(_kernel, m) {
    nb::set_leak_warnings(false);  // LAMMPS never lets go of the models it loads
    m.def("instruction_sets", &acnn::instruction_sets, "Names of the instruction sets this processor can run, best first.");
    nb::class_<acnn::Engine>(m, "Engine")
        .def(
            "__init__",
            [](acnn::Engine *self, const nb::dict &arrays, const std::string &instruction_set) {
                new (self) acnn::Engine(arrays_of(arrays), acnn::kernels_of(instruction_set));
            },
            "arrays"_a, "instruction_set"_a)
        .def("energies", &energies<double, int64_t>, ACNN_GRAPH, ACNN_RESULTS)
        .def("energies", &energies<float, int64_t>, ACNN_GRAPH, ACNN_RESULTS)
        .def("energies", &energies<double, int32_t>, ACNN_GRAPH, ACNN_RESULTS)
        .def("energies", &energies<float, int32_t>, ACNN_GRAPH, ACNN_RESULTS)
        .def("members", &members<double>, ACNN_GRAPH, "energies"_a.noconvert(), "gradients"_a.noconvert().none(), "n_threads"_a)
        .def("members", &members<float>, ACNN_GRAPH, "energies"_a.noconvert(), "gradients"_a.noconvert().none(), "n_threads"_a)
        .def("values", &values<double>, ACNN_GRAPH, "values"_a.noconvert(), "n_threads"_a)
        .def("values", &values<float>, ACNN_GRAPH, "values"_a.noconvert(), "n_threads"_a)
        .def("vjp", &vjp<double>, ACNN_GRAPH, "adjoints"_a.noconvert(), "gradients"_a.noconvert(), "n_threads"_a)
        .def("vjp", &vjp<float>, ACNN_GRAPH, "adjoints"_a.noconvert(), "gradients"_a.noconvert(), "n_threads"_a)
        .def("jvp", &jvp<double>, ACNN_GRAPH, "directions"_a.noconvert(), "derivatives"_a.noconvert(), "n_threads"_a)
        .def("jvp", &jvp<float>, ACNN_GRAPH, "directions"_a.noconvert(), "derivatives"_a.noconvert(), "n_threads"_a)
        .def("rows", &rows, ACNN_GRAPH, "energy"_a.noconvert(), "forces"_a.noconvert(), "virial"_a.noconvert())
        .def_prop_ro("workspace_bytes", &acnn::Engine::workspace_bytes);
    bind_embedding(m);
    bind_network(m);
    m.def("add_forces", &add_forces<double>, "pair_i"_a.noconvert(), "pair_j"_a.noconvert(), "gradients"_a.noconvert(), "forces"_a.noconvert());
    m.def("add_forces", &add_forces<float>, "pair_i"_a.noconvert(), "pair_j"_a.noconvert(), "gradients"_a.noconvert(), "forces"_a.noconvert());
    nb::register_exception_translator(
        [](const std::exception_ptr &error, void *) {
            try {
                std::rethrow_exception(error);
            } catch (const acnn::ElementError &e) {
                PyErr_SetObject(PyExc_LookupError, PyLong_FromLongLong(e.number));
            }
        });
}
