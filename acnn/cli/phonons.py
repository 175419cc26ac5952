"""The command ``acnn phonons``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import print_written
from acnn.cli.errors import errors
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import number
from acnn.cli.phonon_display import print_conductivity, print_expansion, print_phonons
from acnn.cli.property_options import ModelFile, Pressure, Structure, calculator, read_structure, triple, write_json
from acnn.extras import optional
from acnn.files import require_writable, write_atomically
from acnn.plots import bands_figure, conductivity_figure, expansion_figure, save_figure, thermodynamics_figure
from acnn.settings.base import SettingsError
from acnn.workflows.lattice_dynamics import Sampling
from acnn.workflows.lattice_dynamics import phonons as computed
from acnn.workflows.quasiharmonic import thermal_expansion
from acnn.workflows.thermal_conductivity import thermal_conductivity


def phonons(
    structure: Structure,
    model: ModelFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="Beginning of the names of the files to write: si.")],
    supercell: Annotated[str, typer.Option(help="Repetitions of the cell, 3,3,3; auto: at least 12 Å wide.")] = "auto",
    small: Annotated[
        bool,
        typer.Option("--small", help="Put force constants together from the smallest supercell of each q-point."),
    ] = False,
    mesh: Annotated[str, typer.Option(help="Mesh of q-points for sums over modes: 21,21,21, or auto.")] = "auto",
    pressure: Pressure = 0.0,
    relax: Annotated[bool, typer.Option(help="Relax the crystal first.")] = True,
    displacement: Annotated[float, number("Å.", least=1e-4, most=0.5)] = Sampling.displacement,
    highest: Annotated[float, number("Highest temperature, K.", least=1, most=20_000)] = Sampling.highest,
    gruneisen: Annotated[bool, typer.Option("--gruneisen", help="Grüneisen parameters, by three volumes.")] = False,
    qha: Annotated[bool, typer.Option("--qha", help="Quasi-harmonic thermal expansion, by six volumes.")] = False,
    order: Annotated[int, number("3: lattice thermal conductivity, too, by phono3py.", least=2, most=3)] = 2,
    third: Annotated[
        str | None, typer.Option(help="Supercell of --order 3: 2,2,2.", show_default="at least 10 Å wide")
    ] = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute phonons of a crystal: bands, thermodynamics; thermal expansion and conductivity on request.

    Writes SI.yaml, which phonopy-load reads, SI.json, SI.bands.png and SI.thermal.png; with --qha SI.qha.png, with
    --order 3 SI.kappa.png. Imaginary modes are named.

    Example: acnn phonons si.xyz si.acnn -o si --gruneisen --qha
    """
    _require_sense(order, third, small)
    files = {name: output.with_name(f"{output.name}.{name}") for name in _endings(qha, order)}
    require_writable(list(files.values()), [structure, model], overwrite=overwrite)
    divisions, points, of_third = (
        triple(text, f"--{name}")
        for name, text in (("supercell", supercell), ("mesh", mesh), ("third", third or "auto"))
    )
    sampling = Sampling(divisions, small, displacement, points, highest, highest / 50)
    atoms, calc = read_structure(structure), calculator(model, kernel)
    with errors.status("phonons"):
        found = computed(atoms, calc, sampling, pressure, relax, gruneisen)
    print_phonons(found)
    results = found.as_dict()
    write_atomically(files["yaml"], found.parameters())
    save_figure(bands_figure({model.stem: found.bands}, {model.stem: found.density}), files["bands.png"])
    save_figure(thermodynamics_figure(*found.drawn()), files["thermal.png"])
    if qha:
        with errors.status("thermal expansion"):
            expansion = thermal_expansion(atoms, calc, sampling, pressure)
        print_expansion(expansion, highest)
        results["thermal_expansion"] = expansion.as_dict()
        save_figure(expansion_figure(expansion), files["qha.png"])
    if order == 3:
        with errors.status("thermal conductivity"):
            kappa = thermal_conductivity(atoms, calc, sampling, of_third, pressure)
        print_conductivity(kappa)
        results["thermal_conductivity"] = kappa.as_dict()
        save_figure(conductivity_figure(kappa.temperatures, kappa.axes), files["kappa.png"])
    write_json(files["json"], results)
    for path in files.values():
        print_written(path)


def _require_sense(order: int, third: str | None, small: bool) -> None:
    if order == 3:
        optional("phono3py", "thermal conductivities", "phono3py")
        if small:
            raise SettingsError("--order 3 needs one supercell: leave out --small")
    elif third is not None:
        raise SettingsError("--third is the supercell of third derivatives: add --order 3, or leave it out")


def _endings(qha: bool, order: int) -> list[str]:
    others = [*(["qha.png"] if qha else []), *(["kappa.png"] if order == 3 else [])]
    return ["yaml", "json", "bands.png", "thermal.png", *others]
