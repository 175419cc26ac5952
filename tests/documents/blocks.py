"""The blocks of code of a document, and the settings that comments in its commands give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DIRECTIVE = re.compile(r"^(```+|:::+)\{.*?^\1$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"in `(\S+)`[,:]?\s*$")
COMMAND_OF_EXAMPLE = re.compile(r"^# (acnn .*?)(?:\s{2,}.*)?$", re.MULTILINE)
TRAINING = re.compile(r"acnn train (\S+\.yaml)[^\n#]*# ([^\n]*(?:(?<=,)\n[^#\n]*# [^\n]*)*)")


@dataclass(frozen=True)
class Block:
    """Code in a document.

    Attributes:
        language: sh, yaml, python, text, bash (scripts for a queue) or, where none is named, lammps.
        file: the file that the text before says it stands in, if any.
    """

    document: str
    line: int
    language: str
    text: str
    file: str | None = None

    @property
    def first(self) -> str:
        """Its first line, by which tables name it."""
        return self.text.splitlines()[0]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: str, text: str) -> Iterator[Block]:
    """Of a page in Markdown; what directives of the documentation hold is not among them."""
    text = DIRECTIVE.sub(lambda directive: "\n" * directive[0].count("\n"), text)
    for match in FENCE.finditer(text):
        before = text[: match.start()].rstrip()
        named = NAMED.search(before.rsplit("\n", 1)[-1])
        line = text[: match.start()].count("\n") + 1
        yield Block(document, line, match[1] or "lammps", match[2], named[1] if named else None)


def commands_of_example(document: str, text: str) -> Iterator[Block]:
    """What the comments at the top of an example's settings say is to be typed."""
    head = re.split(r"^[^#]", text, maxsplit=1, flags=re.MULTILINE)[0]
    for match in COMMAND_OF_EXAMPLE.finditer(head):
        yield Block(document, text[: match.start()].count("\n") + 1, "sh", match[1] + "\n")


def settings_in_comments(text: str) -> dict[str, dict[str, Any]]:
    """Of trainings such as ``acnn train a.yaml  # data: {train: b.xyz}``, by file; after a comma they go on in the
    comment of the next line."""
    found = {}
    for file, comment in TRAINING.findall(text):
        found[file] = yaml.safe_load("{" + re.sub(r"\n[^#]*# ", " ", comment) + "}")
    return found


def read(path: Path, root: Path) -> list[Block]:
    """All blocks of a document."""
    text, name = path.read_text(encoding="utf-8"), path.relative_to(root).as_posix()
    return list((commands_of_example if path.suffix == ".yaml" else blocks)(name, text))
