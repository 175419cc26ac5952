"""Phonons of a crystal through phonopy: bands, density of states, thermodynamics, displacements, Grüneisen parameters.

The files are phonopy's, so that its own programs go on from here.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.extras import optional
from acnn.workflows.crystal import (
    Model,
    at_volume,
    primitive_of,
    relaxed,
    repeats,
    require_crystal,
    space_group,
    with_calculator,
)
from acnn.workflows.force_constants import DISPLACEMENT, Effort, in_one_supercell, in_small_supercells
from acnn.workflows.phonon_bands import Bands, Density, Mode, bands_of, density_of, imaginary_modes
from acnn.workflows.phonon_thermodynamics import (
    Gruneisen,
    Thermodynamics,
    gruneisen_of,
    square_displacements,
    thermodynamics_of,
)

FMAX = 1e-5
"""eV/Å"""
MESH_LENGTH = 60.0
"""Å; q-points of the mesh are at most 2π over this apart."""
VOLUME_CHANGE = 0.01
"""Of the cells whose phonons are compared for Grüneisen parameters."""


@dataclass(frozen=True)
class Sampling:
    """How phonons are computed.

    Attributes:
        supercell: repetitions of the cell (of the primitive cell with ``small``); None: at least 12 Å wide.
        small: whether force constants are put together from the smallest supercells of each q (`force_constants`).
        displacement: of the atoms, Å.
        mesh: of q-points for sums over modes; None: by `MESH_LENGTH`.
        highest: temperature, K.
        interval: of temperatures, K.
    """

    supercell: tuple[int, int, int] | None = None
    small: bool = False
    displacement: float = DISPLACEMENT
    mesh: tuple[int, int, int] | None = None
    highest: float = 1000.0
    interval: float = 20.0

    @property
    def temperatures(self) -> FloatArray:
        """From 0 K to the highest."""
        return np.arange(0.0, self.highest + self.interval / 2, self.interval)


@dataclass(frozen=True)
class Phonons:
    """What was found.

    Attributes:
        crystal: relaxed, with its calculator.
        phonopy: the object of phonopy, with force constants.
        divisions: the supercell, in cells of the crystal, or of the primitive one.
        displacements: mean squares along an axis [temperature, atom of the primitive cell], Å².
        imaginary: the lowest first.
    """

    crystal: Atoms
    phonopy: Any
    divisions: tuple[int, int, int]
    effort: Effort
    bands: Bands
    density: Density
    thermodynamics: Thermodynamics
    displacements: FloatArray
    imaginary: list[Mode]
    gruneisen: Gruneisen | None = None

    @property
    def displacements_of(self) -> dict[str, FloatArray]:
        """Mean square displacements along an axis by element [temperature], Å²."""
        symbols = np.array(self.phonopy.primitive.symbols)
        return {str(s): self.displacements[:, symbols == s].mean(axis=1) for s in dict.fromkeys(symbols)}

    def drawn(self) -> tuple[FloatArray, FloatArray, dict[str, FloatArray], dict[str, FloatArray], FloatArray | None]:
        """Return what `acnn.plots.thermodynamics_figure` draws."""
        heat = self.thermodynamics
        quantities = {"entropy": heat.entropy, "heat capacity": heat.heat_capacity}
        averages = None if self.gruneisen is None else self.gruneisen.average(heat.temperatures)
        return heat.temperatures, heat.free_energy, quantities, self.displacements_of, averages

    def parameters(self) -> bytes:
        """Return the content of a file ``phonopy_params.yaml``, with force constants."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "phonopy_params.yaml"
            self.phonopy.save(path, settings={"force_constants": True, "displacements": True})
            return path.read_bytes()

    def as_dict(self) -> dict[str, Any]:
        """Return the results as plain numbers."""
        heat = self.thermodynamics
        found = {
            "space_group": space_group(self.crystal),
            "volume_per_atom": self.crystal.get_volume() / len(self.crystal),
            "effort": vars(self.effort),
            "points_THz": {label: values.tolist() for label, values in self.bands.points.items()},
            "imaginary": [mode._asdict() for mode in self.imaginary],
            "temperatures_K": heat.temperatures.tolist(),
            "free_energy_eV_per_atom": heat.free_energy.tolist(),
            "entropy_J_per_K_mol": heat.entropy.tolist(),
            "heat_capacity_J_per_K_mol": heat.heat_capacity.tolist(),
            "symbols": list(self.phonopy.primitive.symbols),
            "square_displacements_A2": self.displacements.tolist(),
        }
        if self.gruneisen is not None:
            averages = self.gruneisen.average(heat.temperatures)
            found["gruneisen"] = [None if np.isnan(value) else float(value) for value in averages]
        return found


def phonons(
    atoms: Atoms,
    model: Model,
    sampling: Sampling | None = None,
    pressure: float = 0.0,
    relax: bool = True,
    gruneisen: bool = False,
) -> Phonons:
    """Return the phonons of a crystal, relaxed at the pressure (GPa) first unless it is to be taken as it is.

    Raises:
        ValueError: the structure is not periodic in three directions.
        ImportError: phonopy, spglib or seekpath is missing.
    """
    require_crystal(atoms, "phonons")
    for module, users in (("phonopy", "phonons"), ("seekpath", "paths of phonon bands")):
        optional(module, users)
    given = sampling or Sampling()
    crystal = relaxed(atoms, model, pressure, FMAX) if relax else with_calculator(atoms, model)
    phonopy, divisions, effort = force_constants(crystal, given)
    bands = bands_of(phonopy)
    mesh = given.mesh or default_mesh(phonopy.primitive.cell)
    phonopy.run_mesh(mesh, with_eigenvectors=True, is_gamma_center=True)
    temperatures = given.temperatures
    moved = square_displacements(phonopy, temperatures)
    return Phonons(
        crystal,
        phonopy,
        divisions,
        effort,
        bands,
        density_of(phonopy),
        thermodynamics_of(phonopy, temperatures),
        moved,
        imaginary_modes(phonopy, bands),
        _gruneisen(crystal, phonopy, replace(given, supercell=divisions), mesh) if gruneisen else None,
    )


def default_mesh(cell: FloatArray) -> tuple[int, int, int]:
    """Return odd divisions of a mesh for a primitive cell [3, 3]."""
    reciprocal = np.linalg.norm(np.linalg.inv(cell), axis=0)
    a, b, c = (2 * int(np.ceil(MESH_LENGTH * length / 2)) - 1 for length in reciprocal)
    return max(a, 1), max(b, 1), max(c, 1)


def force_constants(crystal: Atoms, sampling: Sampling) -> tuple[Any, tuple[int, int, int], Effort]:
    """Return phonopy's object of a relaxed crystal, the divisions of its supercell, and what they have cost."""
    cell = primitive_of(crystal) if sampling.small else crystal
    divisions = sampling.supercell or repeats(cell)
    compute = in_small_supercells if sampling.small else in_one_supercell
    phonopy, effort = compute(cell, divisions, sampling.displacement)
    return phonopy, divisions, effort


def _gruneisen(crystal: Atoms, phonopy: Any, sampling: Sampling, mesh: tuple[int, int, int]) -> Gruneisen:
    larger, smaller = (
        force_constants(at_volume(crystal, 1 + sign * VOLUME_CHANGE, FMAX), sampling)[0] for sign in (1, -1)
    )
    return gruneisen_of(phonopy, larger, smaller, mesh)
