#include "interpreter.h"

#include <cstdio>
#include <unistd.h>

#ifndef ACNN_PYTHON
#error "ACNN_PYTHON is the interpreter of the environment the plugin belongs to: build with plugin_build.py"
#endif

namespace acnn {

namespace {

void check(const PyStatus &status, PyConfig &config)
{
  if (!PyStatus_Exception(status)) return;
  PyConfig_Clear(&config);
  throw std::runtime_error(std::string("Python did not start: ") + (status.err_msg ? status.err_msg : "unknown"));
}

void start()
{
  if (access(ACNN_PYTHON, X_OK) != 0)
    throw std::runtime_error("the Python this plugin was built for is gone: " ACNN_PYTHON);
  PyConfig config;
  PyConfig_InitPythonConfig(&config);
  config.parse_argv = 0;
  config.install_signal_handlers = 0;
  config.buffered_stdio = 0;       // the interpreter is never shut down, so nothing would flush
  config.configure_c_stdio = 0;    // a new buffer would drop what LAMMPS has read ahead of a piped input
  // From its place Python finds the virtual environment, whatever is first on PATH.
  check(PyConfig_SetBytesString(&config, &config.program_name, ACNN_PYTHON), config);
  check(Py_InitializeFromConfig(&config), config);
  PyConfig_Clear(&config);
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);    // lines of LAMMPS and of Python in their order, also into a pipe
  PyEval_SaveThread();                              // from here on every use takes the lock
}

// Where the exception was raised: the innermost frame.
std::string place(PyObject *traceback)
{
  auto *entry = reinterpret_cast<PyTracebackObject *>(traceback);
  if (!entry) return "";
  while (entry->tb_next) entry = entry->tb_next;
  // The attribute, because the member is computed on demand in newer versions.
  Object line(PyObject_GetAttrString(reinterpret_cast<PyObject *>(entry), "tb_lineno"));
  Object frame(PyObject_GetAttrString(reinterpret_cast<PyObject *>(entry), "tb_frame"));
  Object code(frame ? PyObject_GetAttrString(frame.get(), "f_code") : nullptr);
  Object file(code ? PyObject_GetAttrString(code.get(), "co_filename") : nullptr);
  if (!line || !file) return "";
  return " (" + to_string(file.get()) + ", line " + to_string(line.get()) + ")";
}

}    // namespace

void require_interpreter()
{
  if (!Py_IsInitialized()) start();
}

std::string to_string(PyObject *object)
{
  Object text(object ? PyObject_Str(object) : nullptr);
  // File names may hold what is no letter.
  Object bytes(text ? PyUnicode_AsEncodedString(text.get(), "utf-8", "backslashreplace") : nullptr);
  const char *characters = bytes ? PyBytes_AsString(bytes.get()) : nullptr;
  if (!characters) PyErr_Clear();
  return characters ? characters : "?";
}

void throw_python_error()
{
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  Object owned_type(type), owned_value(value), owned_traceback(traceback);
  if (!type) throw PythonError("an unknown error");
  Object name(PyObject_GetAttrString(type, "__name__"));
  const std::string line = to_string(name.get()) + ": " + to_string(value) + place(traceback);
  PyErr_Clear();
  throw PythonError(line);
}

Object checked(PyObject *owned)
{
  if (!owned) throw_python_error();
  return Object(owned);
}

}    // namespace acnn
