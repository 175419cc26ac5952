"""The command ``acnn surface``."""

from __future__ import annotations

from typing import Annotated

from acnn.cli.errors import errors
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import (
    JsonFile,
    MillerIndices,
    ModelFile,
    Structure,
    Structures,
    Task,
    calculator,
    miller_indices,
    plane_name,
    print_rows,
    read_structure,
    write_structures,
)
from acnn.workflows.surfaces import THICKNESS, VACUUM, area
from acnn.workflows.surfaces import surface as computed


def surface(
    structure: Structure,
    model: ModelFile,
    miller: MillerIndices,
    thickness: Annotated[float, number("Of the slab, at least, Å.", least=1, most=1000)] = THICKNESS,
    vacuum: Annotated[float, number("Å.", least=1, most=1000)] = VACUUM,
    output: Structures = None,
    json_file: JsonFile = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute energies of unreconstructed surfaces, of any plane of a crystal, before and after relaxation.

    Slabs are cut where the planes of atoms are farthest apart.

    Example: acnn surface si.xyz si.acnn --miller 1,0,0 --miller 1,1,1 -o slabs.xyz
    """
    task = Task([structure, model], json_file, None, overwrite, [output])
    planes, atoms, calc = miller_indices(miller), read_structure(structure), calculator(model, kernel)
    with errors.status("surfaces"):
        found = [computed(atoms, calc, plane, thickness, vacuum) for plane in planes]
    rows = [
        (plane_name(s.miller), str(len(s.slab)), f"{area(s.slab):.3f}", f"{s.unrelaxed:.4f}", f"{s.relaxed:.4f}")
        for s in found
    ]
    print_rows("surface energies", rows, ("surface", "atoms", "area\nÅ²", "unrelaxed\nJ/m²", "relaxed\nJ/m²"))
    write_structures(output, [one.slab for one in found], [plane_name(one.miller) for one in found])
    task.write({"surfaces": [one.as_dict() for one in found]})
