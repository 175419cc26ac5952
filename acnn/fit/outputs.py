"""The files that a fit writes."""

from __future__ import annotations

from pathlib import Path

from acnn.data.sources import inputs_of
from acnn.files import require_writable
from acnn.io.model_file import ModelFileError, read_header
from acnn.settings.fit import FitSettings


def require_outputs(settings: FitSettings) -> None:
    """Require, before the work, that the files of a fit can be written and replace nothing unasked."""
    weights = settings.weights if isinstance(settings.weights, Path) else None
    inputs = inputs_of(settings.train, settings.add, settings.test, weights)
    require_writable(
        [settings.output, settings.checkpoint, settings.selection_plot, settings.learning_plot],
        inputs,
        [settings.json_file],
        overwrite=settings.overwrite,
        continued=_continued(settings),
    )


def _continued(settings: FitSettings) -> list[Path | None]:
    """Return the checkpoint, and what an earlier run with the same checkpoint has written."""
    own: list[Path | None] = [settings.checkpoint]
    if settings.checkpoint is None or not settings.output.is_file():
        return own
    try:
        before = read_header(settings.output)["provenance"]["settings"]
    except (ModelFileError, KeyError):
        return own
    now = settings.model_dump(mode="json", by_alias=True)
    if before.get("checkpoint") == now["checkpoint"]:
        own += [settings.output, settings.selection_plot]
        own += [settings.json_file] if before.get("json") == now["json"] else []
    return own
