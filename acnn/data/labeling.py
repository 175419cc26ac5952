"""Labels by an ASE calculator, such as those of a cheaper method to pretrain a network on.

Total energies of two methods differ most by a constant for every atom. `energy_offsets` finds these constants, so that
energies of both methods can be learned by one model, one after the other.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError
from numpy.typing import NDArray

from acnn.conventions import full_from_voigt
from acnn.data.frames import error_sentence

MOST_REFERENCES = 200
"""Structures by which offsets of energies are found; they are few numbers."""
SAME_COMPOSITION = 1e-6

Reference = tuple[Atoms, float]
"""A structure and its energy in eV."""


def make_calculator(name: str, arguments: Mapping[str, Any]) -> Calculator:
    """The calculator ``module:Class``, such as ``ase.calculators.emt:EMT``, made with these arguments.

    Raises:
        ValueError: there is none of this name, or it does not take the arguments.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise ValueError(f"a calculator is named MODULE:CLASS, such as tblite.ase:TBLite, not {name!r}")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the calculator {name} needs the module {error.name}: install it, or, if it is in this folder, try python "
            "-m acnn"
        ) from error
    try:
        made = getattr(module, class_name)(**arguments)
    except Exception as error:
        raise ValueError(
            f"the calculator {name} cannot be made with {dict(arguments)}: {error_sentence(error)}"
        ) from error
    if not hasattr(made, "get_potential_energy"):
        raise ValueError(f"{name} is not an ASE calculator, but makes a {type(made).__name__}")
    return made


def labeled(atoms: Atoms, config_type: str, calculator: Calculator) -> Atoms:
    """A copy with the calculator's energy (eV), forces (eV/Å) and, if it has one and the structure is periodic in three
    directions, stress (eV/Å³) under REF_ keys. Constraints do not count; initial charges and magnetic moments do."""
    evaluated = atoms.copy()
    evaluated.set_constraint()
    evaluated.calc = calculator
    copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.arrays["REF_forces"] = np.array(evaluated.get_forces())
    copy.info["REF_energy"] = float(evaluated.get_potential_energy())
    if atoms.pbc.all():
        with contextlib.suppress(PropertyNotImplementedError):
            copy.info["REF_stress"] = full_from_voigt(evaluated.get_stress()).ravel()
    copy.info["config_type"] = config_type
    return copy


@dataclass(frozen=True)
class EnergyOffsets:
    """δ_z in eV by element.

    Attributes:
        compositions: orthonormal rows that span the numbers of atoms of the references [n, n_elements]; only for sums
            of them is Σ_i δ_z(i) known.
    """

    elements: tuple[str, ...]
    values: NDArray[np.float64]
    compositions: NDArray[np.float64]

    def of(self, atoms: Atoms) -> float:
        """Σ_i δ_z(i) in eV.

        Raises:
            ValueError: the references do not tell it.
        """
        counts = np.array([np.sum(atoms.symbols == element) for element in self.elements], dtype=float)
        unknown = counts - self.compositions.T @ (self.compositions @ counts)
        if counts.sum() < len(atoms) or np.abs(unknown).max() > SAME_COMPOSITION * len(atoms):
            formula = atoms.symbols.formula.format("hill")
            raise ValueError(
                f"the reference energies do not tell the level of {formula}: give some of such a composition, too"
            )
        return float(counts @ self.values)

    def __str__(self) -> str:
        return ", ".join(f"{element} {value:.3f}" for element, value in zip(self.elements, self.values, strict=True))


def energy_offsets(
    references: Sequence[Reference], calculator: Calculator, advance: Callable[[], None] = lambda: None
) -> EnergyOffsets:
    """δ_z with the least squares of E - E_calc - Σ_i δ_z(i), of these the one of least norm.

    Structures for which the calculator fails are left out.

    Raises:
        ValueError: it fails for all.
    """
    rows, differences, reason = [], [], "there are none"
    for atoms, energy in references:
        try:
            found = float(labeled(atoms, "", calculator).info["REF_energy"])
        except Exception as error:  # whatever its library raises
            found, reason = math.nan, error_sentence(error)
        if math.isfinite(found):
            rows.append(atoms.symbols)
            differences.append(energy - found)
        advance()
    if not rows:
        raise ValueError(
            f"{type(calculator).__name__} has no energy for any of {len(references)} reference structures: {reason}"
        )
    elements = tuple(sorted({symbol for row in rows for symbol in row}))
    counts = np.array([[np.sum(row == element) for element in elements] for row in rows], dtype=float)
    values = np.linalg.lstsq(counts, np.array(differences), rcond=None)[0]
    _, singular, directions = np.linalg.svd(counts, full_matrices=False)
    return EnergyOffsets(elements, values, directions[singular > SAME_COMPOSITION * singular[0]])


def chosen_references(references: Sequence[Reference]) -> list[Reference]:
    """Some `MOST_REFERENCES`, of all compositions if there are not more than that, and of all elements."""
    firsts = _places_of_new(tuple(sorted(atoms.numbers)) for atoms, _ in references)
    of_elements = _places_of_new(tuple(sorted(set(atoms.numbers))) for atoms, _ in references)
    chosen = set(of_elements) | set(_spread(firsts, MOST_REFERENCES))
    others = [place for place in range(len(references)) if place not in chosen]
    chosen |= set(_spread(others, max(0, MOST_REFERENCES - len(chosen))))
    return [references[place] for place in sorted(chosen)]


def each_labeled(
    structures: Iterable[Atoms], calculator: Calculator, offsets: EnergyOffsets | None, max_force: float
) -> Iterator[Atoms | str]:
    """`labeled` of every structure with its offset added; or why not: the calculator fails, or a force is not finite or
    larger than max_force (eV/Å).

    Raises:
        ValueError: the calculator has no forces at all.
    """
    name = type(calculator).__name__
    for atoms in structures:
        try:
            found = labeled(atoms, name, calculator)
        except PropertyNotImplementedError as error:
            raise ValueError(f"{name} has no energies and forces: {error_sentence(error)}") from error
        except Exception as error:  # whatever its library raises
            yield error_sentence(error)
            continue
        found.info["REF_energy"] += 0.0 if offsets is None else offsets.of(found)
        largest = np.linalg.norm(found.arrays["REF_forces"], axis=1).max()
        if largest <= max_force and np.isfinite(found.info["REF_energy"]):
            yield found
        else:
            yield f"a force of {largest:.3g} eV/Å"


def _places_of_new(kinds: Iterable[tuple[int, ...]]) -> list[int]:
    places: dict[tuple[int, ...], int] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, place)
    return list(places.values())


def _spread(places: list[int], most: int) -> list[int]:
    """At most so many of them, evenly."""
    return [places[k] for k in np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)]
