"""Options that are numbers within a range."""

from __future__ import annotations

import math
from typing import Any

import typer

LARGEST_SEED = 2**32 - 1


def number(help_text: str, *names: str, least: float, most: float, **keywords: Any) -> Any:
    """Make an option for numbers from ``least`` to ``most``; NaN is rejected."""
    return typer.Option(*names, min=least, max=most, callback=_no_nan, help=help_text, **keywords)


def _no_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        raise typer.BadParameter("nan is not a number.")
    return value
