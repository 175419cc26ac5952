"""Alloys from their binaries: fits to elements and binary alloys, tested on alloys of three and more elements.

Random solid solutions on face-centered cubic lattices of 32 sites, strained by up to 4 % and displaced by 0.05 to 0.25
Å, labeled with ASE's effective medium theory; with --liquids also snapshots of their molecular dynamics at 1500 to
3000 K. Training data are of one and two elements; test data of all numbers, none of them with fewer than three in the
columns that matter.

    python benchmarks/alloys.py --json alloys.json
    python benchmarks/alloys.py --elements Cu Ag Au Ni --order 3 --degree 7
    python benchmarks/alloys.py --elements Cu Ag Au Ni Pd Pt Al --degree 6 --liquids 4 --tests 2 --correlations 0 auto

The rows are the settings of --element-correlation; 0 is the prior under which every combination of elements is its own.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, reference_states
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

PER_ELEMENT, PER_BINARY, PER_ALLOY = 12, 12, 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["Cu", "Ag", "Pd", "Pt"])
    parser.add_argument("--order", default="2")
    parser.add_argument("--degree", default="8")
    parser.add_argument("--cutoff", default="5.5")
    parser.add_argument("--correlations", nargs="+", default=["0", "0.9", "0.99", "0.999", "auto"])
    parser.add_argument("--share", type=float, nargs="+", default=[1.0], help="of the data, for a learning curve")
    parser.add_argument("--liquids", type=int, default=0, help="for each element and binary; as many are tested")
    parser.add_argument("--tests", type=int, default=PER_ALLOY, help="for each alloy of three and more elements")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = [row for share in arguments.share for row in of_share(arguments, share)]
    print_rows(rows)
    write_rows(arguments.json, rows)


def of_share(arguments: argparse.Namespace, share: float) -> Iterator[dict[str, Any]]:
    """Fit a share of the data with every correlation."""
    with tempfile.TemporaryDirectory() as scratch:
        counts = share, arguments.liquids, arguments.tests
        train, test = write_data(Path(scratch), arguments.elements, *counts)
        flags = ["--test", str(test), "--order", arguments.order, "--degree", arguments.degree]
        flags += ["--cutoff", arguments.cutoff, "--e0", "lstsq"]
        for correlation in arguments.correlations:
            yield measure(train, Path(scratch) / "m.acnn", arguments.threads, correlation, flags)


def write_data(
    folder: Path, elements: Sequence[str], share: float = 1.0, liquids: int = 0, tests: int = PER_ALLOY
) -> tuple[Path, Path]:
    """Training and test structures; the config type is the number of elements, of liquids too."""
    rng = np.random.default_rng(0)
    counts = {1: max(2, round(share * PER_ELEMENT)), 2: max(2, round(share * PER_BINARY))}
    train = [a for n, count in counts.items() for a in alloys(rng, itertools.combinations(elements, n), count)]
    sizes = range(1, len(elements) + 1)
    combinations = ((n, c) for n in sizes for c in itertools.combinations(elements, n))
    test = [a for n, c in combinations for a in alloys(rng, [c], tests if n > 2 else 4)]
    train += [liquid(rng, c) for n in (1, 2) for c in itertools.combinations(elements, n) for _ in range(liquids)]
    test += [liquid(rng, rng.choice(elements, n, replace=False).tolist()) for n in sizes for _ in range(liquids)]
    ase.io.write(folder / "train.xyz", train)
    ase.io.write(folder / "test.xyz", test)
    return folder / "train.xyz", folder / "test.xyz"


def alloys(rng: np.random.Generator, combinations: Iterable[Sequence[str]], count: int) -> list[Atoms]:
    """Labeled solid solutions of these elements."""
    return [solution(rng, elements) for elements in combinations for _ in range(count)]


def solution(rng: np.random.Generator, elements: Sequence[str]) -> Atoms:
    return labeled(disordered(rng, elements), f"elements-{len(elements)}")


def liquid(rng: np.random.Generator, elements: Sequence[str]) -> Atoms:
    """A solution, expanded by up to 8 %, after 0.6 ps at 1500 to 3000 K."""
    atoms = disordered(rng, elements)
    atoms.set_cell(atoms.cell * rng.uniform(1.0, 1.08), scale_atoms=True)
    atoms.positions += rng.normal(scale=0.3, size=atoms.positions.shape)
    atoms.calc, temperature = EMT(), rng.uniform(1500.0, 3000.0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    Langevin(atoms, 3 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng).run(200)
    return labeled(atoms, f"liquid-{len(elements)}")


def disordered(rng: np.random.Generator, elements: Sequence[str], repeat: int = 2) -> Atoms:
    atoms = bulk("Cu", cubic=True) * repeat
    shares = rng.dirichlet(np.ones(len(elements)))
    symbols = rng.choice(elements, size=len(atoms), p=shares)
    symbols[: len(elements)] = elements
    atoms.symbols = rng.permutation(symbols)
    edge = repeat * np.mean([reference_states[atomic_numbers[symbol]]["a"] for symbol in atoms.symbols])
    atoms.set_cell(edge * np.eye(3) @ (np.eye(3) + rng.uniform(-0.04, 0.04, size=(3, 3))), scale_atoms=True)
    atoms.positions += rng.normal(scale=rng.uniform(0.05, 0.25), size=atoms.positions.shape)
    return atoms


def labeled(atoms: Atoms, config_type: str) -> Atoms:
    atoms.calc = EMT()
    results = {name: atoms.get_potential_energy() if name == "energy" else atoms.get_forces() for name in LABELS}
    found = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=True)  # without the velocities of a liquid
    found.calc = SinglePointCalculator(found, **results)
    found.info["config_type"] = config_type
    return found


LABELS = ("energy", "forces")
TOTAL = "total"


def measure(train: Path, model: Path, threads: int, correlation: str, flags: Sequence[str]) -> dict[str, Any]:
    start = time.perf_counter()
    metrics = fit_with_cli(train, model, threads, *flags, "--element-correlation", correlation)
    row = {"correlation": correlation, "structures": len(ase.io.read(train, ":")), "functions": metrics["n_basis"]}
    row["log_evidence"] = metrics["log_evidence"]
    for name, errors in metrics["test"].items():
        if name != TOTAL:
            row[f"{name}_energy_meV_per_atom"] = errors["energy_mae"]
            row[f"{name}_forces_eV_per_A"] = errors["forces_mae"]
    found = metrics.get("element_correlation", "")
    return {**row, "found": found, "fit_s": metrics["fit_seconds"], "seconds": time.perf_counter() - start}


if __name__ == "__main__":
    main()
