"""Tables of errors and calibration as text, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acnn.conventions import ERROR_UNITS, MEASURES, QUANTITIES
from acnn.evaluation.calibration import Predicted
from acnn.html.blocks import Table
from acnn.models.calibration import EVERY, ErrorBars
from acnn.wording import HELD_OUT, number

DECIMALS = {"energy": 3, "forces": 4, "virial": 3}
CALIBRATION_HEADINGS = (
    *("quantity", "σ from", "predictions", "miscalibration", "Spearman\nσ, |error|", "sharpness\n(RMS σ)", "RMSE"),
)


def error_headings(measures: Iterable[str] = MEASURES, separator: str = " ") -> list[str]:
    """Return a heading with its unit for each of the `error_cells`."""
    return [f"{q}{separator}{measure.upper()}\n{ERROR_UNITS[q]}" for q in QUANTITIES for measure in measures]


def error_cells(row: Mapping[str, Any], measures: Sequence[str] = MEASURES) -> list[str]:
    """Return the errors of a row of `ErrorTable.as_dict`."""
    return [number(row[f"{q}_{measure}"], DECIMALS[q]) for q in QUANTITIES for measure in measures]


def errors_title(name: str) -> str:
    """Return the title of a table of errors, by the name that JSON has for it."""
    return "errors on held-out structures, by a fit without them" if name == HELD_OUT else f"errors on {name}"


def error_block(errors: Mapping[str, Mapping[str, Any]], caption: str = "") -> Table:
    """Return the errors of `ErrorTable.as_dict` as a table."""
    rows = [[config_type, *error_cells(row)] for config_type, row in errors.items()]
    return Table(["config type", *error_headings()], rows, total=True, caption=caption)


def errors_in_words(row: Mapping[str, Any]) -> str:
    """Return the RMSE of a row of `ErrorTable.as_dict` in a line."""
    known = [q for q in QUANTITIES if row[f"{q}_rmse"] is not None]
    cells = [f"{q} {number(row[f'{q}_rmse'], DECIMALS[q])} {ERROR_UNITS[q]}" for q in known]
    return f"RMSE {', '.join(cells)}" if cells else "no labels"


def calibration_rows(predicted: Mapping[str, Predicted]) -> list[list[str]]:
    """Return what `CALIBRATION_HEADINGS` name, a row for each quantity and term of σ."""
    return [
        [f"{quantity}, {ERROR_UNITS[quantity]}", term, str(found.count), number(found.miscalibration, 3)]
        + [number(found.spearman, 3), f"{found.sharpness:.4g}", f"{found.rmse:.4g}"]
        for quantity, of_quantity in predicted.items()
        for term, found in of_quantity.calibrations().items()
    ]


BARS_HEADINGS = ("error bars", "of", "errors", "σ =", "covers", "90 % bound =", "covers")


def bars_rows(bars: ErrorBars, coverage: Mapping[str, Mapping[str, float]]) -> list[list[str]]:
    """Return what `BARS_HEADINGS` name, a row for each quantity and group.

    Args:
        coverage: shares of errors by quantity, on structures that the scales were not determined from.
    """
    rows = []
    for quantity, groups in bars.scales.items():
        for group, scale in groups.items():
            known = coverage.get(quantity, {}) if group == EVERY else {}
            covers = [f"{100 * known[name]:.0f} %" if name in known else "" for name in ("std", "q90")]
            factors = [f"{factor:.3g} × spread" for factor in (scale.std, scale.q90)]
            rows.append([quantity, group, str(scale.count), factors[0], covers[0], factors[1], covers[1]])
    return rows
