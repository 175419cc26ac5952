"""Coordinates of structures that relax together with their cells, and minimizers of many functions at once."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import GPa

from acnn.conventions import full_from_voigt
from acnn.evaluation import evaluate_many
from acnn.testing import random_model
from acnn.workflows.minimizers import FIRE, LBFGS
from acnn.workflows.strained_coordinates import CELL, joined


def rattled(seed: int, repeats: tuple[int, int, int]) -> Atoms:
    atoms = bulk("Cu", a=3.6) * repeats
    atoms.rattle(0.06, seed=seed)
    return atoms


def test_forces_are_gradients_of_the_enthalpy_under_large_strains() -> None:
    model, pressure = random_model(("Cu",), order=2, degree=5, cutoff=4.0), 20 * GPa
    structures = [rattled(k, repeats) for k, repeats in enumerate([(1, 1, 2), (1, 2, 2), (1, 1, 3)])]
    coordinates = joined(structures, [True, True, False])
    rng = np.random.default_rng(0)
    at = coordinates.beginning()
    strain = rng.normal(scale=0.1, size=(3, 3, 3))
    at[:2, :CELL] = strain[:2] + strain[:2].transpose(0, 2, 1)

    def enthalpies(rows: np.ndarray) -> np.ndarray:
        flat = coordinates.structures(rows)
        return found_at(flat)[0] + pressure * flat.volumes

    def found_at(flat):
        places = [(flat.positions[flat.atoms_of(k)], flat.cells[k]) for k in range(3)]
        return evaluate_many(model, [Atoms(f"Cu{len(x)}", x, cell=cell, pbc=True) for x, cell in places])

    flat = coordinates.structures(at)
    found = found_at(flat)
    virials = flat.volumes[:, None, None] * (full_from_voigt(found.stresses) + pressure * np.eye(3))
    forces = coordinates.forces(at, np.concatenate(found.forces), virials)
    assert not forces[2, :CELL].any()
    step = 1e-5
    for k, row, axis in [(0, 0, 1), (1, 2, 2), (1, 1, 0), (0, 4, 0), (1, 6, 2), (2, 3, 1)]:
        change = np.zeros_like(at)
        change[k, row, axis] = step
        weight = 1.0
        if row < CELL and row != axis:  # U is symmetric
            change[k, axis, row] = step
            weight = 2.0
        slope = (enthalpies(at + change) - enthalpies(at - change))[k] / (2 * step)
        assert -slope == pytest.approx(weight * forces[k, row, axis], abs=1e-5)


@pytest.mark.parametrize("minimizer", [FIRE(), LBFGS(memory=4)], ids=["fire", "lbfgs"])
def test_minimizers_find_the_minima_of_quadratic_functions_that_enter_and_leave(minimizer) -> None:
    rng = np.random.default_rng(0)
    sizes = [9, 6, 3, 6, 3]
    minima = [rng.normal(size=n) for n in sizes]
    turns = [np.linalg.qr(rng.normal(size=(n, n)))[0] for n in sizes]
    curvatures = [q @ np.diag(np.geomspace(1, 30, len(q))) @ q.T for q in turns]
    present, waiting, ended = [], [4, 3, 2, 1, 0], {}
    for _ in range(800):
        if waiting and len(present) < 3:
            new = [waiting.pop() for _ in range(min(2, len(waiting)))]
            present += new
            start = np.zeros((len(new), max(sizes[k] for k in new)))
            minimizer.admit(start)
        x = minimizer.coordinates
        assert x.shape == (len(present), max(sizes[k] for k in present))
        apart = [x[row, : sizes[k]] - minima[k] for row, k in enumerate(present)]
        slopes = [curvatures[k] @ d for k, d in zip(present, apart, strict=True)]
        energies = np.array([0.5 * d @ g for d, g in zip(apart, slopes, strict=True)])
        forces = np.array([np.pad(-g, (0, x.shape[1] - len(g))) for g in slopes])
        accepted = minimizer.step(energies, forces)
        done = np.abs(forces).max(axis=1) < 1e-6
        assert accepted[done].all()
        ended |= {k: x[row, : sizes[k]] for row, k in enumerate(present) if done[row]}
        present = [k for row, k in enumerate(present) if not done[row]]
        if not present and not waiting:
            break
        minimizer.keep(~done, max((sizes[k] for k in present), default=0))
    assert sorted(ended) == [0, 1, 2, 3, 4]
    for k, found in ended.items():
        np.testing.assert_allclose(found, minima[k], atol=1e-5)


def test_lbfgs_never_goes_up_and_ends_in_the_valley_of_rosenbrock() -> None:
    minimizer, energy = LBFGS(), np.inf
    minimizer.admit(np.array([[-1.2, 1.0, 0.0]]))
    for _ in range(200):
        x, y, _ = minimizer.coordinates[0]
        found = (1 - x) ** 2 + 10 * (y - x * x) ** 2
        force = np.array([[2 * (1 - x) + 40 * x * (y - x * x), -20 * (y - x * x), 0.0]])
        if minimizer.step(np.array([found]), force)[0]:
            assert found <= energy + 1e-7
            energy = found
    assert energy < 1e-8
