"""Each package's `__all__` is documented, and documents use no other names: docs/reference/stability.md promises it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("acnn", "ase_calculator", "lammps_plugin")
PACKAGES = [
    ".".join(path.parent.relative_to(ROOT).parts)
    for name in OURS
    for path in sorted((ROOT / name).rglob("__init__.py"))
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
SCRIPTS = sorted((ROOT / "examples").rglob("*.py"))
PROMISED_NOWHERE = {"acnn.cli", "acnn.html", "acnn.testing"}
"""By docs/reference/stability.md."""


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_what_it_promises(name: str) -> None:
    package = importlib.import_module(name)
    assert bool(package.__all__) == (name not in PROMISED_NOWHERE)
    assert package.__doc__


NAMES = [(package, name) for package in PACKAGES for name in importlib.import_module(package).__all__]


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_every_promised_name_is_documented(package: str, name: str) -> None:
    value = getattr(importlib.import_module(package), name)
    assert not isinstance(value, ModuleType), "a name, not a file: files may move"
    if inspect.isclass(value) or inspect.isroutine(value):
        own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
        assert own, f"{package}.{name} has no docstring"
        assert not own.startswith(f"{name}("), f"{package}.{name} has only what dataclasses write"
    else:
        assert name.isupper(), f"{package}.{name} is neither a class, a function nor a constant"


def python_of(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    yield from [text] if path.suffix == ".py" else re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def used_names(source: str) -> Iterator[tuple[str, str]]:
    """Package and name of all that a script takes from us."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            yield from ((str(node.module), alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] in OURS)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in OURS:
            yield node.value.id, node.attr


@pytest.mark.parametrize("path", [*PAGES, *SCRIPTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_use_promised_names_only(path: Path) -> None:
    used = {pair for source in python_of(path) for pair in used_names(source)}
    others = {
        f"{package}.{name}".strip(".")
        for package, name in used
        if package not in PACKAGES or (name and name != "__version__" and (package, name) not in NAMES)
    }
    assert others == set()


def test_a_name_that_is_not_promised_is_found() -> None:
    found = set(used_names("import acnn\nfrom acnn.data.frames import read_frames\nacnn.neighbors.atomic_graph\n"))
    assert found == {("acnn", ""), ("acnn.data.frames", "read_frames"), ("acnn", "neighbors")}
