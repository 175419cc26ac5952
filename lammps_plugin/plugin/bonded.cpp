#include "bonded.h"

#include "atom.h"
#include "force.h"

namespace acnn {

namespace {

using LAMMPS_NS::Atom;

constexpr const char *KINDS[] = {"1-2", "1-3", "1-4"};

// Whether atom i of the model has such a neighbor that is the model's, too, and near enough to be here.
bool has_special(const Atom &atom, const int *map, int i, int kind)
{
  const int first = kind ? atom.nspecial[i][kind - 1] : 0, last = atom.nspecial[i][kind];
  for (int k = first; k < last; k++) {
    const int j = const_cast<Atom &>(atom).map(atom.special[i][k]);
    if (j >= 0 && map[atom.type[j]] >= 0) return true;
  }
  return false;
}

}    // namespace

std::string missing_bonded_neighbors(const Atom &atom, const LAMMPS_NS::Force &force, const int *map)
{
  if (atom.molecular == Atom::ATOMIC) return "";
  for (int kind = 0; kind < 3; kind++) {
    if (force.special_lj[kind + 1] == 1.0) continue;
    if (atom.molecular == Atom::TEMPLATE) return KINDS[kind];    // its bonds are kept elsewhere
    for (int i = 0; i < atom.nlocal; i++)
      if (map[atom.type[i]] >= 0 && has_special(atom, map, i, kind)) return KINDS[kind];
  }
  return "";
}

}    // namespace acnn
