"""Silicon from small cells only: bulk, defects and surfaces beside DFT and GAP, and what the smoothness prior does.

Fitted are castep_rss_rerelax (194 cells of 8 atoms from random structure search) and Si_tiny (52 cells of diamond,
β-tin and liquid, and the atom). No surface, vacancy or interstitial is among them; the database of the GAP of Bartók
et al., Phys. Rev. X 8, 041048 (2018), has them. Errors on that paper's testing_database, then properties
(`silicon_properties_crystal.py`), then dimers and rigid decohesion by prior (`silicon_properties_priors.py`).

Energies weigh less than by default (E 10), because E 30 makes the fit follow the energies of so few structures to
0.2 meV/atom. The shape is one of about two dozen compared with test errors and bulk properties in view: not a blind
test. Larger shapes have more evidence and larger test errors; smaller ones have smaller errors of the test forces, and
poorer elastic constants.

    python benchmarks/silicon_properties.py SI_PRX2018 ACEPOTENTIALS --json silicon.json

The folders contain castep_rss_rerelax.xyz, testing_database.xyz and testing_framework_Si.json, and Si_tiny.xyz.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import ase.io
import torch
import yaml
from fitting import add_arguments, fit_with_cli, print_rows
from silicon_properties_crystal import defect_energies, elastic_constants, relaxed_crystal, surface_energies
from silicon_properties_priors import POWERS, PriorFits, draw, prior_curves, prior_rows, reference_decohesion

import acnn
from acnn.files import write_atomically
from acnn.workflows.surfaces import J_PER_M2
from ase_calculator import ACNNCalculator

ORDER, DEGREES, WL, CUTOFF = 4, (18, 18, 12, 8), 1.0, 6.0
QUICK_POWERS = (0, 5)
WEIGHTS = {"default": {"E": 10.0, "F": 1.0, "V": 1.0}}
FIGURE = Path(__file__).parent / "out" / "silicon_properties.png"
REFERENCES = {
    "a0": ("Å", 5.4610, 5.4608),
    "B": ("GPa", 88.6, 88.8),
    "C11": ("GPa", 153.3, 151.4),
    "C12": ("GPa", 56.3, 57.5),
    "C44": ("GPa", 72.2, 67.9),
    "vacancy": ("eV", 3.673, 3.527),
    "hexagonal": ("eV", 3.724, 3.626),
    "tetrahedral": ("eV", 3.910, 3.714),
    "dumbbell": ("eV", 3.662, 3.680),
    "(100)": ("J/m²", 0.1356 * J_PER_M2, 0.1325 * J_PER_M2),
    "(110)": ("J/m²", 0.0949 * J_PER_M2, 0.0969 * J_PER_M2),
    "(111)": ("J/m²", 0.0980 * J_PER_M2, 0.0938 * J_PER_M2),
}
"""Unit, DFT, GAP."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("si_prx2018", type=Path)
    parser.add_argument("acepotentials", type=Path)
    parser.add_argument("--plot", type=Path, default=FIGURE, help="draw the curves here [default: %(default)s]")
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        results = measure(arguments, Path(scratch))
    for rows in (results["errors"], results["properties"], results["priors"]):
        print_rows(rows)
    if arguments.json:
        write_atomically(arguments.json, (json.dumps(results, indent=2) + "\n").encode())


def measure(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    frames = [atoms for file in training_files(arguments) for atoms in ase.io.iread(file)]
    ase.io.write(scratch / "train.xyz", frames)
    metrics = fit(arguments, scratch)
    found = properties(ACNNCalculator(scratch / "si.acnn"))
    references = {
        surface: reference_decohesion(arguments.si_prx2018 / "testing_framework_Si.json", surface)
        for surface in ("100", "110", "111")
    }
    curves = prior_curves(prior_fits(scratch), QUICK_POWERS if arguments.quick else POWERS)
    draw(arguments.plot, curves, references)
    return {
        "errors": error_rows(metrics),
        "properties": property_rows(found),
        "priors": prior_rows(curves, references),
        "curves": curves,
        "fit": {key: metrics[key] for key in ("n_basis", "n_equations", "fit_seconds", "log_evidence", "solver")},
    }


def training_files(arguments: argparse.Namespace) -> list[Path]:
    return [arguments.acepotentials / "Si_tiny.xyz", arguments.si_prx2018 / "castep_rss_rerelax.xyz"]


def fit(arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    weights = scratch / "weights.yaml"
    weights.write_text(yaml.safe_dump(WEIGHTS))
    flags = ["--order", str(ORDER), "--degree", ",".join(map(str, DEGREES)), "--wl", str(WL)]
    flags += ["--cutoff", str(CUTOFF), "--weights", str(weights), "--e0", "isolated"]
    flags += ["--test", str(arguments.si_prx2018 / "testing_database.xyz")]
    return fit_with_cli(scratch / "train.xyz", scratch / "si.acnn", arguments.threads, *flags)


def prior_fits(scratch: Path) -> PriorFits:
    """The same basis, data and weights."""
    specification = acnn.BasisSpecification(elements=("Si",), order=ORDER, degree=DEGREES, wl=WL, cutoff=CUTOFF)
    entries = {name: acnn.Weights(of["E"], of["F"], of["V"]) for name, of in WEIGHTS.items()}
    train = acnn.read_dataset(scratch / "train.xyz", weights=acnn.WeightTable(entries))
    return PriorFits(specification, train, scratch / "equations.factor")


def properties(calculator: ACNNCalculator) -> dict[str, float]:
    """Every key of `REFERENCES`, in its units."""
    crystal = relaxed_crystal(calculator)
    surfaces = {f"({name})": energy for name, energy in surface_energies(crystal).items()}
    return elastic_constants(crystal) | defect_energies(crystal) | surfaces


def error_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "data": data,
            "config_type": config_type,
            "energy_rmse_meV_per_atom": errors["energy_rmse"],
            "forces_rmse_eV_per_A": errors["forces_rmse"],
            "virial_rmse_meV_per_atom": errors["virial_rmse"],
        }
        for data in ("train", "test")
        for config_type, errors in metrics[data].items()
    ]


def property_rows(found: dict[str, float]) -> list[dict[str, Any]]:
    return [
        {
            "property": name,
            "unit": unit,
            "DFT": dft,
            "GAP": gap,
            "ACE": found[name],
            "GAP_deviation_percent": 100 * (gap / dft - 1),
            "ACE_deviation_percent": 100 * (found[name] / dft - 1),
        }
        for name, (unit, dft, gap) in REFERENCES.items()
    ]


if __name__ == "__main__":
    main()
