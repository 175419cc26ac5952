"""The style of all figures: colors, sizes, panels."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acnn.arrays import FloatArray

COLORS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#0ea5b7", "#ec4899", "#84a816", "#a8703a", "#7a8699")
"""Readable on white and on black."""
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"))
"""matplotlib's name and the character of a legend; they change when the colors have been used up."""
MOST_VECTOR_POINTS = 800
"""Points of one figure that are drawn one by one; more become a picture."""
PANEL = (3.1, 2.5)
"""Width and height of a panel, inches."""
COLUMNS = 3
DPI = 150

# Also placeholders, of which a page makes its own colors (`acnn.plots.output`).
INK, FAINT = "#1b2431", "#dde3eb"
LINE: dict[str, Any] = {"color": INK, "linewidth": 0.6, "zorder": 0}
"""Of lines that guide the eye."""

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


class Look:
    """Color and marker of each of several names, the same in all figures of a page."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)

    def color(self, name: str) -> str:
        return COLORS[self.names.index(name) % len(COLORS)]

    def marker(self, name: str) -> str:
        """Return matplotlib's name of it."""
        return MARKERS[self._round(name)][0]

    def sign(self, name: str) -> str:
        """Return the marker as a character."""
        return MARKERS[self._round(name)][1]

    def _round(self, name: str) -> int:
        return self.names.index(name) // len(COLORS) % len(MARKERS)


def has_matplotlib() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def require_matplotlib() -> None:
    """
    Raises:
        ImportError: matplotlib is missing; the sentence says how to get it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('figures need matplotlib: pip install "acnn[plot]"') from error


def require_pictures(*paths: Path | None) -> None:
    """Before long work: these pictures can be drawn.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: it knows no pictures of this ending.
    """
    for path in paths:
        if path is not None:
            with panels(1, 1) as (figure, _):
                known = sorted(figure.canvas.get_supported_filetypes())
            if path.suffix and path.suffix[1:].lower() not in known:
                raise ValueError(f"{path} is to be a picture, which ends in .{', .'.join(known)}")


@contextmanager
def panels(rows: int, columns: int, size: tuple[float, float] = PANEL, **options: Any) -> Iterator[tuple[Any, Any]]:
    """A figure and its axes [rows, columns], in the style of all figures, to be drawn inside of the block.

    Args:
        size: width and height of a panel, inches.
        options: keywords of matplotlib's ``Figure.subplots``.
    """
    require_matplotlib()
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(columns * size[0], rows * size[1]), layout="constrained", dpi=DPI)
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)


@contextmanager
def grid(count: int) -> Iterator[tuple[Any, list[Any]]]:
    """A figure and ``count`` panels, `COLUMNS` in a row; a single one is larger."""
    columns = min(COLUMNS, count)
    size = PANEL if columns > 1 else (1.5 * PANEL[0], 1.15 * PANEL[1])
    with panels(-(-count // columns), columns, size) as (figure, axes):
        flat = list(axes.flat)
        for unused in flat[count:]:
            unused.remove()
        yield figure, flat[:count]


def scatter(axes: Any, x: FloatArray, y: FloatArray, look: Look, name: str, raster: bool) -> None:
    """Points of one name; ``raster`` draws them into a picture."""
    style = {"s": 9, "alpha": 0.6, "linewidths": 0, "color": look.color(name), "marker": look.marker(name)}
    axes.scatter(x, y, rasterized=raster, **style)
