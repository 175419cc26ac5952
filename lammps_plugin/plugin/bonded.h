// Neighbors that LAMMPS treats apart because bonds connect them.
#pragma once

#include <string>

namespace LAMMPS_NS {
class Atom;
class Force;
}    // namespace LAMMPS_NS

namespace acnn {

// Where `special_bonds` takes bonded neighbors from a model, which needs them all, or wants their interaction scaled, which
// no model knows how to do: "1-2", "1-3" or "1-4", whatever this rank finds first; else empty. The factor of lj counts:
// that of Coulomb's law is for the charges of another style. Atoms without element (map < 0) are another style's, too.
std::string missing_bonded_neighbors(const LAMMPS_NS::Atom &atom, const LAMMPS_NS::Force &force, const int *map);

}    // namespace acnn
