"""Many elements, few structures: pairs of 25 elements, with independent elements and with correlated ones.

Fits a linear ACE of order 1 (order 2 has 143 825 functions at degree 6) to 80 of the 100 structures of a sample of the
high-entropy alloys HEA25 (Lopanitsyna et al., Phys. Rev. Materials 7, 045802 (2023)), and tests it on the others. Only
energies and forces are used.

    python benchmarks/alloys_hea.py hea_samples_bulk.xyz --json alloys_hea.json

Without --repulsion 0 the restraint of 325 pairs to nuclear repulsion at short range, of as many equations as the data
have, spoils what little these say.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from fitting import add_arguments, fit_with_cli, print_rows, write_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--degree", default="6")
    parser.add_argument("--correlations", nargs="+", default=["0", "auto"])
    parser.add_argument("--repulsion", default="0", help="weight of the restraint at short range")
    parser.add_argument("--seed", type=int, default=0)
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        split(arguments.data, folder, arguments.seed)
        flags = ["--test", str(folder / "test.xyz"), "--order", "1", "--degree", arguments.degree, "--cutoff", "5.5"]
        flags += ["--e0", "lstsq", "--repulsion", arguments.repulsion]
        rows = [measure(folder, arguments.threads, value, flags) for value in arguments.correlations]
    print_rows(rows)
    write_rows(arguments.json, rows)


def split(data: Path, folder: Path, seed: int) -> None:
    frames = [energies_and_forces(atoms) for atoms in ase.io.read(data, ":")]
    order = np.random.default_rng(seed).permutation(len(frames))
    n_test = len(frames) // 5
    ase.io.write(folder / "test.xyz", [frames[k] for k in order[:n_test]])
    ase.io.write(folder / "train.xyz", [frames[k] for k in order[n_test:]])


def energies_and_forces(atoms: Atoms) -> Atoms:
    found = Atoms(atoms.symbols, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    found.info["REF_energy"], found.arrays["REF_forces"] = atoms.info["REF_energy"], atoms.arrays["REF_forces"]
    return found


def measure(folder: Path, threads: int, correlation: str, flags: list[str]) -> dict[str, Any]:
    metrics = fit_with_cli(
        folder / "train.xyz", folder / "m.acnn", threads, *flags, "--element-correlation", correlation
    )
    train, test = metrics["train"]["total"], metrics["test"]["total"]
    return {
        "correlation": correlation,
        "found": metrics["element_correlation"],
        "functions": metrics["n_basis"],
        "log_evidence": metrics["log_evidence"],
        "train_energy_meV_per_atom": train["energy_mae"],
        "train_forces_eV_per_A": train["forces_mae"],
        "test_energy_meV_per_atom": test["energy_mae"],
        "test_forces_eV_per_A": test["forces_mae"],
        "fit_s": metrics["fit_seconds"],
    }


if __name__ == "__main__":
    main()
