"""Parity plots: predicted against reference, by config type, with the errors below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from acnn.fit.metrics import QUANTITIES, UNITS, ErrorTable

PER_UNIT = {"energy": "energy (eV/atom)", "forces": "force component (eV/Å)", "virial": "virial (eV/atom)"}
IN_PLOT_UNIT = {"energy": 1e-3, "forces": 1.0, "virial": 1e-3}


def parity_plot(table: ErrorTable, path: Path, title: str) -> None:
    """One column for each quantity that has labels: parity above, errors below; readable in print."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "acnn[plot]"') from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    quantities = [q for q in QUANTITIES if table.total(q).labels]
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(3.4 * len(quantities), 5.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, len(quantities), squeeze=False, height_ratios=(3, 1.4), sharex="col")
        for (above, below), quantity in zip(axes.T, quantities, strict=True):
            _parity_axes(above, below, table, quantity)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
        figure.suptitle(title)
        figure.savefig(path, dpi=200)


def _parity_axes(above: Any, below: Any, table: ErrorTable, quantity: str) -> None:
    scale = IN_PLOT_UNIT[quantity]
    for position, (config_type, of_type) in enumerate(sorted(table.parity.items())):
        labels, predictions = of_type[quantity].arrays
        style = {"s": 8, "alpha": 0.6, "linewidths": 0, "color": f"C{position % 10}", "rasterized": True}
        above.scatter(labels * scale, predictions * scale, label=config_type, **style)
        below.scatter(labels * scale, predictions - labels, **style)
    labels, predictions = table.total(quantity).arrays
    ends = [labels.min() * scale, labels.max() * scale]
    above.plot(ends, ends, color="0.4", linewidth=0.8, zorder=0)
    below.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    rmse = float(np.sqrt(((predictions - labels) ** 2).mean()))
    mae = float(np.abs(predictions - labels).mean())
    above.set_title(f"RMSE {rmse:.3g}, MAE {mae:.3g} {UNITS[quantity]}", fontsize=9)
    above.set_ylabel(f"model {PER_UNIT[quantity]}")
    below.set_xlabel(f"reference {PER_UNIT[quantity]}")
    below.set_ylabel(f"error\n({UNITS[quantity]})")
