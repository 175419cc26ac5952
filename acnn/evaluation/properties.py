"""Properties: the results of evaluating a structure, with names, units and shapes; those that every potential has.

`acnn.properties` has the table of all. Code that passes properties on (the ASE calculator, files of predictions,
LAMMPS) reads the table, and knows none of them by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from ase import Atoms
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.graph import AtomicGraph
from acnn.potential import PairGradients, Potential

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """One evaluated structure, from which properties are computed.

    Attributes:
        potential: on the device of the graph.
        found: site energies and pair gradients.
        volume: of the cell in Å³; None where it has none.
        kernel: the requested kernel, see `acnn.potential.Potential.pair_gradients`.
    """

    potential: Potential
    found: PairGradients
    volume: float | None = None
    kernel: str | None = None
    _made: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def graph(self) -> AtomicGraph:
        """The evaluated graph."""
        return self.found.graph

    def once(self, make: Callable[[Evaluation], T]) -> T:
        """Return what a function makes of this evaluation, computed on first use."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

    @property
    def needed_volume(self) -> float:
        """Volume in Å³.

        Raises:
            ValueError: the cell has no volume.
        """
        if self.volume is None:
            raise ValueError("the cell has no volume: set its three vectors")
        return self.volume


def volume_of(atoms: Atoms) -> float | None:
    """Return the volume of the cell in Å³; None unless it has three vectors."""
    return float(atoms.cell.volume) if atoms.cell.rank == 3 else None


def always(potential: Potential) -> bool:
    """Return True: every potential has the property."""
    return True


@dataclass(frozen=True)
class Property:
    """One result of an evaluation.

    Attributes:
        name: in the results of ASE; in files it has the prefix "acnn_".
        unit: of its values.
        axes: its shape: "atoms", "members" (of a committee), or a number.
        values: computes it; float64, a float for a shape without axes.
        group: properties that are computed together, as one of them costs as much as all; those of "mechanics" come
            with every evaluation.
        exists: whether a potential has it.
        of_volume: whether it needs a cell with a volume.
        of_sites: whether it depends on the neighbors of each atom alone, so that the domains of LAMMPS need not
            exchange it.
        adds: whether the property of a sum of potentials is the sum of the properties.
    """

    name: str
    unit: str
    axes: tuple[str | int, ...]
    values: Callable[[Evaluation], Any]
    group: str = "mechanics"
    exists: Callable[[Potential], bool] = always
    of_volume: bool = False
    of_sites: bool = False
    adds: bool = False

    @property
    def is_per_atom(self) -> bool:
        """Whether there is a value for each atom."""
        return self.axes[:1] == ("atoms",)

    def of(self, evaluation: Evaluation) -> Any:
        """Return its value, computed on first use."""
        return evaluation.once(self.values)


def array(values: Tensor) -> FloatArray:
    """Return the values as float64 on the CPU."""
    return values.detach().to(device="cpu", dtype=torch.float64).numpy()


def energies(evaluation: Evaluation) -> FloatArray:
    """Return e_i in eV [n_atoms]."""
    return array(evaluation.found.site_energies)


def energy(evaluation: Evaluation) -> float:
    """Return Σ e_i in eV."""
    return float(evaluation.once(energies).sum())


def forces(evaluation: Evaluation) -> FloatArray:
    """Return F_i in eV/Å [n_atoms, 3]."""
    return array(evaluation.found.forces)


def stress(evaluation: Evaluation) -> FloatArray:
    """Return σ in eV/Å³ [6], by one matrix product: W = -Σ_p r_p ⊗ g_p."""
    virial = -evaluation.graph.pair_vectors.T @ evaluation.found.pair_gradients
    return voigt_from_full(stress_from_virial(array(virial), evaluation.needed_volume))


def stresses(evaluation: Evaluation) -> FloatArray:
    """Return σ_i = -W_i / V in eV/Å³ [n_atoms, 6]; they add up to the stress."""
    return voigt_from_full(stress_from_virial(array(evaluation.found.atomic_virials), evaluation.needed_volume))


MECHANICS = (
    Property("energy", "eV", (), energy, adds=True),
    Property("free_energy", "eV", (), energy, adds=True),
    Property("energies", "eV", ("atoms",), energies, of_sites=True, adds=True),
    Property("forces", "eV/Å", ("atoms", 3), forces, adds=True),
    Property("stress", "eV/Å³", (6,), stress, of_volume=True, adds=True),
    Property("stresses", "eV/Å³", ("atoms", 6), stresses, group="stresses", of_volume=True, adds=True),
)
