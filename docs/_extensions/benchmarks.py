"""The directive ``benchmark``: a table of the rows in a file of ``benchmarks/results``, with what made it.

    ```{benchmark} zuo2020
    element size: model
    energy_mae_meV_per_atom: energy MAE, meV/atom | .3f
    ```

shows these columns of zuo2020.json: keys of the rows, joined by a space; the heading; a format of numbers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from pages import table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


class Benchmark(SphinxDirective):
    """A table, and below it the script, the date and the machine."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the table and of its source."""
        path = RESULTS / f"{self.arguments[0]}.json"
        self.env.note_dependency(str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
        columns = [Column.parse(line) for line in self.content]
        rows = [[column.cell(row) for column in columns] for row in found["rows"]]
        text = table([column.heading for column in columns], rows) + "\n" + source(found, path)
        return self.parse_text_to_nodes(text)


class Column:
    """A column of a table: the keys of its numbers, its heading, and how numbers are written."""

    def __init__(self, keys: list[str], heading: str, style: str) -> None:
        self.keys, self.heading, self.style = keys, heading, style

    @classmethod
    def parse(cls, line: str) -> Column:
        """Return the column that a line ``keys: heading | format`` describes."""
        keys, _, rest = line.partition(":")
        heading, _, style = rest.partition("|")
        return cls(keys.split(), heading.strip(), style.strip())

    def cell(self, row: dict[str, Any]) -> str:
        """Return the text of a row's cell; numbers that are missing leave it empty."""
        return " ".join(self._shown(row.get(key)) for key in self.keys)

    def _shown(self, value: Any) -> str:
        if isinstance(value, (int, float)) and self.style:
            return format(value, self.style)
        return "" if value is None else str(value)


def source(found: dict[str, Any], path: Path) -> str:
    """Return the line below a table."""
    script, note = found["script"], found.get("note")
    made = f"{{download}}`{script} <../../benchmarks/{script}>`, {found['date']}, {found['machine']}"
    file = f"{{download}}`{path.name} <../../benchmarks/results/{path.name}>`"
    return f"<small>{made}. {note + ' ' if note else ''}{file}</small>\n"


def setup(application: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    application.add_directive("benchmark", Benchmark)
    return {"parallel_read_safe": True}
