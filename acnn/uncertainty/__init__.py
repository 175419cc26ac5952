"""How far a prediction can be trusted: the spread of committees, beside the errors that are made."""

from __future__ import annotations

from acnn.uncertainty.committee import Deviations, committee_deviations, spread
from acnn.uncertainty.prediction import predict

__all__ = ["Deviations", "committee_deviations", "predict", "spread"]
