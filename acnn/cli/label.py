"""acnn label"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from ase import Atoms
from ase.calculators.calculator import Calculator
from rich.markup import escape

from acnn.cli.display import console, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import EnergyKey, ForcesKey, StressKey, VirialKey, assignment
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.data.energy_offsets import EnergyOffsets, Reference, chosen_references, energy_offsets
from acnn.data.frames import Frame, read_frames, require_sound_geometry, require_xyz
from acnn.data.isolated_atoms import is_isolated
from acnn.data.label_journal import LabelJournal, notes_of
from acnn.data.label_keys import LabelKeys, choose_keys, used_keys
from acnn.data.label_names import KINDS
from acnn.data.labeling import Labeler, Labels, calculated, each_labeled, make_calculator
from acnn.data.structures import displaced, rounded
from acnn.evaluation.progress import Stage
from acnn.files import destination, require_writable, sha256_of
from acnn.io.model_file import load_model
from acnn.locks import locked
from acnn.outputs import require_new
from acnn.potential import Potential
from acnn.train.distillation import model_labels
from acnn.wording import counted


def label(
    structures: Annotated[Path, typer.Argument(help="Structures with or without labels, any format ASE reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, extended XYZ.")],
    calculator: Annotated[str, typer.Option(help="ASE calculator, MODULE:CLASS.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Argument of the calculator: --set method=GFN2-xTB.")
    ] = None,
    copies: Annotated[
        int, number("Label so many displaced copies of every structure instead of itself.", least=0, most=10_000)
    ] = 0,
    rattle: Annotated[
        float | None, number("Largest standard deviation of their displacements, Å. \\[default: 0.1]", least=0, most=5)
    ] = None,
    strain: Annotated[
        float | None, number("Standard deviation of the strain of crystals. \\[default: 0.01]", least=0, most=0.5)
    ] = None,
    seed: Annotated[int | None, number("Seed of the displacements. \\[default: 0]", least=0, most=LARGEST_SEED)] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Structures with energies, to whose level those of the calculator are shifted, by element."),
    ] = None,
    difference: Annotated[
        bool, typer.Option("--difference", help="Write the structures' own labels minus the calculator's.")
    ] = False,
    correction: Annotated[
        Path | None,
        typer.Option(help="Model of such differences to add, MODEL.acnn; for compositions of its data."),
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    virial_key: VirialKey = None,
    stress_key: StressKey = None,
    max_force: Annotated[
        float, number("Leave out structures with a larger label of force, eV/Å.", least=0, most=1e6)
    ] = 30.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
) -> None:
    """Label structures by an ASE calculator: energies (eV), forces (eV/Å), virials (eV).

    Where reference data are few, a network can first be trained on many labels of a cheaper method, and then on the
    reference data (acnn train --from). A model trained on the differences of the two methods makes these labels better.
    Isolated atoms are left out, and structures for which the calculator fails are counted and left out. Give
    data.validation of a training on copies a file of its own, or null: a share of them would hold copies of what is
    trained on. An interrupted command goes on when it is given again: what it has labeled is in OUTPUT.part.xyz.

    Examples, with C for --calculator tblite.ase:TBLite --set method=GFN2-xTB --set verbosity=0:

    acnn label train.xyz -o cheap.xyz C --copies 16 --reference train.xyz

    acnn label train.xyz -o difference.xyz C --difference

    acnn label md.xyz -o better.xyz C --correction difference.acnn
    """
    with ExitStack() as during:
        target = destination(output)
        part = target.with_suffix(f".part{output.suffix}")
        require_writable([output, part, notes_of(part)], [structures, reference, correction])
        keys = {"energy": energy_key, "forces": forces_key, "virial": virial_key, "stress": stress_key}
        _require_sense(
            copies, {"rattle": rattle, "strain": strain, "seed": seed}, reference, correction, difference, keys
        )
        during.enter_context(locked(part))
        require_xyz(output)
        require_new(output, overwrite)
        made = make_calculator(calculator, dict(_argument(text) for text in change or ()))
        how = (0.1 if rattle is None else rattle, 0.01 if strain is None else strain, seed or 0)
        frames = _structures(structures, copies, *how)
        todo = [frame.atoms for frame in frames]
        own = _own_labels(frames, keys, structures.name) if difference else None
        model = None if correction is None else _correction(correction, todo)
        run = {
            "STRUCTURES": _fingerprint(structures),
            "--calculator": calculator,
            "--set": [(text, _fingerprint_of_value(text)) for text in sorted(change or ())],
            "--copies": copies,
            **dict(zip(("--rattle", "--strain", "--seed"), how, strict=True)),
            "--difference": difference,
            "--reference": _fingerprint(reference),
            "--correction": _fingerprint(correction),
            **{f"--{kind}-key": key for kind, key in keys.items()},
            "--max-force": max_force,
        }
        journal = LabelJournal(part, run)
        if journal.done:
            console.print(f"goes on after {counted(len(journal.done), 'structure')} of an interrupted run")
        with progress_stages() as stage:
            offsets = None if reference is None else _offsets(reference, energy_key, todo, made, stage)
            rest = todo[len(journal.done) :]
            advance = stage(f"labels by {type(made).__name__}", len(rest))
            labeler = _labeler(made, own, offsets, model)
            for found in each_labeled(rest, labeler, type(made).__name__, max_force, keep_types=difference):
                journal.add(found)
                advance()
        reasons = journal.reasons
        if len(reasons) == len(todo):
            journal.drop()
            raise ValueError(f"none of {len(todo)} structures could be labeled; the first: {reasons[0]}")
        journal.finish(target)
    left = f"; {len(reasons)} left out, the first because of {reasons[0]}" if reasons else ""
    told = f"; energies shifted by {offsets} eV per atom" if offsets else ""
    console.print(
        escape(f"wrote {output}: {counted(len(todo) - len(reasons), 'structure')}{left}{told}"),
        highlight=False,
        soft_wrap=True,
    )


def _labeler(
    calculator: Calculator, own: dict[int, Labels] | None, offsets: EnergyOffsets | None, model: Potential | None
) -> Labeler:
    """The calculator's labels, or own labels minus these; shifted and corrected."""

    def labels(atoms: Atoms) -> Labels:
        if own is not None:
            return own[id(atoms)] - calculated(atoms, calculator)
        found = calculated(atoms, calculator)
        if offsets is not None:
            found = found.shifted(offsets.of(atoms))
        return found if model is None else found + model_labels(atoms, model)

    return labels


def _own_labels(frames: list[Frame], keys: dict[str, str | None], source: str) -> dict[int, Labels]:
    """What the structures are labeled with themselves, by their id."""
    chosen = _chosen_keys([frame.atoms for frame in frames], keys, source)
    found = {}
    for place, atoms in frames:
        name = f"{source} #{place}"
        found[id(atoms)] = Labels(
            chosen.energy_of(atoms, name), chosen.forces_of(atoms, name), chosen.virial_of(atoms, name)
        )
    return found


def _chosen_keys(structures: list[Atoms], keys: dict[str, str | None], source: str) -> LabelKeys:
    """Said with what was not taken."""
    chosen = choose_keys(structures, keys, source)
    console.print(escape(f"labels: {used_keys(chosen.used)}"), highlight=False)
    for note in chosen.notes:
        warn(note)
    return chosen


def _correction(path: Path, structures: list[Atoms]) -> Potential:
    model = load_model(path)
    unknown = {symbol for atoms in structures for symbol in atoms.symbols} - set(model.elements)
    if unknown:
        raise ValueError(f"{path} is no correction for {', '.join(sorted(unknown))}: it was not trained on these")
    return model


def _require_sense(
    copies: int,
    of_copies: dict[str, float | int | None],
    reference: Path | None,
    correction: Path | None,
    difference: bool,
    keys: dict[str, str | None],
) -> None:
    given = [name for name, value in of_copies.items() if value is not None]
    if copies == 0 and given:
        raise ValueError(f"--{given[0]} is of displaced copies: give --copies, or leave it out")
    if difference and (copies or reference or correction):
        raise ValueError("--difference is that of labels there are: without --copies, --reference and --correction")
    if reference and correction:
        raise ValueError("--correction also brings energies to the level of the reference data: leave out --reference")
    keyed = [kind for kind, key in keys.items() if key is not None and not (reference and kind == "energy")]
    if keyed and not difference:
        raise ValueError(
            f"--{keyed[0]}-key is that of --difference{' or --reference' * (keyed[0] == 'energy')}: give both or none"
        )


def _fingerprint(path: Path | None) -> str | None:
    return None if path is None else sha256_of(path)


def _fingerprint_of_value(text: str) -> str | None:
    """Of the file that an argument of the calculator names, such as a model."""
    path = Path(text.partition("=")[2])
    return _fingerprint(path) if path.is_file() else None


def _argument(text: str) -> tuple[str, Any]:
    """Of the calculator; YAML takes 1e-2 for a word."""
    name, value = assignment(text, "method=GFN2-xTB")
    try:
        return name, float(value) if isinstance(value, str) else value
    except ValueError:
        return name, value


def _structures(path: Path, copies: int, rattle: float, strain: float, seed: int) -> list[Frame]:
    """Those of several atoms, or copies of them as they are written to a file."""
    rng = np.random.default_rng(seed)
    found: list[Frame] = []
    for place, atoms in read_frames(path):
        require_sound_geometry(atoms, f"{path.name} #{place}")
        if not is_isolated(atoms):
            copied = [Frame(place, rounded(displaced(atoms, rattle, strain, rng))) for _ in range(copies)]
            found += copied if copies else [Frame(place, atoms)]
    if not found:
        raise ValueError(f"{path} holds isolated atoms only: they tell nothing of forces")
    return found


def _references(path: Path, energy_key: str | None) -> list[Reference]:
    frames = [frame for frame in read_frames(path) if not is_isolated(frame.atoms)]
    explicit = {**dict.fromkeys(KINDS), "energy": energy_key}
    chosen = _chosen_keys([frame.atoms for frame in frames], explicit, path.name) if frames else None
    energies = [chosen.energy_of(atoms, f"{path.name} #{place}") if chosen else None for place, atoms in frames]
    found = [(frame.atoms, e) for frame, e in zip(frames, energies, strict=True) if e is not None and np.isfinite(e)]
    if not found:
        raise ValueError(f"{path} holds no energies of structures of several atoms to shift to")
    return found


def _offsets(
    reference: Path, energy_key: str | None, todo: list[Atoms], calculator: Calculator, stage: Stage
) -> EnergyOffsets:
    """Those of the reference structures, known for all that is to be labeled."""
    chosen = chosen_references(_references(reference, energy_key))
    offsets = energy_offsets(chosen, calculator, stage("reference energies", len(chosen)))
    for atoms in todo:
        offsets.of(atoms)
    return offsets
