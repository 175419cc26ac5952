"""The command ``acnn elastic``."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import (
    JsonFile,
    ModelFile,
    Plot,
    Pressure,
    Structure,
    Task,
    calculator,
    print_rows,
    read_structure,
)
from acnn.conventions import VOIGT_NAMES
from acnn.plots import young_figure
from acnn.workflows.elastic import STRAIN, elastic_constants
from acnn.workflows.elastic_tensor import ElasticTensor


def elastic(
    structure: Structure,
    model: ModelFile,
    pressure: Pressure = 0.0,
    strain: Annotated[float, number("Size of the strains.", least=1e-5, most=0.05)] = STRAIN,
    clamped: Annotated[bool, typer.Option("--clamped", help="Do not relax positions under strain.")] = False,
    axes: Annotated[
        Literal["standard", "given"],
        typer.Option(help="Axes of the constants: those of spglib's standardized cell, or of the structure."),
    ] = "standard",
    json_file: JsonFile = None,
    plot: Plot = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute elastic constants of a crystal: stability, moduli, anisotropy; also under pressure.

    The crystal is relaxed at the pressure first, and keeps its symmetry, by which strains are spared.

    Example: acnn elastic si.xyz si.acnn --plot elastic.png
    """
    task = Task([structure, model], json_file, plot, overwrite)
    found = elastic_constants(
        read_structure(structure), calculator(model, kernel), pressure, strain, clamped, axes == "standard"
    )
    _report(found)
    task.write(found.as_dict(), lambda: young_figure(found.young_in_planes()))


def _report(found: ElasticTensor) -> None:
    at = f" at {found.pressure:g} GPa" if found.pressure else ""
    rows = [
        (name, *(f"{round(value, 2) + 0.0:.2f}" for value in row))
        for name, row in zip(VOIGT_NAMES, found.stiffness, strict=True)
    ]
    print_rows(f"elastic constants{at}, GPa", rows, ("", *VOIGT_NAMES))
    moduli = {"Voigt": found.voigt, "Reuss": found.reuss, "Hill": found.hill}
    rows = [(n, *(f"{v:.2f}" for v in (*m, m.young)), f"{m.poisson:.4f}") for n, m in moduli.items()]
    print_rows("of a polycrystal, GPa", rows, ("", "bulk", "shear", "Young", "Poisson"))
    console.print(
        f"universal anisotropy {found.anisotropy:.3f}; Debye temperature {found.debye_temperature:.0f} K; "
        f"smallest eigenvalue {found.eigenvalues[0]:.2f} GPa",
        highlight=False,
        soft_wrap=True,
    )
    if not found.is_stable:
        warn(f"the crystal is unstable{at}: an eigenvalue of its elastic constants is {found.eigenvalues[0]:.3g} GPa")
