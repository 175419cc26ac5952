"""Errors on structures that a fit has not seen: held out, in cross-validation, and by the number of those it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acnn.data.dataset import LabeledStructure
from acnn.data.splits import ALWAYS
from acnn.evaluation.metrics import ErrorTable, evaluate
from acnn.fit.linear import LinearFit, chosen
from acnn.fit.plan import Plan
from acnn.fit.virial_offset import without_offset
from acnn.models.linear import LinearACE
from acnn.parallel import Ranks
from acnn.progress import Stage
from acnn.wording import TOTAL


@dataclass(frozen=True)
class SharedErrors:
    """Errors of a model, complete on rank 0; every rank evaluates its share of the structures.

    Virials are compared without their constants, eV by element (`acnn.fit.virial_offset`).
    """

    ranks: Ranks
    kernel: str | None
    stage: Stage
    virial_offset: Mapping[str, float]

    def of(self, model: LinearACE, structures: Sequence[LabeledStructure], title: str) -> ErrorTable:
        """Return the errors of a model on structures; ``title`` is for the progress display."""
        share = self.ranks.share([len(structure) for structure in structures])
        mine = [without_offset(structures[index], self.virial_offset) for index in share]
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
    """Return the errors on held-out structures by the number of training structures, one row per fit.

    Args:
        fits: the first of the plan, without the one that has seen what is held out.
    """
    rows = []
    for subset, fit in zip(plan.subsets, fits, strict=False):
        n = int(np.isin(plan.parts, [ALWAYS, *subset]).sum())
        table = errors.of(fit.model, held_out, f"errors with {n} structures")
        rows.append({"structures": n, "equations": fit.n_rows, **table.as_dict()[TOTAL]})
    return rows
