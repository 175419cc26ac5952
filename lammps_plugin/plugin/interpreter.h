// The Python interpreter inside LAMMPS: joined where LAMMPS runs in Python, started where it does not.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace acnn {

// A Python exception on its way through C++, as one line: "ValueError: what (file.py, line 12)".
struct PythonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Makes sure that there is an interpreter. One that is started here lives until the process ends: libraries like
// NumPy and PyTorch survive neither a second start nor a shutdown among the destructors of a C++ program.
void require_interpreter();

// Holds the global interpreter lock, whoever called LAMMPS and whether or not they hold it.
class Lock {
 public:
  Lock() : state(PyGILState_Ensure()) {}
  ~Lock() { PyGILState_Release(state); }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

 private:
  PyGILState_STATE state;
};

// One owned reference. Destroyed under the lock only.
class Object {
 public:
  Object() = default;
  explicit Object(PyObject *owned) : object(owned) {}
  Object(Object &&other) noexcept : object(std::exchange(other.object, nullptr)) {}
  Object &operator=(Object &&other) noexcept
  {
    std::swap(object, other.object);
    return *this;
  }
  ~Object() { Py_XDECREF(object); }
  PyObject *get() const { return object; }
  PyObject *release() { return std::exchange(object, nullptr); }
  explicit operator bool() const { return object != nullptr; }

 private:
  PyObject *object = nullptr;
};

// Throws the pending Python exception as a PythonError.
[[noreturn]] void throw_python_error();

// The result of a call into Python, or its exception as a PythonError.
Object checked(PyObject *owned);

std::string to_string(PyObject *object);

}    // namespace acnn
