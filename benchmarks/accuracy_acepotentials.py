"""Linear ACE on the example data of ACEpotentials.jl, compared with that package's own figures.

TiAl_tutorial: train [0::5], test [1::10], order 3, total degree 6, cutoff 5.5 Å, weights FLD_TiAl E60, TiAl_T5000 E5;
RMSE. Si_tiny: order 3, total degree 12, cutoff 5.5 Å, weights of its test suite; training RMSE below its ceilings.

    python benchmarks/accuracy_acepotentials.py DATA --json acepotentials.json
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import ase.io
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

TIAL_WEIGHTS = "FLD_TiAl: {E: 60, F: 1, V: 1}\nTiAl_T5000: {E: 5, F: 1, V: 1}\n"
TIAL_E0 = "Ti=-1586.0195,Al=-105.5954"
TIAL_THEIRS = {"train": (4.155, 0.254, 58.7), "test": (7.632, 0.274, 67.3)}
SI_WEIGHTS = "default: {E: 30, F: 1, V: 1}\nliq: {E: 10, F: 0.66, V: 0.25}\n"
SI_E0 = "Si=-158.54496821"
SI_CEILINGS = {
    "qr": {"dia": (1.2, 0.024, 27), "liq": (0.6, 0.16, 37), "bt": (2.2, 0.07, 80), "total": (1.7, 0.12, 57)},
    "blr": {"dia": (1.6, 0.03, 33.3), "liq": (0.4, 0.19, 35), "bt": (3.8, 0.073, 90), "total": (2.8, 0.14, 68)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with TiAl_tutorial.xyz and Si_tiny.xyz")
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = silicon(arguments, "blr")
    if not arguments.quick:
        rows += silicon(arguments, "qr") + titanium_aluminum(arguments)
    print_rows(rows)
    write_rows(arguments.json, rows)


def silicon(arguments: argparse.Namespace, solver: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        weights = Path(scratch) / "weights.yaml"
        weights.write_text(SI_WEIGHTS)
        flags = ["--order", "3", "--degree", "12", "--solver", solver, "--weights", str(weights), "--e0", SI_E0]
        metrics = fit_with_cli(arguments.data / "Si_tiny.xyz", Path(scratch) / "si.acnn", arguments.threads, *flags)
    return [
        _row(f"Si_tiny {solver} train", config_type, metrics, metrics["train"][config_type], theirs)
        for config_type, theirs in SI_CEILINGS[solver].items()
    ]


def titanium_aluminum(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    frames = ase.io.read(arguments.data / "TiAl_tutorial.xyz", index=":")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, chosen in (("train", frames[0::5]), ("test", frames[1::10])):
            ase.io.write(folder / f"{name}.xyz", chosen)
        (folder / "weights.yaml").write_text(TIAL_WEIGHTS)
        flags = ["--order", "3", "--degree", "6", "--weights", str(folder / "weights.yaml"), "--e0", TIAL_E0]
        flags += ["--test", str(folder / "test.xyz")]
        metrics = fit_with_cli(folder / "train.xyz", folder / "tial.acnn", arguments.threads, *flags)
    return [
        _row(f"TiAl_tutorial {name}", "total", metrics, metrics[name]["total"], theirs)
        for name, theirs in TIAL_THEIRS.items()
    ]


def _row(data: str, config_type: str, metrics: dict, errors: dict, theirs: tuple[float, float, float]) -> dict:
    return {
        "data": data,
        "config_type": config_type,
        "n_basis": metrics["n_basis"],
        "energy_rmse_meV_per_atom": errors["energy_rmse"],
        "theirs_energy": theirs[0],
        "forces_rmse_eV_per_A": errors["forces_rmse"],
        "theirs_forces": theirs[1],
        "virial_rmse_meV_per_atom": errors["virial_rmse"],
        "theirs_virial": theirs[2],
        "fit_seconds": metrics["fit_seconds"],
        "peak_MiB": metrics["peak_bytes"] / 2**20,
    }


if __name__ == "__main__":
    main()
