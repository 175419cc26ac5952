"""The command ``acnn label``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import console, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import LABEL_KEYS, Overwrite, assignment
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.cli.settings import with_settings
from acnn.data.label_keys import LabelKeys, used_keys
from acnn.settings.data import LabelSettings
from acnn.wording import counted
from acnn.workflows.labeling import RATTLE, STRAIN, Labeled, Labeling, Watcher, label_structures

Copies = Annotated[
    int,
    number(
        "Label this many displaced copies of every structure instead of the structure itself.", least=0, most=10_000
    ),
]
Rattle = Annotated[
    float | None,
    number(f"Largest standard deviation of their displacements, Å. \\[default: {RATTLE:g}]", least=0, most=5),
]
Strain = Annotated[
    float | None,
    number(f"Standard deviation of the strain of crystals. \\[default: {STRAIN:g}]", least=0, most=0.5),
]
Seed = Annotated[int | None, number("Random seed of the displacements. \\[default: 0]", least=0, most=LARGEST_SEED)]
Reference = Annotated[
    Path | None,
    typer.Option(help="Structures with energies, to which the calculator's energies are shifted, by element."),
]
Correction = Annotated[
    Path | None,
    typer.Option(help="Model of such differences to add, MODEL.acnn; valid for compositions of its data."),
]


@with_settings(LabelSettings, only=LABEL_KEYS)
def label(
    structures: Annotated[Path, typer.Argument(help="Structures with or without labels, any format ASE reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, extended XYZ.")],
    calculator: Annotated[str, typer.Option(help="ASE calculator, MODULE:CLASS.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Argument of the calculator: --set method=GFN2-xTB.")
    ] = None,
    copies: Copies = 0,
    rattle: Rattle = None,
    strain: Strain = None,
    seed: Seed = None,
    reference: Reference = None,
    difference: Annotated[
        bool, typer.Option("--difference", help="Write the structures' own labels minus the calculator's.")
    ] = False,
    correction: Correction = None,
    max_force: Annotated[
        float, number("Leave out structures with a larger force label, eV/Å.", least=0, most=1e6)
    ] = 30.0,
    jobs: Annotated[int, number("Structures at the same time, in processes of one thread.", least=1, most=10_000)] = 1,
    slurm: Annotated[
        list[str] | None,
        typer.Option(
            help="Submit every structure as a job of Slurm, --jobs at a time, with this parameter of submitit: "
            "--slurm slurm_partition=cpu --slurm timeout_min=60.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    **keys: str,
) -> None:
    """Label structures with an ASE calculator: energies (eV), forces (eV/Å), virials (eV).

    If there are few reference data, a network can first be trained on many labels of a cheaper method, and then on the
    reference data (acnn train --from). A model trained on the differences of the two methods improves these labels.
    Isolated atoms are left out, and structures for which the calculator fails are counted and left out. For a training
    on copies, set data.validation to a separate file, or null: a share of them would contain copies of training
    structures. Repeat an interrupted command to continue it: OUTPUT.part.xyz contains what it has labeled.

    Examples, with C for --calculator tblite.ase:TBLite --set method=GFN2-xTB --set verbosity=0:

    acnn label train.xyz -o cheap.xyz C --copies 16 --reference train.xyz

    acnn label train.xyz -o difference.xyz C --difference

    acnn label md.xyz -o better.xyz C --correction difference.acnn
    """
    labeling = Labeling(
        structures,
        calculator,
        arguments=dict(_argument(text) for text in change or ()),
        copies=copies,
        rattle=rattle,
        strain=strain,
        seed=seed,
        reference=reference,
        difference=difference,
        correction=correction,
        keys={name.removesuffix("_key"): key for name, key in keys.items()},
        max_force=max_force,
        jobs=jobs,
        slurm=dict(assignment(text, "slurm_partition=cpu") for text in slurm) if slurm else None,
    )
    with progress_stages() as stage:
        labeled = label_structures(labeling, output, overwrite, Watcher(stage, _print_keys, _print_resumed))
    print_written(output, f": {_result(labeled)}")


def _print_keys(chosen: LabelKeys) -> None:
    console.print(escape(f"labels: {used_keys(chosen.used)}"), highlight=False)
    for note in chosen.notes:
        warn(note)


def _print_resumed(done: int) -> None:
    console.print(f"continues after {counted(done, 'structure')} of an interrupted run")


def _result(labeled: Labeled) -> str:
    reasons, offsets = labeled.reasons, labeled.offsets
    left_out = f"; {len(reasons)} left out, the first because of {reasons[0]}" if reasons else ""
    shifted = f"; energies shifted by {offsets} eV per atom" if offsets else ""
    return f"{counted(labeled.written, 'structure')}{left_out}{shifted}"


def _argument(text: str) -> tuple[str, Any]:
    """Parse an argument of the calculator; YAML takes 1e-2 for a word."""
    name, value = assignment(text, "method=GFN2-xTB")
    try:
        return name, float(value) if isinstance(value, str) else value
    except ValueError:
        return name, value
