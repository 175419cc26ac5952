"""Uncertainty of predictions: spread of committees, its comparison with errors, extrapolation grades."""

from __future__ import annotations

from acnn.uncertainty.committee import Deviations, committee_deviations, spread
from acnn.uncertainty.conformal import measured_spreads
from acnn.uncertainty.grade import active_set_of, grades
from acnn.uncertainty.gradient import spread_gradients
from acnn.uncertainty.prediction import predict

__all__ = [
    "Deviations",
    "active_set_of",
    "committee_deviations",
    "grades",
    "measured_spreads",
    "predict",
    "spread",
    "spread_gradients",
]
