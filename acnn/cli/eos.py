"""The command ``acnn eos``."""

from __future__ import annotations

from typing import Annotated

from acnn.cli.display import console
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
from acnn.plots import eos_figure
from acnn.workflows.eos import equation_of_state


def eos(
    structure: Structure,
    model: ModelFile,
    pressure: Pressure = 0.0,
    span: Annotated[float, number("Largest relative change of the volume.", least=0.001, most=0.5)] = 0.08,
    points: Annotated[int, number("Number of volumes.", least=5, most=1000)] = 9,
    json_file: JsonFile = None,
    plot: Plot = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute the equation of state of a crystal: energy against volume, bulk modulus and its derivative.

    Positions and shape of the cell relax at every volume; the curve is that of Birch and Murnaghan.

    Example: acnn eos si.xyz si.acnn --plot eos.png
    """
    task = Task([structure, model], json_file, plot, overwrite)
    found = equation_of_state(read_structure(structure), calculator(model, kernel), span, points, pressure)
    pressures = found.pressure_at(found.volumes)
    rows = [
        (f"{volume:.4f}", f"{energy:.6f}", f"{p:.3f}")
        for volume, energy, p in zip(found.volumes, found.energies, pressures, strict=True)
    ]
    print_rows("equation of state", rows, ("volume\nÅ³/atom", "energy\neV/atom", "pressure\nGPa"), texts=0)
    console.print(
        f"V0 {found.volume:.4f} Å³/atom; E0 {found.energy:.6f} eV/atom; B0 {found.bulk_modulus:.2f} GPa; "
        f"B0' {found.derivative:.3f}; misfit {1000 * found.misfit:.3g} meV/atom",
        highlight=False,
        soft_wrap=True,
    )
    task.write(found.as_dict(), lambda: eos_figure(found))
