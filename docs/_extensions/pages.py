"""Markdown for pages that are generated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def escaped(text: str) -> str:
    """Return text that Markdown shows as it stands, also within a cell of a table."""
    for character in "\\`*_[]<>$|{}#":
        text = text.replace(character, "\\" + character)
    return text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, a row per line."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def write_if_changed(path: Path, text: str) -> None:
    """Write a page; an unchanged one keeps its time, so that Sphinx does not read it again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
