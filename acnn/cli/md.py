"""The command ``acnn md``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from ase import Atoms
from rich.table import Table

from acnn.cli.display import console, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.data.frames import read_frames
from acnn.files import require_writable
from acnn.io.model_file import load_model
from acnn.plots import dynamics_figure, has_matplotlib, save_figure
from acnn.potential import Potential
from acnn.settings.base import SettingsError
from acnn.wording import counted
from acnn.workflows.dynamics import Outcome, Protocol, columns, run_dynamics
from acnn.workflows.predictions import chosen_properties
from acnn.workflows.run_files import RunFiles

ROWS = 12
"""Lines of the table at the end."""


def md(
    structure: Annotated[Path, typer.Argument(help="Structure to start from: any file ASE reads; the last one in it.")],
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Beginning of the names of the files to write: run.")],
    ensemble: Annotated[
        Literal["nve", "nvt", "npt"],
        typer.Option(help="nve: constant energy; nvt: Langevin; npt: constant pressure, the cell keeps its shape."),
    ] = "nvt",
    temperature: Annotated[str, typer.Option(help="K: a number, or from:to, 300:900.")] = "300",
    pressure: Annotated[float, number("GPa, of npt.", least=-1000, most=10_000)] = 0.0,
    steps: Annotated[int, number("Number of steps.", least=1, most=1_000_000_000)] = 1000,
    timestep: Annotated[float, number("fs.", least=0.001, most=100)] = 1.0,
    repeat: Annotated[str, typer.Option(help="Repeat the structure along its cell vectors: 2,2,2.")] = "1,1,1",
    every: Annotated[int, number("Steps between records and frames.", least=1, most=10**9)] = 10,
    monitor: Annotated[
        str | None,
        typer.Option(help="Property of the atoms to watch: gamma, forces_q90, energies_std.", show_default=False),
    ] = None,
    halt: Annotated[
        float | None, number("End the run when an atom's value is larger.", least=0, most=1e12, show_default=False)
    ] = None,
    keep: Annotated[
        float | None,
        number("Collect the frames in which it is larger, to be labeled.", least=0, most=1e12, show_default=False),
    ] = None,
    seed: Annotated[int, number("Random seed of velocities and thermostat.", least=0, most=LARGEST_SEED)] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a killed run, or make it longer.")] = False,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Run molecular dynamics in ASE, watch how far the atoms are from the training data, and stop in time.

    Writes RUN.csv (temperature, energies, pressure), RUN.xyz, RUN.png, and RUN.keep.xyz with frames beyond --keep.

    Example: acnn md si.xyz si.acnn -o run --temperature 300:1500 --steps 20000 --monitor gamma --keep 2 --halt 10
    """
    protocol = _protocol(
        ensemble=ensemble,
        temperatures=_temperatures(temperature),
        pressure=pressure,
        steps=steps,
        timestep=timestep,
        every=every,
        monitor=monitor,
        halt=math.inf if halt is None else halt,
        keep=math.inf if keep is None else keep,
        seed=seed,
    )
    files, picture = RunFiles(output), output.with_name(output.name + ".png")
    require_writable([*files.all, picture], [structure, model], overwrite=overwrite or resume)
    potential = load_model(model)
    if monitor is not None and not any(of.is_per_atom for of in chosen_properties(potential, [monitor])):
        raise ValueError(f"{monitor} is no property of single atoms: choose gamma, forces_q90 or energies_std")
    atoms, start = files.resume() if resume else (read_frames(structure, -1)[0].atoms * _repeats(repeat), 0)
    if not resume:
        files.begin()
    _report(_run(atoms, start, potential, protocol, files, kernel), protocol, files, picture)


def _run(
    atoms: Atoms, start: int, potential: Potential, protocol: Protocol, files: RunFiles, kernel: str | None
) -> Outcome:
    from ase_calculator import ACNNCalculator

    atoms.calc = ACNNCalculator(potential, kernel=kernel)
    with progress_stages("steps") as stage:
        advance = stage(f"molecular dynamics of {counted(len(atoms), 'atom')}", max(protocol.steps - start, 0))
        return run_dynamics(atoms, protocol, files, advance, start)


def _protocol(**given: Any) -> Protocol:
    try:
        return Protocol(**given)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _temperatures(text: str) -> tuple[float, float]:
    try:
        first, _, last = text.partition(":")
        return float(first), float(last or first)
    except ValueError:
        raise SettingsError(f"--temperature is a number of K, or two, 300:900, not {text!r}") from None


def _repeats(text: str) -> tuple[int, int, int]:
    try:
        a, b, c = (int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise SettingsError(f"--repeat is three numbers, 2,2,2, not {text!r}") from None
    if min(a, b, c) < 1:
        raise SettingsError(f"--repeat is three numbers of at least 1, not {text!r}")
    return a, b, c


def _report(outcome: Outcome, protocol: Protocol, files: RunFiles, picture: Path) -> None:
    table = Table(title=f"{protocol.ensemble} in steps of {protocol.timestep:g} fs", title_justify="left")
    names = ["time\nps", "temperature\nK", "potential\neV/atom", "total\neV/atom", "pressure\nGPa", "volume\nÅ³/atom"]
    for name in [*names, *([f"largest\n{protocol.monitor}"] if protocol.monitor else [])]:
        table.add_column(name, justify="right")
    for record in outcome.records[:: max(1, len(outcome.records) // ROWS)]:
        cells = [f"{record.time:.3f}", f"{record.temperature:.0f}", f"{record.potential:.4f}", f"{record.total:.4f}"]
        cells += ["" if math.isnan(v) else f"{v:.{d}f}" for v, d in ((record.pressure, 2), (record.volume, 3))]
        table.add_row(*cells, *([f"{record.monitored:.3g}"] if protocol.monitor else []))
    console.print(table)
    if outcome.reason:
        warn(f"ended after {outcome.records[-1].time:g} ps: {outcome.reason}")
    if has_matplotlib() and outcome.records:
        limits = {"keep": protocol.keep, "halt": protocol.halt}
        save_figure(dynamics_figure(columns(outcome.records), protocol.monitor, limits), picture)
        print_written(picture)
    print_written(files.log)
    print_written(files.frames)
    if files.kept.is_file():
        print_written(files.kept, f": {counted(outcome.kept, 'frame')} of this run")
