"""Figures as files, as axes for ``plot()`` in Python, and as SVG inside a page, where colors follow the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from acnn.files import write_atomically
from acnn.plots.drawing import DPI, FAINT, INK, STYLE, Look, figures_of_pyplot, require_matplotlib

PAGE_COLORS = {INK: "currentColor", FAINT: "var(--line)"}
FILE_DPI = 200
LEGEND_COLUMNS = 6


def save_figure(figure: Any, path: Path, title: str = "", look: Look | None = None) -> None:
    """Write the figure in the format given by the file's extension, with a title and a legend where given."""
    import matplotlib

    picture = BytesIO()
    with matplotlib.rc_context(STYLE):
        if title:
            figure.suptitle(title)
        if look is not None:
            _add_legend(figure, look)
        figure.savefig(picture, dpi=FILE_DPI, format=path.suffix[1:].lower() or "png")
    write_atomically(path, picture.getbuffer())


def shown_axes(draw: Callable[[], Any], look: Look | None = None) -> Any:
    """Draw a figure that a notebook or ``pyplot.show()`` shows, with a legend where given, and return its axes [n].

    Raises:
        ImportError: matplotlib is missing; the message states how to install it.
    """
    require_matplotlib()
    import matplotlib

    with figures_of_pyplot():
        figure = draw()
    if look is not None:
        with matplotlib.rc_context(STYLE):
            _add_legend(figure, look)
    return np.array(figure.axes)


def _add_legend(figure: Any, look: Look) -> None:
    from matplotlib.lines import Line2D

    signs = [Line2D([], [], linewidth=0, color=look.color(name), marker=look.marker(name)) for name in look.names]
    columns = min(LEGEND_COLUMNS, len(signs))
    figure.legend(signs, look.names, loc="outside lower center", ncols=columns, markerscale=0.7)


def svg(figure: Any, name: str, description: str) -> str:
    """Return the figure as a self-contained SVG element; ``name`` must be unique on the page."""
    import matplotlib

    buffer = BytesIO()
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):  # the same ids in every run, others in every figure
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, metadata=metadata)
    return _inline(buffer.getvalue().decode(), description)


def _inline(text: str, description: str) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*">', "<g>", text)
    text = re.sub(r' (d|x|y)="[^"]*"', lambda found: _rounded(found.group()), text)
    text = re.sub(r"font-family: [^;]*; ", "", text)  # the page has its own
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
    """Return the SVG without the line breaks and indentation between elements."""
    return re.sub(r">\s+<", "><", body).strip()
