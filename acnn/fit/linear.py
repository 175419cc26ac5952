"""Fits a linear ACE: assemble and factor the rows structure by structure, then solve once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler, repulsion_rows
from acnn.fit.checkpoint import Checkpoint
from acnn.fit.priors import Prior
from acnn.fit.solvers import Solution, Solver
from acnn.models.linear import LinearACE
from acnn.ranks import ALONE, Ranks


@dataclass(frozen=True)
class LinearFit:
    """A fitted model and how it came about.

    Attributes:
        model: the potential.
        solution: coefficients, regularization, evidence.
        n_rows: number of equations.
        seconds: wall time of assembly, factorization and solution.
    """

    model: LinearACE
    solution: Solution
    n_rows: int
    seconds: float


def fit_linear(
    specification: BasisSpecification,
    structures: Sequence[LabeledStructure],
    reference_energies: Mapping[str, float],
    solver: Solver,
    prior: Prior,
    *,
    zbl: bool = False,
    repulsion_weight: float = 0.0,
    kernel: str | None = None,
    ranks: Ranks = ALONE,
    checkpoint: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> LinearFit:
    """Coefficients from energies, forces and virials.

    Args:
        specification: the basis.
        structures: labels with their weights.
        reference_energies: E0 in eV per element.
        solver, prior: see `acnn.fit.solvers` and `acnn.fit.priors`.
        zbl: add fixed screened nuclear repulsion.
        repulsion_weight: weight of the restraint of dimers to nuclear repulsion at short range; 0 leaves it out.
        kernel: what computes the equations, "cpu", "torch" or "auto"; None asks ``ACNN_KERNEL``.
        ranks: of an MPI job; all make the same call and get the same fit.
        checkpoint: file to keep the factor in. What it holds already is not assembled again.
        advance: called after each structure.
    """
    start = time.perf_counter()
    model = LinearACE(specification, reference_energies, zbl=zbl)
    assemble = Assembler(model, kernel)
    accumulator = accumulate(assemble, structures, ranks, _checkpoint(checkpoint, model), advance)

    def solve() -> tuple[Solution, int]:
        if accumulator.n_rows == 0:
            raise ValueError(
                "no structure has a label with a positive weight and a neighbor inside the cutoff of "
                f"{model.cutoff} Å: there is nothing to fit"
            )
        if repulsion_weight > 0:
            accumulator.add(*repulsion_rows(model, assemble.rows, repulsion_weight))
        gamma = prior([nl for _, nl in model.basis.labels()])
        return solver.solve(accumulator.result(), gamma), accumulator.n_rows

    solution, n_rows = ranks.by_root(solve)
    with torch.no_grad():
        model.coefficients.copy_(torch.as_tensor(solution.coefficients))
    return LinearFit(model, solution, n_rows, time.perf_counter() - start)


def _checkpoint(path: Path | None, model: LinearACE) -> Checkpoint | None:
    if path is None:
        return None
    fixed = {
        "basis": model.basis.specification.model_dump(mode="json"),
        "E0": model.e0.energies,
        "zbl": model.zbl is not None,
    }
    return Checkpoint(path, fixed, model.basis.n_functions)
