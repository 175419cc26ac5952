"""The command ``acnn demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.demo_run import dimers_beside_emt, energy_is_conserved
from acnn.cli.display import announce, console, print_written, progress_stages
from acnn.cli.example_data import EXAMPLE, System, make_folder, write_example
from acnn.cli.fit import print_report
from acnn.cli.label_options import Overwrite
from acnn.fit.job import FitReport, run_fit
from acnn.plots import Look, Run, has_matplotlib, overview_figure, save_figure
from acnn.settings.fit import read_settings

BASIS: dict[str, Any] = {"order": 5, "degree": (18, 12, 10, 9, 8), "wl": 10, "cutoff": 6.5}
"""Of the bases tried, that of the highest log evidence on train.xyz; the test set took no part."""
QUICK_BASIS: dict[str, Any] = {"order": 2, "degree": 6, "cutoff": 6.0}
FILES = (*EXAMPLE, "cual.acnn", "metrics.json", "md.xyz", "demo.png")
WHAT_NEXT = """\
Look at
  {folder}/demo.png       errors, dimers, molecular dynamics
  {folder}/md.xyz         the trajectory (ase gui {folder}/md.xyz)
  {folder}/metrics.json   all errors as numbers
What next
  acnn report {folder}/cual.acnn {folder}/train.xyz {folder}/test.xyz -o report.html   everything about the model
  acnn check {folder}/cual.acnn                            is it sound?
  acnn fit YOUR.xyz -o your.acnn                           your own data
  acnn export {folder}/cual.acnn --to mliap                run it in LAMMPS: prints the input lines
  acnn --help                                              all commands"""


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder for data, model, picture and trajectory.")] = Path("acnn-demo"),
    quick: Annotated[bool, typer.Option(help="Smaller data, basis and run.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Try everything once, offline: make Cu-Al data, fit, print the errors, run molecular dynamics in ASE.

    It does the same as these commands:

    acnn example-data cual acnn-demo

    acnn fit acnn-demo/train.xyz -o acnn-demo/cual.acnn --test acnn-demo/test.xyz --order 5 --degree 18,12,10,9,8
    --wl 10 --cutoff 6.5

    The labels come from EMT, whose energies depend on distances and on the density at each atom, not on angles: of
    the bases tried, this one of five factors and no angles (wl 10) has the highest log evidence.
    """
    start = time.perf_counter()
    make_folder(folder, FILES, overwrite)
    report = _fit(folder, quick, overwrite)
    run = energy_is_conserved(folder / "cual.acnn", folder / "md.xyz", steps=50 if quick else 500)
    print_written(folder / "md.xyz")
    _draw(folder, report, run)
    console.print(f"\n{escape(WHAT_NEXT.format(folder=folder))}", highlight=False, soft_wrap=True)
    console.print(f"\nAll of this took {time.perf_counter() - start:.0f} s.", highlight=False)


def _fit(folder: Path, quick: bool, overwrite: bool) -> FitReport:
    given = {
        "train": folder / "train.xyz",
        "test": folder / "test.xyz",
        "output": folder / "cual.acnn",
        "json": folder / "metrics.json",
        "overwrite": overwrite,
    }
    with progress_stages() as stage:
        write_example(System.cual, folder, seed=0, quick=quick, stage=stage)
        settings = read_settings(None, given | (QUICK_BASIS if quick else BASIS))
        report = run_fit(settings, stage, announce)
    print_report(settings, report)
    return report


def _draw(folder: Path, report: FitReport, run: Run) -> None:
    if not has_matplotlib():
        console.print('no picture, for want of matplotlib: pip install "acnn\\[plot]"', highlight=False)
        return
    errors = report.errors["test"]
    types = Look(sorted(errors.parity))
    figure = overview_figure(errors, types, dimers_beside_emt(report.fit.model), "EMT", run)
    save_figure(figure, folder / "demo.png", "cual.acnn on test.xyz, as a pair of atoms, and in motion", types)
    print_written(folder / "demo.png")
