"""Figures as SVG inside a page: colors follow the page, many points become one picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from io import BytesIO
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

# Placeholders that matplotlib takes for colors, and what the page makes of them.
INK, FAINT = "#1b2431", "#dde3eb"
PAGE_COLORS = {INK: "currentColor", FAINT: "var(--line)"}

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
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
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
        return MARKERS[self._round(name)][0]

    def legend(self) -> str:
        """HTML: a colored sign and the name of each."""
        chips = (
            f'<span><b style="color:{self.color(name)}">{MARKERS[self._round(name)][1]}</b> {escape(name)}</span>'
            for name in self.names
        )
        return f'<p class="legend">{" ".join(chips)}</p>'

    def _round(self, name: str) -> int:
        return self.names.index(name) // len(COLORS) % len(MARKERS)


def require_matplotlib() -> None:
    """Raise, with how to get it, if matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('reports need matplotlib: pip install "acnn[plot]"') from error


@contextmanager
def panels(rows: int, columns: int, size: tuple[float, float] = PANEL, **options: Any) -> Iterator[tuple[Any, Any]]:
    """A figure and its axes [rows, columns], in the style of the page, to be made SVG inside of the block."""
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


def svg(figure: Any, name: str, description: str) -> str:
    """The figure as an SVG element that needs nothing from outside; ``name`` is its own on the page."""
    import matplotlib

    buffer = BytesIO()
    own_ids: Any = {"svg.hashsalt": name}
    with matplotlib.rc_context(own_ids):  # ids do not repeat between figures, nor change between runs
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, metadata=metadata)
    return _inline(buffer.getvalue().decode(), description)


def _inline(text: str, description: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r' (d|x|y)="[^"]*"', lambda found: _rounded(found.group()), text)
    text = re.sub(r"font-family: [^;]*; ", "", text)  # that of the page
    text = text.replace("xlink:href=", "href=")
    for placeholder, color in PAGE_COLORS.items():
        text = text.replace(placeholder, color)
    head, body = text.split(">", 1)
    width, height = (float(x) for x in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head).groups())  # type: ignore[union-attr]
    label = escape(description)
    style = f"max-width:{width * 1.45:.0f}px"
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {width:g} {height:g}" style="{style}">{_packed(body)}'


def _rounded(attribute: str) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute)


def _packed(body: str) -> str:
    """Without the line breaks and indentation between elements."""
    return re.sub(r">\s+<", "><", body).strip()
