"""Alloys from their binaries by networks: the data of alloys.py, with and without what carries over to unseen alloys.

    python benchmarks/alloys_networks.py --json alloys_networks.json

The models are trained on elements and binaries for a few epochs (one seed), and tested on ternaries and the quaternary.
The rows of each type: on a stiff linear part of pairs, which was the default for four elements, and on the accurate one
of the defaults; each with independent elements (training.element_correlation: 0) and with those of the default. Test
errors were in view when the defaults were chosen.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from alloys import write_data
from fitting import add_arguments, print_rows, write_rows

PAIRS = {"linear": {"order": 1, "degree": 8}}
INDEPENDENT, ALIKE = ({"training": {"element_correlation": rho}} for rho in (0.0, 0.9))
CASES = {
    "on pairs, independent elements": {**PAIRS, **INDEPENDENT},
    "on pairs": {**PAIRS, **ALIKE},
    "independent elements": INDEPENDENT,
    "defaults": {},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", nargs="+", default=["Cu", "Ag", "Pd", "Pt"])
    parser.add_argument("--types", nargs="+", default=["network", "attention"])
    parser.add_argument("--epochs", type=int, default=30)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for row in measured(arguments, Path(scratch)):
            rows.append(row)
            print_rows(rows)
            write_rows(arguments.json, rows)


def measured(arguments: argparse.Namespace, scratch: Path) -> Iterator[dict[str, Any]]:
    train, test = write_data(scratch, arguments.elements)
    for model_type in arguments.types:
        for name, changes in CASES.items():
            settings = {
                "data": {"train": str(train), "test": str(test), "e0": "lstsq"},
                "model": {"type": model_type},
                **changes,
                "output": str(scratch / "m.acnn"),
            }
            start = time.perf_counter()
            found = train_with_cli(settings, scratch, arguments.epochs, arguments.threads)
            yield {
                "model": f"{model_type}, {name}",
                **errors_of(found["test"]),
                "linear_functions": found["n_basis"],
                "seconds": time.perf_counter() - start,
            }


def errors_of(test: dict[str, dict[str, float]]) -> dict[str, float]:
    row = {}
    for name in (name for name in test if name != "total"):
        row[f"{name}_energy_meV_per_atom"] = test[name]["energy_mae"]
        row[f"{name}_forces_eV_per_A"] = test[name]["forces_mae"]
    return row


def train_with_cli(settings: dict[str, Any], scratch: Path, epochs: int | None, threads: int) -> dict[str, Any]:
    """Run ``acnn train`` in a process of its own and return its metrics."""
    config, metrics = scratch / "train.yaml", scratch / "metrics.json"
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "acnn", "train", str(config), "--json", str(metrics), "--overwrite"]
    command += ["--threads", str(threads), *(["--epochs", str(epochs)] if epochs else [])]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return json.loads(metrics.read_text())


if __name__ == "__main__":
    main()
