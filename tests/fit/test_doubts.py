"""Data of another unit, sign, order or reference are named, and pairs of elements that the data do not hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.conventions import full_from_voigt
from acnn.data.dataset import LabeledStructure, Weights, read_dataset
from acnn.data.virial_symmetry import symmetry_notes
from acnn.evaluation.metrics import ErrorTable
from acnn.fit.binding import binding_energy, binding_warnings
from acnn.fit.coverage import combinations_of, coverage_warnings, pair_warnings
from acnn.fit.doubts import overfitting_warnings, remembered_warnings
from acnn.fit.job import run_fit
from acnn.fit.virial_units import virial_warnings
from acnn.io.model_file import load_model, read_header
from acnn.settings.fit import read_settings

E0 = {"Cu": 3.51}
ORDER = ["xx", "yy", "zz", "yz", "xz", "xy"]


def structure(atoms: ase.Atoms, energy: float | None = None, virial: np.ndarray | None = None) -> LabeledStructure:
    return LabeledStructure(atoms, energy, None, virial, "bulk", Weights(), "train.xyz #0 (bulk)")


@pytest.fixture(scope="module")
def crystals() -> list[tuple[LabeledStructure, np.ndarray]]:
    """Strained, rattled copper with EMT's energies and forces, and the stress in eV/Å³."""
    rng = np.random.default_rng(0)
    found = []
    for n in range(16):
        atoms = bulk("Cu", cubic=True) if n % 2 else bulk("Cu") * (2, 1, 1)
        strain = rng.normal(scale=0.03, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) * rng.uniform(0.97, 1.04) + strain + strain.T), scale_atoms=True)
        atoms.rattle(0.1, seed=n)
        atoms.calc = EMT()
        labeled = replace(structure(atoms.copy(), atoms.get_potential_energy()), forces=atoms.get_forces())
        found.append((labeled, atoms.get_stress()))
    return found


def warnings_of(crystals: list, kind: str, given_as) -> list[str]:
    """Of labels that were read from components ``given_as(stress, volume)``, six in the order of ASE."""
    read = []
    for labeled, stress in crystals:
        volume = labeled.atoms.cell.volume
        tensor = full_from_voigt(given_as(stress, volume))
        read.append(replace(labeled, virial=tensor if kind == "virial" else -volume * tensor))
    return virial_warnings(read, [kind], E0, 5.5, "train.xyz")


def in_order(components: np.ndarray, order: str) -> np.ndarray:
    return components[[ORDER.index(name) for name in order.split()]]


@pytest.mark.parametrize(
    ("kind", "given_as", "said"),
    [
        ("stress", lambda s, v: -1602.1766 * s, "in kbar, of opposite sign:"),
        ("stress", lambda s, v: 160.21766 * s, "in GPa:"),
        ("stress", lambda s, v: s / 183.6315, "in Ha/Bohr³:"),
        ("stress", lambda s, v: -s, "of opposite sign:"),
        ("stress", lambda s, v: -v * s, "in eV:"),
        ("virial", lambda s, v: v * s, "of opposite sign:"),
        ("virial", lambda s, v: s, "in eV/Å³:"),
        ("virial", lambda s, v: -v * s * 23.0605, "in kcal/mol:"),
        ("stress", lambda s, v: in_order(s, "xx yy zz xy yz xz"), "in the order xx yy zz xy yz xz (VASP's):"),
        ("stress", lambda s, v: in_order(s, "xx yy zz xy xz yz"), "in the order xx yy zz xy xz yz (LAMMPS'):"),
        ("stress", lambda s, v: in_order(s, "xx xy xz yy yz zz"), "in the order xx xy xz yy yz zz:"),
        (
            "stress",
            lambda s, v: -1602.1766 * in_order(s, "xx yy zz xy yz xz"),
            "in kbar, of opposite sign, in the order xx yy zz xy yz xz (VASP's):",
        ),
        ("stress", lambda s, v: 4e7 * s, "times as large"),
    ],
)
def test_virials_of_another_unit_sign_or_order(crystals, kind, given_as, said):
    (warning,) = warnings_of(crystals, kind, given_as)
    assert said in warning
    assert warning.startswith(f"train.xyz: {kind} labels")
    assert {"stress": "stresses in eV/Å³, positive under tension", "virial": "−dE/dε in eV"}[kind] in warning


@pytest.mark.parametrize(("kind", "given_as"), [("stress", lambda s, v: s), ("virial", lambda s, v: -v * s)])
def test_right_virials_are_not_doubted(crystals, kind, given_as):
    assert warnings_of(crystals, kind, given_as) == []
    noise = np.random.default_rng(1)
    assert warnings_of(crystals, kind, lambda s, v: given_as(s, v) + noise.normal(scale=0.01, size=6)) == []


def test_too_little_to_judge_is_not_judged(crystals):
    assert warnings_of(crystals[:2], "stress", lambda s, v: -s) == []
    assert virial_warnings([labeled for labeled, _ in crystals], ["stress"], E0, 5.5, "train.xyz") == []


def test_nothing_to_fit_is_no_error(crystals):
    """Perfect crystals without E0, and atoms without neighbors."""
    perfect = bulk("Cu", cubic=True)
    cells = [replace(structure(perfect, -1.0, np.eye(3)), forces=np.zeros((4, 3)))] * 4
    assert virial_warnings(cells, ["virial"], None, 5.5, "train.xyz") == []
    assert virial_warnings(cells, ["virial"], E0, 1.0, "train.xyz") == []


def test_virials_that_are_not_symmetric():
    skew = np.array([[1.0, 0.3, 0.0], [0.1, 2.0, 0.0], [0.0, 0.0, 1.0]])
    (note,) = symmetry_notes([("#0", np.eye(3)), ("#1", skew), ("#2", np.zeros((3, 3)))], "train.xyz")
    assert "of 1 structure are not symmetric, that of #1 by 10 %" in note
    assert symmetry_notes([("#0", np.eye(3) + 0.01 * skew)], "train.xyz") == []


def test_energies_that_do_not_belong_to_e0():
    cells = [structure(bulk("Cu", a=a), -3.5 + a) for a in (3.5, 3.6, 3.7)]
    assert binding_energy(cells[0], {"Cu": 3.51}) == pytest.approx(-3.51)
    (warning,) = binding_warnings(cells, {"Cu": -2038.0}, "train.xyz")
    for part in ("3 of 3 energies", "Cu -2038 eV", "at +2038 eV/atom", "--e0 Cu=…"):
        assert part in warning
    assert binding_warnings(cells, {"Cu": 3.51}, "train.xyz") == []
    collision = structure(ase.Atoms("Cu2", [[0, 0, 0], [0, 0, 0.3]]), 900.0)
    assert binding_warnings([*cells, collision], {"Cu": 3.51}, "train.xyz") == []
    (warning,) = binding_warnings([*cells, structure(bulk("Cu"), -100.0)], {"Cu": 3.51}, "train.xyz")
    assert "1 of 4" in warning
    assert "-103.51 eV/atom" in warning


def test_unseen_pairs():
    far = ase.Atoms("CuAl", [[0, 0, 0], [0, 0, 5.0]])
    gold = ase.Atoms("Au")
    unlabeled = structure(ase.Atoms("Al2", [[0, 0, 0], [0, 0, 2.0]]))
    data = [structure(bulk("Cu"), 0.0), structure(far, 0.0), structure(gold, 0.0), unlabeled]
    elements = ("Al", "Cu", "Au")
    known_apart = [("Al", "Al"), ("Al", "Cu"), ("Al", "Au"), ("Cu", "Au"), ("Au", "Au")]
    near, far = (combinations_of(elements, data, cutoff) for cutoff in (4.9, 5.1))
    assert near.unseen_pairs == known_apart
    assert far.unseen_pairs == [pair for pair in known_apart if pair != ("Al", "Cu")]
    (alone,) = coverage_warnings(near)
    assert "no atom of Al or Au has a neighbor within 4.9 Å" in alone
    alone, apart = coverage_warnings(far)
    assert "no atom of Au has" in alone
    assert "no atoms Al–Al are within 5.1 Å" in apart
    assert coverage_warnings(combinations_of(("Cu",), data, 4.9)) == []
    many = [(f"E{a}", f"E{b}") for a in range(6) for b in range(a, 6) if b != a + 1]
    assert " and 4 more" in pair_warnings([f"E{a}" for a in range(6)], many, 5.0)[0]


def test_unseen_mixtures():
    """A crystal of each binary shows all pairs; with three in a row, Cu is beside both others, within 4 Å."""
    row = structure(ase.Atoms("AlCuAu", [[0, 0, 0], [0, 0, 3.0], [0, 0, 6.0]]), 0.0)
    elements = ("Al", "Cu", "Au")
    crystals = [structure(bulk(a + b, "cesiumchloride", a=3.0), 0.0) for a, b in itertools.combinations(elements, 2)]
    found = combinations_of(elements, [*crystals, row], 4.0)
    assert found.unseen() == [("Al", ("Cu", "Au")), ("Au", ("Al", "Cu"))]
    assert found.lack_mixtures
    (warning,) = coverage_warnings(found)
    assert "no Al has both Cu and Au within 4 Å in the training data, no Au both Al and Cu: such" in warning
    assert coverage_warnings(combinations_of(elements, [*crystals, row], 7.0)) == []
    (warning,) = coverage_warnings(combinations_of((*elements, "Ag"), [*crystals, *with_silver(elements)], 4.0))
    assert "no Al both Cu and Ag, no Al both Au and Ag, nor 9 other such combinations: such" in warning


def with_silver(elements: Sequence[str]) -> list[LabeledStructure]:
    return [structure(bulk(e + "Ag", "cesiumchloride", a=3.0), 0.0) for e in elements]


def test_a_model_remembers_what_was_doubtful(tmp_path: Path, crystals) -> None:
    frames = [ase.Atoms("Cu", info={"REF_energy": 3.51}), ase.Atoms("Al", info={"REF_energy": 3.28})]
    for labeled, stress in crystals[:6]:
        frame = labeled.atoms.copy()
        frame.info |= {"REF_energy": labeled.energy, "REF_stress": -1602.1766 * stress}
        frame.arrays["REF_forces"] = labeled.forces
        frames.append(frame)
    path, model = tmp_path / "train.xyz", tmp_path / "m.acnn"
    ase.io.write(path, frames)
    given = {"train": path, "output": model, "order": 1, "degree": 3, "cutoff": 4.0, "repulsion": 0}
    told: list[str] = []
    run_fit(read_settings(None, given), on_data=lambda datasets, warnings: told.extend(warnings))
    provenance = read_header(model)["provenance"]
    doubts = remembered_warnings(provenance)
    assert len(doubts) == 2
    assert set(doubts) <= set(told)
    assert "in kbar, of opposite sign" in doubts[0]
    assert "no atom of Al has a neighbor within 4 Å" in doubts[1]
    assert load_model(model).combinations.unseen_pairs == [("Al", "Al"), ("Al", "Cu")]
    assert remembered_warnings({"members": [{"provenance": provenance}] * 2}) == doubts
    for command in (["info", str(model)], ["check", str(model), str(path)]):
        output = " ".join(CliRunner().invoke(app, command).output.split())
        assert all(doubt in output for doubt in doubts), command
        if command[0] == "info":
            unfolded = " ".join(output.replace("│", " ").split())
            assert "1 of 6 in the data (an atom and two elements within 4 Å); never Al–Al, Al–Cu" in unfolded


def test_sound_data_are_not_doubted(tmp_path: Path, crystals) -> None:
    frames = [ase.Atoms("Cu", info={"REF_energy": 3.51})]
    for labeled, stress in crystals[:6]:
        frame = labeled.atoms.copy()
        frame.info |= {"REF_energy": labeled.energy, "REF_stress": stress}
        frame.arrays["REF_forces"] = labeled.forces
        frames.append(frame)
    ase.io.write(tmp_path / "train.xyz", frames)
    data = read_dataset(tmp_path / "train.xyz")
    assert data.notes == ()
    given = {"train": tmp_path / "train.xyz", "output": tmp_path / "m.acnn", "order": 1, "degree": 3, "repulsion": 0}
    report = run_fit(read_settings(None, given))
    assert (report.doubts, report.fit.model.combinations.unseen(), report.warnings) == ([], [], [])


def test_more_functions_than_equations_and_large_errors_elsewhere() -> None:
    copper = structure(bulk("Cu"), energy=0.0)

    def table(error: float) -> ErrorTable:
        found = ErrorTable()
        found.add(copper, error, np.zeros((1, 3)), np.zeros((3, 3)))
        return found

    errors = {"train": table(0.001), "test": table(0.02), "add": table(0.05), "held out": table(0.0029)}
    (warning,) = overfitting_warnings(errors, n_functions=300, n_equations=200)
    assert "300 functions for 200 equations: errors on test are up to 20.0 times" in warning
    assert overfitting_warnings(errors, n_functions=200, n_equations=200) == []
    assert overfitting_warnings(errors | {"train": ErrorTable()}, n_functions=300, n_equations=200) == []
