"""Hyperactive learning: fit, run biased dynamics until the model is unsure, calculate that structure, and fit again.

van der Oord et al., npj Comput. Mater. 9, 168 (2023); Witt et al. 2023, Sec. III B and Fig. 5. Without a bias this is
learning on the fly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from ase import Atoms

from acnn.basis.specification import BasisSpecification
from acnn.conventions import MEV_PER_EV
from acnn.data.dataset import Dataset, LabeledStructure, read_dataset
from acnn.data.labeling import Labels
from acnn.fit.growing import GrowingFit
from acnn.fit.linear import LinearProblem
from acnn.fit.reference_energies import reference_energies
from acnn.io.model_file import load_model, model_to_bytes, save_model
from acnn.locks import locked
from acnn.models.linear import LinearACE, require_linear
from acnn.models.noise import Noise
from acnn.neighbors import atomic_graph
from acnn.parallel.executors import executor
from acnn.progress import Stage, silent
from acnn.settings.hal import HALSettings
from acnn.uncertainty import active_set_of, committee_deviations
from acnn.wording import counted
from acnn.workflows.hal.beginning import by_number, largest_basis, require_same, starting_structures
from acnn.workflows.hal.reference import Reference, label_all
from acnn.workflows.hal.store import LAST, Row, Store, ended, iterations_done, require_rows_of
from acnn.workflows.hal.walk import Walk, walk


@dataclass(frozen=True)
class Watcher:
    """Callbacks while it learns.

    Attributes:
        stage: shows the progress of parts.
        on_start: gets what was found, a sentence.
        on_row: gets every structure that was added, and the number of functions of the model.
    """

    stage: Stage = silent
    on_start: Callable[[str], None] = lambda sentence: None
    on_row: Callable[[Row], None] = lambda row: None


class Finished(NamedTuple):
    """The end: all rows, the model's file, and why it stopped."""

    rows: list[Row]
    model: Path
    reason: str


NOBODY = Watcher()
MOST_REJECTED = 5
"""Iterations in succession without a label after which it is over."""


def run_hal(settings: HALSettings, watcher: Watcher = NOBODY) -> Finished:
    """Learn until nothing is flagged any more; a run that was killed is continued.

    Raises:
        SettingsError, ValueError: settings, structures or calculator cannot be used, or are not those of the run that
            the folder holds.
    """
    folder = settings.output
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "settings.json"):
        return _Learning(settings, watcher).to_the_end()


class _Learning:
    def __init__(self, settings: HALSettings, watcher: Watcher) -> None:
        self.settings, self.watcher, self.folder = settings, watcher, settings.output
        require_same(settings)
        self.reference = Reference.of(settings.reference)
        self.reference.require()
        self.starts = starting_structures(settings)
        self.weights = settings.fit.weight_table()
        self.data = read_dataset(settings.data, weights=self.weights) if settings.data else None
        self.store = Store(self.folder / "labels.db")
        self.rows = self.store.rows()
        require_rows_of(self.rows, self.starts, self.store.path)
        (self.folder / "models").mkdir(exist_ok=True)

    def to_the_end(self) -> Finished:
        with executor(self.settings.reference.jobs, self.settings.reference.slurm, self.folder / "jobs") as labeler:
            self._label_starts(labeler)
            self.growing = self._growing_fit()
            return self._iterate(labeler)

    def _iterate(self, labeler: Any) -> Finished:
        stop, n = self.settings.stop, iterations_done(self.rows, self.settings.walkers)
        advance = self.watcher.stage("iterations", stop.iterations)
        for _ in range(n):
            advance()
        with executor(self.settings.walkers) as walkers:
            while True:
                model = self._model(n)
                reason = self._reason(n)
                if reason or n >= stop.iterations:
                    break
                self._iteration(n + 1, model, walkers, labeler)
                n += 1
                advance()
        target = self.folder / "model.acnn"
        save_model(model, target, self._provenance(n))
        return Finished(self.rows, target, reason or f"the limit of {counted(n, 'iteration')} was reached")

    def _reason(self, n: int) -> str:
        """Return why it is over after n iterations; empty if it is not."""
        quiet, last = self.settings.stop.quiet, range(n, max(n - self.settings.stop.quiet, 0), -1)
        kinds = {row.kind for row in self.rows if row.iteration in last}
        if n >= quiet and kinds == {"quiet"}:
            return f"{counted(quiet, 'iteration')} in succession ended without a flag"
        lately = {row.kind for row in self.rows if n - MOST_REJECTED < row.iteration <= n}
        if n >= MOST_REJECTED and lately == {"rejected"}:
            return f"no calculation of {MOST_REJECTED} iterations in succession was of use, see hal.csv"
        return ""

    def _iteration(self, n: int, model: LinearACE, walkers: Any, labeler: Any) -> None:
        """Run all walkers of an iteration, and label what they offer."""
        settings, content = self.settings, model_to_bytes(model)
        left = [w for w in range(settings.walkers) if w not in ended(self.rows, n)]
        futures = {}
        for w in left:
            start = self.starts[((n - 1) * settings.walkers + w) % len(self.starts)]
            seed = (settings.seed, n, w)
            futures[w] = walkers.submit(walk, content, start, settings.dynamics, settings.bias, seed)
        walks: dict[int, Walk] = {w: future.result() for w, future in futures.items()}
        for w, found in walks.items():
            if not found.candidates:
                self._add(Row("quiet", n, w, found.last, facts=self._facts(model, found, found.last)))
        waiting = {w: found for w, found in walks.items() if found.candidates}
        tries = {w: sum((r.iteration, r.walker) == (n, w) for r in self.rows) for w in waiting}
        while waiting:
            offered = {w: found.candidates[tries[w]] for w, found in waiting.items()}
            labels = label_all(self.reference, list(offered.values()), labeler)
            for (w, atoms), found_labels in zip(offered.items(), labels, strict=True):
                tries[w] += 1
                if self._learned(n, w, model, waiting[w], atoms, found_labels, tries[w]):
                    del waiting[w]

    def _learned(
        self, n: int, w: int, model: LinearACE, found: Walk, atoms: Atoms, labels: Labels | str, tries: int
    ) -> bool:
        """Add a structure, and return whether its walker has come to an end."""
        facts = self._facts(model, found, atoms)
        fault = labels if isinstance(labels, str) else labels.fault(self.settings.reference.max_force)
        if fault or isinstance(labels, str):
            last = tries >= len(found.candidates)
            self._add(Row("rejected", n, w, atoms, facts={**facts, "fault": fault, LAST: last}))
            return last
        self._add(Row("labeled", n, w, atoms, labels, {**facts, **_errors(model, atoms, labels)}))
        return True

    def _facts(self, model: LinearACE, found: Walk, atoms: Atoms) -> dict[str, Any]:
        spread = committee_deviations(model, atomic_graph(atoms, model.cutoff), forces=False).energy_std
        return {
            **found.facts,
            "functions": model.basis.n_functions,
            "sigma_meV_per_atom": MEV_PER_EV * float(spread[0]) / len(atoms),
            "structures": sum(row.labels is not None for row in self.rows),
        }

    def _add(self, row: Row) -> None:
        self.store.add(row)
        self.rows = self.store.rows()
        self.watcher.on_row(row)

    def _label_starts(self, labeler: Any) -> None:
        """Label isolated atoms, where E0 comes from them, and the structures to start from."""
        wanted: list[tuple[str, int, Atoms]] = []
        if self.settings.fit.e0 in (None, "isolated"):
            wanted += [("isolated", k, Atoms(element)) for k, element in enumerate(self._elements())]
        wanted += [("start", k, atoms) for k, atoms in enumerate(self.starts)]
        done = {(row.kind, row.walker) for row in self.rows}
        wanted = [one for one in wanted if one[:2] not in done]
        labels = label_all(self.reference, [atoms for _, _, atoms in wanted], labeler)
        for (kind, k, atoms), found in zip(wanted, labels, strict=True):
            fault = found if isinstance(found, str) else found.fault(self.settings.reference.max_force)
            if fault or isinstance(found, str):
                advice = "; give fit.e0: lstsq or energies if atoms alone cannot be calculated" * (kind == "isolated")
                raise ValueError(f"the reference fails for {kind} structure {k}: {fault}{advice}")
            if kind == "start" and found.virial is None and self.settings.dynamics.cell and atoms.pbc.all():
                self.watcher.on_start("the reference has no stress: how cells change is learned from energies alone")
            self._add(Row(kind, 0, k, atoms, found))  # type: ignore[arg-type]

    def _elements(self) -> tuple[str, ...]:
        known = {symbol for atoms in self.starts for symbol in atoms.symbols}
        return by_number(known | set(self.data.elements if self.data else ()))

    def _structures(self, n: int) -> list[LabeledStructure]:
        """Return what the model after n iterations is fitted to."""
        own = [row.structure(self.weights) for row in self.rows if row.labels is not None and row.iteration <= n]
        return [*(self.data or ()), *own]

    def _growing_fit(self) -> GrowingFit:
        elements, settings = self._elements(), self.settings.fit
        largest = largest_basis(settings, elements, self.settings.growth.functions)
        first = Dataset(tuple(self._structures(0)), "the first structures", "", 0, {})
        energies, _, warnings = reference_energies(settings.e0, first, largest, "fit.e0")
        for warning in warnings:
            self.watcher.on_start(warning)
        problem = LinearProblem.of(settings, largest, energies).with_basis(largest)
        return GrowingFit(problem, self.folder / "equations.factor")

    def _model(self, n: int) -> LinearACE:
        """Return the model after n iterations, as it was written or newly fitted."""
        path = self.folder / "models" / f"{n:05d}.acnn"
        if path.is_file():
            return _linear(path)
        structures = self._structures(n)
        self.growing.add(structures)
        fitted = self.growing.fit(self._basis(n))
        model, members = fitted.model, self.settings.fit.members
        model.set_committee(torch.as_tensor(fitted.solution.draw(members, self.settings.seed + n)))
        if fitted.solution.noise_precision is not None:
            model.noise = Noise(fitted.solution.noise_precision, self.weights)
        if self.settings.bias.flag == "gamma":
            model.active_set = active_set_of(model, structures)
        save_model(model, path, self._provenance(n))
        return _linear(path)  # with the bits of the file, as a continued run has them

    def _basis(self, n: int) -> BasisSpecification:
        growth = self.settings.growth
        if not growth.every:
            return self.growing.problem.specification
        if n % growth.every == 0:
            return self.growing.chosen_basis(growth.criterion, growth.functions)
        return _linear(self.folder / "models" / f"{n - 1:05d}.acnn").basis.specification

    def _provenance(self, n: int) -> dict[str, Any]:
        structures = self._structures(n)
        return {
            "data": {
                "hyperactive learning": {
                    "file": self.store.path.name,
                    "structures": len(structures),
                    "atoms": sum(map(len, structures)),
                }
            },
            "iteration": n,
            "settings": self.settings.model_dump(mode="json", exclude={"output"}),
        }


def _linear(path: Path) -> LinearACE:
    return require_linear(load_model(path), str(path), "hyperactive learning is linear")


def _errors(model: LinearACE, atoms: Atoms, labels: Labels) -> dict[str, float]:
    """Return the errors of the model at a structure that it has not seen."""
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    errors: dict[str, float] = {}
    if labels.energy is not None:
        errors["error_meV_per_atom"] = MEV_PER_EV * (float(found.energies[0]) - labels.energy) / len(atoms)
    if labels.forces is not None:
        errors["forces_rmse_eV_per_A"] = float(np.sqrt(np.mean((found.forces.numpy() - labels.forces) ** 2)))
    return errors
