"""Where the distance transform of linear ACE is steepest (r0): test errors against the smallest r0 of an element.

    python benchmarks/bond_lengths.py acac TRAIN.xyz TEST.xyz --e0 isolated
    python benchmarks/bond_lengths.py water TRAIN.xyz TEST.xyz --floors 0 0.35

r0 of an element is its bond length, but at least FLOOR · cutoff; 0 leaves every bond length as it is. RMSE of one basis
(order 3, a hundred to two thousand functions), fitted by `acnn fit`. Results, force RMSE in eV/Å for 0, 0.35 and 0.5:
acetylacetone 0.0453, 0.0346, 0.0330; ethanol 0.0694, 0.0504, 0.0512; water (40 snapshots) 0.0514, 0.0437, 0.0692;
before insertions were part of the restraint at short range (acnn/fit/repulsion.py). 0.35 is the default of `acnn fit`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import ase.io
from ase.data import chemical_symbols
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

from acnn.basis.radial import bond_length

CUTOFF = 5.0
BASIS = ("--order", "3", "--degree", "9,9,7", "--cutoff", str(CUTOFF))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the data, for the table")
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--e0", default="lstsq", help="isolated or lstsq")
    parser.add_argument("--floors", nargs="+", type=float, default=[0.0, 0.25, 0.3, 0.35, 0.4, 0.5])
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for floor in arguments.floors[:1] if arguments.quick else arguments.floors:
        rows.append(row(arguments, floor))
        print_rows(rows)
        write_rows(arguments.json, rows)


def row(arguments: argparse.Namespace, floor: float) -> dict[str, object]:
    numbers = sorted({int(z) for atoms in ase.io.read(arguments.train, ":") for z in atoms.numbers})
    elements = [chemical_symbols[z] for z in numbers]
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "fit.yaml"
        lengths = {element: max(bond_length(element), floor * CUTOFF) for element in elements}
        config.write_text(json.dumps({"bond_lengths": lengths}), encoding="utf-8")
        flags = ("--config", str(config), "--test", str(arguments.test), "--e0", arguments.e0, *BASIS)
        found = fit_with_cli(arguments.train, Path(scratch) / "model.acnn", arguments.threads, *flags)
    total = found["test"]["total"]
    return {
        "data": arguments.name,
        "floor": floor,
        "r0_Å": " ".join(f"{element} {length:.2f}" for element, length in lengths.items()),
        "functions": found["n_basis"],
        "energy_RMSE_meV_atom": total["energy_rmse"],
        "forces_RMSE_eV_Å": total["forces_rmse"],
    }


if __name__ == "__main__":
    main()
