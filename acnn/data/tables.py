"""Tables of data as text, the same on a terminal, on a page and in a notebook."""

from __future__ import annotations

from acnn.data.dataset import Dataset
from acnn.data.label_keys import used_keys
from acnn.html.blocks import Block, Paragraph, Table, warnings_of
from acnn.wording import TOTAL

DATA_HEADINGS = ("config type", "structures", "atoms", "energies", "forces", "virials")


def data_rows(dataset: Dataset) -> list[list[str]]:
    """Return the counts of `DATA_HEADINGS` for each config type, the total last."""
    rows = dataset.summary()
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    return [[str(cell) for cell in row] for row in (*rows, (TOTAL, *total))]


def data_blocks(dataset: Dataset) -> list[Block]:
    """Return the table of the counts, the keys of the labels, and what is doubtful."""
    table = Table(DATA_HEADINGS, data_rows(dataset), total=True, caption=dataset.source)
    return [table, Paragraph(f"labels: {used_keys(dataset.keys) or 'none'}"), *warnings_of(dataset.notes)]
