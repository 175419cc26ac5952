#include "heat_flux.h"

#include "comm.h"
#include "compute.h"
#include "error.h"
#include "lammps.h"
#include "modify.h"

#include <algorithm>
#include <cstring>

using namespace LAMMPS_NS;

namespace acnn {

namespace {

bool has_compute(Modify *modify, const char *style)
{
  const auto &computes = modify->get_compute_list();
  return std::any_of(computes.begin(), computes.end(),
                     [style](const Compute *compute) { return std::strcmp(compute->style, style) == 0; });
}

}    // namespace

void warn_about_heat_flux(LAMMPS *lmp)
{
  static bool told = false;
  if (told || !has_compute(lmp->modify, "heat/flux") || !has_compute(lmp->modify, "stress/atom")) return;
  told = true;
  if (lmp->comm->me == 0)
    lmp->error->warning(FLERR, std::string("compute heat/flux with compute stress/atom is wrong for a many-body "
                                           "potential: give it compute centroid/stress/atom"));
}

}    // namespace acnn
