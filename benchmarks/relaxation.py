"""Relaxations of boron in batches beside ASE's loop, and a search that is killed half-way and continued.

A model is fitted to energies of 8B (single points of random structures), and relaxes the 12B, which are relaxed by
density-functional theory, at 0 GPa. Both sides have the same calculator and limits (forces below 0.01 eV/Å) and take
turns in one process of one thread; times are processor times. ASE relaxes every n-th structure. Minima are the same if
their enthalpies differ by less than 1 meV/atom. Data: boron_airss of EDDPotentials.jl, 8B.xyz.xz and 12B.xyz.

    python benchmarks/relaxation.py DATA --json relaxation.json
"""

from __future__ import annotations

import argparse
import io
import lzma
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.filters import FrechetCellFilter, UnitCellFilter
from ase.optimize import FIRE, LBFGS
from fitting import add_arguments, print_rows, write_rows
from scipy.stats import spearmanr

import acnn
from acnn.data.frames import read_frames
from acnn.evaluation import evaluate_many
from acnn.potential import Potential
from acnn.workflows import Relaxation, relax_many
from ase_calculator import ACNNCalculator

BASIS = {"order": 3, "degree": 12, "cutoff": 5.0, "repulsion": 3.0}
SHARES = {"low": (0.0, 1.2, 4000, 30), "middle": (1.2, 4.0, 700, 10), "high": (4.0, 100.0, 1500, 3)}
"""Energies above the lowest (eV/atom), how many structures are taken, and their weight."""
TURNS = 4
FMAX = 0.01
SAME = 1e-3
"""eV/atom"""
OF_ASE = {
    "L-BFGS, FrechetCellFilter": (LBFGS, FrechetCellFilter, 1),
    "L-BFGS, UnitCellFilter": (LBFGS, UnitCellFilter, 1),
    "FIRE, FrechetCellFilter": (FIRE, FrechetCellFilter, 2),
}
"""Minimizer, filter, and of how many structures one is relaxed."""
Results = list[tuple[float, int, bool]]
"""Enthalpy in eV/atom, steps, whether it converged."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--structures", type=int, default=1000)
    parser.add_argument("--ase", type=int, default=20, help="structures that ASE relaxes")
    add_arguments(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.structures, arguments.ase = 40, 4
    warnings.simplefilter("ignore")  # of scipy.linalg.logm in ASE's filter
    structures = ase.io.read(arguments.data / "12B.xyz", f":{arguments.structures}")
    with tempfile.TemporaryDirectory() as folder:
        model = fitted(arguments.data, Path(folder))
        rows = compared(acnn.load_model(model), structures, arguments.ase)
        print_rows(rows)
        write_rows(arguments.json, rows)
        search = [searched(model, structures, Path(folder), jobs) for jobs in (1, 2)]
        print_rows(search)
        if arguments.json:
            write_rows(arguments.json.with_name(f"{arguments.json.stem}_search.json"), search)


def fitted(data: Path, folder: Path) -> Path:
    """Fit the model to a share of 8B."""
    text = lzma.decompress((data / "8B.xyz.xz").read_bytes()).decode()
    structures = ase.io.read(io.StringIO(text), ":", format="extxyz")
    energies = np.array([atoms.info["REF_energy"] / len(atoms) for atoms in structures])
    energies -= energies.min()
    rng, chosen = np.random.default_rng(0), []
    for name, (low, high, n, _) in SHARES.items():
        places = np.flatnonzero((energies >= low) & (energies < high))
        for place in rng.permutation(places)[:n]:
            structures[place].info["config_type"] = name
            chosen.append(structures[place])
    ase.io.write(folder / "8B.xyz", chosen)
    weights = {name: {"E": share[3]} for name, share in SHARES.items()}
    report = acnn.run_fit({"train": folder / "8B.xyz", "output": folder / "b.acnn", "weights": weights, **BASIS})
    print(report.errors["train"].as_dict()["low"])
    return folder / "b.acnn"


def compared(model: Potential, structures: Sequence[Atoms], n_ase: int) -> list[dict[str, Any]]:
    """Take turns: a share of all structures here, a share of every n-th one in ASE."""
    places = np.linspace(0, len(structures) - 1, n_ase).astype(int)
    batches = {"L-BFGS": "lbfgs", "FIRE": "fire"}
    found: dict[str, dict[int, tuple[float, int, bool]]] = {}
    seconds: dict[str, float] = {}

    def timed(name: str, own: Sequence[int], work: Callable[[list[Atoms]], Results]) -> None:
        start = time.process_time()
        results = work([structures[place] for place in own])
        seconds[name] = seconds.get(name, 0.0) + time.process_time() - start
        found.setdefault(name, {}).update(zip(map(int, own), results, strict=True))

    list(relax_many(model, structures[:2], Relaxation(steps=2)))  # compiles the kernel
    for turn in range(TURNS):
        for name, method in batches.items():
            timed(f"acnn, {name}", range(turn, len(structures), TURNS), lambda own, m=method: here(model, own, m))
        for name, (minimizer, of_cell, every) in OF_ASE.items():
            timed(
                f"ASE, {name}",
                places[turn::TURNS][::every],
                lambda own, m=minimizer, f=of_cell: by_ase(model, own, m, f),
            )
        print(f"turn {turn + 1}: {seconds}", flush=True)
    reference = found["ASE, L-BFGS, FrechetCellFilter"]
    slowest = seconds["ASE, L-BFGS, FrechetCellFilter"] / len(reference)
    rows = [row(name, results, seconds[name], reference, slowest) for name, results in found.items()]
    return rows + evaluations(model, structures)


def here(model: Potential, structures: list[Atoms], method: Any) -> Results:
    results = sorted(relax_many(model, structures, Relaxation(method=method, fmax=FMAX)), key=lambda one: one.place)
    return [(one.enthalpy / len(one.atoms), one.steps, one.state == "converged") for one in results]


def by_ase(model: Potential, structures: list[Atoms], minimizer: Any, of_cell: Any) -> Results:
    results: Results = []
    for atoms in structures:
        copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=True)
        copy.calc = ACNNCalculator(model)
        run = minimizer(of_cell(copy), logfile=None)
        converged = run.run(fmax=FMAX, steps=500)
        results.append((copy.get_potential_energy() / len(copy), run.nsteps, bool(converged)))
    return results


def row(
    name: str, found: dict[int, tuple[float, int, bool]], seconds: float, reference: dict[int, Any], slowest: float
) -> dict[str, Any]:
    common = [place for place in found if place in reference and found[place][2] and reference[place][2]]
    same = sum(abs(found[place][0] - reference[place][0]) < SAME for place in common)
    steps = sum(steps for _, steps, _ in found.values())
    return {
        "minimizer": name,
        "structures": len(found),
        "converged": sum(converged for _, _, converged in found.values()),
        "steps": steps / len(found),
        "ms_per_step": 1000 * seconds / steps,
        "per_minute": 60 * len(found) / seconds,
        "times": slowest * len(found) / seconds,
        "same_minimum": f"{same} of {len(common)}",
    }


def evaluations(model: Potential, structures: Sequence[Atoms]) -> list[dict[str, Any]]:
    """Energies, forces and stresses of structures that are new, without relaxing them."""
    some = [Atoms(a.numbers, a.positions, cell=a.cell, pbc=True) for a in structures[:200]]
    best = {"acnn, evaluate_many": np.inf, "ASE, ACNNCalculator in a loop": np.inf}
    for _ in range(3):
        start = time.process_time()
        evaluate_many(model, some)
        best["acnn, evaluate_many"] = min(best["acnn, evaluate_many"], time.process_time() - start)
        start, calculator = time.process_time(), ACNNCalculator(model)
        for atoms in some:
            calculator.get_property("stress", atoms)
        name = "ASE, ACNNCalculator in a loop"
        best[name] = min(best[name], time.process_time() - start)
    slowest = max(best.values())
    counts: dict[str, Any] = {"structures": len(some), "converged": "–", "steps": 1.0}
    return [
        {
            "minimizer": name,
            **counts,
            "ms_per_step": 1000 * seconds / len(some),
            "per_minute": 60 * len(some) / seconds,
            "times": slowest / seconds,
            "same_minimum": "–",
        }
        for name, seconds in best.items()
    ]


def searched(model: Path, structures: Sequence[Atoms], folder: Path, jobs: int) -> dict[str, Any]:
    """Kill ``acnn relax`` when half of the structures are done, continue it, and compare the order of enthalpies."""
    ase.io.write(folder / "12B.xyz", structures)
    output = folder / f"relaxed{jobs}.res"
    journal = output.with_name(f"{output.name}.journal")
    command = [sys.executable, "-m", "acnn", "relax", folder / "12B.xyz", "-m", model, "-o", output, "--jobs", jobs]
    words = [str(word) for word in command]
    start = time.monotonic()
    run = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and lines(journal) < len(structures) // 2:
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    before = lines(journal)
    killed = time.monotonic() - start
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    frames = read_frames(output)
    relaxed = {frame.atoms.info["name"]: frame.atoms for frame in frames}
    known = [atoms for atoms in structures if atoms.info["name"] in relaxed]
    both = [(relaxed[atoms.info["name"]].info["enthalpy"], atoms.info["REF_energy"]) for atoms in known]
    ends = [relaxed[atoms.info["name"]].info["rem"][0] for atoms in known]
    converged = [end.startswith("acnn relax: converged") for end in ends]
    fine = np.array(both)[np.array(converged)]
    given = evaluate_many(acnn.load_model(model), structures).energies
    errors = 1000 * (fine[:, 0] - fine[:, 1]) / len(structures[0])
    return {
        "jobs": jobs,
        "structures": len(structures),
        "killed_after": before,
        "written": len(frames),
        "names": len(relaxed),
        "converged": int(sum(converged)),
        "seconds": time.monotonic() - start,
        "seconds_until_killed": killed,
        "rank_correlation_given": float(spearmanr(given, [atoms.info["REF_energy"] for atoms in structures]).statistic),
        "rank_correlation": float(spearmanr(fine[:, 0], fine[:, 1]).statistic),
        "deviation_meV_per_atom": float(np.std(errors)),
    }


def lines(path: Path) -> int:
    """Complete results in a journal."""
    return max(path.read_bytes().count(b"\n") - 1, 0) if path.exists() else 0


if __name__ == "__main__":
    main()
