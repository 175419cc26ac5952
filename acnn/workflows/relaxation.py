"""Relaxation of many structures at once: atoms and cells together, under pressure.

Structures are evaluated in batches of `ATOMS` atoms, as one graph. Each converges by itself: those that are finished
leave the batch, and others enter. One that cannot go on is stopped at its last safe geometry, and the others go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from acnn.arrays import BoolArray, FloatArray
from acnn.evaluation.properties import array
from acnn.graph import AtomicGraph
from acnn.image_lists import ImageLists
from acnn.images import FlatStructures, images_within
from acnn.potential import Potential
from acnn.workflows.guards import Guards
from acnn.workflows.minimizers import FIRE, LBFGS, Minimizer, stacked
from acnn.workflows.relaxation_tasks import Relaxation, Relaxed, State, Task, bare_copy, finished, prepared
from acnn.workflows.strained_coordinates import CELL, StrainedCoordinates, joined

ATOMS = 800
"""Atoms of a batch."""
REFILL = 0.25
"""Share of a batch that must be empty before others enter, since every change of its structures takes time."""
SKIN = 0.7
"""Å"""
NOT_A_NUMBER = "the model gives an infinite energy or force, or NaN"
GRADE_EVERY = 5
"""Steps between two looks at extrapolation grades, which take longer than a step."""
METHODS = {"fire": FIRE, "lbfgs": LBFGS}


def relax_many(
    model: Potential,
    structures: Sequence[Atoms],
    relaxation: Relaxation,
    kernel: str | None = None,
    places: Sequence[int] | None = None,
) -> Iterator[Relaxed]:
    """Relax structures, and yield each when it is finished, in any order.

    Args:
        kernel: as in `Potential.pair_gradients`.
        places: by which results and random displacements know the structures; 0, 1, … by default.

    Raises:
        ValueError: grades are limited, and the model has no active set.
    """
    given = dict(zip(range(len(structures)) if places is None else places, structures, strict=True))
    batch = RelaxingBatch(model, relaxation, kernel)
    waiting = deque(sorted(given, key=lambda place: -len(given[place])))
    while waiting or batch.tasks:
        entering: list[Task] = []
        room = batch.room()
        while waiting and (room >= len(given[waiting[0]]) or not (entering or batch.tasks)):
            place = waiting.popleft()
            try:
                entering.append(prepared(place, given[place], model, relaxation))
                room -= len(given[place])
            except ValueError as error:
                yield Relaxed(place, bare_copy(given[place]), "failed", str(error), pressure=relaxation.pressure)
        batch.admit(entering)
        yield from batch.step()


class RelaxingBatch:
    """Structures that relax together."""

    def __init__(self, model: Potential, relaxation: Relaxation, kernel: str | None = None) -> None:
        self.model, self.relaxation, self.kernel = model, relaxation, kernel
        self.tasks: list[Task] = []
        self._guards = Guards(model, relaxation.limits, kernel)
        self._lists = ImageLists(model.cutoff, SKIN, model.takes_longer_pairs)
        self._minimizer: Minimizer = METHODS[relaxation.method]()
        self._safe = np.zeros((0, 0))
        self._coordinates: StrainedCoordinates
        self._free: BoolArray
        self._projections: FloatArray | None
        self._rounds = 0

    def room(self) -> int:
        """Return how many atoms may enter: none until many can."""
        room = ATOMS - sum(len(task.atoms) for task in self.tasks)
        return room if room >= REFILL * ATOMS else 0

    def admit(self, tasks: Sequence[Task]) -> None:
        """Add structures."""
        if not tasks:
            return
        own = joined([task.atoms for task in tasks], [task.relaxes_cell for task in tasks])
        first = own.beginning().reshape(len(tasks), -1)
        self.tasks += tasks
        self._minimizer.admit(first)
        self._safe = stacked(self._safe, first)
        self._rebuild()

    def step(self) -> list[Relaxed]:
        """Evaluate all structures once, and move them; return those that are finished.

        Where structures have to stop, they leave, and the others are evaluated in the next call.
        """
        if not self.tasks:
            return []
        self._rounds += 1
        now = self._minimizer.coordinates
        flat = self._coordinates.structures(self._rows(now))
        graph, problems = self._graph(flat)
        if graph is None or any(problems):
            return self._stop(problems)
        found = self._evaluate(graph, flat)
        problems = [NOT_A_NUMBER if bad else "" for bad in found.not_finite(flat)]
        if any(problems):
            return self._stop(problems)
        forces = found.forces * self._free
        gradient = self._coordinates.forces(self._rows(now), forces, found.virials)
        converged = self._converged(forces, found.virials, flat)
        graded = bool(converged.any()) or self._rounds % GRADE_EVERY == 0
        if self._guards.needs_grades and graded and any(problems := self._guards.extrapolation(graph)):
            return self._stop(problems)
        accepted = self._minimizer.step(found.enthalpies, self._symmetric(gradient.reshape(now.shape)))
        if graded or not self._guards.needs_grades:
            self._safe = np.where(accepted[:, None], now, self._safe)
        self._count(accepted, found, flat)
        return self._leave(self._ends(accepted & converged))

    def _rows(self, coordinates: FloatArray) -> FloatArray:
        return coordinates.reshape(len(coordinates), -1, 3)

    def _graph(self, flat: FlatStructures) -> tuple[AtomicGraph | None, list[str]]:
        """Return the graph, and why structures have to stop; no graph where pairs of one cannot be found."""
        keys = [task.place for task in self.tasks]
        first, ones = self._coordinates.flat.volumes, np.ones(len(keys))
        growth = np.divide(flat.volumes, first, out=ones, where=self._coordinates.relaxes_cell)
        try:
            graph = self._lists.graph(flat, keys)
        except ValueError:
            return None, [_error_of_pairs(flat, k, self._lists.cutoff) for k in range(len(keys))]
        return graph, self._guards.geometry(graph, growth)

    def _evaluate(self, graph: AtomicGraph, flat: FlatStructures) -> Mechanics:
        found = self.model.pair_gradients(graph, self.kernel)
        work = self.relaxation.pressure * GPa * flat.volumes
        virials = work[:, None, None] * np.eye(3) - array(found.virials)
        return Mechanics(array(found.energies), array(found.energies) + work, array(found.forces), virials)

    def _converged(self, forces: FloatArray, virials: FloatArray, flat: FlatStructures) -> BoolArray:
        largest = np.sqrt(np.maximum.reduceat(np.einsum("ic,ic->i", forces, forces), flat.first[:-1]))
        apart = np.abs(virials).max(axis=(1, 2)) / np.where(flat.volumes > 0, flat.volumes, 1.0) / GPa
        still: BoolArray = (apart <= self.relaxation.smax) | ~self._coordinates.relaxes_cell
        return still & (largest <= self.relaxation.fmax)

    def _symmetric(self, moves: FloatArray) -> FloatArray:
        if self._projections is None:
            return moves
        return (self._projections @ moves[:, :, None])[:, :, 0]

    def _count(self, accepted: BoolArray, found: Mechanics, flat: FlatStructures) -> None:
        for k, task in enumerate(self.tasks):
            task.steps += 1
            if self.relaxation.records and accepted[k]:
                task.frames.append(_frame(task, flat, k, found))

    def _ends(self, converged: BoolArray) -> dict[int, tuple[State, str]]:
        ends: dict[int, tuple[State, str]] = {}
        for k, task in enumerate(self.tasks):
            if converged[k]:
                ends[k] = "converged", ""
            elif task.steps >= self.relaxation.steps:
                ends[k] = "unconverged", f"not converged after {task.steps} steps"
        return ends

    def _stop(self, reasons: Sequence[str]) -> list[Relaxed]:
        return self._leave({k: ("stopped", reason) for k, reason in enumerate(reasons) if reason})

    def _leave(self, ends: Mapping[int, tuple[State, str]]) -> list[Relaxed]:
        """Remove structures, and return them at their last safe geometry."""
        if not ends:
            return []
        flat = self._coordinates.structures(self._rows(self._safe))
        left = []
        for k, (state, reason) in ends.items():
            places = flat.positions[flat.atoms_of(k)], flat.cells[k]
            found = finished(self.tasks[k], *places, self.model, self.relaxation, self.kernel)
            left.append(replace(found, state=state, reason=reason))
        which = np.array([k not in ends for k in range(len(self.tasks))])
        self.tasks = [task for task, stays in zip(self.tasks, which, strict=True) if stays]
        n = 3 * (CELL + max((len(task.atoms) for task in self.tasks), default=0))
        self._minimizer.keep(which, n)
        self._safe = self._safe[which, :n]
        self._rebuild()
        return left

    def _rebuild(self) -> None:
        """Make what depends on the structures that are present."""
        if not self.tasks:
            return
        self._coordinates = joined([task.atoms for task in self.tasks], [task.relaxes_cell for task in self.tasks])
        self._free = np.concatenate([task.free for task in self.tasks])[:, None]
        self._projections = self._joined_projections()

    def _joined_projections(self) -> FloatArray | None:
        n = 3 * self._coordinates.n_rows
        if all(task.projection is None for task in self.tasks):
            return None
        found = np.tile(np.eye(n), (len(self.tasks), 1, 1))
        for k, task in enumerate(self.tasks):
            if task.projection is not None:
                found[k, : len(task.projection), : len(task.projection)] = task.projection
        return found


class Mechanics(NamedTuple):
    """An evaluation: energies and enthalpies in eV [n_structures], forces in eV/Å [n_atoms, 3], V (σ + P) in eV."""

    energies: FloatArray
    enthalpies: FloatArray
    forces: FloatArray
    virials: FloatArray

    def not_finite(self, flat: FlatStructures) -> BoolArray:
        """Return which structures have an infinite value or NaN [n_structures]."""
        atoms = np.isfinite(self.forces).all(axis=1)
        fine: BoolArray = np.isfinite(self.energies) & np.isfinite(self.virials).all(axis=(1, 2))
        return ~(fine & np.logical_and.reduceat(atoms, flat.first[:-1]))


def _error_of_pairs(flat: FlatStructures, structure: int, cutoff: float) -> str:
    """Return why the pairs of a structure cannot be found, or an empty text."""
    atoms = flat.atoms_of(structure)
    place = flat.positions[atoms], flat.cells[structure], flat.pbc[structure]
    try:
        images_within(flat.numbers[atoms], *place, cutoff + SKIN)
    except ValueError as error:
        return str(error)
    return ""


def _frame(task: Task, flat: FlatStructures, structure: int, found: Mechanics) -> Atoms:
    atoms, own = task.atoms.copy(), flat.atoms_of(structure)
    atoms.set_cell(flat.cells[structure])
    atoms.positions = flat.positions[own]
    atoms.calc = SinglePointCalculator(atoms, energy=float(found.energies[structure]), forces=found.forces[own])
    return atoms
