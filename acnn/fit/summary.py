"""What fits and trainings show in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acnn.evaluation.metrics import ErrorTable
from acnn.evaluation.tables import error_block, errors_in_words, errors_title
from acnn.html.blocks import Block, Folded, facts_table, titled_tables, warnings_of
from acnn.io.provenance import fit_facts
from acnn.potential import Potential
from acnn.wording import TOTAL


def fit_blocks(
    provenance: Mapping[str, Any],
    model: Potential,
    errors: Mapping[str, ErrorTable] | None = None,
    warnings: Sequence[str] = (),
) -> list[Block]:
    """Return the errors, warnings, the facts that ``acnn info`` states about the fit, and its model."""
    tables: list[Block] = [error_block(table.as_dict(), errors_title(name)) for name, table in (errors or {}).items()]
    first, *parts = titled_tables(model.describe())
    facts = facts_table(fit_facts(provenance, model), "fit")
    return [*tables, *warnings_of(warnings), facts, Folded(f"model: {model.describe()[0].title}", first), *parts]


def errors_by_set(errors: Mapping[str, ErrorTable]) -> list[str]:
    """Return the RMSE on each set of data in a line."""
    return [f"{name} {errors_in_words(table.as_dict()[TOTAL])}" for name, table in errors.items()]
