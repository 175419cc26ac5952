"""Constants of virials: found where there are any, as a dense formula has them, and kept out of model and errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.basis.specification import BasisSpecification
from acnn.conventions import virial_from_stress
from acnn.data.dataset import LabeledStructure, Weights
from acnn.fit.job import run_fit
from acnn.fit.linear import LinearFit, LinearProblem, fit_problem
from acnn.fit.virial_offset import WIDTH, Offset, counts_of
from acnn.io.model_file import read_header
from acnn.settings.base import SettingsError
from acnn.settings.fit import read_settings
from acnn.solvers import BLR, AlgebraicPrior, StreamingQR

SPECIFICATION = BasisSpecification(elements=("Al", "Cu"), order=2, degree=6, cutoff=4.5)
E0 = {"Al": 0.0, "Cu": 0.0}
OFFSET = {"Al": 0.12, "Cu": -0.2}


def crystal(seed: int, n_aluminum: int | None = None) -> LabeledStructure:
    atoms = bulk("Cu", cubic=True, a=3.6 + 0.02 * (seed % 7))
    atoms.symbols[: seed % 4 if n_aluminum is None else n_aluminum] = "Al"
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    virial = virial_from_stress(atoms.get_stress(voigt=False), atoms.cell.volume)
    labels = atoms.get_potential_energy(), atoms.get_forces(), virial
    atoms.calc = None
    return LabeledStructure(atoms, *labels, "crystal", Weights(), f"#{seed}")


def shifted(structure: LabeledStructure) -> LabeledStructure:
    constant = counts_of(structure.atoms, list(OFFSET)) @ list(OFFSET.values())
    return replace(structure, virial=structure.virial + constant * np.eye(3))


def fitted(structures: list[LabeledStructure], wanted: str) -> LinearFit:
    return fit_problem(LinearProblem(SPECIFICATION, E0, BLR(), AlgebraicPrior(), virial_offset=wanted), structures)


@pytest.fixture(scope="module")
def data() -> list[LabeledStructure]:
    return [crystal(seed) for seed in range(16)]


def test_constants_are_found_where_there_are_any_and_the_model_lacks_them(data):
    plain, found = fitted(data, "auto"), fitted([shifted(s) for s in data], "auto")
    assert plain.virial_offset == {}
    assert found.virial_offset == pytest.approx(OFFSET, abs=0.02)
    assert found.solution.log_evidence > plain.solution.log_evidence - 10
    assert fitted([shifted(s) for s in data], "none").solution.log_evidence < plain.solution.log_evidence - 100
    np.testing.assert_array_equal(plain.model.coefficients, fitted(data, "none").model.coefficients)


def test_the_model_is_that_of_all_equations_together(data):
    """Asking for constants gives the same model whatever constants the labels have."""
    plain, found = fitted(data, "fit"), fitted([shifted(s) for s in data], "fit")
    difference = {element: found.virial_offset[element] - plain.virial_offset[element] for element in OFFSET}
    assert difference == pytest.approx(OFFSET, abs=1e-3)
    scale = float(plain.model.coefficients.abs().max())
    np.testing.assert_allclose(found.model.coefficients, plain.model.coefficients, atol=1e-3 * scale)


def test_elements_that_always_occur_together_share_a_constant():
    data = [shifted(crystal(seed, n_aluminum=2)) for seed in range(8)]
    found = fitted(data, "auto").virial_offset
    assert sum(found.values()) == pytest.approx(sum(OFFSET.values()), abs=0.02)
    assert max(map(abs, found.values())) < 1


def test_constants_and_their_evidence_are_those_of_the_dense_formula():
    rng = np.random.default_rng(5)
    a, x, c, w = rng.normal(size=(40, 6)), rng.normal(size=(40, 2)), rng.normal(size=6), np.array([0.5, -0.3])
    y = a @ c + x @ w + 0.1 * rng.normal(size=40)
    rows, gamma = StreamingQR(8), np.full(6, 1.5)
    rows.add(np.hstack([a, x]), y)
    problem = rows.result()
    solution = BLR().solve(problem.leading(6), gamma)
    found = Offset.beside(solution, problem, 6)
    prior = np.concatenate([solution.regularization * gamma**2, np.full(2, WIDTH**2)])
    both = np.hstack([a, x])
    expected = np.linalg.solve(both.T @ both + np.diag(prior), both.T @ y)
    np.testing.assert_allclose(found.constants, expected[6:], rtol=1e-8)
    evidence = [best_log_evidence(m, y, 1 / p) for m, p in ((a, prior[:6]), (both, prior))]
    assert evidence[0] == pytest.approx(solution.log_evidence, rel=1e-8)
    assert found.gain == pytest.approx(evidence[1] - evidence[0], rel=1e-8)


def best_log_evidence(a: np.ndarray, y: np.ndarray, variances: np.ndarray) -> float:
    """The largest log p(y) for y ~ N(0, β⁻¹ (1 + A V Aᵀ)) over β."""
    covariance = np.eye(len(y)) + a @ np.diag(variances) @ a.T
    beta = len(y) / (y @ np.linalg.solve(covariance, y))
    return 0.5 * (len(y) * (np.log(beta / (2 * np.pi)) - 1) - np.linalg.slogdet(covariance)[1])


def frame(structure: LabeledStructure) -> Atoms:
    atoms = structure.atoms.copy()
    atoms.info = {"REF_energy": structure.energy, "REF_virial": structure.virial.ravel(), "config_type": "crystal"}
    atoms.arrays["REF_forces"] = structure.forces
    return atoms


def run(folder: Path, **settings: object):
    files = {"train": folder / "train.xyz", "test": folder / "test.xyz", "output": folder / "m.acnn"}
    basis = {"order": 2, "degree": 6, "cutoff": 4.5, "e0": E0}
    return run_fit(read_settings(None, {**files, **basis, "overwrite": True, **settings}))


def test_the_report_names_the_constants_and_its_errors_are_without_them(tmp_path, data):
    ase.io.write(tmp_path / "train.xyz", [frame(shifted(s)) for s in data])
    ase.io.write(tmp_path / "test.xyz", [frame(shifted(crystal(seed))) for seed in range(20, 26)])
    report = run(tmp_path, json=tmp_path / "m.json")
    assert report.errors["test"].as_dict()["total"]["virial_rmse"] < 60  # meV/atom; the constants alone are 100 to 200
    (said,) = [text for text in report.doubts if "Pulay" in text]
    assert "below what the energies say" in said
    assert "Al +0.1" in said
    assert said in read_header(tmp_path / "m.acnn")["provenance"]["warnings"]
    assert json.loads((tmp_path / "m.json").read_text())["virial_offset"] == pytest.approx(OFFSET, abs=0.02)
    without = run(tmp_path, virial_offset="none")
    assert not any("Pulay" in text for text in without.doubts)
    assert without.fit.metrics()["virial_offset"] is None


def test_constants_need_virials(tmp_path, data):
    ase.io.write(tmp_path / "train.xyz", [frame(s) for s in data[:3]])
    ase.io.write(tmp_path / "test.xyz", [frame(s) for s in data[:3]])
    with pytest.raises(SettingsError, match="virial_offset is fit, but no structure has a virial"):
        run(tmp_path, virial_offset="fit", weights={"default": {"V": 0}})
