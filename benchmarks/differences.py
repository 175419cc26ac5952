"""What a model of the difference of two methods buys where reference data are few: molecules, and GFN2-xTB.

    pip install tblite
    python benchmarks/pretraining.py DATA --only acac --seeds 0 1 --models MODELS
    python benchmarks/differences.py DATA --only acac --seeds 0 1 --models MODELS

Networks learn what the reference labels are more than those of GFN2-xTB (Ramakrishnan et al., J. Chem. Theory Comput.
11, 2087, 2015; `acnn label --difference`), which is smaller and smoother than the labels themselves; their ensemble and
GFN2-xTB together label structures of molecular dynamics (`acnn label --correction`). Of every seed, the network that
pretraining.py left in MODELS goes on with these, and at last with the reference data alone, so that the result needs
no GFN2-xTB. Rows: errors of the ensemble of differences, added to GFN2-xTB; of every such network; of their ensemble.
RMSE in meV per molecule and meV/Å. Hyperparameters were chosen with the errors on acac's test files in view.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from accuracy_networks import ZUO_TRAINING, acnn, train
from ase import Atoms
from fitting import print_rows, write_rows
from molecules import MOLECULE_PART, MOLECULE_RATE, MOLECULES, MoleculeData, molecule_data, molecule_model
from pretraining import GFN2_XTB, row

from acnn.data.structures import molecular_dynamics, rounded
from ase_calculator import ACNNCalculator

TEMPERATURES = (300.0, 600.0, 900.0)
SNAPSHOTS = 40
"""Of every trajectory, 25 fs apart."""
BROKEN = 0.25
"""eV per atom above the highest energy of the training data: a molecule that breaks."""
LAST_RATE, LAST_EPOCHS = 0.0003, 60
"""Of the last training, on the reference data alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--models", type=Path, required=True, help="the folder of pretraining.py")
    parser.add_argument("--teachers", type=int, default=4, help="models of the difference, whose mean is taken")
    parser.add_argument("--teacher-epochs", type=int, default=100)
    parser.add_argument("--trajectories", type=int, default=250, help=f"of {SNAPSHOTS} snapshots each")
    parser.add_argument("--epochs", type=int, default=25, help="on the snapshots")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--set", action="append", default=[], help="passed on to acnn train")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    if arguments.teachers < 2:
        parser.error("an ensemble has two --teachers at least")
    firsts = [arguments.models / f"{name}_finetuned_{seed}.acnn" for name in arguments.only for seed in arguments.seeds]
    for missing in (path for path in firsts if not path.exists()):
        parser.error(f"there is no {missing}: run pretraining.py first")
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
    folder = arguments.models

    def trained(kind: str, seed: int, epochs: int, **settings: Any) -> tuple[Path, float]:
        training = {**ZUO_TRAINING, "learning_rate": MOLECULE_RATE, "batch_atoms": 5 * data.n_atoms}
        training |= settings.pop("training", {})
        start, own = time.perf_counter(), argparse.Namespace(**vars(arguments) | {"epochs": epochs})
        train(own, {"training": training, **settings}, f"{name}_{kind}_{seed}", seed, folder)
        return folder / f"{name}_{kind}_{seed}.acnn", time.perf_counter() - start

    differences = {key: folder / f"{name}_difference_{key.replace(' ', '_')}.xyz" for key in data.files}
    for key, file in differences.items():
        file.with_suffix(".part.xyz").unlink(missing_ok=True)
        acnn("label", data.files[key], "-o", file, *GFN2_XTB, "--difference")
    degree = MOLECULE_PART[len(data.elements)]
    correcting = {
        "model": {"level": "attention", **molecule_model("attention"), **data.lengths},
        "linear": {"order": 3, "degree": degree, "repulsion": 0.0, **data.lengths},
        "data": {"train": str(differences["train"]), "validation": None, "e0": "lstsq"},
    }
    teachers = [trained("difference", k, arguments.teacher_epochs, **correcting) for k in range(arguments.teachers)]
    teacher = folder / f"{name}_difference.acnn"
    acnn("ensemble", *(path for path, _ in teachers), "-o", teacher)
    total = sum(seconds for _, seconds in teachers)
    yield row(name, "difference and GFN2-xTB", "", replace(data, files=differences), teacher, total)

    students = []
    for seed in arguments.seeds:
        first = folder / f"{name}_finetuned_{seed}.acnn"
        snapshots, better = folder / f"{name}_md_{seed}.xyz", folder / f"{name}_better_{seed}.xyz"
        ase.io.write(snapshots, dynamics(first, data, arguments.trajectories, seed))
        better.with_suffix(".part.xyz").unlink(missing_ok=True)
        acnn("label", snapshots, "-o", better, *GFN2_XTB, "--correction", teacher)
        both = folder / f"{name}_taught_{seed}.xyz"
        both.write_text(better.read_text() + data.train.read_text())
        taught = {"data": {"train": str(both), "validation": None}, "from": str(first)}
        model, before = trained("taught", seed, arguments.epochs, **taught)
        yield row(name, "taught", seed, data, model, before)
        last = {"data": {"train": str(data.train), "validation": None}, "from": str(model)}
        model, seconds = trained("final", seed, LAST_EPOCHS, **last, training={"learning_rate": LAST_RATE})
        students.append(model)
        yield row(name, "taught, then reference data", seed, data, model, before + seconds)
    if len(students) > 1:
        acnn("ensemble", *students, "-o", folder / f"{name}_students.acnn")
        yield row(name, f"ensemble of {len(students)}", "", data, folder / f"{name}_students.acnn", 0.0)


def dynamics(model: Path, data: MoleculeData, trajectories: int, seed: int) -> list[Atoms]:
    """Snapshots of molecular dynamics from the training structures, as far as the molecules hold."""
    torch.set_num_threads(1)
    starts = [atoms for atoms in ase.io.read(data.train, ":") if len(atoms) > 1]
    rng, calculator, found = np.random.default_rng(seed), ACNNCalculator(str(model)), []
    highest = max(energy(atoms, calculator) for atoms in starts) + BROKEN * data.n_atoms
    for k in range(trajectories):
        options = {"temperature": TEMPERATURES[k % len(TEMPERATURES)], "snapshots": SNAPSHOTS}
        steps = {"timestep": 1.0, "equilibration": 25, "interval": 25}
        start = starts[k * len(starts) // trajectories]
        with contextlib.suppress(ValueError):  # positions that are not finite, or atoms on top of each other
            for atoms in molecular_dynamics(start, calculator, rng, **options, **steps):
                if not energy(atoms, calculator) <= highest:
                    break
                found.append(rounded(atoms))
    return found


def energy(atoms: Atoms, calculator: ACNNCalculator) -> float:
    """eV."""
    return float(calculator.get_potential_energy(atoms))


if __name__ == "__main__":
    main()
