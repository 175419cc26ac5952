"""Errors on structures that a fit has not seen: cross-validation and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acnn.data.dataset import LabeledStructure
from acnn.data.isolated_atoms import ISOLATION
from acnn.data.splits import ALWAYS, Parts, folds, growing
from acnn.evaluation.metrics import ErrorTable, evaluate
from acnn.fit.linear import LinearFit, chosen
from acnn.models.linear import LinearACE
from acnn.parallel import Ranks
from acnn.progress import Stage
from acnn.wording import TOTAL

HELD_OUT, CROSS_VALIDATION = "held out", "cross-validation"


@dataclass(frozen=True)
class Plan:
    """How the training data are divided, and the parts that each fit uses; the last fit uses all of them."""

    parts: Parts
    subsets: list[list[int]]


def plan_of(
    structures: Sequence[LabeledStructure], cv: int | None, growth: bool, seed: int, cutoff: float = ISOLATION
) -> Plan:
    """Divide into k folds, into sizes that double, or not at all; isolated atoms (beyond the cutoff, Å) are in all."""
    if cv:
        everything = list(range(cv))
        without = [[part for part in everything if part != fold] for fold in everything]
        return Plan(folds(structures, cv, seed, cutoff), [*without, everything])
    if growth:
        parts = growing(structures, seed=seed, cutoff=cutoff)
        present = sorted(set(parts.tolist()) - {ALWAYS})
        return Plan(parts, [present[: n + 1] for n in range(len(present))] or [[0]])
    return Plan(np.zeros(len(structures), np.int64), [[0]])


@dataclass(frozen=True)
class SharedErrors:
    """Errors of a model, complete on rank 0; every rank evaluates its share of the structures."""

    ranks: Ranks
    kernel: str | None
    stage: Stage

    def of(self, model: LinearACE, structures: Sequence[LabeledStructure], title: str) -> ErrorTable:
        """Return the errors of a model on structures; ``title`` is for the progress display."""
        mine = [structures[index] for index in self.ranks.share([len(structure) for structure in structures])]
        return ErrorTable.merged(self.ranks.gather(evaluate(model, mine, self.stage(title, len(mine)), self.kernel)))


def cross_validation(
    plan: Plan, fits: Sequence[LinearFit], structures: Sequence[LabeledStructure], errors: SharedErrors
) -> ErrorTable:
    """Return the errors of every structure as predicted by the fit without its fold."""
    tables = []
    for fold, fit in enumerate(fits):
        held_out = chosen(structures, plan.parts == fold)
        tables.append(errors.of(fit.model, held_out, f"fold {fold + 1} of {len(fits)}"))
    return ErrorTable.merged(tables)


def learning_curve(
    plan: Plan,
    fits: Sequence[LinearFit],
    held_out: Sequence[LabeledStructure],
    errors: SharedErrors,
) -> list[dict[str, Any]]:
    """Return the errors on held-out structures by the number of training structures, one row per fit."""
    rows = []
    for subset, fit in zip(plan.subsets, fits, strict=True):
        n = int(np.isin(plan.parts, [ALWAYS, *subset]).sum())
        table = errors.of(fit.model, held_out, f"errors with {n} structures")
        rows.append({"structures": n, "equations": fit.n_rows, **table.as_dict()[TOTAL]})
    return rows
