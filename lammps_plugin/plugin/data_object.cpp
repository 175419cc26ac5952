// The Python face of PairData: numbers, NumPy arrays without copies, and the two update functions.
#include "numpy_memory.h"
#include "pair_data.h"

#include <algorithm>
#include <new>

namespace acnn {

namespace {

struct DataObject {
  PyObject_HEAD
  PairData *data;
};

PairData &data_of(PyObject *self)
{
  PairData *data = reinterpret_cast<DataObject *>(self)->data;
  if (!data || !data->active) throw PythonError("the data of LAMMPS can be used during the call only");
  return *data;
}

// Errors of this file become Python's: they are raised inside the model, with its traceback.
template <typename Result, typename Function> Result guarded(Result failed, Function function)
{
  try {
    return function();
  } catch (const std::bad_alloc &) {
    PyErr_NoMemory();
  } catch (const std::exception &error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  }
  return failed;
}

template <typename Function> PyObject *getter(PyObject *self, Function function)
{
  return guarded<PyObject *>(nullptr, [&] { return function(data_of(self)).release(); });
}

template <int PairData::*member> PyObject *get_int(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return checked(PyLong_FromLong(data.*member)); });
}

template <Buffer<int> PairData::*buffer, int PairData::*rows> PyObject *get_ints(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return as_array(data.*buffer, data.*rows); });
}

PyObject *get_true(PyObject *, void *)
{
  return Py_NewRef(Py_True);
}

PyObject *get_units(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return checked(PyUnicode_FromString(data.units)); });
}

PyObject *get_rij(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return as_array(data.rij, data.npairs, 3); });
}

PyObject *get_f(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return as_array(data.f, "d", sizeof(double), data.ntotal, 3, nullptr); });
}

PyObject *get_rooms(PyObject *self, void *)
{
  return getter(self, [](PairData &data) {
    Object rooms = checked(PyDict_New());
    for (const auto &[name, memory] : data.rooms) {
      const Object array = as_array(memory, "d", sizeof(double), data.nlocal, 0, nullptr);
      if (PyDict_SetItemString(rooms.get(), name, array.get()) != 0) throw_python_error();
    }
    return rooms;
  });
}

PyObject *get_eatoms(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return as_array(data.eatoms, data.nlistatoms); });
}

PyObject *get_energy(PyObject *self, void *)
{
  return getter(self, [](PairData &data) { return checked(PyFloat_FromDouble(data.energy)); });
}

int set_eatoms(PyObject *self, PyObject *value, void *)
{
  return guarded(-1, [&] {
    PairData &data = data_of(self);
    if (!value) throw PythonError("eatoms cannot be deleted");
    const Doubles energies(value);
    energies.require_shape("eatoms", data.nlistatoms);
    std::copy_n(energies.get(), data.nlistatoms, data.eatoms.get());
    return 0;
  });
}

int set_energy(PyObject *self, PyObject *value, void *)
{
  return guarded(-1, [&] {
    PairData &data = data_of(self);
    if (!value) throw PythonError("energy cannot be deleted");
    const double energy = PyFloat_AsDouble(value);
    if (PyErr_Occurred()) return -1;
    data.energy = energy;
    return 0;
  });
}

PyObject *update_pair_forces(PyObject *self, PyObject *fij)
{
  return guarded<PyObject *>(nullptr, [&] {
    PairData &data = data_of(self);
    const Doubles forces(fij);
    forces.require_shape("update_pair_forces", data.npairs, 3);
    data.add_pair_forces(forces.get());
    return Py_NewRef(Py_None);
  });
}

PyObject *update_pair_energy(PyObject *self, PyObject *eij)
{
  return guarded<PyObject *>(nullptr, [&] {
    PairData &data = data_of(self);
    const Doubles energies(eij);
    energies.require_shape("update_pair_energy", data.npairs);
    data.set_pair_energy(energies.get());
    return Py_NewRef(Py_None);
  });
}

using D = PairData;

PyGetSetDef attributes[] = {
    {"ntotal", get_int<&D::ntotal>, nullptr, "owned and ghost atoms of this rank", nullptr},
    {"nlocal", get_int<&D::nlocal>, nullptr, "owned atoms of this rank", nullptr},
    {"nlistatoms", get_int<&D::nlistatoms>, nullptr, "centers: owned atoms whose type has an element", nullptr},
    {"natomneigh", get_int<&D::nlistatoms>, nullptr, "length of iatoms, ielems and numneighs", nullptr},
    {"npairs", get_int<&D::npairs>, nullptr, "pairs inside the cutoff", nullptr},
    {"nneigh_max", get_int<&D::npairs>, nullptr, "pairs there is room for", nullptr},
    {"nelements", get_int<&D::nelements>, nullptr, "elements of the model", nullptr},
    {"ndescriptors", get_int<&D::ndescriptors>, nullptr, "as the model says", nullptr},
    {"nparams", get_int<&D::nparams>, nullptr, "as the model says", nullptr},
    {"eflag", get_int<&D::eflag>, nullptr, "not 0 where LAMMPS asks for energies", nullptr},
    {"vflag", get_int<&D::vflag>, nullptr, "not 0 where LAMMPS asks for virials", nullptr},
    {"centroid_virials", get_true, nullptr, "LAMMPS can have them: what its own coupling lacks", nullptr},
    {"units", get_units, nullptr, "unit style of LAMMPS, which LAMMPS' own coupling does not tell", nullptr},
    {"rij", get_rij, nullptr, "(npairs, 3): x_j - x_i", nullptr},
    {"pair_i", get_ints<&D::pair_i, &D::npairs>, nullptr, "(npairs): local index of the center", nullptr},
    {"pair_j", get_ints<&D::pair_j, &D::npairs>, nullptr, "(npairs): local index, may be a ghost", nullptr},
    {"jatoms", get_ints<&D::pair_j, &D::npairs>, nullptr, "the same as pair_j", nullptr},
    {"jelems", get_ints<&D::jelems, &D::npairs>, nullptr, "(npairs): element of j", nullptr},
    {"iatoms", get_ints<&D::iatoms, &D::nlistatoms>, nullptr, "(nlistatoms): local index", nullptr},
    {"ielems", get_ints<&D::ielems, &D::nlistatoms>, nullptr, "(nlistatoms): element", nullptr},
    {"numneighs", get_ints<&D::numneighs, &D::nlistatoms>, nullptr, "(nlistatoms): pairs of the center", nullptr},
    {"elems", get_ints<&D::elems, &D::ntotal>, nullptr, "(ntotal): element, -1 for NULL types", nullptr},
    {"f", get_f, nullptr, "(ntotal, 3): forces; update_pair_forces also gives per-atom stress", nullptr},
    {"rooms", get_rooms, nullptr, "{name: (nlocal)}: d_acnn_... of fix property/atom, fix pair", nullptr},
    {"eatoms", get_eatoms, set_eatoms, "(nlistatoms): energies", nullptr},
    {"energy", get_energy, set_energy, "energy of the centers of this rank", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef methods[] = {
    {"update_pair_forces", update_pair_forces, METH_O, "Takes dE/dr_ij (npairs, 3): forces and virials."},
    {"update_pair_energy", update_pair_energy, METH_O, "Takes pair energies (npairs): half goes to the center."},
    {nullptr, nullptr, 0, nullptr}};

void data_dealloc(PyObject *self)
{
  PyTypeObject *type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject *data_type()
{
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void *>(data_dealloc)},
                                {Py_tp_getset, attributes},
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec = {"acnn_mliap.Data", sizeof(DataObject), 0, type_flags, slots};
  static PyTypeObject *type = make_type(spec);
  return type;
}

}    // namespace

Object make_data_object(PairData &data)
{
  PyTypeObject *type = data_type();
  Object object = checked(type->tp_alloc(type, 0));
  reinterpret_cast<DataObject *>(object.get())->data = &data;
  return object;
}

void detach_data_object(PyObject *object)
{
  if (object) reinterpret_cast<DataObject *>(object)->data = nullptr;
}

}    // namespace acnn
