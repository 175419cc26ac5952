"""The command ``acnn dimers``."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer

from acnn.cli.label_options import Overwrite
from acnn.cli.property_options import JsonFile, ModelFile, Plot, Structures, Task, print_rows, write_structures
from acnn.data.dimers import dimers as structures_of
from acnn.io.model_file import load_model
from acnn.models.dimers import DimerCurve, dimer_curves
from acnn.plots import dimer_figure
from acnn.settings.base import SettingsError

DISTANCES = "1.5:5:0.25"


def dimers(
    model: ModelFile,
    output: Structures = None,
    distances: Annotated[
        str | None, typer.Option(help="Å, of the structures of -o: from:to:step.", show_default=DISTANCES)
    ] = None,
    json_file: JsonFile = None,
    plot: Plot = None,
    overwrite: Overwrite = False,
) -> None:
    """Compute energies of two atoms alone for every pair of elements, and write such pairs to be labeled.

    Example: acnn dimers si.acnn --plot dimers.png -o dimers.xyz --distances 1.6:4:0.2
    """
    task = Task([model], json_file, plot, overwrite, [output])
    if distances is not None and output is None:
        raise SettingsError("--distances are those of the structures that -o writes: name a file, -o dimers.xyz")
    lengths, potential = _range(distances or DISTANCES), load_model(model)
    curves = dimer_curves(potential)
    rows = [
        (
            "–".join(curve.pair),
            f"{curve.distances[curve.lowest]:.3f}",
            f"{curve.energies[curve.lowest]:.4f}",
            f"{curve.weakest_core_repulsion:.3g}",
        )
        for curve in curves
    ]
    headings = ("pair", "minimum at\nÅ", "energy\neV", "weakest repulsion\nin the core, eV/Å")
    print_rows("dimers", rows, headings)
    pairs = structures_of(potential.elements, lengths) if output else []
    write_structures(output, pairs, ["dimer"] * len(pairs))
    task.write({"dimers": [_plain(curve) for curve in curves]}, lambda: dimer_figure(curves, {}, potential.cutoff))


def _plain(curve: DimerCurve) -> dict[str, object]:
    return {"pair": list(curve.pair), "distances": curve.distances.tolist(), "energies": curve.energies.tolist()}


def _range(text: str) -> list[float]:
    try:
        first, last, step = (float(word) for word in text.split(":"))
        values = np.arange(first, last + step / 2, step)
    except (ValueError, ZeroDivisionError):
        raise SettingsError(f"--distances is from:to:step in Å, 1.5:5:0.25, not {text!r}") from None
    if not (len(values) and values[0] > 0 and len(values) < 10_000):
        raise SettingsError(f"--distances must be positive and at most 10000, not {text!r}")
    return [float(value) for value in values]
