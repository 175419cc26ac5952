"""Phonons and elastic constants of silicon by fitted models, beside the reference's own, by the same code.

A linear ACE fitted to the silicon structures of `acnn example-data`, which Stillinger and Weber's potential labels, and
one fitted without options to the training data of Zuo et al. (2020; PBE), beside that potential in LAMMPS and beside
experiment. Then phonons from small supercells beside those of the large one, at the q-points of the grid; and elastic
constants beside matscipy's, and lattice thermal conductivities.

Experiment: neutrons, Dolling (1963), Nilsson and Nelin (1972), as tabulated by Giannozzi et al., Phys. Rev. B 43, 7231
(1991); elastic constants at room temperature, McSkimin and Andreatch (1964); thermal
conductivity, Glassbrenner and Slack (1964).

    python benchmarks/crystal_properties.py DATA/zuo2020/Si_train.xyz --json phonons.json --supercells small.json \
        --elastic elastic.json --conductivity conductivity.json --plot phonons.png
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator
from ase.calculators.emt import EMT
from ase.optimize import LBFGS
from fitting import add_arguments, fit_with_cli, print_rows, write_rows
from matscipy.elasticity import fit_elastic_constants

from acnn.data.examples import write_silicon
from acnn.data.stillinger_weber import stillinger_weber
from acnn.plots import bands_figure, save_figure
from acnn.workflows import Phonons, Sampling, elastic_constants, phonons, thermal_conductivity
from acnn.workflows.commensurate import grid
from acnn.workflows.crystal import primitive_of, relaxed
from acnn.workflows.elastic import stiffness
from acnn.workflows.force_constants import in_one_supercell, in_small_supercells
from ase_calculator import ACNNCalculator

FITS = {
    "ACE fitted to it": ("--order", "3", "--degree", "14", "--cutoff", "4.2"),
    "ACE fitted to PBE": (),
}
BANDS = {"Γ LTO": ("Γ", 5), "X TA": ("X", 0), "X LAO": ("X", 2), "X TO": ("X", 4), "L TA": ("L", 0)}
BANDS |= {"L LA": ("L", 2), "L LO": ("L", 3), "L TO": ("L", 4)}
EXPERIMENT = {"Γ LTO": 15.53, "X TA": 4.49, "X LAO": 12.32, "X TO": 13.90}
EXPERIMENT |= {"L TA": 3.43, "L LA": 11.35, "L LO": 12.60, "L TO": 14.68, "C11": 165.8, "C12": 63.9, "C44": 79.6}
REFERENCE = "Stillinger–Weber"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--supercells", type=Path, help="write the comparison of supercells here")
    parser.add_argument("--elastic", type=Path, help="write the comparison of elastic constants here")
    parser.add_argument("--conductivity", type=Path, help="write thermal conductivities here")
    parser.add_argument("--plot", type=Path, help="draw the bands here")
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, stillinger_weber() as make_calculator:
        calculators = {REFERENCE: make_calculator(), **fits(arguments, Path(scratch))}
        found = {name: properties(calculator, arguments.quick) for name, calculator in calculators.items()}
        compared = (REFERENCE, "ACE fitted to PBE")
        small = [row for name in compared for row in supercells(name, calculators[name], arguments.quick)]
        kappa = [conductivity(name, calculator, arguments.quick) for name, calculator in calculators.items()]
        constants = beside_matscipy({**calculators, "EMT": EMT()})
    rows = [numbers(name, *of) for name, of in found.items()] + [{"potential": "experiment", **EXPERIMENT}]
    kappa.append({"potential": "experiment", "W_per_K_m": 148.0, "evaluations": "–", "seconds": "–"})
    for table, path in (
        (rows, arguments.json),
        (kappa, arguments.conductivity),
        (small, arguments.supercells),
        (constants, arguments.elastic),
    ):
        print_rows(table)
        write_rows(path, table)
    if arguments.plot:
        draw({name: of for name, (of, _) in found.items()}, arguments.plot)


def fits(arguments: argparse.Namespace, scratch: Path) -> dict[str, BaseCalculator]:
    write_silicon(scratch, quick=arguments.quick)
    data = dict(zip(FITS, (scratch / "train.xyz", arguments.train), strict=True))
    for number, (name, flags) in enumerate(FITS.items()):
        fit_with_cli(data[name], scratch / f"{number}.acnn", arguments.threads, *flags)
    return {name: ACNNCalculator(scratch / f"{number}.acnn") for number, name in enumerate(FITS)}


def properties(calculator: BaseCalculator, quick: bool) -> tuple[Phonons, np.ndarray]:
    size = (2, 2, 2) if quick else (5, 5, 5)
    return phonons(bulk("Si"), calculator, Sampling(size)), elastic_constants(bulk("Si"), calculator).stiffness


def numbers(name: str, found: Phonons, stiffness_pq: np.ndarray) -> dict[str, Any]:
    frequencies = {label: float(found.bands.points[point][band]) for label, (point, band) in BANDS.items()}
    constants = dict(zip(("C11", "C12", "C44"), map(float, stiffness_pq[[0, 0, 3], [0, 1, 3]]), strict=True))
    return {"potential": name, **frequencies, **constants}


def supercells(name: str, calculator: BaseCalculator, quick: bool) -> list[dict[str, Any]]:
    """Both ways, and how far phonons at the q-points of the grid are apart; seconds are those of the processor."""
    cell = primitive_of(relaxed(bulk("Si"), calculator, fmax=1e-5))
    rows = []
    for n in (2,) if quick else (2, 3, 4, 5):
        begin = time.process_time()
        large, one = in_one_supercell(cell, (n, n, n))
        between = time.process_time()
        small, many = in_small_supercells(cell, (n, n, n))
        end = time.process_time()
        large.run_qpoints(grid((n, n, n)))
        small.run_qpoints(grid((n, n, n)))
        apart = np.abs(large.qpoints.frequencies - small.qpoints.frequencies).max()
        rows.append(
            {
                "potential": name,
                "grid": f"{n} × {n} × {n}",
                "THz": float(apart),
                "one_atoms": one.largest,
                "one_evaluations": one.evaluations,
                "one_seconds": between - begin,
                "small_supercells": many.supercells,
                "small_atoms": many.largest,
                "small_evaluations": many.evaluations,
                "small_evaluated_atoms": many.atoms,
                "small_seconds": end - between,
            }
        )
    return rows


def conductivity(name: str, calculator: BaseCalculator, quick: bool) -> dict[str, Any]:
    """At 300 K, without isotopes."""
    n, mesh = ((1, 1, 1), (5, 5, 5)) if quick else ((2, 2, 2), (11, 11, 11))
    sampling = Sampling((3, 3, 3), mesh=mesh, highest=300.0, interval=300.0)
    begin = time.process_time()
    found = thermal_conductivity(bulk("Si", cubic=True), calculator, sampling, n)
    seconds = f"{time.process_time() - begin:.1f}"
    return {
        "potential": name,
        "W_per_K_m": float(found.kappa[0, 0]),
        "evaluations": sum(found.evaluations),
        "seconds": seconds,
    }


def beside_matscipy(calculators: dict[str, BaseCalculator]) -> list[dict[str, Any]]:
    """Constants that differ by symmetry, and the largest deviation of any."""
    diamond = {name: ("diamond", bulk("Si"), "cubic") for name in calculators if name != "EMT"}
    cases = [(name, *of) for name, of in diamond.items()]
    cases += [("EMT", "fcc", bulk("Cu"), "cubic"), ("EMT", "hcp", bulk("Cu", "hcp", a=2.56, c=4.18), "hexagonal")]
    return [comparison(name, calculators[name], structure, atoms, group) for name, structure, atoms, group in cases]


def comparison(name: str, calculator: BaseCalculator, structure: str, atoms: Atoms, group: str) -> dict[str, Any]:
    crystal = relaxed(atoms, calculator, fmax=1e-5)
    begin = time.process_time()
    ours = stiffness(crystal)
    seconds = time.process_time() - begin
    options = {"optimizer": LBFGS, "N_steps": 5, "delta": 2e-3, "fmax": 1e-5, "verbose": False, "logfile": None}
    theirs = fit_elastic_constants(crystal, symmetry=group, **options)[0] / units.GPa
    found = {f"C{p + 1}{q + 1}": float(ours[p, q]) for p, q in ((0, 0), (0, 1), (0, 2), (2, 2), (3, 3))}
    apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    return {"potential": name, "structure": structure, **found, "deviation_percent": 100 * apart, "seconds": seconds}


def draw(found: dict[str, Phonons], path: Path) -> None:
    """The reference and its fit, the fit to PBE, and points of the experiment."""
    figure = bands_figure({n: of.bands for n, of in found.items()}, {n: of.density for n, of in found.items()})
    ticks = {label: place for place, label in found[REFERENCE].bands.ticks}
    for name, (point, _) in BANDS.items():
        figure.axes[0].plot(ticks[point], EXPERIMENT[name], "o", color="0.3", markersize=3, zorder=5)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
