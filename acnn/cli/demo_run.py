"""What ``acnn demo`` does with its model: molecular dynamics in ASE, and dimers beside those of EMT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator
from ase.calculators.emt import EMT
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet
from rich.table import Table

from acnn.arrays import FloatArray
from acnn.cli.display import console, progress_stages
from acnn.data.dimers import dimers
from acnn.data.frames import extended_xyz
from acnn.data.structures import set_thermal_momenta
from acnn.files import write_atomically
from acnn.models import Model
from acnn.pairs import element_pairs
from acnn.plots import Dimer, Run

TEMPERATURE = 600.0
TIMESTEP = 2.0
RECORDS, ROWS = 50, 10
"""Points of the curves, and lines of the table."""
DISTANCES = np.arange(1.6, 6.6, 0.05)


def energy_is_conserved(model: Path, trajectory: Path, steps: int) -> Run:
    """Run copper with some aluminum at constant energy, print a table, and write the trajectory."""
    from ase_calculator import ACNNCalculator

    atoms = copper_with_aluminum()
    atoms.calc = ACNNCalculator(model)
    set_thermal_momenta(atoms, TEMPERATURE, np.random.default_rng(0))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, timestep=TIMESTEP * units.fs)
    frames: list[Atoms] = []
    records: list[tuple[float, ...]] = []

    def record() -> None:
        potential, kinetic = atoms.get_potential_energy() / len(atoms), atoms.get_kinetic_energy() / len(atoms)
        time = dynamics.get_time() / units.fs / 1000
        records.append((time, atoms.get_temperature(), potential, potential + kinetic))

    with progress_stages("steps") as stage:
        _attach(dynamics, stage("molecular dynamics", steps))
        dynamics.attach(record, interval=max(1, steps // RECORDS))
        dynamics.attach(lambda: frames.append(atoms.copy()), interval=max(1, steps // ROWS))
        dynamics.run(steps)
    write_atomically(trajectory, extended_xyz(frames))
    console.print(_table(records[:: RECORDS // ROWS], f"NVE of {len(atoms)} atoms, {TIMESTEP:g} fs steps"))
    return Run(*np.array(records).T)


def _attach(dynamics: VelocityVerlet, advance: Callable[[], None]) -> None:
    def after_step() -> None:
        if dynamics.nsteps > 0:
            advance()

    dynamics.attach(after_step, interval=1)


def _table(records: list[tuple[float, ...]], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in ("time (fs)", "temperature (K)", "potential (eV/atom)", "total (eV/atom)"):
        table.add_column(heading, justify="right")
    for time, temperature, *energies in records:
        table.add_row(f"{1000 * time:.0f}", f"{temperature:.0f}", *(f"{energy:.5f}" for energy in energies))
    return table


def copper_with_aluminum() -> Atoms:
    """Return 108 atoms of face-centered cubic copper, every ninth replaced by aluminum."""
    atoms = bulk("Cu", a=3.64, cubic=True) * (3, 3, 3)
    atoms.numbers[::9] = 13
    return atoms


def dimers_beside_emt(model: Model) -> dict[str, Dimer]:
    """Return energies of the dimers of the model's elements, relative to the atoms alone, by the name of the pair."""
    from ase_calculator import ACNNCalculator

    calculator, emt = ACNNCalculator(model), EMT()
    return {
        "–".join(pair): Dimer(DISTANCES, _dimer(pair, calculator), _dimer(pair, emt))
        for pair in element_pairs(model.elements)
    }


def _dimer(pair: tuple[str, str], calculator: BaseCalculator) -> FloatArray:
    both = [atoms for atoms in dimers(pair, DISTANCES.tolist()) if tuple(atoms.symbols) == pair]
    alone = sum(_energy(Atoms(element), calculator) for element in pair)
    return np.array([_energy(atoms, calculator) - alone for atoms in both])


def _energy(atoms: Atoms, calculator: BaseCalculator) -> float:
    atoms.calc = calculator
    return float(atoms.get_potential_energy())
