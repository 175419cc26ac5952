"""Networks without settings: `acnn train` with three lines, beside the settings that accuracy_networks.py has.

    python benchmarks/defaults_train.py DATA --only Si Ni --json defaults_train.json

DATA holds zuo2020, acac and ethanol. Columns: MAE in meV/atom and eV/Å of nickel, copper and silicon; RMSE in meV and
meV/Å of molecules. By hand: the results that accuracy_networks.py had, from the tables of docs/benchmarks/accuracy.md
(the mean of its range, where it has one). A tenth of the training data is held out for validation; by hand nothing is.
One seed. The hand-set numbers that the defaults are modeled on were found with test errors in view.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accuracy_networks import evaluate
from alloys_networks import train_with_cli
from fitting import add_arguments, print_rows, write_rows
from molecules import molecule_data

METALS = ("Ni", "Cu", "Si")
BY_HAND: dict[str, list[float]] = {
    "Ni": [0.243, 0.0120],
    "Cu": [0.177, 0.0052],
    "Si": [1.3, 0.0455],
    "acac 300 K": [1.5, 9.3],
    "acac 600 K": [8.9, 31.0],
    "ethanol MD": [1.3, 7.7],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", default=[*METALS, "acac", "ethanol"])
    add_arguments(parser)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as scratch:
            for row in measured(name, arguments.data, Path(scratch), arguments.threads):
                rows.append(row)
                print_rows(rows)
                write_rows(arguments.json, rows)


def measured(name: str, data: Path, scratch: Path, threads: int) -> Iterator[dict[str, Any]]:
    model, start = scratch / "m.acnn", time.perf_counter()
    if name in METALS:
        folder = data / "zuo2020"
        settings = {"data": str(folder / f"{name}_train.xyz"), "model": {"type": "attention"}, "output": str(model)}
        found = train_with_cli(settings, scratch, None, threads)
        errors = evaluate(model, folder / f"{name}_test.xyz", scratch / "errors.json")
        yield row(name, errors["energy_mae"], errors["forces_mae"], found, time.perf_counter() - start)
        return
    molecule = molecule_data(data, name, scratch)
    settings = {"data": str(molecule.train), "model": {"type": "attention"}, "output": str(model)}
    found, seconds = train_with_cli(settings, scratch, None, threads), time.perf_counter() - start
    for test, file in molecule.files.items():
        if test != "train":
            errors = evaluate(model, file, scratch / "errors.json")
            values = errors["energy_rmse"] * molecule.n_atoms, 1e3 * errors["forces_rmse"]
            yield row(f"{name} {test}", *values, found, seconds)


def row(name: str, energy: float, forces: float, found: dict[str, Any], seconds: float) -> dict[str, Any]:
    by_hand = BY_HAND[name]
    return {
        "data": name,
        "energy": energy,
        "energy_by_hand": by_hand[0],
        "forces": forces,
        "forces_by_hand": by_hand[1],
        "parameters": found["n_parameters"],
        "epochs": found["epochs"],
        "seconds": seconds,
    }


if __name__ == "__main__":
    main()
