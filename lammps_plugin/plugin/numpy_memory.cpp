#include "numpy_memory.h"

#include <cstring>
#include <new>

namespace acnn {

namespace {

struct View {
  PyObject_HEAD
  std::shared_ptr<void> owner;    // empty for memory of LAMMPS
  void *memory;
  const char *format;
  int ndim;
  Py_ssize_t itemsize, shape[2], strides[2];
};

int view_get_buffer(PyObject *self, Py_buffer *buffer, int)
{
  auto *view = reinterpret_cast<View *>(self);
  Py_INCREF(self);
  buffer->obj = self;
  buffer->buf = view->memory;
  buffer->len = view->itemsize * view->shape[0] * (view->ndim == 2 ? view->shape[1] : 1);
  buffer->readonly = 0;
  buffer->itemsize = view->itemsize;
  buffer->format = const_cast<char *>(view->format);
  buffer->ndim = view->ndim;
  buffer->shape = view->shape;
  buffer->strides = view->strides;
  buffer->suboffsets = nullptr;
  buffer->internal = nullptr;
  return 0;
}

void view_dealloc(PyObject *self)
{
  PyTypeObject *type = Py_TYPE(self);
  reinterpret_cast<View *>(self)->owner.~shared_ptr();
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject *view_type()
{
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void *>(view_dealloc)},
                                {Py_bf_getbuffer, reinterpret_cast<void *>(view_get_buffer)},
                                {0, nullptr}};
  static PyType_Spec spec = {"acnn_mliap.View", sizeof(View), 0, type_flags, slots};
  static PyTypeObject *type = make_type(spec);
  return type;
}

// A function of NumPy, kept for the life of the process.
PyObject *numpy_function(const char *name)
{
  Object numpy = checked(PyImport_ImportModule("numpy"));
  return checked(PyObject_GetAttrString(numpy.get(), name)).release();
}

}    // namespace

PyTypeObject *make_type(PyType_Spec &spec)
{
  return reinterpret_cast<PyTypeObject *>(checked(PyType_FromSpec(&spec)).release());
}

Object as_array(void *memory, const char *format, std::size_t itemsize, int rows, int columns,
                std::shared_ptr<void> owner)
{
  static PyObject *asarray = numpy_function("asarray");
  static double nothing = 0.0;    // arrays without elements have an address, too
  PyTypeObject *type = view_type();
  Object object = checked(type->tp_alloc(type, 0));
  auto *view = reinterpret_cast<View *>(object.get());
  new (&view->owner) std::shared_ptr<void>(std::move(owner));
  view->memory = memory ? memory : &nothing;
  view->format = format;
  view->ndim = columns ? 2 : 1;
  view->itemsize = static_cast<Py_ssize_t>(itemsize);
  view->shape[0] = rows;
  view->shape[1] = columns;
  view->strides[0] = view->itemsize * (columns ? columns : 1);
  view->strides[1] = view->itemsize;
  return checked(PyObject_CallFunctionObjArgs(asarray, object.get(), nullptr));
}

Object as_array(const Buffer<double> &buffer, int rows, int columns)
{
  return as_array(buffer.get(), "d", sizeof(double), rows, columns, buffer.owner());
}

Object as_array(const Buffer<int> &buffer, int rows)
{
  return as_array(buffer.get(), "i", sizeof(int), rows, 0, buffer.owner());
}

Doubles::Doubles(PyObject *object)
{
  if (is_direct(object)) return;
  static PyObject *ascontiguousarray = numpy_function("ascontiguousarray");
  converted = checked(PyObject_CallFunction(ascontiguousarray, "Os", object, "f8"));
  if (!is_direct(converted.get())) throw_python_error();
}

void Doubles::require_shape(const char *what, int rows, int columns) const
{
  const bool right = columns ? buffer.ndim == 2 && buffer.shape[0] == rows && buffer.shape[1] == columns
                             : buffer.ndim == 1 && buffer.shape[0] == rows;
  if (right) return;
  const std::string wanted = std::to_string(rows) + (columns ? ", " + std::to_string(columns) : ",");
  throw PythonError(std::string(what) + " needs an array of shape (" + wanted + "), not " + shape());
}

bool Doubles::is_direct(PyObject *object)
{
  if (PyObject_GetBuffer(object, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) != 0) {
    PyErr_Clear();
    buffer.obj = nullptr;
    return false;
  }
  if (buffer.format && std::strcmp(buffer.format, "d") == 0) return true;
  PyBuffer_Release(&buffer);
  return false;
}

std::string Doubles::shape() const
{
  std::string text;
  for (int axis = 0; axis < buffer.ndim; axis++) text += (axis ? ", " : "") + std::to_string(buffer.shape[axis]);
  return "(" + text + (buffer.ndim == 1 ? ",)" : ")");
}

}    // namespace acnn
