"""What a group is worth against fits without it, what it saves against programs without it, and the command."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from typer.testing import CliRunner

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.cli.main import app
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.linear import LinearProblem, fit_linear
from acnn.fit.pruning import Pruned, Pruning, first_places, loss_of, losses, product_groups
from acnn.fit.pruning_job import equations_of, rms
from acnn.fit.virial_offset import without_offset
from acnn.io.model_file import load_model, read_header, save_model
from acnn.kernels.calibration import TYPICAL
from acnn.kernels.cost import COUNTS, CostModel, Surroundings, counts
from acnn.kernels.loading import instruction_sets
from acnn.kernels.needs import needs_of
from acnn.kernels.program import Program, compile_energy
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.settings.prune import Target
from acnn.solvers import ARD, BLR, AlgebraicPrior, Solver

E0 = {"Al": -1.0, "Cu": -2.0}
BASIS = BasisSpecification(elements=("Al", "Cu"), order=3, degree=6, cutoff=4.2)
COST = CostModel(np.array([TYPICAL[name] for name in COUNTS]))
UNAVOIDABLE = ("batches", "pairs", "slots")
"""Counts that no function changes."""


def crystal(seed: int) -> LabeledStructure:
    """Labels of a model of low order and degree, with noise."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=rng.uniform(3.6, 4.0))
    atoms.symbols[:] = rng.choice(["Al", "Cu"], 4).tolist()
    atoms.positions += rng.normal(scale=0.1, size=(4, 3))
    specification = BasisSpecification(elements=("Al", "Cu"), order=2, degree=4, cutoff=4.2)
    n = ACEBasis(specification).n_functions
    truth = LinearACE(specification, E0, torch.as_tensor(np.random.default_rng(9).normal(size=n)))
    found = truth.pair_gradients(atomic_graph(atoms, truth.cutoff))
    energy, forces = float(found.energies[0]) + rng.normal(scale=1e-3), found.forces.numpy()
    forces = forces + rng.normal(scale=1e-2, size=(4, 3))
    return LabeledStructure(atoms, energy, forces, None, "crystal", Weights(), f"#{seed}")


@pytest.fixture(scope="module")
def data() -> list[LabeledStructure]:
    return [crystal(seed) for seed in range(30)]


def pruning(data: Sequence[LabeledStructure], solver: Solver | None = None, rho: float = 0.0) -> Pruning:
    problem = LinearProblem(BASIS, E0, solver or BLR(), AlgebraicPrior(3.0), repulsion_weight=0.3)
    around = Surroundings.of(atomic_graph(data[0].atoms, 4.2), BASIS.elements, 4.2, 4.2, 4)
    equations = equations_of(problem, data, {})
    return Pruning(ACEBasis(BASIS), equations, problem.element_prior(), problem.solver, rho, around, COST)


@pytest.fixture(scope="module")
def whole(data: list[LabeledStructure]) -> Pruning:
    return pruning(data)


def all_columns(of: Pruning) -> np.ndarray:
    return np.arange(of.basis.n_functions)


def test_without_functions_the_penalized_misfit_grows_by_what_they_are_worth(whole):
    """For every group, and for one set of many, against the dense normal equations without them."""
    (stage, *_) = whole.stages(all_columns(whole), Target(1e9, "functions"))
    groups = product_groups(BASIS.functions())
    gamma, lam = whole.prior.gamma, stage.solution.regularization
    factor, target = whole.problem.factor, whole.problem.target

    def least(columns: np.ndarray) -> float:
        stacked = np.concatenate([factor[:, columns], np.diag(np.sqrt(lam) * gamma[columns])])
        padded = np.concatenate([target, np.zeros(len(columns))])
        c, *_ = np.linalg.lstsq(stacked, padded, rcond=None)
        return float(((padded - stacked @ c) ** 2).sum())

    base = least(all_columns(whole))
    found = losses(stage, groups)
    for g in range(0, len(found), 7):
        assert found[g] == pytest.approx(least(np.flatnonzero(groups != g)) - base, rel=1e-5, abs=1e-9 * base)
    many = np.random.default_rng(1).uniform(size=len(groups)) < 0.2
    assert loss_of(stage, many) == pytest.approx(least(np.flatnonzero(~many)) - base, rel=1e-5)


def test_couplings_of_the_same_channels_belong_together():
    functions = BASIS.functions()
    groups = product_groups(functions)
    assert len(set(zip(groups.tolist(), [f[:3] for f in functions], strict=True))) == groups.max() + 1
    assert groups.max() + 1 == len({f[:3] for f in functions}) <= len(functions)


def program(basis: ACEBasis, kept: np.ndarray) -> Program:
    coefficients = np.where(kept, np.random.default_rng(5).uniform(0.5, 1.5, basis.n_functions), 0.0)
    return compile_energy(basis, coefficients, E0)


@pytest.mark.parametrize("formulation", ["pure2b", "canonical", "self_interacting"])
@pytest.mark.parametrize("share", [1.0, 0.3])
def test_all_steps_together_are_the_program(data, formulation, share):
    basis = ACEBasis(BASIS.model_copy(update={"formulation": formulation}))
    around = Surroundings.of(atomic_graph(data[0].atoms, 4.2), BASIS.elements, 4.2, 4.2, 4)
    kept = np.random.default_rng(2).uniform(size=basis.n_functions) < share
    groups = np.where(kept, np.cumsum(kept) - 1, -1)
    compiled = program(basis, kept)
    found = needs_of(basis, groups, compiled, around, COST)
    of = dict(zip(COUNTS, COST.microseconds * counts(compiled, around), strict=True))
    padding = 2 * around.batches.sum() * TYPICAL["rows"]
    assert found.costs.sum() == pytest.approx(COST(compiled, around) - sum(of[c] for c in UNAVOIDABLE) - padding)
    assert found.users.any(axis=1).all()


def test_what_a_set_saves_is_saved(data):
    """Programs without it may split products in another way, and fill tiles less."""
    basis = ACEBasis(BASIS)
    around = Surroundings.of(atomic_graph(data[0].atoms, 4.2), BASIS.elements, 4.2, 4.2, 4)
    groups, everything = product_groups(BASIS.functions()), np.ones(basis.n_functions, dtype=bool)
    before = program(basis, everything)
    found = needs_of(basis, groups, before, around, COST)
    sets = found.levels()
    assert len(sets) > 10
    sets = sets[~sets.all(axis=1)]
    for leaving, saved in zip(sets, found.saved(sets), strict=True):
        after = program(basis, ~leaving[groups])
        actual = COST(before, around) - COST(after, around)
        assert actual > 0.85 * saved - 0.01
        if all(after.arrays[f"{z}.n_radial"].all() for z in (0, 1)):  # otherwise also harmonics of this neighbor
            assert actual < 1.15 * saved + 0.01
        position = np.where(leaving, 0, 1)
        assert found.saved_in_order(position) == pytest.approx([saved, found.costs.sum()])


def test_groups_leave_with_the_first_of_their_sets():
    sets = np.array([[True, True, False, False], [False, True, True, False]])
    order = np.array([3, 5, 0, 4, 1, 2])  # group 3, set 1, group 0, set 0, groups 1 and 2
    np.testing.assert_array_equal(first_places(order, sets), [2, 1, 1, 0])


@pytest.mark.parametrize("unit", ["%", "functions", "us"])
def test_the_last_stage_alone_is_within_the_budget(whole, unit):
    (first, *_) = whole.stages(all_columns(whole), Target(1e9, "functions"))
    most = {"%": 0.75 * first.microseconds, "functions": 40, "us": 0.7 * first.microseconds}[unit]
    stages = list(whole.stages(all_columns(whole), Target(75 if unit == "%" else most, unit)))
    sizes = [stage.n_functions if unit == "functions" else stage.microseconds for stage in stages]
    assert sizes[-1] <= most < sizes[-2]
    for before, after in itertools.pairwise(stages):
        assert set(after.columns) < set(before.columns)


def test_a_stage_is_the_fit_of_its_functions(whole):
    *_, last = whole.stages(all_columns(whole), Target(60, "functions"))
    kept, lam = last.columns, last.solution.regularization
    normal = whole.problem.factor[:, kept].T @ whole.problem.factor[:, kept] + lam * np.diag(
        whole.prior.gamma[kept] ** 2
    )
    expected = np.linalg.solve(normal, whole.problem.factor[:, kept].T @ whole.problem.target)
    np.testing.assert_allclose(last.coefficients[kept], expected, rtol=1e-4, atol=1e-7 * np.abs(expected).max())
    assert not np.delete(last.coefficients, kept).any()
    assert last.residual == pytest.approx(rms(whole.problem, last.coefficients))
    solution = last.whole_solution()
    covariance = solution.covariance_factor @ solution.covariance_factor.T
    assert not covariance[np.delete(all_columns(whole), kept)].any()
    assert (np.diag(covariance)[kept] > 0).all()


def test_functions_that_the_data_do_not_need_leave_first(whole, data):
    """The labels are those of order 2 and degree 4; at as many functions, the errors are those of that basis."""
    *_, last = whole.stages(all_columns(whole), Target(120, "functions"))
    (first, *_) = whole.stages(all_columns(whole), Target(1e9, "functions"))
    assert last.residual < 1.2 * first.residual


@pytest.mark.parametrize(("solver", "rho"), [(BLR(), 0.9), (BLR(slack=2.0), 0.0), (ARD(max_iterations=20), 0.0)])
def test_correlated_elements_and_other_solvers(data, solver, rho):
    found = pruning(data, solver, rho)
    *_, last = found.stages(all_columns(found), Target(80, "%"))
    assert 0 < last.n_functions < len(all_columns(found))


def test_nothing_left_is_an_error(whole):
    with pytest.raises(ValueError, match=r"nothing is left of the model within 0\.001 us: allow more than"):
        list(whole.stages(all_columns(whole), Target(0.001, "us")))


def test_targets():
    assert Target.parse("2us") == Target(2, "us") == Target.parse(" 2 µs ")
    assert Target.parse("300") == Target(300, "functions")
    assert Target.parse("50%") == Target(50, "%")
    for text in ("", "fast", "-1us", "100%", "0", "nan", "inf", "2ms"):
        with pytest.raises(ValueError, match="a model is pruned to a time per atom"):
            Target.parse(text)


def test_the_kernel_skips_what_is_gone(whole):
    """Fewer harmonics, radial functions and products, and the energies of torch, which knows nothing of it."""
    (first, *_, last) = whole.stages(all_columns(whole), Target(70, "%"))
    before, after = (_model(whole, stage) for stage in (first, last))
    for name in ("0.blocks", "0.products", "0.complex.coefficients", "0.real.coefficients"):
        assert len(after.program().arrays[name]) < len(before.program().arrays[name])
    assert (after.program().arrays["sizes"] <= before.program().arrays["sizes"]).all()
    if not instruction_sets():
        pytest.skip("acnn was installed without the compiled kernel")
    graph = atomic_graph(bulk("Cu", cubic=True, a=3.8) * (2, 1, 1), after.cutoff)
    compiled, reference = (after.pair_gradients(graph, kernel) for kernel in ("cpu", "torch"))
    torch.testing.assert_close(compiled.site_energies, reference.site_energies, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(compiled.forces, reference.forces, rtol=1e-8, atol=1e-8)


def _model(of: Pruning, stage: Pruned) -> LinearACE:
    return LinearACE(of.basis, E0, torch.as_tensor(stage.coefficients))


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory) -> Path:
    """Training and test data, and a model with a committee that was fitted to the former."""
    folder = tmp_path_factory.mktemp("prune")
    for name, structures in (("train", data[:24]), ("test", data[24:])):
        frames = []
        for structure in structures:
            atoms = structure.atoms.copy()
            atoms.info["E_x"], atoms.arrays["F_x"] = structure.energy, structure.forces
            frames.append(atoms)
        ase.io.write(folder / f"{name}.xyz", frames)
    run("fit", folder / "train.xyz", "-o", folder / "big.acnn", "--order", 3, "--degree", 6, "--cutoff", 4.2, *KEYS)
    return folder


KEYS = ("--energy-key", "E_x", "--forces-key", "F_x", "--e0", "Al=-1,Cu=-2", "--committee", "4", "--split", "0.1")


def run(*words: object, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(map(str, words)))
    assert found.exit_code == status, found.output
    return found.output


def test_the_command(folder):
    words = ("prune", folder / "big.acnn", folder / "train.xyz", "-o", folder / "small.acnn", "--budget", "100")
    output = run(*words, "--test", folder / "test.xyz", "--json", folder / "small.json")
    figures = json.loads((folder / "small.json").read_text())
    big, small = load_model(folder / "big.acnn"), load_model(folder / "small.acnn")
    assert isinstance(small, LinearACE)
    assert small.kept.sum() <= 100 < big.kept.sum()
    assert figures["stages"][-1]["functions"] == small.kept.sum()
    assert figures["test"]["before"]["total"]["forces_rmse"] > 0 < figures["stages"][-1]["test"]
    assert small.has_committee
    assert "functions: " in output
    assert "test: RMSE energy" in output
    provenance = read_header(folder / "small.acnn")["provenance"]
    assert provenance["pruned"].startswith(f"from {big.kept.sum()} functions")
    assert provenance["test"] == figures["test"]["after"]
    assert "pruned" in run("info", folder / "small.acnn")
    assert "--overwrite" in run(*words, status=2)


def test_a_large_budget_gives_the_model_that_was_fitted(folder):
    """Weights, labels, prior and restraint are those of the fit."""
    run("prune", folder / "big.acnn", folder / "train.xyz", "-o", folder / "same.acnn", "--budget", "100000")
    big, same = (load_model(folder / f"{name}.acnn") for name in ("big", "same"))
    np.testing.assert_allclose(same.coefficients.numpy(), big.coefficients.numpy(), rtol=1e-6, atol=1e-9)


def test_what_cannot_be_pruned_is_named(folder, data):
    fit = fit_linear(BASIS, data[:5], E0, BLR(), AlgebraicPrior(3.0))
    save_model(fit.model, folder / "bare.acnn")
    words = (folder / "train.xyz", "-o", folder / "none.acnn", "--budget")
    assert "has no record of how it was fitted" in run("prune", folder / "bare.acnn", *words, "10", status=2)
    assert "nothing is left of the model within 0.001 %" in run(
        "prune", folder / "big.acnn", *words, "0.001%", status=2
    )
    assert "a model is pruned to a time per atom" in run("prune", folder / "big.acnn", *words, "soon", status=2)


def test_virials_are_taken_without_the_constants_that_the_fit_found(data):
    """The equations are those of labels from which the constants were subtracted."""
    rng, offset = np.random.default_rng(6), {"Al": 0.3, "Cu": -0.2}
    labeled = [replace(structure, virial=rng.normal(size=(3, 3))) for structure in data[:4]]
    labeled = [replace(s, virial=s.virial + s.virial.T) for s in labeled if s.virial is not None]
    problem = LinearProblem(BASIS, E0, BLR(), AlgebraicPrior(3.0))
    found = equations_of(problem, labeled, offset)
    expected = equations_of(problem, [without_offset(structure, offset) for structure in labeled], {})
    coefficients = rng.normal(size=BASIS.n_functions)
    assert rms(found, coefficients) == pytest.approx(rms(expected, coefficients), rel=1e-9)
    assert rms(found, coefficients) != pytest.approx(rms(equations_of(problem, labeled, {}), coefficients), rel=1e-4)
