// From the atoms and neighbor lists of LAMMPS to the arrays that models see.
#include "pair_mliap_unified.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <climits>
#include <stdexcept>

using namespace LAMMPS_NS;

namespace acnn {

void PairMLIAPUnified::gather(int eflag, int vflag)
{
  data.eflag = eflag;
  data.vflag = vflag;
  data.units = update->unit_style;
  data.nlocal = atom->nlocal;
  data.ntotal = atom->nlocal + atom->nghost;
  data.nlistatoms = list->inum;
  data.f = data.ntotal ? atom->f[0] : nullptr;
  data.virial = vflag_global ? virial : nullptr;
  data.vatom = vflag_atom ? vatom : nullptr;
  data.cvatom = cvflag_atom ? cvatom : nullptr;
  reserve();
  gather_elements();
  gather_centers();
  gather_fields();
  gather_rooms();
}

void PairMLIAPUnified::gather_centers()
{
  const Exclusions excluded = find_exclusions();
  int n = 0;
  data.npairs = 0;
  for (int ii = 0; ii < list->inum; ii++) {
    const int i = list->ilist[ii];
    if (excluded.hold(atom->type[i], atom->mask[i])) continue;
    const int inside = gather_neighbors(i, data.npairs);
    data.iatoms.get()[n] = i;
    data.ielems.get()[n] = map[atom->type[i]];
    data.numneighs.get()[n] = inside;
    data.npairs += inside;
    n++;
  }
  data.nlistatoms = n;
}

Exclusions PairMLIAPUnified::find_exclusions()
{
  if (!neighbor->exclude) return {};
  const Exclusions found(*neighbor, atom->ntypes);
  if (found.are_partial() && !warned && comm->me == 0)
    error->warning(FLERR, std::string("neigh_modify exclude takes away neighbors that the model needs: energies and "
                                      "forces are those of a structure in which they are missing"));
  warned = warned || found.are_partial();
  return found;
}

// Room for every atom and neighbor in the list; what lies in the skin leaves its share untouched.
void PairMLIAPUnified::reserve()
{
  bigint neighbors = 0;
  for (int ii = 0; ii < list->inum; ii++) neighbors += list->numneigh[list->ilist[ii]];
  if (neighbors > INT_MAX) throw std::runtime_error("more than 2^31 neighbors on one rank: use more ranks");
  data.rij.resize(3 * static_cast<std::size_t>(neighbors));
  for (auto *buffer : {&data.pair_i, &data.pair_j, &data.jelems}) buffer->resize(neighbors);
  for (auto *buffer : {&data.iatoms, &data.ielems, &data.numneighs}) buffer->resize(data.nlistatoms);
  data.elems.resize(data.ntotal);
  std::fill_n(data.eatoms.resize(data.nlistatoms), data.nlistatoms, 0.0);
  data.energy = 0.0;
}

void PairMLIAPUnified::gather_elements()
{
  int *elems = data.elems.get();
  for (int i = 0; i < data.ntotal; i++) elems[i] = map[atom->type[i]];
}

// Writes the pairs of center i from position ij on and returns their number.
int PairMLIAPUnified::gather_neighbors(int i, int ij)
{
  const double *x = atom->x[0], *center = x + 3 * static_cast<std::size_t>(i);    // one block of memory, as f
  const double xi = center[0], yi = center[1], zi = center[2], cutoff = model->cutoff(), limit = cutoff * cutoff;
  const int *neighbors = list->firstneigh[i], *elems = data.elems.get();
  double *r = data.rij.get() + 3 * static_cast<std::size_t>(ij);
  int *pair_i = data.pair_i.get() + ij, *pair_j = data.pair_j.get() + ij, *jelems = data.jelems.get() + ij;
  int inside = 0;
  // Every neighbor is written, and overwritten by the next one if it lies in the skin: no branch to guess wrong.
  for (int jj = 0, n = list->numneigh[i]; jj < n; jj++) {
    const int j = neighbors[jj] & NEIGHMASK;
    const double *xj = x + 3 * static_cast<std::size_t>(j);
    const double dx = xj[0] - xi, dy = xj[1] - yi, dz = xj[2] - zi;
    double *place = r + 3 * static_cast<std::size_t>(inside);
    place[0] = dx, place[1] = dy, place[2] = dz;
    pair_i[inside] = i;
    pair_j[inside] = j;
    jelems[inside] = elems[j];
    inside += dx * dx + dy * dy + dz * dz < limit;
  }
  return inside;
}

}    // namespace acnn
