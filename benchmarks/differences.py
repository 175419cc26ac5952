"""The benefit of a model of the difference of two methods with few reference data: molecules, and GFN2-xTB.

    pip install tblite
    python benchmarks/differences.py DATA --only acac --seeds 0 1 --models MODELS

1. A small network is trained on the reference data alone (first row).
2. Networks learn the reference labels minus those of GFN2-xTB (Ramakrishnan et al., J. Chem. Theory Comput. 11, 2087,
   2015; `acnn label --difference`): differences are smaller and smoother than the labels themselves (second row: their
   ensemble, added to GFN2-xTB).
3. Both together label snapshots of molecular dynamics of the first network (`acnn label --correction`).
4. For every seed, a network is trained on these (a row), and then on the reference data alone (a row); it needs no
   GFN2-xTB any more. The last row is the ensemble of these.

RMSE in meV per molecule and meV/Å, and seconds since the start. Processes have one thread each. Models and labels that
exist in MODELS are reused. Hyperparameters were chosen with the errors on acac's test files in view.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from accuracy_networks import ZUO_TRAINING, acnn, train
from ase import Atoms
from fitting import print_rows, write_rows
from molecules import (
    MOLECULE_PART,
    MOLECULE_RATE,
    MOLECULES,
    MoleculeData,
    fit_stiff_part,
    molecule_data,
    molecule_model,
)
from pretraining import GFN2_XTB, row

from acnn.data.structures import molecular_dynamics, rounded
from ase_calculator import ACNNCalculator

TEMPERATURES = (300.0, 600.0, 300.0, 600.0, 300.0, 900.0)
SNAPSHOTS = 40
"""Of every trajectory, 25 fs apart."""
TOGETHER, APART = 25, 50.0
"""Molecules that are simulated at once, so far from each other (Å)."""
BROKEN = 0.25
"""eV per atom above the highest energy of the training data: a molecule that breaks."""
SMALL = {"layers": 1, "l_max": 3, "channels": 12, "heads": 16}
"""Of the network whose dynamics are labeled."""
FEW, MANY = 5, 20
"""Molecules of a batch: of the reference data, of the snapshots."""
LAST_RATE, LAST_EPOCHS = 0.0003, 60
"""Of the last training, on the reference data alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--models", type=Path, required=True, help="a folder for models and labels")
    parser.add_argument(
        "--teachers", type=int, default=4, help="number of models of the difference, which are averaged"
    )
    parser.add_argument("--teacher-epochs", type=int, default=100, help="epochs of these, and of the first network")
    parser.add_argument("--trajectories", type=int, default=900, help=f"of {SNAPSHOTS} snapshots each")
    parser.add_argument("--epochs", type=int, default=20, help="epochs on the snapshots")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    parser.add_argument("--set", action="append", default=[], help="passed on to acnn train")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if arguments.teachers < 2:
        parser.error("an ensemble needs at least two --teachers")
    os.environ["OMP_NUM_THREADS"] = "1"
    arguments.models.mkdir(parents=True, exist_ok=True)
    every = []
    for name in arguments.only:
        rows: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory() as scratch:
            for found in molecule_rows(arguments, molecule_data(arguments.data, name, Path(scratch)), name):
                rows.append(found)
                print_rows(rows)
                write_rows(arguments.json, every + rows)
        every += rows


def molecule_rows(arguments: argparse.Namespace, data: MoleculeData, name: str) -> Iterator[dict[str, Any]]:
    degree = MOLECULE_PART[len(data.elements)]
    new = {"type": "attention", **molecule_model("attention"), **data.lengths}

    def file(rest: str) -> Path:
        return arguments.models / f"{name}_{rest}"

    def trained(kind: str, settings: dict[str, Any], seed: int, epochs: int, **training: Any) -> Path:
        model = file(f"{kind}_{seed}.acnn")
        if not model.exists():
            training = {**ZUO_TRAINING, "learning_rate": MOLECULE_RATE, "batch_atoms": FEW * data.n_atoms, **training}
            own = argparse.Namespace(**vars(arguments) | {"epochs": epochs, "threads": 1})
            train(own, {"training": training, **settings}, f"{model.stem}.part", seed, arguments.models)
            model.with_suffix(".part.acnn").rename(model)  # while it is trained, there is the best so far
        return model

    def errors(kind: str, seed: int | str, model: Path, files: dict[str, Path] = data.files) -> dict[str, Any]:
        return row(name, kind, seed, replace(data, files=files), model, time.perf_counter() - start)

    start = time.perf_counter()
    stiff = file("stiff.acnn")
    if not stiff.exists():
        fit_stiff_part(data, stiff, 1)
    differences = {key: file(f"difference_{key.replace(' ', '_')}.xyz") for key in data.files}
    labels = [partial(label, data.files[key], there, "--difference") for key, there in differences.items()]
    at_once(arguments.jobs, labels)

    reference = {"data": {"train": str(data.train), "validation": None}}
    first = {"model": {**new, **SMALL}, "linear": str(stiff), **reference}
    correcting = {
        "model": new,
        "linear": {"order": 3, "degree": degree, "repulsion": 0.0, **data.lengths},
        "data": {"train": str(differences["train"]), "validation": None, "e0": "lstsq"},
    }
    epochs, teacher = arguments.teacher_epochs, file("difference.acnn")
    explorer, *teachers = at_once(
        arguments.jobs,
        [partial(trained, "reference", first, 0, epochs)]
        + [partial(trained, "difference", correcting, seed, epochs) for seed in range(arguments.teachers)],
    )
    yield errors("reference data alone", 0, explorer)
    acnn("ensemble", *teachers, "-o", teacher)
    yield errors("difference and GFN2-xTB", "", teacher, differences)

    better = explored(arguments, data, explorer, teacher, file)
    both = file("taught.xyz")
    both.write_text("".join(part.read_text() for part in better) + data.train.read_text())
    taught = {"model": new, "linear": str(stiff), "data": {"train": str(both), "validation": None}}

    def student(seed: int) -> tuple[Path, list[dict[str, Any]]]:
        model = trained("taught", taught, seed, arguments.epochs, batch_atoms=MANY * data.n_atoms)
        last = {"from": str(model), **reference}
        final = trained("final", last, seed, LAST_EPOCHS, learning_rate=LAST_RATE)
        return final, [errors("taught", seed, model), errors("taught, then reference data", seed, final)]

    students = at_once(arguments.jobs, [partial(student, seed) for seed in arguments.seeds])
    for _, found in students:
        yield from found
    if len(students) > 1:
        ensemble = file("students.acnn")
        acnn("ensemble", *(model for model, _ in students), "-o", ensemble)
        yield errors(f"ensemble of {len(students)}", "", ensemble)


def explored(
    arguments: argparse.Namespace, data: MoleculeData, model: Path, teacher: Path, file: Callable[[str], Path]
) -> list[Path]:
    """Files of labeled snapshots of the model's dynamics; every job runs some of the trajectories."""
    structures = [atoms for atoms in ase.io.read(data.train, ":") if len(atoms) > 1]
    jobs = min(arguments.jobs, arguments.trajectories)
    snapshots = [file(f"md_{k}.xyz") for k in range(jobs)]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        waiting = []
        for k, there in enumerate(snapshots):
            if not there.exists():
                starts = [structures[i % len(structures)] for i in range(k, arguments.trajectories, jobs)]
                waiting.append(pool.submit(write_dynamics, there, model, starts, k))
        for job in waiting:
            job.result()
    better = [file(f"better_{k}.xyz") for k in range(jobs)]
    correction = ("--correction", teacher)
    at_once(jobs, [partial(label, *files, *correction) for files in zip(snapshots, better, strict=True)])
    return better


def label(structures: Path, output: Path, *flags: object) -> None:
    """With GFN2-xTB."""
    if not output.exists():
        output.with_suffix(".part.xyz").unlink(missing_ok=True)
        acnn("label", structures, "-o", output, *GFN2_XTB, *flags)


def at_once(jobs: int, calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Results of calls that wait for processes, in their order."""
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda call: call(), calls))


def write_dynamics(file: Path, model: Path, starts: list[Atoms], seed: int) -> None:
    """Snapshots of molecular dynamics from ``starts``, of many molecules at once, as far as they hold."""
    torch.set_num_threads(1)
    os.environ["ACNN_NUM_THREADS"] = "1"
    rng, calculator, found = np.random.default_rng(seed), ACNNCalculator(str(model)), []
    highest = energies(apart(starts), calculator, len(starts)).max() + BROKEN * len(starts[0])
    for k in range(0, len(starts), TOGETHER):
        group = starts[k : k + TOGETHER]
        options = {"temperature": TEMPERATURES[k // TOGETHER % len(TEMPERATURES)], "snapshots": SNAPSHOTS}
        steps = {"timestep": 1.0, "equilibration": 25, "interval": 25}
        holds = np.full(len(group), True)
        with contextlib.suppress(ValueError):  # positions that are not finite, or atoms on top of each other
            for snapshot in molecular_dynamics(apart(group), calculator, rng, **options, **steps):
                holds &= energies(snapshot, calculator, len(group)) <= highest
                found += [rounded(atoms) for atoms, held in zip(split(snapshot, group), holds, strict=True) if held]
    part = file.with_suffix(".part.xyz")
    ase.io.write(part, found)
    part.rename(file)


def apart(molecules: list[Atoms]) -> Atoms:
    """One structure of molecules that are too far from each other to interact."""
    positions = [atoms.positions + [k * APART, 0, 0] for k, atoms in enumerate(molecules)]
    return Atoms(np.concatenate([atoms.numbers for atoms in molecules]), np.concatenate(positions))


def split(together: Atoms, molecules: list[Atoms]) -> Iterator[Atoms]:
    """The molecules of `apart` with the cells of ``molecules``."""
    for k, (atoms, positions) in enumerate(zip(molecules, np.split(together.positions, len(molecules)), strict=True)):
        yield Atoms(atoms.numbers, positions - [k * APART, 0, 0], cell=atoms.cell, pbc=atoms.pbc)


def energies(together: Atoms, calculator: ACNNCalculator, n_molecules: int) -> np.ndarray[Any, Any]:
    """eV, of every molecule."""
    return calculator.get_potential_energies(together).reshape(n_molecules, -1).sum(axis=1)


if __name__ == "__main__":
    main()
