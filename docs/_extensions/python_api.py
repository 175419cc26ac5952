"""Write pages for the names that the packages promise: each package's `__all__`, with the docstrings."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from pages import write_if_changed
from sphinx.application import Sphinx

PACKAGES = {
    "acnn": "what scripts need: data, fits, trainings, models, files",
    "ase_calculator": "models as ASE calculators",
    "lammps_plugin": "models in LAMMPS, driven from Python",
    "acnn.solvers": "linear solvers, priors and evidence, for arrays of any origin",
}


def page(package: str) -> str:
    """Return the page of a package in reStructuredText: its docstring, classes, functions, other values."""
    module = importlib.import_module(package)
    title = f"``{package}``"
    lines = [title, "=" * len(title), "", f".. automodule:: {package}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {package}", ""]
    for name in sorted(module.__all__, key=str.lower):
        home = documented_elsewhere(package, name)
        if home:
            lines += [f"``{package}.{name}`` is :py:obj:`{home}.{name}`.", ""]
        else:
            lines += [f".. {directive(getattr(module, name))}:: {package}.{name}", ""]
    return "\n".join(lines)


def documented_elsewhere(package: str, name: str) -> str | None:
    """Return the package below this one that exports the name, too, and documents it."""
    below = [other for other in PACKAGES if other.startswith(f"{package}.")]
    return next((other for other in below if name in importlib.import_module(other).__all__), None)


def directive(value: Any) -> str:
    """Return what documents a value."""
    if inspect.isclass(value):
        return "autoclass"
    return "autofunction" if callable(value) else "autodata"


def write(application: Sphinx) -> None:
    """Write the pages into the sources, where they are ignored by git."""
    folder = Path(application.srcdir) / "reference" / "python"
    for package in PACKAGES:
        write_if_changed(folder / f"{package}.rst", page(package))


def setup(application: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    application.connect("builder-inited", write)
    return {"parallel_read_safe": True}
