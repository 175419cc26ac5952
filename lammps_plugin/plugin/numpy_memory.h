// Memory as NumPy arrays, and NumPy arrays as memory.
#pragma once

#include "interpreter.h"
#include "pair_data.h"

#include <cstddef>
#include <memory>
#include <string>

namespace acnn {

// Objects of both types come from here only.
constexpr unsigned int type_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;

PyTypeObject *make_type(PyType_Spec &spec);

// An array of shape (rows, columns), or (rows) with columns = 0, that keeps the owner of the memory alive.
Object as_array(void *memory, const char *format, std::size_t itemsize, int rows, int columns,
                std::shared_ptr<void> owner);
Object as_array(const Buffer<double> &buffer, int rows, int columns = 0);
Object as_array(const Buffer<int> &buffer, int rows);

// Doubles in C order, whatever the model hands over; a copy is made only where it hands over something else.
class Doubles {
 public:
  explicit Doubles(PyObject *object);
  ~Doubles() { PyBuffer_Release(&buffer); }
  Doubles(const Doubles &) = delete;
  Doubles &operator=(const Doubles &) = delete;

  const double *get() const { return static_cast<const double *>(buffer.buf); }
  void require_shape(const char *what, int rows, int columns = 0) const;    // columns = 0: one axis

 private:
  bool is_direct(PyObject *object);
  std::string shape() const;

  Py_buffer buffer{};
  Object converted;
};

}    // namespace acnn
