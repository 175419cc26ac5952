"""The command ``acnn ensemble``."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import print_written
from acnn.cli.errors import warn
from acnn.cli.label_options import Overwrite
from acnn.files import require_writable
from acnn.io.model_file import load_model, read_header, save_model
from acnn.models import Model
from acnn.models.ensemble import Ensemble
from acnn.wording import counted


def ensemble(
    models: Annotated[list[Path], typer.Argument(help="Two or more model files of the same elements and E0.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    overwrite: Overwrite = False,
) -> None:
    """Join models trained with different seeds: their mean is the prediction, their spread the uncertainty.

    Example: acnn ensemble seed1.acnn seed2.acnn seed3.acnn -o committee.acnn
    """
    require_writable([output], models, overwrite=overwrite)
    if len({path.read_bytes() for path in models if path.is_file()}) < sum(path.is_file() for path in models):
        raise ValueError("the same model was given twice: identical members would make the spread too small")
    members = [_member(path) for path in models]
    origins = [{"file": path.name, "provenance": read_header(path)["provenance"]} for path in models]
    joined = Ensemble(members)
    kinds = sorted({member.model_type for member in members})
    if len(kinds) > 1:
        warn(f"the members are of different types ({', '.join(kinds)}): their spread is largely that of the types")
    save_model(joined, output, {"acnn_version": version("acnn"), "members": origins})
    print_written(output, f": {counted(len(members), 'member')}")


def _member(path: Path) -> Model:
    model = load_model(path)
    if len(model.members()) > 1:
        raise ValueError(f"{path.name} is already an ensemble: give the files of its members")
    return model
