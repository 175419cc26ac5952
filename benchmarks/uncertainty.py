"""Committees of posterior samples: do their standard deviations predict the errors on held-out structures?

Silicon of Zuo et al. (2020), train to test, with the small basis of `accuracy_zuo2020.py`; TiAl_tutorial of
ACEpotentials.jl, train [0::5], test [1::10], as in `accuracy_acepotentials.py`. Per quantity and term of σ: root mean
squares of σ and of the error, miscalibration area (0 perfect, 0.5 worst) and rank correlation of σ with |error|.

    python benchmarks/uncertainty.py ZUO2020 ACEPOTENTIALS --json uncertainty.json

The folders contain Si_{train,test}.xyz and TiAl_tutorial.xyz.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ase.io
from accuracy_acepotentials import TIAL_E0, TIAL_WEIGHTS
from accuracy_zuo2020 import SIZES, WL
from fitting import add_arguments, fit_with_cli, print_rows, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("zuo2020", type=Path)
    parser.add_argument("acepotentials", type=Path)
    parser.add_argument("--committee", type=int, default=32)
    parser.add_argument("--plots", type=Path, help="write reliability diagrams to this folder")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for case in [silicon] if arguments.quick else [silicon, titanium_aluminum]:
        with tempfile.TemporaryDirectory() as scratch:
            rows += measure(arguments, *case(arguments, Path(scratch)), Path(scratch))
    print_rows(rows)
    write_rows(arguments.json, rows)


def silicon(arguments: argparse.Namespace, scratch: Path) -> tuple[str, Path, Path, list[str]]:
    order, degree = SIZES["sm"]
    flags = ["--order", order, "--degree", degree, "--wl", WL, "--e0", "lstsq"]
    return "Si", arguments.zuo2020 / "Si_train.xyz", arguments.zuo2020 / "Si_test.xyz", flags


def titanium_aluminum(arguments: argparse.Namespace, scratch: Path) -> tuple[str, Path, Path, list[str]]:
    frames = ase.io.read(arguments.acepotentials / "TiAl_tutorial.xyz", index=":")
    train, test, weights = scratch / "train.xyz", scratch / "test.xyz", scratch / "weights.yaml"
    ase.io.write(train, frames[0::5])
    ase.io.write(test, frames[1::10])
    weights.write_text(TIAL_WEIGHTS)
    return "TiAl", train, test, ["--order", "3", "--degree", "6", "--weights", str(weights), "--e0", TIAL_E0]


def measure(
    arguments: argparse.Namespace, name: str, train: Path, test: Path, flags: list[str], scratch: Path
) -> list[dict[str, Any]]:
    model, found = scratch / "model.acnn", scratch / "found.json"
    metrics = fit_with_cli(train, model, arguments.threads, *flags, "--committee", str(arguments.committee))
    plot = [] if arguments.plots is None else ["--uncertainty-plot", str(arguments.plots / f"{name}.png")]
    command = [sys.executable, "-m", "acnn", "evaluate", str(model), str(test), "--uncertainty", "--json", str(found)]
    command += ["--overwrite", *plot]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(arguments.threads)})
    uncertainty = json.loads(found.read_text())["uncertainty"]
    return [
        {"data": name, "n_basis": metrics["n_basis"], "members": arguments.committee, "quantity": quantity, "std": term}
        | calibration
        for quantity, of_quantity in uncertainty.items()
        for term, calibration in of_quantity.items()
    ]


if __name__ == "__main__":
    main()
