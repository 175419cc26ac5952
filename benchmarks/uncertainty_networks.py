"""Error bars of networks and ensembles: the committee of the last layer of one model, and several models.

Acetylacetone at 300 K (Batatia et al., 2022): 200 training structures train, 100 others calibrate (`acnn
calibrate`); every fifth test structure at 300 K, and at 600 K, where the molecule leaves the data, is used for
nothing but this table. Models are small and trained briefly, for what is measured is σ. Columns as in `uncertainty.py`.

    python benchmarks/uncertainty_networks.py DATA --json uncertainty_networks.json
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import yaml
from fitting import acnn, add_arguments, print_rows, write_rows
from molecules import MOLECULE_LINEAR_CUTOFF, MOLECULE_RATE
from uncertainty import judged

SIZE = {"cutoff": 5.0, "channels": 8, "l_max": 3, "radial_functions": 8, "hidden": [32]}
ATTENTION = {"layers": 1, "heads": 8}
LINEAR = {"order": 3, "degree": [12, 9, 6], "slack": 2, "cutoff": MOLECULE_LINEAR_CUTOFF}
SEEDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_data(arguments.data / "acac", folder)
        for kind, model in calibrated(arguments, folder):
            for kelvin in (300, 600):
                about = {"test": f"{kelvin} K", "model": kind}
                rows += judged(model, folder / f"{kelvin}.xyz", about, arguments.threads)
            print_rows(rows)
            write_rows(arguments.json, rows)


def write_data(source: Path, folder: Path) -> None:
    structures = ase.io.read(source / "train_300K.xyz", ":")
    isolated = ase.io.read(source / "isolated_atoms.xyz", ":")
    ase.io.write(folder / "train.xyz", isolated + structures[1::5] + structures[3::5])
    ase.io.write(folder / "held_out.xyz", structures[::5])
    for kelvin in (300, 600):
        ase.io.write(folder / f"{kelvin}.xyz", ase.io.read(source / f"test_MD_{kelvin}K.xyz", "::5"))


def calibrated(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Path]]:
    """Models with error bars, and what they are."""
    networks = [trained(arguments, folder, "network", seed) for seed in range(2 if arguments.quick else SEEDS)]
    attention = [] if arguments.quick else [trained(arguments, folder, "attention", 0)]
    for name, model in [("network", networks[0]), *(("attention", model) for model in attention)]:
        for kind in ("posterior", "pops"):
            options = ("--training", folder / "train.xyz", "--uncertainty", kind)
            yield f"{name}, last layer, {kind}", calibrate(arguments, model, *options)
    together = folder / "ensemble.acnn"
    acnn(arguments.threads, "ensemble", *networks, "-o", together)
    yield f"ensemble of {len(networks)} networks", calibrate(arguments, together)


def trained(arguments: argparse.Namespace, folder: Path, kind: str, seed: int) -> Path:
    settings, model = folder / "train.yaml", folder / f"{kind}{seed}.acnn"
    content: dict[str, Any] = {
        "data": {"train": str(folder / "train.xyz"), "validation": 0.1, "e0": "isolated"},
        "model": {"type": kind, **SIZE, **(ATTENTION if kind == "attention" else {})},
        "linear": LINEAR,
        "training": {"epochs": arguments.epochs, "learning_rate": MOLECULE_RATE, "seed": seed},
        "output": str(model),
    }
    settings.write_text(yaml.safe_dump(content))
    acnn(arguments.threads, "train", settings)
    return model


def calibrate(arguments: argparse.Namespace, model: Path, *options: object) -> Path:
    output = model.with_name("calibrated.acnn")
    acnn(arguments.threads, "calibrate", model, model.with_name("held_out.xyz"), "-o", output, "--overwrite", *options)
    return output


if __name__ == "__main__":
    main()
