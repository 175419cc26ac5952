"""Molecules of published benchmarks: their files, and the models that other scripts fit to them.

Acetylacetone and 3BPA: Batatia et al. (2022) and Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021). The test files
of 3BPA are missing: every tenth training structure is held out.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import yaml
from fitting import fit_with_cli

MOLECULES = {
    "acac": ("isolated_atoms.xyz", "train_300K.xyz", {"300 K": "test_MD_300K.xyz", "600 K": "test_MD_600K.xyz"}),
    "ethanol": ("isolated_atoms.xyz", "train.xyz", {"MD": "test_MD.xyz"}),
    "3bpa": ("iso_atoms.xyz", "train_300K.xyz", {}),
}
MOLECULE_SIZE = {"layers": 2, "l_max": 4, "channels": 24, "heads": 32}
MOLECULE_MODEL = {"cutoff": 7.0, "radial_functions": 8, "hidden": [16]}
"""With 16 channels and 24 heads, attention costs half and errs a tenth more on ethanol. With 5 Å, models of the
difference to GFN2-xTB err a sixth more in the energies of acetylacetone."""
MOLECULE_LINEAR = {3: "14,12,9,7", 4: "12,10,7,5"}
"""Total degrees of order 1 … 4 of the linear ACE by the number of elements."""
MOLECULE_PART = {3: [12, 10, 7], 4: [12, 9, 6]}
"""Of order 1 … 3 of the stiff linear part of a network."""
MOLECULE_LINEAR_CUTOFF = 5.0
MOLECULE_RATE = 0.002
"""Learning rate; crystals want more."""
MOLECULE_R0 = 1.75
"""Å, of the distance transforms of all elements; see bond_lengths.py."""


def molecule_model(model_type: str) -> dict[str, Any]:
    """A network has no attention layers and heads."""
    idle = () if model_type == "attention" else ("layers", "heads")
    size = {key: value for key, value in MOLECULE_SIZE.items() if key not in idle}
    return {**MOLECULE_MODEL, **size}


@dataclass(frozen=True)
class MoleculeData:
    """Structures of one molecule.

    Attributes:
        train: isolated atoms, and the structures to train on.
        files: train and tests by name.
    """

    elements: list[str]
    n_atoms: int
    train: Path
    files: dict[str, Path]

    @property
    def lengths(self) -> dict[str, dict[str, float]]:
        return {"bond_lengths": dict.fromkeys(self.elements, MOLECULE_R0)}


def molecule_data(folder: Path, name: str, scratch: Path) -> MoleculeData:
    """Of a folder as MOLECULES names its files; without a test file, every tenth structure is held out."""
    isolated, training, tests = MOLECULES[name]
    structures = ase.io.read(folder / name / training, ":")
    held_out = structures[::10] if not tests else []
    kept = [s for k, s in enumerate(structures) if k % 10 or tests]
    elements = {e for s in structures for e in s.symbols}
    atoms = [a for a in ase.io.read(folder / name / isolated, ":") if set(a.symbols) <= elements]
    train_file = scratch / "train.xyz"
    ase.io.write(train_file, atoms + kept)
    files = {key: folder / name / file for key, file in tests.items()}
    if held_out:
        files["held out"] = scratch / "held_out.xyz"
        ase.io.write(files["held out"], held_out)
    return MoleculeData(sorted(elements), len(structures[0]), train_file, {"train": train_file, **files})


def fit_molecule(data: MoleculeData, model: Path, threads: int, *flags: str) -> dict[str, Any]:
    """A linear ACE with the distance transform of the networks."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "fit.yaml"
        config.write_text(yaml.safe_dump(data.lengths))
        shared = ("--config", str(config), "--cutoff", str(MOLECULE_LINEAR_CUTOFF), "--e0", "isolated")
        return fit_with_cli(data.train, model, threads, *flags, *shared)


def fit_stiff_part(data: MoleculeData, model: Path, threads: int) -> None:
    """The linear part of networks that are trained on labels of several methods, fitted to the reference data."""
    degrees = ",".join(map(str, MOLECULE_PART[len(data.elements)]))
    fit_molecule(data, model, threads, "--order", "3", "--degree", degrees, "--slack", "2", "--prior", "algebraic:3")
