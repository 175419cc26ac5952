"""Label structures with an ASE calculator, and keep the progress of an interrupted run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from acnn.data.energy_offsets import EnergyOffsets, Reference, chosen_references, energy_offsets
from acnn.data.frames import Frame, read_frames, require_sound_geometry, require_xyz
from acnn.data.isolated_atoms import is_isolated
from acnn.data.label_journal import LabelJournal, notes_of
from acnn.data.label_keys import LabelKeys, choose_keys
from acnn.data.label_names import KINDS
from acnn.data.labeling import Labeler, Labels, calculated, each_labeled, make_calculator
from acnn.data.structures import displaced, rounded
from acnn.files import destination, require_new, require_writable, sha256_of
from acnn.io.model_file import load_model
from acnn.locks import locked
from acnn.parallel.executors import ahead, executor
from acnn.potential import Potential
from acnn.progress import Stage, silent
from acnn.train.distillation import model_labels

RATTLE, STRAIN = 0.1, 0.01


@dataclass(frozen=True)
class Labeling:
    """What to label, and how.

    Attributes:
        structures: a file that ASE reads, with or without labels.
        calculator: ASE calculator, ``module:Class``.
        arguments: those of the calculator, by name.
        copies: label this many displaced copies of every structure instead of itself.
        rattle: largest standard deviation of their displacements, Å; None is 0.1.
        strain: standard deviation of the strain of crystals; None is 0.01.
        seed: random seed of the displacements; None is 0.
        reference: structures with energies, to which those of the calculator are shifted, by element.
        difference: write the structures' own labels minus the calculator's.
        correction: file of a model of such differences, which are added.
        keys: those of existing labels, by kind: energy, forces, virial, stress.
        max_force: structures with a larger force label are left out, eV/Å.
        jobs: calculations at the same time, in processes of one thread.
        slurm: parameters of submitit: calculations are jobs of Slurm instead.
    """

    structures: Path
    calculator: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    copies: int = 0
    rattle: float | None = None
    strain: float | None = None
    seed: int | None = None
    reference: Path | None = None
    difference: bool = False
    correction: Path | None = None
    keys: Mapping[str, str | None] = field(default_factory=dict)
    max_force: float = 30.0
    jobs: int = 1
    slurm: Mapping[str, Any] | None = None

    @property
    def all_keys(self) -> dict[str, str | None]:
        """The key of every kind of label, None if it is not given."""
        return {kind: self.keys.get(kind) for kind in KINDS}

    def fingerprint(self) -> dict[str, Any]:
        """Return what the labels depend on, by the names of the command's options."""
        return {
            "STRUCTURES": _hash(self.structures),
            "--calculator": self.calculator,
            "--set": [[name, repr(value), _hash_of_named(value)] for name, value in sorted(self.arguments.items())],
            "--copies": self.copies,
            **dict(zip(("--rattle", "--strain", "--seed"), self._displacements(), strict=True)),
            "--difference": self.difference,
            "--reference": _hash(self.reference),
            "--correction": _hash(self.correction),
            **{f"--{kind}-key": key for kind, key in self.all_keys.items()},
            "--max-force": self.max_force,
        }

    def frames(self) -> list[Frame]:
        """Return the structures of several atoms, or copies of them as they are written to a file."""
        rattle, strain, seed = self._displacements()
        rng = np.random.default_rng(seed)
        found: list[Frame] = []
        for place, atoms, _ in read_frames(self.structures):
            require_sound_geometry(atoms, f"{self.structures.name} #{place}")
            if not is_isolated(atoms):
                copied = [Frame(place, rounded(displaced(atoms, rattle, strain, rng))) for _ in range(self.copies)]
                found += copied if self.copies else [Frame(place, atoms)]
        if not found:
            raise ValueError(f"{self.structures} contains only isolated atoms, which carry no force information")
        return found

    def _displacements(self) -> tuple[float, float, int]:
        rattle = RATTLE if self.rattle is None else self.rattle
        return rattle, STRAIN if self.strain is None else self.strain, self.seed or 0

    def require_sense(self) -> None:
        """Require that the options make sense together.

        Raises:
            ValueError: an option has no effect with the others.
        """
        of_copies = {"rattle": self.rattle, "strain": self.strain, "seed": self.seed}
        given = [name for name, value in of_copies.items() if value is not None]
        if self.copies == 0 and given:
            raise ValueError(f"--{given[0]} applies only to displaced copies: add --copies or drop it")
        if self.difference and (self.copies or self.reference or self.correction):
            raise ValueError(
                "--difference compares existing labels, so it cannot be combined with --copies, --reference or "
                "--correction"
            )
        if self.reference and self.correction:
            raise ValueError("--correction also shifts energies to those of the reference data: drop --reference")
        keyed = [kind for kind, key in self.all_keys.items() if key is not None]
        idle = [kind for kind in keyed if not (self.difference or (self.reference and kind == "energy"))]
        if idle:
            partner = "--difference or --reference" if idle[0] == "energy" else "--difference"
            raise ValueError(f"--{idle[0]}-key applies only with {partner}: give both or neither")


@dataclass(frozen=True)
class Watcher:
    """Callbacks while structures are labeled.

    Attributes:
        stage: announces a stage of the work and its number of structures.
        on_keys: gets the keys of labels that were chosen.
        on_resume: gets the number of structures that an interrupted run has done.
    """

    stage: Stage = silent
    on_keys: Callable[[LabelKeys], None] = lambda keys: None
    on_resume: Callable[[int], None] = lambda done: None


@dataclass(frozen=True)
class Labeled:
    """The result of labeling.

    Attributes:
        written: number of structures in the file.
        reasons: the reasons why others were left out, one for each.
        offsets: those by which energies were shifted.
    """

    written: int
    reasons: list[str]
    offsets: EnergyOffsets | None


NOBODY = Watcher()


def label_structures(labeling: Labeling, output: Path, overwrite: bool = False, watcher: Watcher = NOBODY) -> Labeled:
    """Write labeled structures; an interrupted run continues when called with the same arguments.

    Until it is complete, the output has the ending ``.part.xyz``.

    Raises:
        ValueError: no structure could be labeled, or options, calculator, data or model cannot be used.
        FileExistsError: the file exists, and ``overwrite`` is not set.
    """
    target = destination(output)
    part = target.with_suffix(f".part{output.suffix}")
    read = [labeling.structures, labeling.reference, labeling.correction]
    require_writable([output, part, notes_of(part)], read, overwrite=True)
    labeling.require_sense()
    with locked(part):
        require_xyz(output)
        require_new([output], overwrite)
        return _label(labeling, target, part, watcher)


def _label(labeling: Labeling, target: Path, part: Path, watcher: Watcher) -> Labeled:
    calculator = make_calculator(labeling.calculator, labeling.arguments)
    frames = labeling.frames()
    todo = [frame.atoms for frame in frames]
    own = _own_labels(frames, labeling, watcher) if labeling.difference else None
    correction = None if labeling.correction is None else _correction(labeling.correction, todo)
    journal = LabelJournal(part, labeling.fingerprint())
    if journal.done:
        watcher.on_resume(len(journal.done))
    offsets = None if labeling.reference is None else _offsets(labeling, todo, calculator, watcher)
    rest, name = todo[len(journal.done) :], type(calculator).__name__
    advance = watcher.stage(f"labels by {name}", len(rest))
    with _calculating(labeling, calculator, rest, target.with_suffix(".jobs")) as calculate:
        labeler = _labeler(calculate, own, offsets, correction)
        for found in each_labeled(rest, labeler, name, labeling.max_force, keep_types=labeling.difference):
            journal.add(found)
            advance()
    reasons = journal.reasons
    if len(reasons) == len(todo):
        journal.drop()
        raise ValueError(f"none of {len(todo)} structures could be labeled; the first: {reasons[0]}")
    journal.finish(target)
    return Labeled(len(todo) - len(reasons), reasons, offsets)


@contextmanager
def _calculating(
    labeling: Labeling, calculator: Calculator, structures: Sequence[Atoms], folder: Path
) -> Iterator[Labeler]:
    """Yield what calculates the structures, which must be asked for in this order."""
    if labeling.jobs == 1 and labeling.slurm is None:
        yield lambda atoms: calculated(atoms, calculator)
        return
    with executor(labeling.jobs, labeling.slurm, folder) as pool:
        function = partial(_calculated_elsewhere, labeling.calculator, dict(labeling.arguments))
        results = ahead(pool, function, structures, labeling.jobs if labeling.slurm else 2 * labeling.jobs)
        yield lambda atoms: next(results).result()


_elsewhere: dict[str, Calculator] = {}
"""The calculator of a process that works for others: making one may take seconds."""


def _calculated_elsewhere(name: str, arguments: dict[str, Any], atoms: Atoms) -> Labels:
    key = repr((name, arguments))
    if key not in _elsewhere:
        _elsewhere[key] = make_calculator(name, arguments)
    return calculated(atoms, _elsewhere[key])


def _labeler(
    calculate: Labeler, own: dict[int, Labels] | None, offsets: EnergyOffsets | None, correction: Potential | None
) -> Labeler:
    """Return the function that labels: the calculator's labels, or own labels minus these, shifted and corrected."""

    def labels(atoms: Atoms) -> Labels:
        if own is not None:
            return own[id(atoms)] - calculate(atoms)
        found = calculate(atoms)
        if offsets is not None:
            found = found.shifted(offsets.of(atoms))
        return found if correction is None else found + model_labels(atoms, correction)

    return labels


def _own_labels(frames: list[Frame], labeling: Labeling, watcher: Watcher) -> dict[int, Labels]:
    """Return the structures' own labels, by their id."""
    source = labeling.structures.name
    chosen = _chosen_keys([frame.atoms for frame in frames], labeling.all_keys, source, watcher)
    found = {}
    for place, atoms, _ in frames:
        name = f"{source} #{place}"
        found[id(atoms)] = Labels(
            chosen.energy_of(atoms, name), chosen.forces_of(atoms, name), chosen.virial_of(atoms, name)
        )
    return found


def _chosen_keys(structures: list[Atoms], keys: Mapping[str, str | None], source: str, watcher: Watcher) -> LabelKeys:
    chosen = choose_keys(structures, keys, source)
    watcher.on_keys(chosen)
    return chosen


def _correction(path: Path, structures: list[Atoms]) -> Potential:
    model = load_model(path)
    unknown = {symbol for atoms in structures for symbol in atoms.symbols} - set(model.elements)
    if unknown:
        raise ValueError(f"{path} cannot correct {', '.join(sorted(unknown))}: it was trained without these elements")
    return model


def _offsets(labeling: Labeling, todo: list[Atoms], calculator: Calculator, watcher: Watcher) -> EnergyOffsets:
    """Return the offsets from the reference structures, and require that they suffice for all structures to label."""
    chosen = chosen_references(_references(labeling, watcher))
    offsets = energy_offsets(chosen, calculator, watcher.stage("reference energies", len(chosen)))
    for atoms in todo:
        offsets.of(atoms)
    return offsets


def _references(labeling: Labeling, watcher: Watcher) -> list[Reference]:
    path = labeling.reference
    assert path is not None
    frames = [frame for frame in read_frames(path) if not is_isolated(frame.atoms)]
    explicit = {**dict.fromkeys(KINDS), "energy": labeling.keys.get("energy")}
    chosen = _chosen_keys([frame.atoms for frame in frames], explicit, path.name, watcher) if frames else None
    energies = [chosen.energy_of(atoms, f"{path.name} #{place}") if chosen else None for place, atoms, _ in frames]
    found = [(frame.atoms, e) for frame, e in zip(frames, energies, strict=True) if e is not None and np.isfinite(e)]
    if not found:
        raise ValueError(f"{path} contains no energies of structures with several atoms to shift to")
    return found


def _hash(path: Path | None) -> str | None:
    return None if path is None else sha256_of(path)


def _hash_of_named(value: Any) -> str | None:
    """Hash the file that an argument of the calculator names, such as a model."""
    return sha256_of(Path(value)) if isinstance(value, str) and Path(value).is_file() else None
