"""Labels by an ASE calculator, their offsets to reference energies, and what pretraining on them buys."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import CalculationFailed
from ase.calculators.emt import EMT
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.dataset import read_dataset
from acnn.data.labeling import chosen_references, energy_offsets, labeled
from acnn.data.structures import rattled, strained

OFFSETS = {"Al": -3.5, "Cu": 2.25}
"""eV per atom, by which the reference energies lie above EMT's."""


class Cheap(EMT):
    """Seven tenths of EMT, which fails where the first atom is not copper."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        super().calculate(atoms, properties, system_changes)
        if atoms.symbols[0] != "Cu":
            raise CalculationFailed("not for this one")
        for name in ("energy", "forces"):
            self.results[name] = 0.7 * self.results[name]


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> str:
    module = ModuleType("cheap_calculators")
    module.Cheap = Cheap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cheap_calculators", module)
    return "cheap_calculators:Cheap"


def crystals(n: int, seed: int, elements: tuple[str, str] = ("Cu", "Al")) -> list[Atoms]:
    """Of four atoms, rattled, of all compositions with copper first."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = bulk(elements[0], "fcc", a=3.75, cubic=True)
        atoms.symbols[1:] = rng.choice(elements, 3)
        found.append(rattled(strained(atoms, rng, 0.03), rng, 0.1))
    return found


def write_reference(path: Path, structures: list[Atoms]) -> Path:
    """EMT with other energies of the free atoms."""
    frames = [labeled(atoms, "reference", EMT()) for atoms in structures]
    for frame in frames:
        frame.info["REF_energy"] += sum(OFFSETS[symbol] for symbol in frame.symbols)
    ase.io.write(path, frames, format="extxyz")
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


def test_copies_have_the_labels_of_the_calculator_at_the_level_of_the_reference(tmp_path: Path) -> None:
    reference = write_reference(tmp_path / "train.xyz", [*crystals(6, seed=0), Atoms("Cu")])
    done = run("label", reference, "-o", tmp_path / "out.xyz", "--calculator", "ase.calculators.emt:EMT", "--copies", 3,
               "--reference", reference)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "18 structures; energies shifted by Al -3.500, Cu 2.250 eV per atom" in done.output
    found = read_dataset(tmp_path / "out.xyz").structures
    assert len(found) == 18, "no copies of an isolated atom"
    for structure in found:
        atoms = structure.atoms.copy()
        atoms.calc = EMT()
        offset = sum(OFFSETS[symbol] for symbol in atoms.symbols)
        assert structure.energy == pytest.approx(atoms.get_potential_energy() + offset, abs=1e-6)
        np.testing.assert_allclose(structure.forces, atoms.get_forces(), atol=1e-6)
        np.testing.assert_allclose(structure.virial, -atoms.get_volume() * atoms.get_stress(voigt=False), atol=1e-5)
    assert not (tmp_path / "out.xyz.part").exists()


def test_offsets_are_a_least_squares_fit(tmp_path: Path, cheap: str) -> None:
    """Against the normal equations, and with structures the calculator fails for left out."""
    structures = [*crystals(8, seed=1), *crystals(3, seed=2, elements=("Al", "Cu")), Atoms("Cu")]
    chosen = chosen_references(read_dataset(write_reference(tmp_path / "train.xyz", structures)))
    assert [len(s) for s in chosen] == [4] * 11, "an isolated atom tells nothing of a level"
    usable = [s for s in chosen if s.atoms.symbols[0] == "Cu"]
    counts = np.array([[sum(s.atoms.symbols == e) for e in ("Al", "Cu")] for s in usable], dtype=float)
    differences = [s.energy - labeled(s.atoms, "", Cheap()).info["REF_energy"] for s in usable]
    expected = np.linalg.solve(counts.T @ counts, counts.T @ np.array(differences))
    found = energy_offsets(chosen, Cheap())
    np.testing.assert_allclose([found["Al"], found["Cu"]], expected, rtol=1e-9)


def test_failures_and_large_forces_are_left_out_and_counted(tmp_path: Path, cheap: str) -> None:
    close = Atoms("Cu2", [[0, 0, 0], [0, 0, 1.0]])
    ase.io.write(tmp_path / "in.xyz", [*crystals(2, seed=0), bulk("Al"), close])
    out = tmp_path / "out.xyz"
    done = run("label", tmp_path / "in.xyz", "-o", out, "--calculator", cheap)
    assert done.exit_code == 0, done.output
    assert "2 structures; 2 left out" in done.output
    before = ase.io.read(tmp_path / "in.xyz", ":")
    for one, other in zip(ase.io.read(out, ":"), before, strict=False):
        np.testing.assert_allclose(one.positions, other.positions, atol=1e-8)
    none = run("label", tmp_path / "in.xyz", "-o", out, "--calculator", cheap, "--max-force", 0)
    assert none.exit_code == 2
    assert "none of 4 structures" in none.output


@pytest.mark.parametrize(
    ("calculator", "sentence"),
    [
        ("EMT", "MODULE:CLASS"),
        ("no_such_module:EMT", "needs the module no_such_module: install it"),
        ("ase.calculators.emt:Nothing", "has no attribute 'Nothing'"),
        ("ase.build:molecule", "does not take {}"),
        ("fractions:Fraction", "not an ASE calculator, but makes a Fraction"),
    ],
)
def test_calculators_that_are_none_are_told(tmp_path: Path, calculator: str, sentence: str) -> None:
    ase.io.write(tmp_path / "in.xyz", molecule("H2O"))
    done = run("label", tmp_path / "in.xyz", "-o", tmp_path / "out.xyz", "--calculator", calculator)
    assert done.exit_code == 2
    assert sentence in done.output
    assert not (tmp_path / "out.xyz").exists()


def test_elements_without_a_reference_are_named(tmp_path: Path) -> None:
    reference = write_reference(tmp_path / "train.xyz", [bulk("Cu", cubic=True)])
    ase.io.write(tmp_path / "in.xyz", bulk("Al", cubic=True))
    done = run("label", tmp_path / "in.xyz", "-o", tmp_path / "out.xyz", "--calculator", "ase.calculators.emt:EMT",
               "--reference", reference)  # fmt: skip
    assert done.exit_code == 2
    assert "no energy of structures of several atoms with Al" in done.output


def test_pretraining_on_cheap_labels_lowers_errors_where_data_are_few(tmp_path: Path, cheap: str) -> None:
    """Same number of epochs on the same few reference data, with and without: the forces of new structures."""
    train = write_reference(tmp_path / "train.xyz", crystals(10, seed=3))
    test = write_reference(tmp_path / "test.xyz", crystals(20, seed=4))
    assert run("label", train, "-o", tmp_path / "cheap.xyz", "--calculator", cheap, "--copies", 8, "--reference", train,
               "--strain", 0.02).exit_code == 0  # fmt: skip
    linear = tmp_path / "linear.acnn"
    assert run("fit", train, "-o", linear, "--order", 2, "--degree", 5, "--cutoff", 4.5, "--slack", 2, "--e0", "lstsq",
               "--prior", "algebraic:3").exit_code == 0  # fmt: skip
    small = {"cutoff": 4.5, "channels": 4, "l_max": 2, "radial_functions": 5, "heads": 4, "hidden": [8]}
    training = {"epochs": 30, "batch_atoms": 16, "threads": 1}
    base = {"data": {"train": str(train), "validation": None, "test": str(test)}, "training": training}
    new = {"model": small, "linear": str(linear)}
    runs = {
        "pre": {**base, **new, "data": {**base["data"], "train": str(tmp_path / "cheap.xyz")}},
        "fine": {**base, "from": str(tmp_path / "pre.acnn")},
        "scratch": {**base, **new},
    }
    errors = {}
    for name, settings in runs.items():
        config = tmp_path / f"{name}.yaml"
        config.write_text(yaml.safe_dump({**settings, "output": str(tmp_path / f"{name}.acnn")}))
        done = run("train", config, "--json", tmp_path / f"{name}.json")
        assert done.exit_code == 0, done.output
        errors[name] = json.loads((tmp_path / f"{name}.json").read_text())["test"]["total"]["forces_rmse"]
    assert errors["fine"] < 0.9 * errors["scratch"], errors
