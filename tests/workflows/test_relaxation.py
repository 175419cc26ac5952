"""Relaxations in batches: their coordinates and minimizers, minima beside ASE's, symmetry, and what stops them."""

from __future__ import annotations

import functools
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc100
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLengths
from ase.filters import UnitCellFilter
from ase.optimize import LBFGS as LBFGSOfASE
from ase.units import GPa

from acnn.data.dataset import read_dataset
from acnn.evaluation import evaluate_many
from acnn.io.model_file import load_model
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential
from acnn.testing import random_model
from acnn.uncertainty.grade import active_set_of, grades
from acnn.workflows.crystal_symmetry import space_group_symbol, symmetry_projection
from acnn.workflows.guards import Limits, bond_limits
from acnn.workflows.relaxation import relax_many
from acnn.workflows.relaxation_tasks import Relaxation, Relaxed
from ase_calculator import ACNNCalculator


@pytest.fixture(scope="module")
def model(copper: Path) -> LinearACE:
    loaded = load_model(copper)
    assert isinstance(loaded, LinearACE)
    return loaded


def crystals() -> list[Atoms]:
    """Distorted copper, of one to twelve atoms."""
    rng = np.random.default_rng(1)
    found = []
    for k, repeats in enumerate([(1, 1, 1), (1, 1, 2), (1, 2, 2), (1, 1, 3), (2, 2, 2), (1, 2, 3), (3, 2, 2)]):
        atoms = bulk("Cu", a=3.6) * repeats
        strain = rng.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + 0.5 * (strain + strain.T)), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.06, size=atoms.positions.shape)
        atoms.info["name"] = f"crystal-{k}"
        found.append(atoms)
    return found


def all_relaxed(model: Potential, structures: list[Atoms], **settings: object) -> list[Relaxed]:
    found = sorted(relax_many(model, structures, Relaxation(**settings)), key=lambda one: one.place)  # type: ignore[arg-type]
    assert [one.place for one in found] == list(range(len(structures)))
    return found


@functools.cache
def minimum_by_ase(model: LinearACE, name: str, pressure: float) -> tuple[float, float]:
    """Enthalpy and volume."""
    (atoms,) = (atoms for atoms in crystals() if atoms.info["name"] == name)
    atoms.calc = ACNNCalculator(model)
    LBFGSOfASE(UnitCellFilter(atoms, scalar_pressure=pressure * GPa), logfile=None).run(fmax=1e-4)
    return atoms.get_potential_energy() + pressure * GPa * atoms.get_volume(), atoms.get_volume()


@pytest.mark.parametrize(("method", "pressure"), [("lbfgs", 0.0), ("lbfgs", 15.0), ("fire", 15.0)])
def test_minima_are_those_of_ase(model, method, pressure, monkeypatch) -> None:
    """Structures enter and leave, since few fit into a batch."""
    monkeypatch.setattr("acnn.workflows.relaxation.ATOMS", 16)
    structures = crystals()
    found = all_relaxed(model, structures, method=method, pressure=pressure, fmax=1e-3, smax=0.01)
    for start, one in zip(structures, found, strict=True):
        assert one.state == "converged"
        assert one.fmax < 1e-3
        assert one.smax < 0.01
        expected, volume = minimum_by_ase(model, start.info["name"], pressure)
        assert one.enthalpy == pytest.approx(expected, abs=2e-4 * len(start))
        assert one.atoms.get_volume() == pytest.approx(volume, rel=1e-3)
        assert -np.mean(one.atoms.get_stress()[:3]) / GPa == pytest.approx(pressure, abs=0.02)
        assert one.atoms.info["name"] == start.info["name"]


def test_without_periodicity_or_with_a_fixed_cell_only_atoms_move(model) -> None:
    slab = fcc100("Cu", (1, 1, 3), a=3.6, vacuum=5.0)
    slab.set_constraint(FixAtoms([0]))
    slab.positions[1:] += 0.1
    cluster = Atoms("Cu3", [[0, 0, 0], [2.6, 0, 0], [1.2, 2.4, 0.3]])
    found = all_relaxed(model, [slab, cluster])
    assert [one.state for one in found] == ["converged"] * 2
    np.testing.assert_array_equal(found[0].atoms.positions[0], slab.positions[0])
    np.testing.assert_array_equal(found[0].atoms.cell, slab.cell)
    distances = found[1].atoms.get_all_distances()[np.triu_indices(3, 1)]
    np.testing.assert_allclose(distances, distances.mean(), atol=5e-3)
    (fixed,) = all_relaxed(model, crystals()[4:5], fixed_cell=True)
    np.testing.assert_allclose(fixed.atoms.cell, crystals()[4].cell, atol=1e-12)
    assert np.isnan(fixed.smax)
    with pytest.raises(ValueError, match="a pressure acts on the cell, which is fixed"):
        Relaxation(fixed_cell=True, pressure=1.0)


def test_a_projection_keeps_what_is_symmetric_and_nothing_else() -> None:
    atoms = bulk("Cu", cubic=True)
    projection = symmetry_projection(atoms)
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-12)
    assert np.trace(projection) == pytest.approx(1.0)  # the volume of a face-centered cubic cell
    hexagonal = bulk("Cu", "hcp", a=2.55, c=4.1)
    projection = symmetry_projection(hexagonal)
    assert np.trace(projection) == pytest.approx(2.0)  # a and c


def test_symmetry_is_kept_or_broken(model) -> None:
    """An atom half-way into a vacancy is at a saddle point: only what breaks its symmetry leaves it."""
    saddle = bulk("Cu", a=3.6) * (2, 2, 2)
    saddle.positions[1] = saddle.positions[:2].mean(axis=0)
    del saddle[0]
    settings = {"fmax": 1e-3, "steps": 1000}
    (kept,) = all_relaxed(model, [saddle], symmetry="keep", **settings)
    (broken,) = all_relaxed(model, [saddle], symmetry="break", **settings)
    assert (kept.state, broken.state) == ("converged", "converged")
    assert space_group_symbol(saddle) == space_group_symbol(kept.atoms) == "Immm"
    assert space_group_symbol(broken.atoms) != "Immm"
    assert broken.enthalpy < kept.enthalpy - 0.1
    (again,) = all_relaxed(model, [saddle], symmetry="break", **settings)
    np.testing.assert_array_equal(again.atoms.positions, broken.atoms.positions)


def test_a_kept_symmetry_constrains_positions_too(model) -> None:
    atoms = bulk("Cu", cubic=True, a=3.6) * (2, 1, 1)
    atoms.positions[::4, 0] += 0.15
    group = space_group_symbol(atoms)
    (kept,) = all_relaxed(model, [atoms], symmetry="keep", steps=2, fmax=1e-9)
    assert space_group_symbol(kept.atoms) == group
    assert kept.enthalpy < float(evaluate_many(model, [atoms]).energies[0])


def test_space_groups() -> None:
    assert space_group_symbol(bulk("Si")) == "Fd-3m"
    assert space_group_symbol(Atoms("Cu")) == "n/a"


def test_short_bonds_stop_a_structure_at_its_last_safe_geometry(model) -> None:
    limit = 2.3
    found = all_relaxed(
        model, crystals(), pressure=150.0, limits=Limits({("Cu", "Cu"): limit / 0.9}, scale=0.9), fmax=1e-4, smax=1e-3
    )
    assert {one.state for one in found} == {"stopped"}
    for one in found:
        assert one.reason.startswith("a bond Cu-Cu of 2.")
        assert one.reason.endswith("Å is shorter than 2.300 Å")
        assert np.sqrt(float(atomic_graph(one.atoms, 4.0).pair_vectors.square().sum(dim=1).min())) >= limit
        assert np.isfinite(one.enthalpy)


def test_large_grades_stop_a_structure(model, copper) -> None:
    graded = load_model(copper)
    graded.active_set = active_set_of(graded, read_dataset(copper.with_name("cu_train.xyz")).structures)
    found = all_relaxed(graded, crystals(), pressure=60.0, limits=Limits(grade=2.0))
    assert {one.state for one in found} == {"stopped"}
    for one in found:
        assert "above 2" in one.reason
        assert float(grades(graded, atomic_graph(one.atoms, graded.cutoff)).max()) <= 2.0 or one.steps <= 5
    assert {one.state for one in all_relaxed(graded, crystals()[:2], limits=Limits(grade=50.0))} == {"converged"}
    with pytest.raises(ValueError, match="this model has no active set"):
        all_relaxed(model, crystals(), limits=Limits(grade=2.0))


class Poisoned(Potential):
    """Gives NaN for every structure of three atoms."""

    def __init__(self, model: Potential) -> None:
        super().__init__()
        self.model, self.elements, self.cutoff = model, model.elements, model.cutoff

    def pair_gradients(self, graph, kernel=None) -> PairGradients:
        found = self.model.pair_gradients(graph, kernel)
        energies = found.site_energies.clone()
        counts = torch.bincount(graph.structure, minlength=graph.n_structures)
        energies[counts[graph.structure] == 3] = torch.nan
        return PairGradients(graph, energies, found.pair_gradients)


def test_one_bad_structure_never_stops_the_others(model) -> None:
    nan = bulk("Cu")
    nan.positions[0] = np.nan
    double = bulk("Cu", cubic=True)
    double.positions[1] = double.positions[0]
    bound = bulk("Cu", cubic=True)
    bound.set_constraint(FixBondLengths([(0, 1)]))
    flat = bulk("Cu")
    flat.cell[2] = flat.cell[1]
    slab = fcc100("Cu", (1, 1, 2), vacuum=4.0)
    good = crystals()
    bad = [nan, Atoms(), bulk("Al"), double, bound, flat, slab]
    found = all_relaxed(Poisoned(model), [*bad, *good], pressure=1.0)
    reasons = {
        0: "atom 0 has the position",
        1: "it has no atoms",
        2: "it contains Al, which the model does not know",
        3: "a bond Cu-Cu of 0.000 Å is shorter than 1.320 Å",
        4: "it has the constraint FixBondLengths: only fixed atoms",
        5: "not independent",
        6: "a pressure needs a structure that is periodic in three directions",
        len(bad) + 3: "the model gives an infinite energy or force, or NaN",
    }
    for place, one in enumerate(found):
        expected = "converged" if place not in reasons else "stopped" if place in (3, len(bad) + 3) else "failed"
        assert one.state == expected, one.reason
        assert reasons.get(place, "") in one.reason


def test_steps_are_limited_and_recorded(model) -> None:
    found = all_relaxed(model, crystals(), steps=3, records=True, fmax=1e-6)
    for one in found:
        assert (one.state, one.steps, one.reason) == ("unconverged", 3, "not converged after 3 steps")
        assert 1 <= len(one.frames) <= 3
        energies = [frame.get_potential_energy() for frame in one.frames]
        assert energies == sorted(energies, reverse=True)
        assert isinstance(one.frames[0].calc, SinglePointCalculator)
        np.testing.assert_allclose(one.frames[-1].positions, one.atoms.positions)
        np.testing.assert_allclose(one.frames[-1].get_forces(), one.atoms.get_forces(), atol=1e-9)


def test_cells_that_collapse_are_stopped() -> None:
    """Without repulsion, where a model has a hole."""
    attractive = random_model(("Cu",), order=1, degree=3, cutoff=4.0)
    with torch.no_grad():
        attractive.coefficients *= -1
    (one,) = all_relaxed(attractive, [bulk("Cu", a=4.2)], pressure=50.0, limits=Limits({("Cu", "Cu"): 0.01}))
    assert one.state == "stopped"
    assert "its volume is 0." in one.reason or "bond" in one.reason


def test_bond_limits_are_parsed() -> None:
    assert bond_limits("Sr-Sr=2.075, Sr-B=1.671,B-B=1.267,") == {
        ("Sr", "Sr"): 2.075,
        ("Sr", "B"): 1.671,
        ("B", "B"): 1.267,
    }
    squares = Limits({("Sr", "B"): 1.6}, 0.5).squares()
    assert squares[38, 5] == squares[5, 38] == pytest.approx(0.64)
    for text, message in {
        "Sr-B": "are given as",
        "Sr-B=x": "are given as",
        "Xy-B=1": "no bond",
        "B-B=0": "no bond",
    }.items():
        with pytest.raises(ValueError, match=message):
            bond_limits(text)


def test_structures_are_not_changed(model, tmp_path) -> None:
    structures = crystals()[:2]
    before = [atoms.copy() for atoms in structures]
    all_relaxed(model, structures)
    assert structures == before
    ase.io.write(tmp_path / "a.xyz", structures)
