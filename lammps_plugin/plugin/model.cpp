#include "model.h"

#include <cmath>

namespace acnn {

namespace {

Object load(const std::string &file)
{
  Object module = checked(PyImport_ImportModule("lammps_plugin.loading"));
  return checked(PyObject_CallMethod(module.get(), "load", "y", file.c_str()));
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
  elements_ = names("element_types");
  if (PyObject_HasAttrString(model.get(), "site_properties")) site_properties_ = names("site_properties");
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

std::vector<std::string> Model::names(const char *attribute) const
{
  const Object found = this->attribute(attribute);
  const std::string message = std::string("the model's ") + attribute + " must be a sequence";
  const Object sequence = checked(PySequence_Fast(found.get(), message.c_str()));
  std::vector<std::string> texts;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(sequence.get()); k++)
    texts.push_back(to_string(PySequence_Fast_GET_ITEM(sequence.get(), k)));
  return texts;
}

std::string Model::notice(const std::vector<std::string> &in_use) const
{
  if (!PyObject_HasAttrString(model.get(), "notice")) return {};
  Object names = checked(PyList_New(0));
  for (const auto &name : in_use) {
    const Object text = checked(PyUnicode_FromString(name.c_str()));
    if (PyList_Append(names.get(), text.get()) != 0) throw_python_error();
  }
  return to_string(checked(PyObject_CallMethod(model.get(), "notice", "O", names.get())).get());
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
