"""The command ``acnn distill``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from acnn.cli.display import print_written, progress_stages
from acnn.cli.label_options import Overwrite, label_settings, read_announced
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.cli.settings import with_settings
from acnn.data.frames import extended_xyz, require_xyz
from acnn.files import require_writable, write_atomically
from acnn.io.model_file import load_model
from acnn.settings.data import LabelSettings
from acnn.train.distillation import distilled
from acnn.wording import counted


@with_settings(LabelSettings)
def distill(
    teacher: Annotated[Path, typer.Argument(help="Model that labels, preferably an ensemble, MODEL.acnn.")],
    data: Annotated[Path, typer.Argument(help="Labeled structures that it was trained on, extended XYZ.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File of structures to write, extended XYZ.")],
    copies: Annotated[int, number("Displaced copies of every structure.", least=1, most=10_000)] = 6,
    rattle: Annotated[float, number("Largest standard deviation of displacements, Å.", least=0, most=5)] = 0.08,
    strain: Annotated[float, number("Standard deviation of the strain of crystals.", least=0, most=0.5)] = 0.01,
    seed: Annotated[int, number("Random seed of the displacements.", least=0, most=LARGEST_SEED)] = 0,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Write training data with which a single model learns from an ensemble.

    The output contains the structures with their own labels, and displaced copies with the teacher's labels (config
    type "distilled"). A model trained on both is nearly as accurate as the ensemble, at the cost of one member. Set
    data.validation to a separate file, or null: a share of these data would contain copies of training structures.

    Example: acnn distill ensemble.acnn train.xyz -o more.xyz && acnn train train.yaml --set data.train=more.xyz
    """
    labels = label_settings(given)
    require_writable([], [teacher, data], [output], overwrite=overwrite)
    require_xyz(output)
    potential = load_model(teacher)
    dataset, max_force = read_announced(data, labels, teacher), labels.max_force
    with progress_stages() as stage:
        advance = stage(f"labels by {teacher.name}", len(dataset))
        limit = math.inf if max_force is None else max_force
        frames = distilled(dataset, potential, copies, rattle, strain, seed, limit, advance)
    write_atomically(output, extended_xyz(frames))
    limited = "" if max_force is None else f" with no force over {max_force:g} eV/Å"
    more = counted(len(frames) - len(dataset), "copy", "copies")
    print_written(output, f": {counted(len(dataset), 'structure')}, {more}{limited}")
