"""Blocks of text, tables and figures, which the templates turn into HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from acnn.plots import Look

MOST_OPEN_ROWS = 15


class Block:
    """A part of a section; ``templates/blocks.html`` has a macro for each kind."""

    @property
    def kind(self) -> str:
        """Name of the macro: that of the class."""
        return type(self).__name__


@dataclass(frozen=True)
class Paragraph(Block):
    """A paragraph of text."""

    text: str


@dataclass(frozen=True)
class Subheading(Block):
    """A heading inside a section."""

    text: str


@dataclass(frozen=True)
class Table(Block):
    """A table of plain text.

    Attributes:
        headings: of the columns; if all are empty, there is no header.
        left: this many columns are left-aligned text; the others are right-aligned numbers.
        total: the last row is a total.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    caption: str = ""
    total: bool = False


@dataclass(frozen=True)
class Drawing(Block):
    """A figure.

    Attributes:
        svg: an SVG element, the only HTML that does not come from the templates.
        caption: what to look for in it.
    """

    svg: str
    caption: str


@dataclass(frozen=True)
class Legend(Block):
    """A legend: the colored sign and the text of each of several names."""

    look: Look


@dataclass(frozen=True)
class Notes(Block):
    """A box of warnings."""

    sentences: Sequence[str]


@dataclass(frozen=True)
class Folded(Block):
    """A block that is shown on demand."""

    summary: str
    block: Block


@dataclass(frozen=True)
class Section:
    """A part of the page: anchor, heading, and blocks from top to bottom."""

    anchor: str
    heading: str
    blocks: Sequence[Block]


def facts_table(rows: Sequence[tuple[str, str] | list[str]], caption: str = "") -> Table:
    """Return names beside their values, without a header."""
    return Table(["", ""], rows, left=2, caption=caption)


def folded_if_long(table: Table, summary: str) -> Block:
    """Return the table, behind a summary if it has more than `MOST_OPEN_ROWS`."""
    return table if len(table.rows) <= MOST_OPEN_ROWS else Folded(summary, table)


def titled_tables(parts: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> list[Block]:
    """Return tables of facts with their titles as captions; all but the first are shown on demand."""
    (title, rows), *others = parts
    return [facts_table(rows, title), *(Folded(title, facts_table(rows)) for title, rows in others)]


def warnings_of(sentences: Sequence[str]) -> list[Block]:
    """Return a box of warnings, or nothing if there are none."""
    return [Notes(sentences)] if sentences else []
