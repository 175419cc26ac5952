"""The style of all figures: colors, sizes, panels."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from acnn.arrays import FloatArray
from acnn.extras import optional

COLORS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#0ea5b7", "#ec4899", "#84a816", "#a8703a", "#7a8699")
"""Readable on white and on black."""
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"))
"""Matplotlib's name of each marker and its character in a legend; the marker changes once all colors are used."""
MOST_VECTOR_POINTS = 800
"""Up to this many points of a figure are drawn as vectors; more are rasterized."""
PANEL = (3.1, 2.5)
"""Width and height of a panel, inches."""
COLUMNS = 3
DPI = 150

# These two are also placeholders, which a page replaces by its own colors (`acnn.plots.output`).
INK, FAINT = "#1b2431", "#dde3eb"
LINE: dict[str, Any] = {"color": INK, "linewidth": 0.6, "zorder": 0}
"""Style of lines that guide the eye."""

STYLE: Any = {
    "font.size": 8.5,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 8.5,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.titlesize": 10,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # names may hold any character
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "lines.linewidth": 1.3,
}

_BY_PYPLOT = ContextVar("_BY_PYPLOT", default=False)


class Look:
    """Color and marker of each of several names, the same in all figures of a page."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def color(self, name: str) -> str:
        """Return the color of a name."""
        return COLORS[self.names.index(name) % len(COLORS)]

    def marker(self, name: str) -> str:
        """Return matplotlib's name of the marker."""
        return MARKERS[self._round(name)][0]

    def sign(self, name: str) -> str:
        """Return the marker as a character."""
        return MARKERS[self._round(name)][1]

    def _round(self, name: str) -> int:
        return self.names.index(name) // len(COLORS) % len(MARKERS)


def logarithmic(axes: Any, directions: str) -> None:
    """Scale "x", "y" or "xy" logarithmically, with plain numbers: matplotlib's own would need mathematical text."""
    from matplotlib.ticker import LogFormatter

    for direction in directions:
        getattr(axes, f"set_{direction}scale")("log")
        axis = getattr(axes, f"{direction}axis")
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))


def has_matplotlib() -> bool:
    """Return whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """Require matplotlib.

    Raises:
        ImportError: matplotlib is missing; the message states how to install it.
    """
    optional("matplotlib", "figures", "plot")


def require_pictures(*paths: Path | None) -> None:
    """Require that these pictures can be drawn, before long work.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: matplotlib cannot write files with this extension.
    """
    for path in paths:
        if path is not None:
            with panels(1, 1) as (figure, _):
                known = sorted(figure.canvas.get_supported_filetypes())
            if path.suffix and path.suffix[1:].lower() not in known:
                raise ValueError(f"{path} must be a picture, with one of the extensions .{', .'.join(known)}")


@contextmanager
def panels(rows: int, columns: int, size: tuple[float, float] = PANEL, **options: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a figure and its axes [rows, columns], in the style of all figures, to be drawn inside the block.

    Args:
        size: width and height of a panel, inches.
        options: keywords of matplotlib's ``Figure.subplots``.
    """
    require_matplotlib()
    import matplotlib

    with matplotlib.rc_context(STYLE):
        figure = _new_figure(figsize=(columns * size[0], rows * size[1]), layout="constrained", dpi=DPI)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


def _new_figure(**options: Any) -> Any:
    if _BY_PYPLOT.get():
        from matplotlib import pyplot

        return pyplot.figure(**options)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(**options)
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def figures_of_pyplot() -> Iterator[None]:
    """Let pyplot keep the figures drawn inside the block, so that notebooks and ``pyplot.show()`` show them."""
    token = _BY_PYPLOT.set(True)
    try:
        yield
    finally:
        _BY_PYPLOT.reset(token)


@contextmanager
def grid(count: int) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a figure and ``count`` panels, `COLUMNS` in a row; a single one is larger."""
    columns = min(COLUMNS, count)
    size = PANEL if columns > 1 else (1.5 * PANEL[0], 1.15 * PANEL[1])
    with panels(-(-count // columns), columns, size) as (figure, axes):
        flat = list(axes.flat)
        for unused in flat[count:]:
            unused.remove()
        yield figure, flat[:count]


def scatter(axes: Any, x: FloatArray, y: FloatArray, look: Look, name: str, raster: bool) -> None:
    """Draw the points of one name; ``raster`` draws them as an image."""
    style = {"s": 9, "alpha": 0.6, "linewidths": 0, "color": look.color(name), "marker": look.marker(name)}
    axes.scatter(x, y, rasterized=raster, **style)
