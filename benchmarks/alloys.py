"""Alloys from their binaries: fits to elements and binary alloys, tested on alloys of three and more elements.

Random solid solutions on face-centered cubic lattices of 32 sites, strained by up to 4 % and displaced by 0.05 to 0.25
Å, labeled with ASE's effective medium theory. Training data are of one and two elements; test data of all numbers, none
of them with fewer than three in the columns that matter.

    python benchmarks/alloys.py --json alloys.json
    python benchmarks/alloys.py --elements Cu Ag Au Ni --order 3 --degree 7

The rows are the settings of --element-correlation; 0 is the prior under which every combination of elements is its own.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, reference_states
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

PER_ELEMENT, PER_BINARY, PER_ALLOY = 12, 12, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["Cu", "Ag", "Pd", "Pt"])
    parser.add_argument("--order", default="2")
    parser.add_argument("--degree", default="8")
    parser.add_argument("--cutoff", default="5.5")
    parser.add_argument("--correlations", nargs="+", default=["0", "0.9", "0.99", "0.999", "auto"])
    parser.add_argument("--share", type=float, default=1.0, help="of the training structures, for a learning curve")
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        train, test = write_data(Path(scratch), arguments.elements, arguments.share)
        flags = ["--test", str(test), "--order", arguments.order, "--degree", arguments.degree]
        flags += ["--cutoff", arguments.cutoff, "--e0", "lstsq"]
        rows = [
            measure(train, Path(scratch) / "m.acnn", arguments.threads, correlation, flags)
            for correlation in arguments.correlations
        ]
    print_rows(rows)
    write_rows(arguments.json, rows)


def write_data(folder: Path, elements: Sequence[str], share: float) -> tuple[Path, Path]:
    """Training and test structures; the config type is the number of elements."""
    rng = np.random.default_rng(0)
    counts = {1: max(2, round(share * PER_ELEMENT)), 2: max(2, round(share * PER_BINARY))}
    train = [a for n, count in counts.items() for a in alloys(rng, itertools.combinations(elements, n), count)]
    combinations = ((n, c) for n in range(1, len(elements) + 1) for c in itertools.combinations(elements, n))
    test = [a for n, c in combinations for a in alloys(rng, [c], PER_ALLOY if n > 2 else 4)]
    ase.io.write(folder / "train.xyz", train)
    ase.io.write(folder / "test.xyz", test)
    return folder / "train.xyz", folder / "test.xyz"


def alloys(rng: np.random.Generator, combinations: Iterable[Sequence[str]], count: int) -> list[Atoms]:
    """Labeled solid solutions of these elements."""
    return [solution(rng, elements) for elements in combinations for _ in range(count)]


def solution(rng: np.random.Generator, elements: Sequence[str]) -> Atoms:
    atoms = bulk("Cu", cubic=True) * 2
    shares = rng.dirichlet(np.ones(len(elements)))
    symbols = rng.choice(elements, size=len(atoms), p=shares)
    symbols[: len(elements)] = elements
    atoms.symbols = rng.permutation(symbols)
    edge = 2 * np.mean([reference_states[atomic_numbers[symbol]]["a"] for symbol in atoms.symbols])
    atoms.set_cell(edge * np.eye(3) @ (np.eye(3) + rng.uniform(-0.04, 0.04, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=rng.uniform(0.05, 0.25), size=atoms.positions.shape)
    atoms.calc = EMT()
    results = {name: atoms.get_potential_energy() if name == "energy" else atoms.get_forces() for name in LABELS}
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info["config_type"] = f"elements-{len(elements)}"
    return atoms


LABELS = ("energy", "forces")


def measure(train: Path, model: Path, threads: int, correlation: str, flags: Sequence[str]) -> dict[str, Any]:
    start = time.perf_counter()
    metrics = fit_with_cli(train, model, threads, *flags, "--element-correlation", correlation)
    row = {"correlation": correlation, "functions": metrics["n_basis"], "log_evidence": metrics["log_evidence"]}
    for name, errors in metrics["test"].items():
        if name.startswith("elements-"):
            row[f"{name}_energy_meV_per_atom"] = errors["energy_mae"]
            row[f"{name}_forces_eV_per_A"] = errors["forces_mae"]
    found = metrics.get("element_correlation", "")
    return {**row, "found": found, "fit_s": metrics["fit_seconds"], "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    main()
