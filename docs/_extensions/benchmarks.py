"""The directive ``benchmark``: a table of the rows in a file of ``benchmarks/results``, with what made it.

    ```{benchmark} zuo2020
    model: {element} {size}
    energy MAE, meV/atom: {energy_mae_meV_per_atom:.3f}
    ```

shows the rows of zuo2020.json in two columns: a heading each, and a template for a row's values.
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
        columns = [line.split(": ", maxsplit=1) for line in self.content]
        rows = [[template.format_map(row) for _, template in columns] for row in found["rows"]]
        text = table([heading for heading, _ in columns], rows) + "\n" + source(found, path)
        return self.parse_text_to_nodes(text)


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
