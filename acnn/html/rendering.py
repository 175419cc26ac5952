"""HTML of blocks: whole pages, and the fragments that notebooks show. The templates escape all text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from acnn.html.blocks import Block, Section


def page(title: str, subtitle: str, facts: Mapping[str, str], sections: Sequence[Section]) -> str:
    """Return a whole page as HTML that needs no other file."""
    template = _templates().get_template("page.html")
    return template.render(title=title, subtitle=subtitle, facts=facts, sections=sections)


def fragment(blocks: Sequence[Block]) -> str:
    """Return blocks as HTML for a page of others, whose colors and fonts they take."""
    return _templates().get_template("fragment.html").render(blocks=blocks)


def bars_fragment(bars: Sequence[Any]) -> str:
    """Return bars of progress, see `acnn.progress.Bar`, as HTML for a notebook."""
    return _templates().get_template("bars.html").render(bars=bars)


@cache
def _templates() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("acnn.html")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
