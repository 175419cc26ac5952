"""The direction of imports, what an import may do, and what a package offers."""

from __future__ import annotations

import ast
import functools
import graphlib
import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

import acnn

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("acnn", "ase_calculator", "lammps_plugin")

# A module imports its own layer and the layers below, also inside functions.
LAYERS = {
    "acnn.arrays": 0,
    "acnn.conventions": 0,
    "acnn.extras": 0,
    "acnn.failures": 0,
    "acnn.files": 0,
    "acnn.locks": 0,
    "acnn.owners": 0,
    "acnn.pairs": 0,
    "acnn.recognition": 0,
    "acnn.sealed": 0,
    "acnn.solvers": 0,  # NumPy only, no atoms
    "acnn.strict": 0,
    "acnn.threads": 0,
    "acnn.tree_search": 0,
    "acnn.version": 0,
    "acnn.wording": 0,
    "acnn.combinations": 1,
    "acnn.graph": 1,
    "acnn.html": 1,
    "acnn.parallel": 1,
    "acnn.progress": 1,
    "acnn.plots": 1,  # knows arrays, not what they belong to: whatever can be drawn may use it
    "acnn.basis": 2,
    "acnn.data": 2,  # structures as they are on disk: knows files and units, not models
    "acnn.image_lists": 2,
    "acnn.images": 2,
    "acnn.neighbors": 2,
    "acnn.potential": 2,
    "acnn.verlet": 2,
    "acnn.kernels": 3,
    "acnn.models": 4,
    "acnn.evaluation": 5,
    "acnn.io": 5,
    "acnn.settings": 5,  # data only: what is made of them is made beside it
    "acnn.fit": 6,
    "acnn.properties": 6,
    "acnn.uncertainty": 6,
    "acnn.train": 7,
    "ase_calculator": 7,
    "acnn.testing": 8,  # may use the whole library; fits and models may not use it
    "acnn.workflows": 8,
    "lammps_plugin": 8,
    "acnn": 8,  # acnn/__init__.py, which may offer names from any of the above
    "acnn.report": 9,
    "acnn.cli": 10,
    "acnn.__main__": 11,
}

# (importer, imported): each stands for itself and everything in it.
FORBIDDEN = (
    ("ase_calculator", "acnn.fit"),
    ("ase_calculator", "acnn.train"),
    ("lammps_plugin", "acnn.fit"),
    ("lammps_plugin", "acnn.train"),
    ("acnn.solvers", "ase"),
    ("acnn.solvers", "torch"),
)
# The CLI may import these two where they are used.
FORBIDDEN_ON_IMPORT = (("acnn", "ase_calculator"), ("acnn", "lammps_plugin"))


class Import(NamedTuple):
    importer: str
    imported: str
    on_import: bool  # runs when the importer is imported: not in a function, not for type checkers alone
    line: int


def module_files() -> dict[str, Path]:
    """Every module of the three packages by its dotted name."""
    files = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


MODULES = module_files()


def import_statements(node: ast.AST, on_import: bool = True) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, on_import
        deferred = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        )
        yield from import_statements(child, on_import and not deferred)


def imported_modules(statement: ast.AST, importer: str, is_package: bool) -> Iterator[str]:
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom):
        parents = importer.split(".")
        here = parents[: len(parents) - statement.level + is_package] if statement.level else []
        base = ".".join([*here, *filter(None, [statement.module])])
        for alias in statement.names:
            if alias.name.startswith("__"):  # acnn.__version__ depends on no layer
                continue
            name = f"{base}.{alias.name}"
            yield name if name in MODULES or name in LAYERS else base


def imports_of(source: str, importer: str, is_package: bool = False) -> list[Import]:
    return [
        Import(importer, imported, on_import, statement.lineno)
        for statement, on_import in import_statements(ast.parse(source))
        for imported in imported_modules(statement, importer, is_package)
    ]


@functools.cache
def all_imports() -> list[Import]:
    return [
        found
        for module, path in MODULES.items()
        for found in imports_of(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    ]


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def unit(module: str) -> str:
    """The entry of LAYERS a module belongs to: acnn.solvers.qr -> acnn.solvers."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "acnn" else parts[0]


def broken_rules(imports: list[Import]) -> list[str]:
    problems = []
    for importer, imported, on_import, line in imports:
        where = f"{importer}, line {line}: imports {imported}, "
        if is_ours(imported) and LAYERS[unit(imported)] > LAYERS[unit(importer)]:
            problems.append(where + "which is in a higher layer")
        if any(is_in(importer, a) and is_in(imported, b) for a, b in FORBIDDEN):
            problems.append(where + "which it must not know")
        if on_import and any(is_in(importer, a) and is_in(imported, b) for a, b in FORBIDDEN_ON_IMPORT):
            problems.append(where + "which is for inside functions")
    return problems


def test_solvers_know_nothing_else_of_acnn():
    known = {found.imported for found in all_imports() if is_in(found.importer, "acnn.solvers")}
    assert {name for name in known if is_ours(name) and not is_in(name, "acnn.solvers")} == {"acnn.arrays"}


TYPES_OF_MODELS = {"LinearACE", "NetworkACE", "Ensemble"}


@pytest.mark.parametrize("module", [name for name in MODULES if not is_in(name, "acnn.models")])
def test_nobody_asks_of_which_type_a_model_is(module):
    """A new type would have to be known there, too: see `acnn.models.model`."""
    calls = [node for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))) if is_type_check(node)]
    asked = {name.id for call in calls for name in ast.walk(call.args[1]) if isinstance(name, ast.Name)}
    assert not asked & TYPES_OF_MODELS


def is_type_check(node):
    called = getattr(getattr(node, "func", None), "id", None)
    return isinstance(node, ast.Call) and called in ("isinstance", "issubclass")


def is_ours(module: str) -> bool:
    return module.split(".")[0] in PACKAGES


def test_every_module_has_a_layer():
    missing = {unit(module) for module in MODULES} - LAYERS.keys()
    assert not missing, f"give {sorted(missing)} a layer in LAYERS"


def test_imports_point_down():
    assert broken_rules(all_imports()) == []


def test_no_import_cycles():
    graph: dict[str, set[str]] = {}
    for importer, imported, on_import, _ in all_imports():
        if on_import and is_ours(imported) and unit(imported) != unit(importer):
            graph.setdefault(unit(importer), set()).add(unit(imported))
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("acnn.basis.ace", "from acnn.fit.linear import fit_linear"),
        ("acnn.basis.ace", "from acnn import fit"),
        ("acnn.basis.ace", "def later():\n    import acnn.models"),
        ("acnn.models.linear", "from ..io import yace"),
        ("acnn.solvers.qr", "import torch.linalg"),
        ("acnn.solvers.priors", "def later():\n    from ase import Atoms"),
        ("acnn.cli.run", "import ase_calculator"),
        ("acnn.fit.job", "def later():\n    import ase_calculator"),
        ("lammps_plugin.export", "def later():\n    from acnn.train import loss"),
    ],
)
def test_a_wrong_import_is_found(importer, source):
    assert broken_rules(imports_of(source, importer))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("acnn.basis.ace", "from acnn import __version__, conventions, graph"),
        ("acnn.io.yace", "from ..models import linear"),
        ("acnn.fit.assembly", "import torch"),
        ("acnn.solvers.qr", "from .streaming_qr import qr\nimport asent"),
        ("acnn.cli.run", "def command():\n    import ase_calculator"),
        ("lammps_plugin.export", "from acnn.io import model_file"),
    ],
)
def test_a_right_import_is_not(importer, source):
    assert not broken_rules(imports_of(source, importer))


# Third-party packages come first: what they do on import is theirs.
SIDE_EFFECTS = """
import importlib, logging, os, random, sys, warnings
import ase, jinja2, numpy, pydantic, rich, safetensors, scipy, torch, typer, vesin, yaml

def state():
    loggers = [logging.root, *(logging.getLogger(name) for name in {packages!r})]
    return {{
        "default dtype": torch.get_default_dtype(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "gradient mode": torch.is_grad_enabled(),
        "logging": [(logger.name, logger.level, list(logger.handlers)) for logger in loggers],
        "environment": dict(os.environ),
        "random state": (torch.initial_seed(), random.getstate(), str(numpy.random.get_state())),
        "NumPy print options": str(numpy.get_printoptions()),
        "working directory": os.getcwd(),
        "files": os.listdir(),
    }}

before = state()
for module in {packages!r}:
    importlib.import_module(module)
after = state()
changed = [key for key in before if before[key] != after[key]]
sys.exit(f"importing changed: {{changed}}" if changed else 0)
"""


@pytest.mark.slow
def test_importing_has_no_side_effects(tmp_path):
    # The process imports what this one does, whether that is the checkout or the installed package.
    environment = {**os.environ, "PYTHONPATH": str(Path(acnn.__file__).parents[1])}
    run = subprocess.run(
        [sys.executable, "-c", SIDE_EFFECTS.format(packages=PACKAGES)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout == ""
    assert list(tmp_path.iterdir()) == []


def is_public(name: str, value: object, package: str) -> bool:
    """Own submodules appear as attributes once imported; annotations is the __future__ import."""
    own_module = isinstance(value, ModuleType) and is_in(value.__name__, package)
    return not (name.startswith("_") or own_module or value is annotations)


@pytest.mark.parametrize("name", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_all_names_what_a_package_offers(name):
    package = importlib.import_module(name)
    offered = list(getattr(package, "__all__", []))
    public = {key for key, value in vars(package).items() if is_public(key, value, name)}
    assert len(offered) == len(set(offered))
    assert public <= set(offered), f"{name}.__all__ lacks {sorted(public - set(offered))}"
    for attribute in offered:  # may be loaded on first use
        assert hasattr(package, attribute), f"{name}.__all__ promises {attribute}, which does not exist"
