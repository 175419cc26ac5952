"""The command ``acnn defects``."""

from __future__ import annotations

from typing import Annotated

import typer

from acnn.cli.errors import errors
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import (
    JsonFile,
    ModelFile,
    Structure,
    Structures,
    Task,
    calculator,
    print_rows,
    read_structure,
    triple,
    write_structures,
)
from acnn.settings.base import SettingsError
from acnn.workflows.defects import ATTEMPTS, KINDS, formation_energies


def defects(
    structure: Structure,
    model: ModelFile,
    kinds: Annotated[str, typer.Option(help="Which: vacancy, interstitial, or both.")] = ",".join(KINDS),
    supercell: Annotated[str, typer.Option(help="Repetitions of the cell, 3,3,3; auto: at least 10 Å wide.")] = "auto",
    mu: Annotated[
        list[str] | None,
        typer.Option(help="Chemical potential of an element, eV: O=-4.93. Compounds need all.", show_default=False),
    ] = None,
    attempts: Annotated[int, number("Relaxations of each; the lowest counts.", least=1, most=1000)] = ATTEMPTS,
    output: Structures = None,
    json_file: JsonFile = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute formation energies of point defects: vacancies of all sites, interstitials in all holes.

    The crystal is relaxed first, and its cell is held. Each defect relaxes several times.

    Example: acnn defects si.xyz si.acnn -o defects.xyz
    """
    task = Task([structure, model], json_file, None, overwrite, [output])
    chosen = kinds.replace(",", " ").split()
    if not chosen or set(chosen) - {*KINDS}:
        raise SettingsError(f"--kinds is {' or '.join(KINDS)}, or both with a comma, not {kinds!r}")
    potentials = dict(map(_potential, mu or ()))
    divisions, atoms, calc = triple(supercell, "--supercell"), read_structure(structure), calculator(model, kernel)
    with errors.status("defects"):
        found = list(formation_energies(atoms, calc, divisions, chosen, potentials, attempts))
    rows = [
        (d.name, str(len(d.relaxed)), f"{d.unrelaxed:.4f}", f"{d.energy:.4f}", f"{d.energies[-1]:.4f}") for d in found
    ]
    print_rows("formation energies, eV", rows, ("defect", "atoms", "unrelaxed", "relaxed", "highest\nattempt"))
    write_structures(output, [defect.relaxed for defect in found], [defect.name for defect in found])
    task.write({"defects": [defect.as_dict() for defect in found]})


def _potential(text: str) -> tuple[str, float]:
    try:
        element, value = text.split("=")
        return element.strip(), float(value)
    except ValueError:
        raise SettingsError(f"--mu is an element and its energy per atom in eV, O=-4.93, not {text!r}") from None
