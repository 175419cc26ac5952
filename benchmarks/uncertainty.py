"""Committees: do their standard deviations predict the errors on other structures, before and after calibration?

A fit holds out a tenth of its training structures, and scales the spread of its committee by their errors ("error
bars"); the test structures are used for nothing but this table. Silicon of Zuo et al. (2020), train to test, with the
small basis of `accuracy_zuo2020.py`; TiAl_tutorial of ACEpotentials.jl, train [0::5], test [1::10], as in
`accuracy_acepotentials.py`; ethanol, 200 of its test structures. Per quantity and term of σ: root mean squares of σ and
of the error, miscalibration area (0 perfect, 0.5 worst) and rank correlation of σ with |error|; of error bars also the
shares of the errors that σ and the 90 % bounds cover.

    python benchmarks/uncertainty.py DATA --json uncertainty.json

Networks: `uncertainty_networks.py`; ace-jax on the same silicon: `uncertainty_acejax.py`.

DATA contains zuo2020/Si_{train,test}.xyz, acepotentials/TiAl_tutorial.xyz and the folder ethanol.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import ase.io
import yaml
from accuracy_acepotentials import TIAL_E0, TIAL_WEIGHTS
from accuracy_zuo2020 import SIZES, WL
from fitting import acnn, add_arguments, fit_with_cli, print_rows, write_rows
from molecules import MOLECULE_LINEAR_CUTOFF, molecule_data

from acnn.data.dataset import read_dataset
from acnn.io.model_file import load_model
from acnn.uncertainty.conformal import joined, measured_spreads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--committee", type=int, default=16)
    parser.add_argument("--plots", type=Path, help="write reliability diagrams to this folder")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for case in [silicon] if arguments.quick else [silicon, titanium_aluminum, ethanol]:
        for kind in ("posterior", "pops"):
            with tempfile.TemporaryDirectory() as scratch:
                rows += measure(arguments, *case(arguments, Path(scratch)), kind, Path(scratch))
    print_rows(rows)
    write_rows(arguments.json, rows)


def silicon(arguments: argparse.Namespace, scratch: Path) -> tuple[str, Path, Path, list[str]]:
    order, degree = SIZES["sm"]
    flags = ["--order", order, "--degree", degree, "--wl", WL, "--e0", "lstsq"]
    return "Si", arguments.data / "zuo2020/Si_train.xyz", arguments.data / "zuo2020/Si_test.xyz", flags


def titanium_aluminum(arguments: argparse.Namespace, scratch: Path) -> tuple[str, Path, Path, list[str]]:
    frames = ase.io.read(arguments.data / "acepotentials/TiAl_tutorial.xyz", index=":")
    train, test, weights = scratch / "train.xyz", scratch / "test.xyz", scratch / "weights.yaml"
    ase.io.write(train, frames[0::5])
    ase.io.write(test, frames[1::10])
    weights.write_text(TIAL_WEIGHTS)
    return "TiAl", train, test, ["--order", "3", "--degree", "6", "--weights", str(weights), "--e0", TIAL_E0]


def ethanol(arguments: argparse.Namespace, scratch: Path) -> tuple[str, Path, Path, list[str]]:
    data = molecule_data(arguments.data, "ethanol", scratch)
    test, config = scratch / "test.xyz", scratch / "fit.yaml"
    ase.io.write(test, ase.io.read(data.files["MD"], "::5"))
    config.write_text(yaml.safe_dump(data.lengths))
    basis = ["--order", "3", "--degree", "14,12,9", "--cutoff", str(MOLECULE_LINEAR_CUTOFF), "--e0", "isolated"]
    return "ethanol", data.train, test, [*basis, "--config", str(config)]


def measure(
    arguments: argparse.Namespace, name: str, train: Path, test: Path, flags: list[str], kind: str, scratch: Path
) -> list[dict[str, Any]]:
    model = scratch / "model.acnn"
    flags = [*flags, "--committee", str(arguments.committee), "--uncertainty", kind]
    metrics = fit_with_cli(train, model, arguments.threads, *flags)
    plot = [] if arguments.plots is None else ["--uncertainty-plot", str(arguments.plots / f"{name}_{kind}.png")]
    return judged(
        model, test, {"data": name, "members": kind, "functions": metrics["n_basis"]}, arguments.threads, *plot
    )


def judged(model: Path, test: Path, about: dict[str, Any], threads: int, *flags: str) -> list[dict[str, Any]]:
    """What a model says of the errors on test structures: a row for each quantity and term of σ."""
    found = model.with_suffix(".json")
    acnn(threads, "evaluate", model, test, "--uncertainty", "--json", found, "--overwrite", *flags)
    uncertainty = json.loads(found.read_text())["uncertainty"]
    covered = coverage(model, test)
    return [
        {**about, "quantity": quantity, "sigma": term}
        | calibration
        | {f"{bar}_covers": covered[quantity][bar] if term == "error bars" else "" for bar in ("std", "q90")}
        for quantity, of_quantity in uncertainty.items()
        for term, calibration in of_quantity.items()
    ]


def coverage(file: Path, test: Path) -> dict[str, dict[str, str]]:
    """Shares of the errors on test structures that standard deviations and bounds cover."""
    model = load_model(file)
    covered = joined(measured_spreads(model, read_dataset(test).structures)).covered(model.calibration)
    shares = {quantity: {name: f"{100 * v.mean():.0f} %" for name, v in of.items()} for quantity, of in covered.items()}
    return {"virial" if quantity == "stress" else quantity: of for quantity, of in shares.items()}


if __name__ == "__main__":
    main()
