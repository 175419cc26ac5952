#include "exclusions.h"

#include "neighbor.h"

namespace acnn {

namespace {

constexpr int ALL = 0;    // LAMMPS' group of all atoms

}    // namespace

Exclusions::Exclusions(const LAMMPS_NS::Neighbor &neighbor, int ntypes) : partial(neighbor.nex_mol > 0)
{
  for (int rule = 0; rule < neighbor.nex_group; rule++) {
    if (neighbor.ex1_group[rule] == ALL) groups |= neighbor.ex2_bit[rule];
    else if (neighbor.ex2_group[rule] == ALL) groups |= neighbor.ex1_bit[rule];
    else partial = true;
  }
  if (neighbor.nex_type == 0) return;
  types.assign(ntypes + 1, 1);
  for (int type = 1; type <= ntypes; type++)
    for (int other = 1; other <= ntypes; other++) types[type] = types[type] && neighbor.ex_type[type][other];
  for (int rule = 0; rule < neighbor.nex_type; rule++)
    partial = partial || !(types[neighbor.ex1_type[rule]] || types[neighbor.ex2_type[rule]]);
}

}    // namespace acnn
