"""Recipes of example sets, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.random import Generator

from acnn.data.structures import molecular_dynamics, rattled

MakeCalculator = Callable[[], Calculator]


@dataclass(frozen=True)
class Recipe:
    """How to make structures of one configuration type, and how many: (train, test), normally and when quick.

    ``make(count, rng, make_calculator)`` yields at least ``count`` structures.
    """

    config_type: str
    counts: tuple[int, int]
    quick_counts: tuple[int, int]
    make: Callable[[int, Generator, MakeCalculator], Iterable[Atoms]]


def trajectories(
    crystals: Iterator[Atoms],
    temperatures: Sequence[float],
    count: int,
    rng: Generator,
    make_calculator: MakeCalculator,
    **steps: Any,
) -> Iterator[Atoms]:
    """Run one trajectory for each temperature, each from the next crystal, with equal numbers of snapshots.

    Args:
        crystals: where the trajectories start.
        temperatures: K.
        count: of all snapshots together, rounded up to equal numbers.
        rng: for momenta and the thermostat.
        make_calculator: of the labels.
        steps: timestep, equilibration and interval of `molecular_dynamics`.
    """
    snapshots = -(-count // len(temperatures))
    for temperature, crystal in zip(temperatures[: -(-count // snapshots)], crystals, strict=False):
        calculator = make_calculator()
        yield from molecular_dynamics(crystal, calculator, rng, temperature=temperature, snapshots=snapshots, **steps)


def liquid_start(atoms: Atoms, rng: Generator, expansion: float) -> Atoms:
    """Return a crystal, stretched and so disordered that it melts at once."""
    atoms.set_cell(atoms.cell.array * expansion, scale_atoms=True)
    return rattled(atoms, rng, 0.3)
