"""Paths in LAMMPS' input, which has quotes of its own and loses letters beyond ASCII."""

from __future__ import annotations

import os
import re
from typing import Any

PLAIN = re.compile(r"[\w./+=,:@%^~-]+", re.ASCII)
VARIABLE = "acnn_path"


def quoted(path: str | os.PathLike[str]) -> str:
    """The path as one word of LAMMPS' input."""
    text = os.fspath(path)
    if PLAIN.fullmatch(text):
        return text
    for quote in ('"', "'", '"""'):
        if quote not in text and "\n" not in text and not (quote == '"""' and text.endswith('"')):
            return f"{quote}{text}{quote}"
    raise ValueError(f"LAMMPS has no quotes for a file of the name {text!r}: choose another one")


def run_with_path(lmp: Any, line: str, path: str | os.PathLike[str]) -> None:
    """Run a line of input in which {} is a path. What a variable holds LAMMPS takes letter by letter."""
    lmp.command(f'variable {VARIABLE} string ""')
    set_variable = getattr(lmp, "set_string_variable", None) or lmp.set_variable  # the new name, and the old one
    set_variable(VARIABLE, quoted(path))
    lmp.command(line.format(f"${{{VARIABLE}}}"))
    lmp.command(f"variable {VARIABLE} delete")
