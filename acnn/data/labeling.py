"""Labels by an ASE calculator, such as those of a cheaper method to pretrain a network on.

Total energies of two methods differ most by a constant for every atom. `energy_offsets` finds these constants, so that
energies of both methods can be learned by one model, one after the other.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, CalculatorError

from acnn.conventions import full_from_voigt
from acnn.data.dataset import LabeledStructure

MOST_REFERENCES = 200
"""Structures by which offsets of energies are found; they are few numbers."""


def make_calculator(name: str, arguments: Mapping[str, Any]) -> Calculator:
    """The calculator ``module:Class``, such as ``ase.calculators.emt:EMT``, made with these arguments.

    Raises:
        ValueError: there is none of this name, or it does not take the arguments.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise ValueError(f"a calculator is named MODULE:CLASS, such as tblite.ase:TBLite, not {name!r}")
    try:
        made = getattr(importlib.import_module(module_name), class_name)(**arguments)
    except ModuleNotFoundError as error:
        raise ValueError(f"the calculator {name} needs the module {error.name}: install it") from error
    except AttributeError as error:
        raise ValueError(f"the calculator {name} cannot be made: {error}") from error
    except TypeError as error:
        raise ValueError(f"the calculator {name} does not take {dict(arguments)}: {error}") from error
    if not hasattr(made, "get_potential_energy"):
        raise ValueError(f"{name} is not an ASE calculator, but makes a {type(made).__name__}")
    return made


def labeled(atoms: Atoms, config_type: str, calculator: Calculator) -> Atoms:
    """A copy with the calculator's energy (eV), forces (eV/Å) and, if it has one and the structure is periodic in three
    directions, stress (eV/Å³) under REF_ keys."""
    evaluated = atoms.copy()
    evaluated.calc = calculator
    copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    copy.info["REF_energy"] = float(evaluated.get_potential_energy())
    copy.arrays["REF_forces"] = np.array(evaluated.get_forces())
    if atoms.pbc.all() and "stress" in calculator.implemented_properties:
        copy.info["REF_stress"] = full_from_voigt(evaluated.get_stress()).ravel()
    copy.info["config_type"] = config_type
    return copy


def energy_offsets(
    references: Sequence[LabeledStructure], calculator: Calculator, advance: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """δ_z in eV by element with the least squares of E - E_calc - Σ_i δ_z(i) over structures of several atoms.

    The solution of least norm where compositions do not tell the elements apart. Structures for which the calculator
    fails are left out.

    Raises:
        ValueError: it fails for all, or there is none.
    """
    rows, differences = [], []
    for structure in references:
        try:
            found = labeled(structure.atoms, "", calculator)
        except CalculatorError:
            continue
        finally:
            advance()
        rows.append(structure.atoms.numbers)
        differences.append(structure.energy - found.info["REF_energy"])
    if not rows:
        raise ValueError(f"{type(calculator).__name__} has no energy for any of {len(references)} reference structures")
    numbers = np.unique(np.concatenate(rows))
    counts = (np.array([np.bincount(row, minlength=numbers[-1] + 1) for row in rows]))[:, numbers]
    solution = np.linalg.lstsq(counts.astype(float), np.array(differences), rcond=None)[0]
    symbols = [Atoms(numbers=[z]).symbols[0] for z in numbers]
    return dict(zip(symbols, solution.tolist(), strict=True))


def chosen_references(structures: Iterable[LabeledStructure]) -> list[LabeledStructure]:
    """At most `MOST_REFERENCES` structures of several atoms with energies, evenly spread."""
    usable = [s for s in structures if s.energy is not None and len(s) > 1]
    places = np.linspace(0, len(usable) - 1, min(len(usable), MOST_REFERENCES)).round().astype(int)
    return [usable[place] for place in places]


def each_labeled(
    structures: Iterable[Atoms], calculator: Calculator, offsets: Mapping[str, float], max_force: float
) -> Iterator[Atoms | None]:
    """`labeled` of every structure with Σ_i δ_z(i) added to its energy; None where the calculator fails, or a force is
    larger than max_force (eV/Å) or not finite.

    Args:
        offsets: δ_z in eV of all elements, or none.
    """
    for atoms in structures:
        try:
            found = labeled(atoms, type(calculator).__name__, calculator)
        except CalculatorError:
            yield None
            continue
        found.info["REF_energy"] += sum(offsets[symbol] for symbol in found.symbols) if offsets else 0.0
        largest = np.linalg.norm(found.arrays["REF_forces"], axis=1).max()
        yield found if largest <= max_force and np.isfinite(found.info["REF_energy"]) else None
