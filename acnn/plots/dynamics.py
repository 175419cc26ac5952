"""A molecular dynamics run: temperature, energies, pressure and what was monitored against time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, INK, panels

PANELS = {"temperature": "temperature (K)", "total": "energy (eV/atom)", "pressure": "pressure (GPa)"}


def dynamics_figure(columns: Mapping[str, FloatArray], monitor: str | None, limits: Mapping[str, float]) -> Any:
    """Draw the course of a run.

    Args:
        columns: the records of `acnn.workflows.dynamics` by column; those without numbers are left out.
        monitor: the name of the monitored property.
        limits: values of it at which something happens, by name; finite ones become lines.
    """
    labels = {**PANELS, **({"monitored": f"largest {monitor}"} if monitor else {})}
    shown = {name: label for name, label in labels.items() if np.isfinite(columns[name]).any()}
    with panels(1, len(shown)) as (figure, axes):
        for axis, (name, label) in zip(axes[0], shown.items(), strict=True):
            axis.plot(columns["time"], columns[name], linewidth=0.9, color=COLORS[0], label=name)
            if name == "total":
                axis.plot(columns["time"], columns["potential"], linewidth=0.9, color=COLORS[1], label="potential")
                axis.legend()
            for text, value in limits.items() if name == "monitored" else ():
                if np.isfinite(value):
                    axis.axhline(value, linewidth=0.8, color=INK, linestyle=(0, (3, 2)))
                    axis.annotate(text, (0.02, value), xycoords=("axes fraction", "data"), va="bottom", fontsize=7)
            axis.set_xlabel("time (ps)")
            axis.set_ylabel(label)
    return figure
