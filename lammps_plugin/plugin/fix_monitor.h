// fix ID all acnn/monitor FILE.py NAME: at the end of every step, the Monitor NAME of a Python file is called.
#pragma once

#include "interpreter.h"

#include "fix.h"

namespace acnn {

class FixMonitor : public LAMMPS_NS::Fix {
 public:
  FixMonitor(class LAMMPS_NS::LAMMPS *lmp, int narg, char **arg);
  ~FixMonitor() override;
  int setmask() override;
  void end_of_step() override;
  void post_run() override;

 private:
  [[noreturn]] void stop(const std::string &message);

  Object monitor, pointer;
  bool ended = false;    // the run, by the monitor
};

}    // namespace acnn
