"""Fits without options, with the defaults of a given basis, and with settings that were tuned by hand, on equal data.

Of every set a part is fitted and other structures are predicted, so that all of it takes a quarter of an hour on one
core. "none" leaves the basis to the data, "fixed" is order 3, degree 12, w_L 1.5, 5.5 Å with virials as they are, and
"by hand" is what other benchmarks use: accuracy_zuo2020.py (nickel and copper without virials),
accuracy_acepotentials.py, and the linear parts of water.py and molecules.py (with their radial transform, but neither
their slack nor prior). Bases of more than 5000 functions are not fitted. With several elements, "fixed" and the
molecules "by hand" have ρ = 0.9 instead of the best of five, to save time. RMSE of the test structures; virials of Ni
and Cu are compared without the constant that the fit without options finds.

    python benchmarks/defaults.py DATA --json defaults.json
"""

from __future__ import annotations

import argparse
import io
import lzma
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml
from accuracy_acepotentials import SI_E0, SI_WEIGHTS, TIAL_E0, TIAL_WEIGHTS
from accuracy_zuo2020 import SIZES, WL
from ase import Atoms
from fitting import add_arguments, fit_with_cli, print_rows, write_rows
from molecules import MOLECULE_LINEAR_CUTOFF, MOLECULE_PART, MOLECULE_R0
from water import LINEAR, MODEL

from acnn.basis.specification import BasisSpecification

FIXED = {"order": 3, "degree": 12, "wl": 1.5, "cutoff": 5.5, "virial_offset": "none"}
TIO2_E0 = "Ti=-1604.604515075,O=-432.503149303"
MOST_FUNCTIONS = 5000
CORRELATION = 0.9
MEASURED = ("energy", "forces", "virial", "seconds")
Settings = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A set of data.

    Attributes:
        read: returns training and test structures, given the folder of the data.
        e0: E0 as the settings take it.
        by_hand: settings that were tuned; None where there are none.
    """

    read: Callable[[Path], tuple[list[Atoms], list[Atoms]]]
    e0: str | None = None
    by_hand: Settings | None = None


def frames(path: Path) -> list[Atoms]:
    if path.suffix == ".xz":
        return ase.io.read(io.StringIO(lzma.decompress(path.read_bytes()).decode()), ":", format="extxyz")
    return ase.io.read(path, ":")


def zuo(element: str, step: int) -> Case:
    def read(folder: Path) -> tuple[list[Atoms], list[Atoms]]:
        train, test = (frames(folder / "zuo2020" / f"{element}_{part}.xyz") for part in ("train", "test"))
        return train[::step], test

    order, degree = SIZES["lge"]
    weights = {} if element == "Si" else {"weights": {"default": {"V": 0}}}
    by_hand = {"order": int(order), "degree": degree, "wl": float(WL), "cutoff": 5.5, **weights}
    return Case(read, by_hand=by_hand)


def molecule(name: str, isolated: str, train: str, test: str, step: int, n_elements: int) -> Case:
    def read(folder: Path) -> tuple[list[Atoms], list[Atoms]]:
        structures = frames(folder / name / train)[::step]
        elements = {element for atoms in structures for element in atoms.symbols}
        alone = [atoms for atoms in frames(folder / name / isolated) if set(atoms.symbols) <= elements]
        return alone + structures, frames(folder / name / test)[::10]

    by_hand = {"order": 3, "degree": MOLECULE_PART[n_elements], "cutoff": MOLECULE_LINEAR_CUTOFF}
    by_hand |= {"bond_lengths": dict.fromkeys("CHO", MOLECULE_R0), "element_correlation": CORRELATION}
    return Case(read, "isolated", by_hand)


def parts(file: str, train: slice, test: slice) -> Callable[[Path], tuple[list[Atoms], list[Atoms]]]:
    def read(folder: Path) -> tuple[list[Atoms], list[Atoms]]:
        structures = frames(folder / file)
        return structures[train], structures[test]

    return read


def water(folder: Path) -> tuple[list[Atoms], list[Atoms]]:
    train, test = (frames(folder / "water_deepmd" / f"{part}.xyz.xz") for part in ("train", "val"))
    return train[::32], test[::8]


CASES = {
    "Ni": zuo("Ni", 6),
    "Cu": zuo("Cu", 6),
    "Si": zuo("Si", 3),
    "TiAl_tutorial": Case(
        parts("acepotentials/TiAl_tutorial.xyz", slice(0, None, 5), slice(1, None, 10)),
        TIAL_E0,
        {"order": 3, "degree": 6, "wl": 1.5, "weights": yaml.safe_load(TIAL_WEIGHTS)},
    ),
    "Si_tiny": Case(
        parts("acepotentials/Si_tiny.xyz", slice(0, None, 2), slice(1, None, 2)),
        SI_E0,
        {"order": 3, "degree": 12, "wl": 1.5, "weights": yaml.safe_load(SI_WEIGHTS)},
    ),
    "water": Case(water, by_hand={**LINEAR, "wl": 1.5, "cutoff": MODEL["cutoff"]}),
    "acetylacetone": molecule("acac", "isolated_atoms.xyz", "train_300K.xyz", "test_MD_300K.xyz", 5, 3),
    "ethanol": molecule("ethanol", "isolated_atoms.xyz", "train.xyz", "test_MD.xyz", 10, 3),
    "boron": Case(parts("boron_airss/8B.xyz.xz", slice(0, None, 24), slice(12, None, 96))),
    "TiO2": Case(parts("tio2_aenet/tio2_1000.xyz", slice(0, None, 20), slice(10, None, 40)), TIO2_E0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=CASES)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for name in ["Si_tiny"] if arguments.quick else arguments.cases:
        rows += measured(name, CASES[name], arguments)
        write_rows(arguments.json, rows)  # as far as it is
    print_rows(rows)


def measured(name: str, case: Case, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    train, test = case.read(arguments.data)
    elements = sorted({element for atoms in train for element in atoms.symbols})
    shared = {} if case.e0 is None else {"e0": case.e0}
    fixed = FIXED if len(elements) == 1 else {**FIXED, "element_correlation": CORRELATION}
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ase.io.write(folder / "train.xyz", train)
        ase.io.write(folder / "test.xyz", test)
        tuned = {} if case.by_hand is None else {"by hand": case.by_hand}
        for settings, given in {"none": {}, "fixed": fixed, **tuned}.items():
            row = {"data": name, "structures": len(train), "options": settings}
            metrics = fitted(folder, elements, arguments.threads, given, shared)
            if offset := metrics.get("virial_offset"):
                ase.io.write(folder / "test.xyz", [without(atoms, offset) for atoms in test])
            rows.append({**row, **metrics["row"]})
    return rows


def without(atoms: Atoms, offset: dict[str, float]) -> Atoms:
    """A copy whose virial lacks the constants of its elements."""
    copy = atoms.copy()
    copy.calc = atoms.calc
    constant = sum(offset[element] for element in copy.symbols)
    copy.info["REF_virial"] = (np.reshape(copy.info["REF_virial"], (3, 3)) - constant * np.eye(3)).ravel()
    del copy.info["REF_stress"]
    return copy


def fitted(folder: Path, elements: list[str], threads: int, given: Settings, shared: Settings) -> dict[str, Any]:
    """The metrics of a fit, and its row of the table."""
    if n := too_many(elements, given):
        return {"row": {"basis": "not fitted", "functions": f"{n}", **dict.fromkeys(MEASURED, "–")}}
    (folder / "fit.yaml").write_text(yaml.safe_dump({**shared, **given}))
    start = time.perf_counter()
    flags = ("--config", str(folder / "fit.yaml"), "--test", str(folder / "test.xyz"))
    metrics = fit_with_cli(folder / "train.xyz", folder / "model.acnn", threads, *flags)
    seconds = time.perf_counter() - start
    total = metrics["test"]["total"]
    return metrics | {
        "row": {
            "basis": basis_in_words(metrics, given),
            "functions": f"{metrics['n_basis']}",
            "energy": rounded(total["energy_rmse"], 3),
            "forces": rounded(total["forces_rmse"], 4),
            "virial": rounded(total["virial_rmse"], 1),
            "seconds": f"{seconds:.0f}",
        }
    }


def too_many(elements: list[str], given: Settings) -> int:
    """The number of functions of a given basis if it is too large, otherwise 0."""
    if "order" not in given:
        return 0
    fields = {key: value for key, value in given.items() if key in ("order", "degree", "wl")}
    n = BasisSpecification.model_validate({"elements": elements, **fields}).n_functions
    return n if n > MOST_FUNCTIONS else 0


def basis_in_words(metrics: dict[str, Any], given: Settings) -> str:
    chosen = next((c for c in metrics.get("selection", ()) if c["is_chosen"]), {"wl": 1.5, "cutoff": 5.5, **given})
    degree = chosen["degree"]
    degrees = ",".join(f"{d:g}" for d in degree) if isinstance(degree, (list, tuple)) else str(degree)
    return f"{chosen['order']}; {degrees}; {chosen['wl']:g}; {chosen['cutoff']:g} Å"


def rounded(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


if __name__ == "__main__":
    main()
