"""Hyperactive learning: the biased energy and its derivatives, moves, and runs that end, go on, and reject."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.io.model_file import load_model, model_to_bytes
from acnn.neighbors import atomic_graph
from acnn.settings.base import SettingsError
from acnn.settings.hal import BiasSettings, HALDynamicsSettings, HALSettings, hal_settings
from acnn.testing import random_crystal, random_model, with_random_committee
from acnn.uncertainty import spread_gradients
from acnn.uncertainty.hal import BiasStrength
from acnn.workflows.hal import Watcher, learning, moves, run_hal
from acnn.workflows.hal.biased import BiasedCalculator, shortest_in_bonds
from acnn.workflows.hal.moves import CELL_MOVES, scaled, swapped, tried
from acnn.workflows.hal.reference import Reference, label_all
from acnn.workflows.hal.store import Row, Store
from acnn.workflows.hal.walk import walk

EMT_REFERENCE = {"calculator": "ase.calculators.emt:EMT"}
STEP = 1e-4


@pytest.fixture(scope="module")
def potential():
    return with_random_committee(random_model(["Si", "C"]), 5)


def biased(potential, atoms: Atoms, tau: float) -> Atoms:
    atoms = atoms.copy()
    atoms.calc = BiasedCalculator(potential, BiasStrength(1.0))
    atoms.calc.tau = tau
    return atoms


def test_the_energy_is_that_of_the_model_less_the_bias(potential):
    atoms = biased(potential, random_crystal(["Si", "C"], 3), 0.7)
    graph = atomic_graph(atoms, potential.cutoff)
    sigma = float(spread_gradients(potential, graph).energies[0])
    expected = float(potential.pair_gradients(graph).energies[0]) - 0.7 * sigma
    assert atoms.get_potential_energy() == pytest.approx(expected, rel=1e-12)
    assert sigma > 0


def test_forces_and_stress_are_derivatives_of_the_biased_energy(potential):
    atoms = biased(potential, random_crystal(["Si", "C"], 3), 2.0)
    direction = np.random.default_rng(0).normal(size=(len(atoms), 3))
    strain = np.diag([1.0, -0.4, 0.2])
    energies = []
    for sign in (1, -1):
        moved = biased(potential, atoms, 2.0)
        moved.positions += sign * STEP * direction
        strained = biased(potential, atoms, 2.0)
        strained.set_cell(atoms.cell.array @ (np.eye(3) + sign * STEP * strain), scale_atoms=True)
        energies.append((moved.get_potential_energy(), strained.get_potential_energy()))
    slopes = (np.array(energies[0]) - np.array(energies[1])) / (2 * STEP)
    assert (atoms.get_forces() * direction).sum() == pytest.approx(-slopes[0], rel=1e-5)
    found = atoms.get_volume() * (atoms.get_stress(voigt=False) * strain).sum()
    assert found == pytest.approx(slopes[1], rel=1e-5)


def test_adapting_changes_the_results_at_once(potential):
    atoms = biased(potential, random_crystal(["Si", "C"], 3), 0.0)
    plain = atoms.get_potential_energy()
    atoms.calc.adapt(0.3)
    assert atoms.calc.tau > 0
    sigma = float(spread_gradients(potential, atomic_graph(atoms, potential.cutoff)).energies[0])
    assert atoms.get_potential_energy() == pytest.approx(plain - atoms.calc.tau * sigma, rel=1e-12)


def test_cell_moves_keep_what_they_should():
    atoms, rng = bulk("Cu", cubic=True), np.random.default_rng(0)
    volumes = [move(atoms, rng).get_volume() / atoms.get_volume() for move in CELL_MOVES]
    assert abs(volumes[0] - 1) > 1e-4
    assert volumes[1:] == pytest.approx([1.0, 1.0], abs=1e-12)
    assert all(np.ptp(move(atoms, rng).cell.array - atoms.cell.array) > 1e-4 for move in CELL_MOVES)
    alloy = atoms.copy()
    alloy.symbols[0] = "Al"
    assert swapped(atoms, rng) is None
    exchanged = swapped(alloy, rng)
    assert exchanged.symbols.formula == alloy.symbols.formula
    assert not np.allclose(exchanged.positions, alloy.positions)


def test_volumes_of_an_ideal_gas_are_distributed_as_they_should(monkeypatch):
    """<V> = (N + 1) k T / P of an ideal gas of N atoms, from accepted moves alone."""

    class Nothing(EMT):
        def calculate(self, *args: Any, **kwargs: Any) -> None:
            self.results = {"energy": 0.0}

    n, temperature, pressure = 4, 1000.0, 1.0
    expected = (n + 1) * units.kB * temperature / (pressure * units.GPa)
    atoms, rng = Atoms(f"Cu{n}", cell=np.eye(3) * expected ** (1 / 3), pbc=True), np.random.default_rng(1)
    atoms.calc = Nothing()
    volumes = []
    monkeypatch.setattr(moves, "STRAIN", 0.3)
    for _ in range(5000):
        tried(atoms, scaled(atoms, rng), pressure, temperature, rng)
        volumes.append(atoms.get_volume())
    assert np.mean(volumes[500:]) == pytest.approx(expected, rel=0.08)


def test_shortest_distances_are_in_bond_lengths():
    atoms = Atoms("Si2", [[0, 0, 0], [2.0, 0, 0]])
    assert shortest_in_bonds(atomic_graph(atoms, 5.0)) == pytest.approx(2.0 / 2.35, abs=0.02)
    assert shortest_in_bonds(atomic_graph(Atoms("Si"), 5.0)) == np.inf


def test_a_run_without_tolerance_is_flagged_and_offers_earlier_structures(potential):
    content = model_to_bytes(potential)
    start = random_crystal(["Si", "C"], 5)
    dynamics = HALDynamicsSettings(steps=20, temperature=100.0, check=1)
    found = walk(content, start, dynamics, BiasSettings(tolerance=1e-9), (0, 1))
    assert found.facts["steps"] == 1
    assert found.facts["reason"].startswith("f is ")
    assert len(found.candidates) == 1
    assert not np.allclose(found.candidates[0].positions, start.positions)
    later = walk(content, start, dynamics, BiasSettings(tolerance=1.3 * found.facts["uncertainty"]), (0, 1))
    if later.candidates:
        assert len({structure.positions.tobytes() for structure in later.candidates}) == len(later.candidates)
    quiet = walk(content, start, HALDynamicsSettings(steps=3, temperature=1.0), BiasSettings(tolerance=1e6), (0, 1))
    assert quiet.candidates == []
    assert quiet.facts["steps"] == 3


def test_a_run_that_falls_into_a_hole_offers_what_was_sound(potential, monkeypatch):
    monkeypatch.setattr("acnn.workflows.hal.walk.HOT_FLUCTUATION", 0.0)
    monkeypatch.setattr("acnn.workflows.hal.walk.HOT", 0.01)
    dynamics = HALDynamicsSettings(steps=20, temperature=100.0, check=1)
    found = walk(model_to_bytes(potential), random_crystal(["Si", "C"], 5), dynamics, BiasSettings(tolerance=9), (0, 1))
    assert found.facts["reason"].startswith("the temperature is")
    assert len(found.candidates) == 1


@pytest.fixture
def settings(tmp_path: Path) -> HALSettings:
    rng, frames = np.random.default_rng(0), []
    for stretch in (0.97, 1.03):
        atoms = bulk("Al", cubic=True)
        atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
        atoms.symbols[int(rng.integers(4))] = "Cu"
        atoms.positions += rng.normal(scale=0.02, size=(4, 3))
        frames.append(atoms)
    ase.io.write(tmp_path / "start.xyz", frames)
    return hal_settings(
        {
            "structures": tmp_path / "start.xyz",
            "output": tmp_path / "hal",
            "reference": EMT_REFERENCE,
            "fit": {"order": 2, "cutoff": 4.5, "members": 4},
            "growth": {"functions": 40, "every": 2},
            "bias": {"tolerance": 0.08},
            "dynamics": {"temperature": [300, 900], "steps": 60, "swap": 7, "cell": 5},
            "stop": {"iterations": 3},
        }
    )


def positions(rows) -> list[Any]:
    return [(row.kind, row.iteration, row.atoms.positions.tolist(), row.facts) for row in rows]


def test_it_learns_and_what_was_killed_goes_on_with_the_same_bits(settings, tmp_path):
    finished = run_hal(settings)
    assert sorted(row.kind for row in finished.rows if row.iteration == 0) == ["isolated"] * 2 + ["start"] * 2
    labeled = [row for row in finished.rows if row.kind == "labeled"]
    assert labeled
    for row in labeled:
        atoms = row.atoms.copy()
        atoms.calc = EMT()
        np.testing.assert_allclose(row.labels.forces, atoms.get_forces(), atol=1e-12)
    model = load_model(finished.model)
    assert model.has_committee
    assert model.e0.energies == pytest.approx({"Al": 3.28, "Cu": 3.51}, abs=0.001)

    class Killed(Exception):
        pass

    elsewhere = settings.model_copy(update={"output": tmp_path / "killed"})
    for _ in range(3):
        seen = len(Store(tmp_path / "killed" / "labels.db").rows()) if (tmp_path / "killed").is_dir() else 0

        def kill(row, seen=seen):
            if len(Store(tmp_path / "killed" / "labels.db").rows()) >= seen + 2:
                raise Killed

        with pytest.raises(Killed):
            run_hal(elsewhere, Watcher(on_row=kill))
    again = run_hal(elsewhere)
    assert positions(again.rows) == positions(finished.rows)
    assert load_model(again.model).coefficients.equal(model.coefficients)


def test_another_run_in_the_same_folder_is_refused_but_may_be_longer(settings):
    short = settings.model_copy(update={"stop": settings.stop.model_copy(update={"iterations": 0})})
    finished = run_hal(short)
    assert finished.reason == "the limit of 0 iterations was reached"
    with pytest.raises(SettingsError, match=r"holds a run with other settings, seed \(0 instead of 5\): choose"):
        run_hal(settings.model_copy(update={"seed": 5}))
    longer = settings.model_copy(update={"stop": settings.stop.model_copy(update={"iterations": 1})})
    assert run_hal(longer).rows[-1].iteration == 1


def test_structures_whose_calculation_is_useless_are_rejected_and_recorded(settings, monkeypatch):
    def failing(reference, structures, executor):
        if (settings.output / "equations.factor").is_file():
            return ["it did not converge"] * len(structures)
        return label_all(reference, structures, executor)

    bias = settings.bias.model_copy(update={"tolerance": 1e-6})
    stop = settings.stop.model_copy(update={"iterations": 20})
    monkeypatch.setattr(learning, "label_all", failing)
    finished = run_hal(settings.model_copy(update={"bias": bias, "stop": stop}))
    assert finished.reason == "no calculation of 5 iterations in succession was of use, see hal.csv"
    rejected = [row for row in finished.rows if row.iteration == 1]
    assert {row.kind for row in rejected} == {"rejected"}
    assert all(row.facts["fault"] == "it did not converge" for row in rejected)
    assert [row.facts["last"] for row in rejected] == [False] * (len(rejected) - 1) + [True]


def test_gamma_flags_without_a_bias(settings):
    bias = BiasSettings(strength=0.0, flag="gamma", tolerance=1.5)
    stop = settings.stop.model_copy(update={"iterations": 1})
    finished = run_hal(settings.model_copy(update={"bias": bias, "stop": stop}))
    row = finished.rows[-1]
    assert row.facts["tau"] == 0
    assert row.kind == "quiet" or row.facts["uncertainty"] > 1.5
    assert load_model(finished.model).active_set is not None


def test_several_walkers_in_processes_find_what_one_process_finds(settings):
    wide = settings.model_copy(update={"walkers": 2, "stop": settings.stop.model_copy(update={"iterations": 1})})
    first = [row for row in run_hal(wide).rows if row.iteration == 1]
    assert {row.walker for row in first} == {0, 1}


def test_a_command_labels(tmp_path):
    script = tmp_path / "label.py"
    script.write_text(
        "import sys, ase.io\nfrom ase.calculators.emt import EMT\n"
        "atoms = ase.io.read(sys.argv[1])\natoms.calc = EMT()\natoms.get_forces()\nase.io.write(sys.argv[2], atoms)\n"
    )
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    found = Reference(None, command=f"{sys.executable} {script} {{input}} {{output}}").labels(atoms)
    atoms.calc = EMT()
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-6)
    with pytest.raises(RuntimeError, match="failed with status 1"):
        Reference(None, command=f"{sys.executable} {script} missing {{input}}").labels(atoms)


def test_a_folder_of_something_else_is_left_alone(settings):
    settings.output.mkdir()
    (settings.output / "thesis.tex").write_text("precious")
    with pytest.raises(SettingsError, match="is not empty, and what is in it is not from acnn hal"):
        run_hal(settings)
    assert (settings.output / "thesis.tex").read_text() == "precious"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": {}}, "give calculator, MODULE:CLASS, or command"),
        ({"reference": {"command": "label.sh"}}, "command must contain {input} and {output}"),
        ({"reference": EMT_REFERENCE, "bias": {"tolerance": 0}}, "tolerance"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(SettingsError, match=message):
        hal_settings({"structures": "a.xyz", "output": "hal", **changes})


def test_atoms_that_cannot_be_calculated_alone_need_an_e0(settings):
    reference = dataclasses.replace(Reference.of(settings.reference), calculator="ase.calculators.emt:EMT")
    assert reference.labels(Atoms("Al")).energy is not None
    broken = settings.model_copy(
        update={"reference": settings.reference.model_copy(update={"calculator": "ase.calculators.lj:Broken"})}
    )
    with pytest.raises(ValueError, match="cannot be created"):
        run_hal(broken)


def test_uniform_scaling_is_small():
    atoms = bulk("Cu", cubic=True)
    assert abs(scaled(atoms, np.random.default_rng(0)).get_volume() / atoms.get_volume() - 1) < 0.07


def test_a_database_of_another_run_or_damaged_is_refused(settings):
    short = settings.model_copy(update={"stop": settings.stop.model_copy(update={"iterations": 0})})
    run_hal(short)
    database = settings.output / "labels.db"
    whole = database.read_bytes()
    Store(database).add(Row("start", 0, 2, bulk("Ag")))
    with pytest.raises(SettingsError, match="is of another run: its structure 2 to start from is Ag"):
        run_hal(short)
    database.write_bytes(whole[:6000])
    with pytest.raises(SettingsError, match="is damaged, or not from acnn hal"):
        run_hal(short)


def test_structures_to_start_from_must_be_sound(settings):
    ase.io.write(settings.structures, Atoms("Cu2", [[0, 0, 0], [0.3, 0, 0]]))
    with pytest.raises(ValueError, match="the reference fails for start structure 0: a force of"):
        run_hal(settings)
