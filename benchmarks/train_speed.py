"""Seconds per epoch of training on the silicon set of Zuo et al. (2020), beside mace-torch, in one run by turns.

    python benchmarks/train_speed.py DATA/zuo2020 --mace ENVIRONMENT/bin/mace_run_train --threads 2

acnn trains the attention model of accuracy_networks.py, in single precision. mace-torch 0.3 trains a small MACE (two
interactions, 32x0e + 32x1o, r_cut 5 Å, single precision, batches of four structures), smaller than what its authors
recommend. Seconds are those between two epochs of each code's own log, without start, validation included in both.
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

import yaml
from accuracy_networks import ZUO_LINEAR, ZUO_MODEL, ZUO_TRAINING
from fitting import print_rows, write_rows

EPOCHS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--mace", type=Path, required=True, help="mace_run_train of an environment with mace-torch")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    rows = []
    for _ in range(arguments.rounds):
        for code, seconds in (("acnn attention", acnn), ("mace 32x0e + 32x1o", mace)):
            with tempfile.TemporaryDirectory() as scratch:
                rows.append({"code": code, "seconds_per_epoch": seconds(arguments, Path(scratch))})
    print_rows(rows)
    write_rows(arguments.json, rows)


def acnn(arguments: argparse.Namespace, folder: Path) -> float:
    settings: dict[str, Any] = {
        "data": {"train": str(arguments.data / "Si_train.xyz"), "validation": 0.05, "e0": "lstsq"},
        "model": {"level": "attention", **ZUO_MODEL},
        "linear": ZUO_LINEAR,
        "training": {**ZUO_TRAINING, "epochs": EPOCHS, "threads": arguments.threads},
        "output": str(folder / "si.acnn"),
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(settings))
    metrics = folder / "metrics.json"
    run(arguments, [sys.executable, "-m", "acnn", "train", "train.yaml", "--json", str(metrics)], folder)
    return json.loads(metrics.read_text())["seconds_per_epoch"]


def mace(arguments: argparse.Namespace, folder: Path) -> float:
    flags = {
        "name": "si",
        "train_file": str((arguments.data / "Si_train.xyz").resolve()),
        "valid_fraction": "0.05",
        "energy_key": "REF_energy",
        "forces_key": "REF_forces",
        "E0s": "average",
        "model": "MACE",
        "hidden_irreps": "32x0e + 32x1o",
        "r_max": "5.0",
        "batch_size": "4",
        "max_num_epochs": str(EPOCHS),
        "eval_interval": "1",
        "device": "cpu",
        "default_dtype": "float32",
        "seed": "1",
    }
    started = time.perf_counter()
    text = run(arguments, [str(arguments.mace), *(f"--{key}={value}" for key, value in flags.items())], folder)
    times = [clock(found) for found in re.findall(r"(\d+:\d+:\d+\.\d+) INFO: Epoch \d+:", text)]
    if len(times) < 2:
        sys.exit(f"mace_run_train ended after {time.perf_counter() - started:.0f} s without epochs:\n{text[-2000:]}")
    return (times[-1] - times[0]) / (len(times) - 1)


def clock(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def run(arguments: argparse.Namespace, command: list[str], folder: Path) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
