// `compute heat/flux` is right with centroid stresses only.
#pragma once

#include "pointers.h"

namespace acnn {

// Once per process, where a run has `compute heat/flux` beside `compute stress/atom`.
void warn_about_heat_flux(LAMMPS_NS::LAMMPS *lmp);

}    // namespace acnn
