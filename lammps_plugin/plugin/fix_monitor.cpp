#include "fix_monitor.h"

#include "comm.h"
#include "error.h"
#include "timer.h"

using namespace LAMMPS_NS;

namespace acnn {

FixMonitor::FixMonitor(LAMMPS *lmp, int narg, char **arg) : Fix(lmp, narg, arg)
{
  if (narg != 5) error->all(FLERR, "fix acnn/monitor needs a Python file and the name of the monitor in it");
  nevery = 1;
  std::string message;
  try {
    require_interpreter();
    const Lock lock;
    Object module = checked(PyImport_ImportModule("lammps_plugin.loading"));
    monitor = checked(PyObject_CallMethod(module.get(), "load_monitor", "yy", arg[3], arg[4]));
    pointer = checked(PyCapsule_New(lmp, nullptr, nullptr));
  } catch (const std::runtime_error &failure) {
    message = failure.what();
  }
  if (!message.empty()) stop(message);
}

FixMonitor::~FixMonitor()
{
  if (!Py_IsInitialized()) return;
  const Lock lock;
  monitor = Object();
  pointer = Object();
}

int FixMonitor::setmask()
{
  return FixConst::END_OF_STEP;
}

// On several ranks the monitor itself ends them all when something goes wrong.
void FixMonitor::end_of_step()
{
  std::string message;
  try {
    const Lock lock;
    const Object end = checked(PyObject_CallMethod(monitor.get(), "step_at", "O", pointer.get()));
    ended = end.get() == Py_True;
  } catch (const PythonError &failure) {
    message = failure.what();
  }
  if (!message.empty()) stop(message);
  if (ended) timer->force_timeout();
}

// LAMMPS would skip the runs after one that was ended so.
void FixMonitor::post_run()
{
  if (ended) timer->reset_timeout();
  ended = false;
}

void FixMonitor::stop(const std::string &message)
{
  if (comm->nprocs == 1) error->all(FLERR, message);
  error->one(FLERR, message);
}

}    // namespace acnn
