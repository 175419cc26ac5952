"""Labels by an ASE calculator, such as those of a cheaper method to pretrain a network on."""

from __future__ import annotations

import contextlib
import importlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError

from acnn.arrays import FloatArray
from acnn.conventions import virial_from_stress
from acnn.data.dataset import LabeledStructure
from acnn.data.errors import error_sentence
from acnn.data.structures import unlabeled
from acnn.data.weights import Weights


@dataclass(frozen=True)
class Labels:
    """Labels of a structure; None if unknown.

    Attributes:
        energy: eV, of the whole cell.
        forces: eV/Å [n_atoms, 3].
        virial: -dE/dε in eV [3, 3], of structures periodic in three directions.
    """

    energy: float | None
    forces: FloatArray | None
    virial: FloatArray | None

    def __add__(self, other: Labels) -> Labels:
        """Add what both contain."""
        return self._combined(other, operator.add)

    def __sub__(self, other: Labels) -> Labels:
        """Subtract what both contain."""
        return self._combined(other, operator.sub)

    def _combined(self, other: Labels, combine: Callable[[Any, Any], Any]) -> Labels:
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Labels(*(None if a is None or b is None else combine(a, b) for a, b in pairs))

    def shifted(self, energy: float) -> Labels:
        """Return the labels with this energy added, eV."""
        return self if self.energy is None else replace(self, energy=self.energy + energy)

    def fault(self, max_force: float) -> str | None:
        """Return why they are useless: none is known, one is not finite, or a force exceeds max_force (eV/Å)."""
        known = [x for x in astuple(self) if x is not None]
        largest = 0.0 if self.forces is None else np.linalg.norm(self.forces, axis=1).max()
        if not largest <= max_force:
            return f"a force of {largest:.3g} eV/Å"
        if not all(np.all(np.isfinite(x)) for x in known):
            return "an energy or stress that is not a number"
        return None if known else "no labels"

    def on(self, atoms: Atoms, config_type: str) -> Atoms:
        """Attach them to a copy: info["REF_energy"], arrays["REF_forces"], info["REF_virial"]."""
        copy = unlabeled(atoms)
        copy.info["config_type"] = config_type
        if self.energy is not None:
            copy.info["REF_energy"] = self.energy
        if self.forces is not None:
            copy.arrays["REF_forces"] = np.array(self.forces)
        if self.virial is not None:
            copy.info["REF_virial"] = np.ravel(self.virial)
        return copy


def labeled_atoms(structure: LabeledStructure) -> Atoms:
    """Return a structure with its own labels, config type and weight factors, as extended XYZ stores them."""
    atoms = Labels(structure.energy, structure.forces, structure.virial).on(structure.atoms, structure.config_type)
    atoms.info |= _weight_factors(structure)
    return atoms


def _weight_factors(structure: LabeledStructure) -> dict[str, float]:
    """Return the factors on the usual weights that a structure's own info keys gave, where they are not 1."""
    weights, usual = structure.weights, Weights()
    factors = {kind: getattr(weights, kind) / getattr(usual, kind) for kind in ("energy", "forces", "virial")}
    return {f"{kind}_weight": factor for kind, factor in factors.items() if factor != 1.0}


TYPE_AND_WEIGHTS = ("config_type", "energy_weight", "forces_weight", "virial_weight", "config_weight")

Labeler: TypeAlias = Callable[[Atoms], Labels]


def make_calculator(name: str, arguments: Mapping[str, Any]) -> Calculator:
    """Make the calculator ``module:Class``, such as ``ase.calculators.emt:EMT``, with these arguments.

    Raises:
        ValueError: there is none of this name, or it does not accept the arguments.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise ValueError(f"a calculator is given as MODULE:CLASS, such as tblite.ase:TBLite, not {name!r}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the calculator {name} needs the module {error.name}: install it, or, if it is in this folder, use python "
            "-m acnn"
        ) from error
    try:
        made = getattr(module, class_name)(**arguments)
    except Exception as error:
        raise ValueError(
            f"the calculator {name} cannot be created with {dict(arguments)}: {error_sentence(error)}"
        ) from error
    if not hasattr(made, "get_potential_energy"):
        raise ValueError(f"{name} is not an ASE calculator, but a {type(made).__name__}")
    return made


def calculated(atoms: Atoms, calculator: Calculator) -> Labels:
    """Compute labels, with a virial if the calculator has stresses.

    Constraints are ignored; initial charges and magnetic moments are not.
    """
    evaluated = atoms.copy()
    evaluated.set_constraint()
    evaluated.calc = calculator
    forces, virial = np.array(evaluated.get_forces()), None
    if atoms.pbc.all():
        with contextlib.suppress(PropertyNotImplementedError):
            virial = virial_from_stress(evaluated.get_stress(voigt=False), evaluated.get_volume())
    return Labels(float(evaluated.get_potential_energy()), forces, virial)


def labeled(atoms: Atoms, config_type: str, calculator: Calculator) -> Atoms:
    """Return a copy with the calculator's labels, see `Labels.on`."""
    return calculated(atoms, calculator).on(atoms, config_type)


def each_labeled(
    structures: Iterable[Atoms], labeler: Labeler, name: str, max_force: float, keep_types: bool = False
) -> Iterator[Atoms | str]:
    """Yield every structure with its labels, or the reason why it has none, see `Labels.fault`.

    Args:
        name: the calculator's name, which becomes the config type of the structures.
        keep_types: keep the config types and weights of the structures instead.

    Raises:
        ValueError: the calculator has no forces at all.
    """
    for atoms in structures:
        try:
            found = labeler(atoms)
        except PropertyNotImplementedError as error:
            raise ValueError(f"{name} does not compute energies and forces: {error_sentence(error)}") from error
        except Exception as error:  # whatever its library raises
            yield error_sentence(error)
            continue
        fault = found.fault(max_force)
        if fault is not None:
            yield fault
            continue
        frame = found.on(atoms, name)
        if keep_types:
            del frame.info["config_type"]
            frame.info |= {key: atoms.info[key] for key in TYPE_AND_WEIGHTS if key in atoms.info}
        yield frame
