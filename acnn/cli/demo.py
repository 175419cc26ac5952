"""The command ``acnn demo``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import announce, console, print_written, progress_stages
from acnn.cli.example_data import EXAMPLE, System, make_folder, write_example
from acnn.cli.fit import print_report
from acnn.cli.label_options import Overwrite
from acnn.data.frames import extended_xyz
from acnn.data.structures import set_thermal_momenta
from acnn.files import write_atomically
from acnn.fit.job import run_fit
from acnn.plots import Look, parity_figure, save_figure
from acnn.settings.fit import read_settings

TEMPERATURE = 600.0
TIMESTEP = 2.0


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for data, model, plot and trajectory.")] = Path("acnn-demo"),
    quick: Annotated[bool, typer.Option(help="Smaller data, basis and run.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Try everything once, offline: make Cu-Al data, fit, print the errors, run molecular dynamics in ASE.

    It does the same as these commands:

    acnn example-data cual acnn-demo

    acnn fit acnn-demo/train.xyz -o acnn-demo/cual.acnn --test acnn-demo/test.xyz --order 3 --degree 9 --cutoff 6
    """
    make_folder(folder, (*EXAMPLE, "cual.acnn", "metrics.json", "parity.png", "md.xyz"), overwrite)
    given = {
        "train": folder / "train.xyz",
        "test": folder / "test.xyz",
        "output": folder / "cual.acnn",
        "json": folder / "metrics.json",
        "order": 2 if quick else 3,
        "degree": 6 if quick else 9,
        "cutoff": 6.0,
        "overwrite": overwrite,
    }
    with progress_stages() as stage:
        write_example(System.cual, folder, seed=0, quick=quick, stage=stage)
        settings = read_settings(None, given)
        report = run_fit(settings, stage, announce)
    print_report(settings, report)
    try:
        types = Look(sorted(report.errors["test"].parity))
        figure = parity_figure(report.errors["test"], types)
        save_figure(figure, folder / "parity.png", "cual.acnn on test.xyz", types)
        print_written(folder / "parity.png")
    except ImportError as error:
        console.print(escape(f"no parity plot: {error}"), highlight=False)
    _molecular_dynamics(folder, steps=50 if quick else 500)


def _molecular_dynamics(folder: Path, steps: int) -> None:
    from ase_calculator import ACNNCalculator

    atoms = copper_with_aluminum()
    atoms.calc = ACNNCalculator(folder / "cual.acnn")
    set_thermal_momenta(atoms, TEMPERATURE, np.random.default_rng(0))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP * units.fs)
    table = Table(title=f"NVE of {len(atoms)} atoms, {TIMESTEP:g} fs steps", title_justify="left")
    for heading in ("time (fs)", "temperature (K)", "potential (eV/atom)", "total (eV/atom)"):
        table.add_column(heading, justify="right")
    frames: list[Atoms] = []

    def record() -> None:
        potential, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
        energies = (potential / len(atoms), (potential + kinetic) / len(atoms))
        time = dynamics.get_time() / units.fs
        table.add_row(f"{time:.0f}", f"{atoms.get_temperature():.0f}", *(f"{e:.5f}" for e in energies))
        frames.append(atoms.copy())

    with progress_stages("steps") as stage:
        _attach(dynamics, stage("molecular dynamics", steps))
        dynamics.attach(record, interval=max(1, steps // 10))
        dynamics.run(steps)
    write_atomically(folder / "md.xyz", extended_xyz(frames))
    console.print(table)
    print_written(folder / "md.xyz")


def _attach(dynamics: VelocityVerlet, advance: Callable[[], None]) -> None:
    def after_step() -> None:
        if dynamics.nsteps > 0:
            advance()

    dynamics.attach(after_step, interval=1)


def copper_with_aluminum() -> Atoms:
    """Return 108 atoms of face-centered cubic copper, every ninth replaced by aluminum."""
    atoms = bulk("Cu", a=3.64, cubic=True) * (3, 3, 3)
    atoms.numbers[::9] = 13
    return atoms
