"""A killed fit goes on, new structures join, and nothing is counted twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from ase.build import bulk

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit import accumulation, checkpoint
from acnn.fit.checkpoint import Checkpoint, CheckpointError, Factor, fingerprint
from acnn.fit.linear import LinearFit, fit_linear
from acnn.locks import LockedError
from acnn.solvers import BLR, AlgebraicPrior, StreamingQR

SPECIFICATION = BasisSpecification(elements=("Cu",), order=2, degree=6, cutoff=4.5)
AGREEMENT = 1e-8
"""Of coefficients, relative to the largest: the rows are the same, in another order."""


def structures(n: int, seed: int) -> list[LabeledStructure]:
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True, a=3.7) * (1, 1, 1 + k % 2)
        atoms.rattle(0.1, rng=rng)
        forces = rng.normal(size=(len(atoms), 3))
        found.append(LabeledStructure(atoms, rng.normal(), forces, None, "default", Weights(), f"#{k}"))
    return found


def fit(data: list[LabeledStructure], path: Path | None, **keywords: Any) -> LinearFit:
    specification = keywords.pop("specification", SPECIFICATION)
    return fit_linear(specification, data, {"Cu": 0.0}, BLR(), AlgebraicPrior(), checkpoint=path, **keywords)


def agrees(found: LinearFit, expected: LinearFit) -> bool:
    a, b = found.solution.coefficients, expected.solution.coefficients
    return found.n_rows == expected.n_rows and bool(np.abs(a - b).max() < AGREEMENT * np.abs(b).max())


@pytest.fixture
def assembled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of structures whose equations were assembled, one for each fit."""
    counts: list[int] = []

    class Counting(accumulation.Saver):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            counts.append(0)

        def done(self, *arguments: Any) -> None:
            counts[-1] += 1
            super().done(*arguments)

    monkeypatch.setattr(accumulation, "Saver", Counting)
    return counts


class Killed(BaseException):
    pass


def killed_after(n: int) -> Callable[[], None]:
    calls: list[int] = []

    def advance() -> None:
        calls.append(1)
        if len(calls) > n:
            raise Killed

    return advance


def test_a_killed_fit_goes_on_where_it_was(tmp_path, monkeypatch, assembled):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    data, path = structures(7, 1), tmp_path / "f.factor"
    with pytest.raises(Killed):
        fit(data, path, progress=killed_after(3))
    with pytest.raises(Killed):  # and again: the parts of two runs
        fit(data, path, progress=killed_after(5))
    found = fit(data, path)
    assert assembled == [4, 2, 1]
    assert agrees(found, fit(data, None))
    assert [p.name for p in tmp_path.iterdir()] == ["f.factor"]


def test_nothing_new_is_assembled_when_all_is_there(tmp_path, assembled):
    data, path = structures(4, 2), tmp_path / "f.factor"
    first, calls = fit(data, path), []
    assert agrees(fit(data, path, progress=lambda: calls.append(1)), first)
    assert assembled == [4, 0]
    assert len(calls) == 4  # the progress bar is full


def test_new_structures_join(tmp_path, assembled):
    old, new, path = structures(4, 3), structures(3, 4), tmp_path / "f.factor"
    fit(old, path)
    found = fit([*new[:1], *old, *new[1:]], path)
    assert assembled == [4, 3]
    assert agrees(found, fit(old + new, None))


def test_a_structure_that_is_there_twice_counts_twice(tmp_path, assembled):
    once, path = structures(3, 5), tmp_path / "f.factor"
    fit(once, path)
    assert agrees(fit(once + once[:2], path), fit(once + once[:2], None))
    assert assembled == [3, 2]


def test_a_run_killed_between_writing_the_sum_and_removing_the_parts(tmp_path, monkeypatch, assembled):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    data, path = structures(4, 6), tmp_path / "f.factor"

    def killed(self: Checkpoint) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "_forget_partials", lambda self: None)  # collect() has nothing to remove
        patch.setattr(Checkpoint, "finish", _then(Checkpoint.finish, killed))
        with pytest.raises(Killed):
            fit(data, path)
    assert {p.name for p in tmp_path.iterdir()} == {"f.factor", "f.factor.rank0"}
    assert agrees(fit(data, path), fit(data, None))
    assert assembled == [4, 0]


def _then(function: Callable[..., Any], after: Callable[..., None]) -> Callable[..., Any]:
    def both(self: Checkpoint, *arguments: Any) -> Any:
        function(self, *arguments)
        after(self)

    return both


def test_a_second_fit_at_the_same_time_is_refused(tmp_path):
    data, path, refused = structures(3, 14), tmp_path / "f.factor", []

    def second() -> None:
        with pytest.raises(LockedError, match=r"f\.factor is being written by process \d+ on"):
            fit(data, path)
        refused.append(1)

    assert agrees(fit(data, path, progress=second), fit(data, None))
    assert len(refused) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["f.factor"]


def test_the_repulsion_is_no_part_of_the_factor(tmp_path):
    data, path = structures(4, 7), tmp_path / "f.factor"
    fit(data, path, repulsion_weight=1.0)
    assert agrees(fit(data, path, repulsion_weight=0.3), fit(data, None, repulsion_weight=0.3))


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"specification": SPECIFICATION.model_copy(update={"cutoff": 5.0})}, "another basis"),
        ({"zbl": True}, "another zbl"),
    ],
)
def test_equations_of_another_model_are_refused(tmp_path, keywords, says):
    data, path = structures(2, 8), tmp_path / "f.factor"
    fit(data, path)
    with pytest.raises(CheckpointError, match=says):
        fit(data, path, **keywords)


def test_structures_that_left_the_data_are_refused(tmp_path):
    data, path = structures(3, 9), tmp_path / "f.factor"
    fit(data, path)
    with pytest.raises(CheckpointError, match="equations of 2 structures that are not in the data"):
        fit(data[:1], path)


@pytest.mark.parametrize("content", [b"", b"no factor at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_files_that_are_no_factors(tmp_path, content):
    path = tmp_path / "f.factor"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a checkpoint of acnn fit"):
        fit(structures(1, 10), path)


def test_a_truncated_factor_is_refused(tmp_path):
    path = tmp_path / "f.factor"
    fit(structures(2, 11), path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="damaged"):
        Factor.read(path)


def test_a_factor_remembers_all_rows():
    rng = np.random.default_rng(12)
    rows, targets = rng.normal(size=(5, 8)), rng.normal(size=5)  # fewer rows than columns
    accumulator = StreamingQR(8)
    accumulator.add(rows, targets)
    again = StreamingQR.from_triangle(accumulator.triangle(), 8, accumulator.n_rows)
    again.add(2 * rows, targets)
    accumulator.add(2 * rows, targets)
    found, expected = again.result(), accumulator.result()
    np.testing.assert_allclose(found.factor.T @ found.factor, expected.factor.T @ expected.factor, atol=1e-12)
    np.testing.assert_allclose(found.residual, expected.residual, atol=1e-12)
    assert found.n_rows == 10


@pytest.mark.parametrize("change", ["positions", "energy", "weights", "cell"])
def test_fingerprints_tell_everything_apart(change):
    (structure,) = structures(1, 13)
    atoms = structure.atoms.copy()
    if change == "positions":
        atoms.positions[0, 0] += 1e-12
    if change == "cell":
        atoms.set_cell(atoms.cell * 1.001)
    weights = Weights(energy=1.0) if change == "weights" else structure.weights
    energy = None if change == "energy" else structure.energy
    other = LabeledStructure(atoms, energy, structure.forces, None, "default", weights, "elsewhere")
    assert fingerprint(other) != fingerprint(structure)
    assert fingerprint(structure) == fingerprint(
        LabeledStructure(ase.Atoms(structure.atoms), structure.energy, structure.forces, None, "x", Weights(), "y")
    )
