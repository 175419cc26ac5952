// The Python face of the kernel: NumPy arrays in and out, nothing of torch.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "dispatch.h"
#include "numpy_arrays.h"

namespace {

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

template <class T>
void bind_forces(nb::module_ &m) {
    m.def(
        "add_forces", &add_forces<T>, "pair_i"_a.noconvert(), "pair_j"_a.noconvert(), "gradients"_a.noconvert(),
        "forces"_a.noconvert());
}

}  // namespace

NB_MODULE(_kernel, m) {
    nb::set_leak_warnings(false);  // LAMMPS never lets go of the models it loads
    m.attr("sources") = ACNN_SOURCES;
    m.def(
        "instruction_sets", &acnn::instruction_sets,
        "Names of the instruction sets this processor can run, best first.");
    bind_linear(m);
    bind_embedding(m);
    bind_network(m);
    bind_forces<double>(m);
    bind_forces<float>(m);
    nb::register_exception_translator([](const std::exception_ptr &error, void *) {
        try {
            std::rethrow_exception(error);
        } catch (const acnn::ElementError &e) {
            PyErr_SetObject(PyExc_LookupError, PyLong_FromLongLong(e.number));
        }
    });
}
