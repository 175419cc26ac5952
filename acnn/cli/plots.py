"""Plots of the commands: parity with errors below, candidate bases, learning curves."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from acnn.evaluation.metrics import QUANTITIES, UNITS, ErrorTable
from acnn.files import write_atomically
from acnn.fit.candidates import Candidate

PER_UNIT = {"energy": "energy (eV/atom)", "forces": "force component (eV/Å)", "virial": "virial (eV/atom)"}
IN_PLOT_UNIT = {"energy": 1e-3, "forces": 1.0, "virial": 1e-3}


def parity_plot(table: ErrorTable, path: Path, title: str) -> None:
    """One column for each quantity that has labels: parity above, errors below; readable in print."""
    quantities = [q for q in QUANTITIES if table.total(q).labels]
    shared = {"height_ratios": (3, 1.4), "sharex": "col"}
    with figure_with_axes((3.4 * len(quantities), 5.2), 2, len(quantities), **shared) as (figure, axes):
        for (above, below), quantity in zip(axes.T, quantities, strict=True):
            _parity_axes(above, below, table, quantity)
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(6, len(labels)), frameon=False)
        figure.suptitle(title)
        save_figure(figure, path)


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


def has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def require_pictures(*paths: Path | None) -> None:
    """Before long work: these pictures can be drawn.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: it knows no pictures of this ending.
    """
    for path in paths:
        if path is not None:
            with figure_with_axes((1, 1), 1, 1) as (figure, _):
                known = sorted(figure.canvas.get_supported_filetypes())
            if path.suffix and path.suffix[1:].lower() not in known:
                raise ValueError(f"{path} is to be a picture, which ends in .{', .'.join(known)}")


def selection_plot(candidates: Sequence[Candidate], criterion: str, path: Path) -> None:
    """Criterion and residual of every candidate basis against its cost; a color for each cutoff."""
    with figure_with_axes((6.8, 3.6), 1, 2) as (figure, axes):
        best = next(c for c in candidates if c.is_chosen)
        for axis, value in ((axes[0, 0], criterion), (axes[0, 1], "residual")):
            for position, cutoff in enumerate(sorted({c.specification.cutoff for c in candidates})):
                points = [(c.microseconds, getattr(c, value)) for c in candidates if c.specification.cutoff == cutoff]
                axis.scatter(*zip(*points, strict=True), s=14, color=f"C{position}", label=f"{cutoff:g} Å")
            place = (best.microseconds, getattr(best, value))
            axis.scatter(*place, s=120, facecolors="none", edgecolors="k", label="chosen")
            axis.set_xscale("log")
            axis.set_xlabel("µs/atom")
        front = sorted((c.microseconds, getattr(c, criterion)) for c in candidates if c.on_front)
        axes[0, 0].plot(*zip(*front, strict=True), color="0.5", linewidth=0.8, zorder=0)
        axes[0, 0].set_ylabel({"evidence": "log evidence", "bic": "BIC", "cv": "RMS of held-out residuals"}[criterion])
        axes[0, 1].set_ylabel("RMS of training residuals (weighted)")
        axes[0, 1].set_yscale("log")
        axes[0, 1].legend(frameon=False)
        save_figure(figure, path)


def learning_plot(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """RMSE on other structures against the number of training structures, logarithmic on both axes."""
    quantities = [q for q in QUANTITIES if rows[-1][f"{q}_rmse"] is not None]
    with figure_with_axes((3.2 * len(quantities), 3.2), 1, len(quantities)) as (figure, axes):
        for axis, quantity in zip(axes[0], quantities, strict=True):
            axis.loglog([r["structures"] for r in rows], [r[f"{quantity}_rmse"] for r in rows], marker="o")
            axis.set_xlabel("training structures")
            axis.set_ylabel(f"{quantity} RMSE ({UNITS[quantity]})")
        save_figure(figure, path)


@contextmanager
def figure_with_axes(size: tuple[float, float], rows: int, columns: int, **shared: Any) -> Iterator[tuple[Any, Any]]:
    """A figure of this size (inches) and its axes [rows, columns], in the style of all plots.

    Args:
        shared: keywords of matplotlib's ``Figure.subplots``.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "acnn[plot]"') from error
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **shared)


def save_figure(figure: Any, path: Path) -> None:
    """In the format that the name ends in."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=200, format=path.suffix[1:].lower() or "png")
    write_atomically(path, picture.getbuffer())
