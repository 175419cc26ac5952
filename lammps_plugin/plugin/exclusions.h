// What `neigh_modify exclude` takes from the model.
#pragma once

#include <vector>

namespace LAMMPS_NS {
class Neighbor;
}

namespace acnn {

// Atoms without any partner, by one of LAMMPS' rules: `exclude group G all`, by which fix gcmc tries what an atom or a
// molecule less would be, and a type that is excluded with every type. They bring nothing, as in any other pair style,
// while an atom that merely has no neighbor has the energy of an isolated atom.
class Exclusions {
 public:
  Exclusions() = default;
  Exclusions(const LAMMPS_NS::Neighbor &neighbor, int ntypes);

  bool hold(int type, int mask) const { return (mask & groups) || (!types.empty() && types[type]); }

  // Whether other rules take away some neighbors, without which the model sees another structure.
  bool are_partial() const { return partial; }

 private:
  int groups = 0;             // bits of the groups
  std::vector<char> types;    // (ntypes + 1), empty: none
  bool partial = false;
};

}    // namespace acnn
