"""Paths in LAMMPS' input, which has its own quotes and loses letters beyond ASCII."""

from __future__ import annotations

import os
import re
from typing import Any

PLAIN = re.compile(r"[\w./+=,:@%^~-]+", re.ASCII)
VARIABLE = "acnn_path"


def quoted(path: str | os.PathLike[str]) -> str:
    """Quote a path as one word of LAMMPS' input."""
    text = os.fspath(path)
    if PLAIN.fullmatch(text):
        return text
    for quote in ('"', "'", '"""'):
        if quote not in text and "\n" not in text and not (quote == '"""' and text.endswith('"')):
            return f"{quote}{text}{quote}"
    raise ValueError(f"LAMMPS cannot quote the file name {text!r}: choose another one")


def run_with_path(lmp: Any, line: str, path: str | os.PathLike[str]) -> None:
    """Run a line of input in which {} is a path, passed through a variable, which LAMMPS takes literally."""
    lmp.command(f'variable {VARIABLE} string ""')
    set_variable = getattr(lmp, "set_string_variable", None) or lmp.set_variable  # the new name, and the old one
    set_variable(VARIABLE, quoted(path))
    lmp.command(line.format(f"${{{VARIABLE}}}"))
    lmp.command(f"variable {VARIABLE} delete")
