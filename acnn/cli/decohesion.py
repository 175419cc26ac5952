"""The command ``acnn decohesion``."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from acnn.cli.errors import errors
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import (
    JsonFile,
    MillerIndices,
    ModelFile,
    Plot,
    Structure,
    Task,
    calculator,
    miller_indices,
    plane_name,
    print_rows,
    read_structure,
)
from acnn.plots import decohesion_figure
from acnn.workflows.surfaces import decohesion as computed


def decohesion(
    structure: Structure,
    model: ModelFile,
    miller: MillerIndices,
    widest: Annotated[float, number("Largest opening, Å.", least=0.1, most=100)] = 6.0,
    points: Annotated[int, number("Number of openings.", least=2, most=10_000)] = 61,
    json_file: JsonFile = None,
    plot: Plot = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute energy and stress while two rigid halves of a crystal part.

    Example: acnn decohesion si.xyz si.acnn --miller 1,1,1 --plot decohesion.png
    """
    task = Task([structure, model], json_file, plot, overwrite)
    planes, atoms, calc = miller_indices(miller), read_structure(structure), calculator(model, kernel)
    openings = np.linspace(0.0, widest, points)
    with errors.status("decohesion"):
        found = {plane_name(plane): computed(atoms, calc, plane, openings) for plane in planes}
    rows = [
        (name, f"{of.energies[-1]:.4f}", f"{of.strength:.3f}", f"{openings[of.stresses.argmax()]:.2f}")
        for name, of in found.items()
    ]
    print_rows(
        "rigid decohesion", rows, ("plane", "energy at the end,\nboth surfaces, J/m²", "largest stress\nGPa", "at\nÅ")
    )
    task.write({"decohesion": [of.as_dict() for of in found.values()]}, lambda: decohesion_figure(found))
