"""Lattice thermal conductivity by three-phonon scattering, through phono3py, in the relaxation time approximation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.conventions import VOIGT_NAMES
from acnn.extras import optional
from acnn.workflows.crystal import SYMMETRY, Model, relaxed, repeats, require_crystal
from acnn.workflows.force_constants import forces_of, phonopy_atoms, primitive_matrix
from acnn.workflows.lattice_dynamics import FMAX, Sampling

DISPLACEMENT = 0.03
"""Å"""
LEAST_WIDTH = 10.0
"""Å, of the supercell of third derivatives."""
MESH = (11, 11, 11)
COLDEST = 50.0
"""K"""


@dataclass(frozen=True)
class Conductivity:
    """Thermal conductivity κ [temperature, 6] in W/(K m), Voigt, and what it has cost.

    Attributes:
        temperatures: K.
        evaluations: displaced supercells whose forces were computed, of third and of second derivatives.
    """

    temperatures: FloatArray
    kappa: FloatArray
    evaluations: tuple[int, int]

    @property
    def axes(self) -> dict[str, FloatArray]:
        """κ along x, y and z [temperature]; axes that are equal are one, "x, y"."""
        found: dict[str, FloatArray] = {}
        for k, axis in enumerate("xyz"):
            same = next((name for name, of in found.items() if np.allclose(of, self.kappa[:, k], rtol=1e-4)), None)
            if same is None:
                found[axis] = self.kappa[:, k]
            else:
                found = {f"{name}, {axis}" if name == same else name: of for name, of in found.items()}
        return found

    def near(self, temperature: float) -> tuple[float, FloatArray]:
        """Return the temperature next to this one, K, and κ along x, y, z."""
        k = int(np.argmin(np.abs(self.temperatures - temperature)))
        return float(self.temperatures[k]), self.kappa[k, :3]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        kappa = {name: self.kappa[:, k].tolist() for k, name in enumerate(VOIGT_NAMES)}
        return {"temperatures_K": self.temperatures.tolist(), "kappa_W_per_K_m": kappa}


def thermal_conductivity(
    atoms: Atoms,
    model: Model,
    sampling: Sampling | None = None,
    third: tuple[int, int, int] | None = None,
    pressure: float = 0.0,
) -> Conductivity:
    """Return the lattice thermal conductivity of a crystal, which is relaxed at the pressure (GPa) first.

    Args:
        sampling: supercell of second derivatives, mesh (by default 11 × 11 × 11) and temperatures, of which those
            from 50 K are taken.
        third: supercell of third derivatives; None: at least 10 Å wide.

    Raises:
        ImportError: phono3py is missing.
    """
    require_crystal(atoms, "thermal conductivities")
    phono3py = optional("phono3py", "thermal conductivities", "phono3py")
    given = sampling or Sampling()
    temperatures = given.temperatures[given.temperatures >= COLDEST]
    crystal = relaxed(atoms, model, pressure, FMAX)
    found = phono3py.Phono3py(
        phonopy_atoms(crystal),
        supercell_matrix=np.diag(third or repeats(crystal, LEAST_WIDTH)),
        phonon_supercell_matrix=np.diag(given.supercell or repeats(crystal)),
        primitive_matrix=primitive_matrix(crystal),
        symprec=SYMMETRY,
    )
    found.generate_displacements(distance=DISPLACEMENT)
    found.generate_fc2_displacements(distance=DISPLACEMENT)
    found.forces = forces_of(found.supercells_with_displacements, crystal.calc)
    found.phonon_forces = forces_of(found.phonon_supercells_with_displacements, crystal.calc)
    found.produce_fc3()
    found.symmetrize_fc3()
    found.produce_fc2()
    found.symmetrize_fc2()
    found.mesh_numbers = given.mesh or MESH
    found.init_phph_interaction()
    found.run_thermal_conductivity(temperatures=temperatures)
    counts = len(found.supercells_with_displacements), len(found.phonon_supercells_with_displacements)
    return Conductivity(temperatures, np.array(found.thermal_conductivity.kappa[0]), counts)
