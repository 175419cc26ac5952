"""Training on the silicon set of Zuo et al. (2020) beside mace-torch, in one run: seconds per epoch, and test errors.

    python benchmarks/train_speed.py DATA/zuo2020 --mace ENVIRONMENT/bin --threads 2
    python benchmarks/train_speed.py DATA/zuo2020 --mace ENVIRONMENT/bin --rounds 1 --epochs 60 --mace-epochs 40

acnn trains the attention model of accuracy_networks.py, in single precision. mace-torch 0.3 trains a small MACE (two
interactions, 32x0e + 32x1o, r_cut 5 Å, single precision, batches of four structures), smaller than what its authors
recommend, with their second stage in the last quarter of the epochs. Seconds are those between two epochs in each
code's own log, without the start and with validation; errors are MAE on the test set after the given epochs, which are
few for MACE.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml
from accuracy_networks import ZUO_LINEAR, ZUO_MODEL, ZUO_TRAINING
from fitting import print_rows, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--mace", type=Path, required=True, help="folder of the programs of mace-torch")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=3, help="of acnn")
    parser.add_argument("--mace-epochs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    arguments.data, arguments.mace = arguments.data.resolve(), arguments.mace.resolve()
    rows: list[dict[str, Any]] = []
    for _ in range(arguments.rounds):
        for code in (acnn, mace):
            with tempfile.TemporaryDirectory() as scratch:
                start = time.perf_counter()
                found = code(arguments, Path(scratch))
                rows.append({**found, "minutes": (time.perf_counter() - start) / 60})
            print_rows(rows)
            write_rows(arguments.json, rows)


def acnn(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    files = {"train": str(arguments.data / "Si_train.xyz"), "test": str(arguments.data / "Si_test.xyz")}
    settings: dict[str, Any] = {
        "data": {**files, "validation": 0.05, "e0": "lstsq"},
        "model": {"type": "attention", **ZUO_MODEL},
        "linear": ZUO_LINEAR,
        "training": {**ZUO_TRAINING, "epochs": arguments.epochs, "threads": arguments.threads},
        "output": str(folder / "si.acnn"),
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(settings))
    metrics = folder / "metrics.json"
    run(arguments, [sys.executable, "-m", "acnn", "train", "train.yaml", "--json", str(metrics)], folder)
    found = json.loads(metrics.read_text())
    errors = found["test"]["total"]
    return row(
        "acnn attention", arguments.epochs, found["seconds_per_epoch"], errors["energy_mae"], errors["forces_mae"]
    )


def mace(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    epochs = arguments.mace_epochs
    flags = {
        "name": "si",
        "train_file": arguments.data / "Si_train.xyz",
        "valid_fraction": 0.05,
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "E0s": "average",
        "model": "MACE",
        "hidden_irreps": "32x0e + 32x1o",
        "r_max": 5.0,
        "batch_size": 4,
        "max_num_epochs": epochs,
        "start_stage_two": max(1, 3 * epochs // 4),
        "ema_decay": 0.99,
        "eval_interval": 1,
        "device": "cpu",
        "default_dtype": "float32",
        "seed": 1,
    }
    words = ["--ema", "--amsgrad", "--stage_two", *(f"--{key}={value}" for key, value in flags.items())]
    text = run(arguments, [arguments.mace / "mace_run_train", *words], folder)
    times = [clock(found) for found in re.findall(r"(\d+:\d+:\d+\.\d+) INFO: Epoch \d+:", text)]
    model = folder / "si_stagetwo.model"
    if len(times) < 2 or not model.exists():
        sys.exit(f"mace_run_train ended without epochs or a model:\n{text[-2000:]}")
    test = arguments.data / "Si_test.xyz"
    words = [f"--configs={test}", f"--model={model}", "--output=test.xyz", "--default_dtype=float32", "--batch_size=4"]
    run(arguments, [arguments.mace / "mace_eval_configs", *words], folder)
    energies, forces = [], []
    for atoms, said in zip(ase.io.read(test, ":"), ase.io.read(folder / "test.xyz", ":"), strict=True):
        energies.append((said.info["MACE_energy"] - atoms.info["REF_energy"]) / len(atoms))
        forces.append((said.arrays["MACE_forces"] - atoms.arrays["REF_forces"]).ravel())
    errors = 1e3 * float(np.abs(energies).mean()), float(np.abs(np.concatenate(forces)).mean())
    seconds = (times[-1] - times[0]) % 86400 / (len(times) - 1)
    return row("mace 32x0e + 32x1o", epochs, seconds, *errors)


def row(code: str, epochs: int, seconds: float, energy: float, forces: float) -> dict[str, Any]:
    return {
        "code": code,
        "epochs": epochs,
        "seconds_per_epoch": seconds,
        "test_energy_MAE_meV_atom": energy,
        "test_forces_MAE_eV_A": forces,
    }


def clock(text: str) -> float:
    """Seconds since midnight."""
    hours, minutes, seconds = text.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def run(arguments: argparse.Namespace, command: list[Any], folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
