"""Tables of data, errors and calibration as text, the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from acnn.data.dataset import Dataset
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.metrics import MEASURES, QUANTITIES, TOTAL, UNITS

NOTHING = "–"
DECIMALS = {"energy": 3, "forces": 4, "virial": 3}
DATA_HEADINGS = ("config type", "structures", "atoms", "energies", "forces", "virials")
CALIBRATION_HEADINGS = (
    *("quantity", "σ from", "predictions", "miscalibration", "Spearman\nσ, |error|", "sharpness\n(RMS σ)", "RMSE"),
)


def number(value: float | None, decimals: int) -> str:
    """Return the value with this many decimals, or a dash."""
    return NOTHING if value is None else f"{value:.{decimals}f}"


def data_rows(dataset: Dataset) -> list[list[str]]:
    """Return the counts of `DATA_HEADINGS` for each config type, the total last."""
    rows = dataset.summary()
    total = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    return [[str(cell) for cell in row] for row in (*rows, (TOTAL, *total))]


def error_headings(measures: Iterable[str] = MEASURES, separator: str = " ") -> list[str]:
    """Return a heading with its unit for each of the `error_cells`."""
    return [f"{q}{separator}{measure.upper()}\n{UNITS[q]}" for q in QUANTITIES for measure in measures]


def error_cells(row: Mapping[str, Any], measures: Sequence[str] = MEASURES) -> list[str]:
    """Return the errors of a row of `ErrorTable.as_dict`."""
    return [number(row[f"{q}_{measure}"], DECIMALS[q]) for q in QUANTITIES for measure in measures]


def calibration_rows(predicted: Mapping[str, Predicted]) -> list[list[str]]:
    """Return what `CALIBRATION_HEADINGS` name, a row for each quantity and term of σ."""
    return [
        [f"{quantity}, {UNITS[quantity]}", term, str(found.count), number(found.miscalibration, 3)]
        + [number(found.spearman, 3), f"{found.sharpness:.4g}", f"{found.rmse:.4g}"]
        for quantity, of_quantity in predicted.items()
        for term, found in of_quantity.calibrations().items()
    ]
