"""Uncertainty of predictions: the spread of committees, and its comparison with actual errors."""

from __future__ import annotations

from acnn.uncertainty.committee import Deviations, committee_deviations, spread
from acnn.uncertainty.prediction import predict

__all__ = ["Deviations", "committee_deviations", "predict", "spread"]
