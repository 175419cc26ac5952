"""Labels by an ASE calculator, their offsets to reference energies, and training on them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import CalculationFailed
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.dataset import read_dataset
from acnn.data.energy_offsets import chosen_references, energy_offsets
from acnn.data.labeling import Labels, calculated, labeled, make_calculator
from acnn.data.structures import displaced, rattled, strained
from acnn.io.model_file import save_model
from acnn.neighbors import atomic_graph
from acnn.testing import random_model

OFFSETS = {"Al": -3.5, "Cu": 2.25}
"""eV per atom, by which the reference energies lie above EMT's."""


class Cheap(EMT):
    """Seven tenths of EMT, which fails where the first atom is not copper, in more than one way, and has no stress."""

    def __init__(self, scale=0.7):
        super().__init__()
        self.scale = scale

    def calculate(self, atoms=None, properties=("energy",), system_changes=("positions",)):
        super().calculate(atoms, properties, system_changes)
        self.results.pop("stress", None)
        if atoms.symbols[0] != "Cu":
            raise CalculationFailed("not for this one") if len(atoms) > 1 else RuntimeError("not at all")
        for name in ("energy", "forces"):
            self.results[name] = self.scale * self.results[name]


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


def reference_energy(atoms: Atoms) -> float:
    return labeled(atoms, "", EMT()).info["REF_energy"] + sum(OFFSETS[symbol] for symbol in atoms.symbols)


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
    assert not (tmp_path / "out.part.xyz").exists()


def test_offsets_are_a_least_squares_fit() -> None:
    """Against the normal equations, and with structures the calculator fails for left out."""
    structures = [*crystals(8, seed=1), *crystals(3, seed=2, elements=("Al", "Cu"))]
    references = [(atoms, reference_energy(atoms)) for atoms in structures]
    usable = [(atoms, energy) for atoms, energy in references if atoms.symbols[0] == "Cu"]
    counts = np.array([[sum(atoms.symbols == e) for e in ("Al", "Cu")] for atoms, _ in usable], dtype=float)
    differences = [energy - labeled(atoms, "", Cheap()).info["REF_energy"] for atoms, energy in usable]
    expected = np.linalg.solve(counts.T @ counts, counts.T @ np.array(differences))
    found = energy_offsets(references, Cheap())
    assert found.elements == ("Al", "Cu")
    np.testing.assert_allclose(found.values, expected, rtol=1e-9)
    cell = bulk("Cu") * 2
    assert found.of(cell) == pytest.approx(8 * expected[1])


def test_the_level_of_a_composition_that_no_reference_tells_is_an_error() -> None:
    """Al2Cu2 alone tells the level of AlCu, not those of Al and Cu."""
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True)
    atoms.symbols[2:] = "Al"
    found = energy_offsets([(atoms, reference_energy(atoms))], EMT())
    assert found.of(atoms * 2) == pytest.approx(8 * (2 * OFFSETS["Al"] + 2 * OFFSETS["Cu"]), abs=1e-6)
    for other in (bulk("Cu"), bulk("Al"), bulk("Ni")):
        with pytest.raises(ValueError, match="determine the offset of"):
            found.of(other)


def test_references_are_of_every_composition() -> None:
    many = [(Atoms("Cu4"), 0.0)] * 700 + [(Atoms("CuAl"), 0.0)] + [(Atoms("Cu2"), 0.0)] * 300
    chosen = chosen_references(many)
    assert len(chosen) == 200
    assert {str(atoms.symbols) for atoms, _ in chosen} == {"Cu4", "CuAl", "Cu2"}


def test_constraints_do_not_count_and_charges_do() -> None:
    atoms = crystals(1, seed=5)[0]
    free = labeled(atoms, "", EMT()).arrays["REF_forces"]
    atoms.set_constraint(FixAtoms([0, 1]))
    np.testing.assert_array_equal(labeled(atoms, "", EMT()).arrays["REF_forces"], free)
    atoms.set_initial_charges([1, 0, 0, 0])
    copy = displaced(atoms, 0.1, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(copy.get_initial_charges(), [1, 0, 0, 0])


def test_arguments_reach_the_calculator(cheap: str, tmp_path: Path) -> None:
    assert make_calculator(cheap, {"scale": 0.5}).scale == 0.5
    ase.io.write(tmp_path / "in.xyz", crystals(1, seed=0))
    energies = []
    for scale in ("1", "5e-1"):  # YAML 1.1 takes the second for a word
        out = tmp_path / f"{scale}.xyz"
        done = run("label", tmp_path / "in.xyz", "-o", out, "--calculator", cheap, "--set", f"scale={scale}")
        assert done.exit_code == 0, done.output
        energies.append(read_dataset(out)[0].energy)
    assert energies[1] == pytest.approx(energies[0] / 2)


def test_failures_and_large_forces_are_left_out_and_counted(tmp_path: Path, cheap: str) -> None:
    close = Atoms("Cu2", [[0, 0, 0], [0, 0, 1.0]])
    ase.io.write(tmp_path / "in.xyz", [*crystals(2, seed=0), bulk("Al"), close, Atoms("Cu")])
    out = tmp_path / "out.xyz"
    done = run("label", tmp_path / "in.xyz", "-o", out, "--calculator", cheap)
    assert done.exit_code == 0, done.output
    assert "2 structures; 2 left out, the first because of RuntimeError: not at all" in done.output
    before, after = ase.io.read(tmp_path / "in.xyz", ":"), read_dataset(out)
    assert [len(s) for s in after] == [4, 4], "isolated atoms are left out, too"
    for one, other in zip(after, before[:2], strict=True):
        np.testing.assert_allclose(one.atoms.positions, other.positions, atol=1e-8)
        assert one.virial is None, "a calculator without stress"
    none = run("label", tmp_path / "in.xyz", "-o", tmp_path / "none.xyz", "--calculator", cheap, "--max-force", 0)
    assert none.exit_code == 2
    assert "none of 4 structures" in none.output


def test_differences_are_those_of_the_labels_there_are(tmp_path: Path, cheap: str) -> None:
    """Reference minus seven tenths of EMT; a structure without forces has a difference of energies; none, none."""
    structures = crystals(3, seed=0)
    reference = write_reference(tmp_path / "train.xyz", structures)
    frames = ase.io.read(reference, ":")
    del frames[1].arrays["REF_forces"]
    bare = structures[2].copy()
    ase.io.write(reference, [*frames, bare, Atoms("Cu")], format="extxyz")
    out = tmp_path / "difference.xyz"
    done = run("label", reference, "-o", out, "--calculator", cheap, "--difference")
    assert done.exit_code == 0, done.output
    assert "3 structures; 1 left out, the first because of no labels" in done.output
    found = read_dataset(out).structures
    for structure, atoms in zip(found, structures, strict=True):
        emt = calculated(atoms, EMT())
        offset = sum(OFFSETS[symbol] for symbol in atoms.symbols)
        assert structure.energy == pytest.approx(0.3 * emt.energy + offset, abs=1e-6)
        assert structure.virial is None, "a calculator without stress"
        assert structure.config_type == "reference", "its own"
        if structure is not found[1]:
            np.testing.assert_allclose(structure.forces, 0.3 * emt.forces, atol=1e-6)
    assert found[1].forces is None


def test_differences_of_labels_that_ase_read_with_weights_charges_and_stress(tmp_path: Path) -> None:
    """Keys energy, forces and stress belong to a calculator of ASE's; against EMT with 0.9 of all, so 0.1 remains."""
    atoms = crystals(1, seed=0)[0]
    emt = calculated(atoms, EMT())
    atoms.set_initial_charges([0.5, 0, 0, -0.5])
    atoms.info["energy_weight"] = 3.0
    stress = -emt.virial / atoms.get_volume()
    atoms.calc = SinglePointCalculator(atoms, energy=1.1 * emt.energy, forces=1.1 * emt.forces, stress=1.1 * stress)
    ase.io.write(tmp_path / "in.xyz", atoms, format="extxyz")
    out = tmp_path / "out.xyz"
    done = run("label", tmp_path / "in.xyz", "-o", out, "--calculator", "ase.calculators.emt:EMT", "--difference")
    assert done.exit_code == 0, done.output
    assert "labels: energy ← energy, forces ← forces, stress ← stress" in done.output
    found = read_dataset(out)[0]
    assert found.energy == pytest.approx(0.1 * emt.energy, abs=1e-6)
    np.testing.assert_allclose(found.forces, 0.1 * emt.forces, atol=1e-6)
    np.testing.assert_allclose(found.virial, 0.1 * emt.virial, atol=1e-5)
    assert (found.config_type, found.weights.energy, found.weights.forces) == ("default", 90.0, 1.0)
    np.testing.assert_allclose(ase.io.read(out).get_initial_charges(), [0.5, 0, 0, -0.5])


def test_labels_that_cannot_be_used_are_told_before_the_calculator_runs(tmp_path: Path, cheap: str) -> None:
    frames = crystals(2, seed=0)
    frames[0].info["REF_energy"], frames[1].info["REF_energy"] = 1.0, "abc"
    ase.io.write(tmp_path / "in.xyz", frames, format="extxyz")
    done = run("label", tmp_path / "in.xyz", "-o", tmp_path / "out.xyz", "--calculator", cheap, "--difference")
    assert done.exit_code == 2
    assert "in.xyz #1" in done.output
    assert list(tmp_path.iterdir()) == [tmp_path / "in.xyz"]


def test_differences_to_corrected_labels_are_the_correction(tmp_path: Path) -> None:
    """With energies, forces and virials."""
    model = random_model(("Al", "Cu"), cutoff=4.0)
    save_model(model, tmp_path / "difference.acnn")
    ase.io.write(tmp_path / "in.xyz", crystals(2, seed=0))
    better, again = tmp_path / "better.xyz", tmp_path / "again.xyz"
    emt = ("--calculator", "ase.calculators.emt:EMT")
    for options in (
        (tmp_path / "in.xyz", "-o", better, "--copies", 2, "--correction", tmp_path / "difference.acnn"),
        (better, "-o", again, "--difference"),
    ):
        done = run("label", *options, *emt)
        assert done.exit_code == 0, done.output
    found = read_dataset(again).structures
    assert len(found) == 4
    for structure in found:
        expected = model.pair_gradients(atomic_graph(structure.atoms, model.cutoff))
        assert structure.energy == pytest.approx(float(expected.energies[0]), abs=1e-6)
        np.testing.assert_allclose(structure.forces, expected.forces.numpy(), atol=1e-6)
        np.testing.assert_allclose(structure.virial, expected.virials[0].numpy(), atol=1e-5)


def test_labels_that_are_not_numbers_are_told() -> None:
    forces = np.zeros((1, 3))
    assert Labels(0.0, forces, None).fault(1.0) is None
    assert Labels(np.nan, forces, None).fault(1.0) == "an energy or stress that is not a number"
    assert Labels(0.0, forces, np.full((3, 3), np.inf)).fault(1.0) == "an energy or stress that is not a number"
    assert Labels(0.0, forces + np.nan, None).fault(1.0) == "a force of nan eV/Å"
    assert Labels(None, forces + 1.0, None).fault(1.0) == "a force of 1.73 eV/Å"


@pytest.fixture
def broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """The command of a run that ended at its fourth of five structures; for the second, the calculator fails."""
    monkeypatch.chdir(tmp_path)
    structures = crystals(5, seed=0)
    structures[1] = Atoms("He4", structures[1].positions, cell=structures[1].cell, pbc=True)
    ase.io.write("in.xyz", structures)
    calls = []

    def interrupted(*arguments: Any) -> Labels:
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return calculated(*arguments)

    command = ("label", "in.xyz", "-o", "out.xyz", "--calculator", "ase.calculators.emt:EMT")
    assert run(*command, "-o", "whole.xyz").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr("acnn.workflows.labeling.calculated", interrupted)
        assert run(*command).exit_code == 130
    assert len(read_dataset(Path("out.part.xyz"))) == 2
    return command


def torn(path: Path, text: str) -> None:
    """As a run leaves it that is killed while it writes."""
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("killed", [False, True])
def test_an_interrupted_run_goes_on(
    broken_off: tuple[object, ...], killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if killed:
        torn(Path("out.part.xyz"), "4\nLattice=")
        torn(Path("out.part.xyz.jsonl"), "[12")
    calls = []
    monkeypatch.setattr("acnn.workflows.labeling.calculated", lambda *a: calls.append(a) or calculated(*a))
    done = run(*broken_off)
    assert done.exit_code == 0, done.output
    assert "continues after 3 structures" in done.output
    assert "4 structures; 1 left out, the first because of NotImplementedError" in done.output
    assert len(calls) == 2
    assert Path("out.xyz").read_bytes() == Path("whole.xyz").read_bytes()
    assert sorted(path.name for path in Path().iterdir()) == ["in.xyz", "out.xyz", "whole.xyz"]


def test_what_failed_last_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a machine that shuts down ends the calculator first."""
    monkeypatch.chdir(tmp_path)
    ase.io.write("in.xyz", crystals(3, seed=0))
    calls = []

    def ending(*arguments: Any) -> Labels:
        calls.append(arguments)
        if len(calls) == 2:
            raise CalculationFailed("killed")
        if len(calls) == 3:
            raise KeyboardInterrupt
        return calculated(*arguments)

    command = ("label", "in.xyz", "-o", "out.xyz", "--calculator", "ase.calculators.emt:EMT")
    with monkeypatch.context() as patch:
        patch.setattr("acnn.workflows.labeling.calculated", ending)
        assert run(*command).exit_code == 130
    done = run(*command)
    assert "continues after 1 structure of" in done.output
    assert "wrote out.xyz: 3 structures\n" in done.output


def test_outputs_of_two_endings_are_two_runs(broken_off: tuple[object, ...]) -> None:
    assert run(*broken_off, "-o", "out.extxyz").exit_code == 0
    assert "continues after 3 structures" in run(*broken_off).output


def test_labels_of_another_run_are_not_continued(broken_off: tuple[object, ...]) -> None:
    begun = {path.name: path.read_bytes() for path in Path().iterdir()}
    for change, name in (
        (("--max-force", 20), "--max-force"),
        (("--copies", 2), "--copies"),
        (("--reference", "whole.xyz"), "--reference"),
        (("--set", "asap_cutoff=true"), "--set"),
    ):
        done = run(*broken_off, *change)
        assert done.exit_code == 2
        assert f"an interrupted run with another {name}: give the same as before" in done.output
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == begun
    with Path("in.xyz").open("a") as file:
        file.write(Path("whole.xyz").read_text())
    assert "with another STRUCTURES" in run(*broken_off).output
    Path("out.part.xyz.jsonl").unlink()
    done = run(*broken_off)
    assert "out.part.xyz exists and is not from this command" in done.output
    assert Path("out.part.xyz").read_bytes() == begun["out.part.xyz"]


def test_two_runs_at_once_do_not_label_into_one_file(
    tmp_path: Path, cheap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ase.io.write(tmp_path / "in.xyz", crystals(2, seed=0))
    command = ("label", tmp_path / "in.xyz", "-o", tmp_path / "out.xyz", "--calculator", cheap)
    second = []

    def during(*arguments: Any) -> Labels:
        second.append(run(*command))
        return calculated(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("acnn.workflows.labeling.calculated", during)
        assert run(*command).exit_code == 0
    assert [done.exit_code for done in second] == [2, 2]
    assert all("out.part.xyz is being written by process" in done.output for done in second)
    assert len(read_dataset(tmp_path / "out.xyz")) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.xyz", "out.xyz"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--seed", 1), "--seed applies only to displaced copies"),
        (("--energy-key", "E"), "--energy-key applies only with --difference or --reference"),
        (("--forces-key", "F", "--reference", "in.xyz"), "--forces-key applies only with --difference"),
        (
            ("--energy-key", "E", "--forces-key", "F", "--reference", "in.xyz"),
            "--forces-key applies only with --difference",
        ),
        (("--difference", "--copies", 2), "--difference compares existing labels"),
        (("--reference", "in.xyz", "--correction", "gold.acnn"), "drop --reference"),
        (("--correction", "gold.acnn"), "gold.acnn cannot correct"),
        (("--correction", "none.acnn"), "none.acnn"),
        (("--difference", "--energy-key", "E"), "has the energy key 'E'"),
        (("-o", "out.xyz.gz"), "would be extended XYZ"),
        (("--set", "scale"), "--set takes NAME=VALUE"),
        (("--set", "scale=[1"), "is not valid YAML"),
        (("--set", "size=1"), "cannot be created with {'size': 1}: TypeError"),
        (("--reference", "in.xyz"), "no energies of structures with several atoms"),
    ],
)
def test_options_without_sense_are_told(
    options: tuple[str, ...], sentence: str, tmp_path: Path, cheap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    atoms = crystals(1, seed=0)[0]
    atoms.arrays["REF_forces"] = np.zeros((4, 3))
    ase.io.write("in.xyz", atoms)
    save_model(random_model(("Au",), cutoff=4.0), Path("gold.acnn"))
    done = run("label", "in.xyz", "-o", "out.xyz", "--calculator", cheap, *options)
    assert done.exit_code == 2
    assert sentence in done.output
    assert not Path("out.part.xyz").exists()


@pytest.mark.parametrize(
    ("calculator", "sentence"),
    [
        ("EMT", "MODULE:CLASS"),
        ("no_such_module:EMT", "needs the module no_such_module: install it"),
        ("ase.calculators.emt:Nothing", "has no attribute 'Nothing'"),
        ("ase.build:molecule", "cannot be created with {}: TypeError"),
        ("fractions:Fraction", "not an ASE calculator, but a Fraction"),
    ],
)
def test_calculators_that_are_none_are_told(tmp_path: Path, calculator: str, sentence: str) -> None:
    ase.io.write(tmp_path / "in.xyz", molecule("H2O"))
    done = run("label", tmp_path / "in.xyz", "-o", tmp_path / "out.xyz", "--calculator", calculator)
    assert done.exit_code == 2
    assert sentence in done.output
    assert not (tmp_path / "out.xyz").exists()


@pytest.mark.slow
def test_pretraining_on_cheap_labels_lowers_errors_where_data_are_few(tmp_path: Path, cheap: str) -> None:
    """Same number of epochs on the same few reference data, with and without: the forces of new structures. The network
    has no fitted linear part, which knows such simple crystals from four of them."""
    errors = errors_of_forces(tmp_path, cheap, None, ("pre", "fine", "scratch"))
    assert errors["fine"] < 0.9 * errors["scratch"], errors


@pytest.mark.slow
def test_few_reference_data_take_a_pretrained_model_from_the_cheap_method_to_the_reference(
    tmp_path: Path, cheap: str
) -> None:
    """Forces of new structures: first they lack the three tenths that the cheap method lacks, then much less."""
    linear = tmp_path / "linear.acnn"
    assert run("fit", reference_crystals(tmp_path), "-o", linear, "--order", 2, "--degree", 5, "--cutoff", 4.5,
               "--slack", 2, "--e0", "lstsq", "--prior", "algebraic:3").exit_code == 0  # fmt: skip
    errors = errors_of_forces(tmp_path, cheap, str(linear), ("pre", "fine"))
    new = read_dataset(tmp_path / "test.xyz").structures
    missing = 0.3 * np.sqrt(np.mean([s.forces**2 for s in new if s.forces is not None]))
    assert errors["pre"] == pytest.approx(missing, rel=0.2)
    assert errors["fine"] < 0.75 * missing


def reference_crystals(folder: Path) -> Path:
    return write_reference(folder / "train.xyz", crystals(4, seed=3))


def errors_of_forces(folder: Path, cheap: str, linear: str | None, names: tuple[str, ...]) -> dict[str, float]:
    """RMSE of new structures in eV/Å: pretrained on cheap labels, then on few reference data; on these alone."""
    train, test = reference_crystals(folder), write_reference(folder / "test.xyz", crystals(20, seed=4))
    ase.io.write(folder / "more.xyz", crystals(20, seed=5))
    labels = folder / "cheap.xyz"
    assert run("label", folder / "more.xyz", "-o", labels, "--calculator", cheap, "--reference", train).exit_code == 0
    small = {"cutoff": 4.5, "channels": 4, "l_max": 2, "radial_functions": 5, "heads": 4, "hidden": [8]}
    new = {"model": small, "linear": linear}
    runs = {
        "pre": (labels, new),
        "fine": (train, {"from": str(folder / "pre.acnn")}),
        "scratch": (train, new),
    }
    errors = {}
    for name in names:
        file, start = runs[name]
        data = {"train": str(file), "validation": None, "test": str(test)}
        training = {"epochs": 30, "batch_atoms": 16, "threads": 1}
        settings = {**start, "data": data, "training": training, "output": str(folder / f"{name}.acnn")}
        config = folder / f"{name}.yaml"
        config.write_text(yaml.safe_dump(settings))
        done = run("train", config, "--json", folder / f"{name}.json")
        assert done.exit_code == 0, done.output
        errors[name] = json.loads((folder / f"{name}.json").read_text())["test"]["total"]["forces_rmse"]
    return errors
