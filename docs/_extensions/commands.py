"""Write `reference/commands.md` from the commands: what each does, its arguments, and its options by panel."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pages import escaped, table, write_if_changed
from sphinx.application import Sphinx

from acnn.cli.main import COMMANDS, loaded

HEAD = """# Commands

Every command explains itself with `--help`. The options are those of the [settings](settings.md) where a command has a
settings file. `acnn --install-completion` lets the shell complete commands, options and their choices. An error is one
sentence and exit status 2; status 70 is a bug in acnn, and `acnn --traceback …` shows where it happened.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield the full name of each command, and the command."""
    for name in COMMANDS:
        yield from _with_subcommands(f"acnn {name}", loaded(name))


def _with_subcommands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    for key, child in (inner or {}).items():
        yield from _with_subcommands(f"{name} {key}", child)


def page() -> str:
    """Return the page in Markdown."""
    return HEAD + "".join(section(name, command) for name, command in commands())


def section(name: str, command: Any) -> str:
    """Return one command's part of the page."""
    context = typer.Context(command)
    panels: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None:
            panels.setdefault(panel(parameter), []).append((f"`{record[0]}`".replace("|", "\\|"), meaning(record[1])))
    tables = "".join(f"\n**{title}**\n\n{table(('', 'meaning'), rows)}" for title, rows in panels.items())
    return f"\n## {name}\n\n{description(command)}\n{tables}"


def panel(parameter: Any) -> str:
    """Return the heading under which a parameter stands in `--help`."""
    return parameter.rich_help_panel or f"{parameter.param_type_name}s".capitalize()


def description(command: Any) -> str:
    """Return its help; lines that are commands become code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(escaped(" ".join(paragraph.split())) for paragraph in paragraphs)


def meaning(text: str) -> str:
    """Return a parameter's help, without the marks that a terminal needs."""
    return escaped(" ".join(text.replace("\\[", "[").split()))


def write(application: Sphinx) -> None:
    """Write the page into the sources, where it is ignored by git."""
    write_if_changed(Path(application.srcdir) / "reference" / "commands.md", page())


def setup(application: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    application.connect("builder-inited", write)
    return {"parallel_read_safe": True}
