"""Structures as JSON has them: geometry, short facts of ``info``, and what a calculator gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator


def atoms_record(atoms: Atoms) -> dict[str, Any]:
    """Return a structure in full precision; of ``info``, texts and numbers."""
    results = atoms.calc.results if atoms.calc is not None else {}
    return {
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
        "info": {key: value for key, value in atoms.info.items() if isinstance(value, str | int | float)},
        "results": {name: np.asarray(value).tolist() for name, value in results.items() if value is not None},
    }


def atoms_of(record: Mapping[str, Any]) -> Atoms:
    """Return the structure of a record."""
    positions = np.array(record["positions"], dtype=float).reshape(-1, 3)
    atoms = Atoms(record["numbers"], positions, cell=record["cell"], pbc=record["pbc"], info=dict(record["info"]))
    results = {name: np.array(value) if isinstance(value, list) else value for name, value in record["results"].items()}
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
