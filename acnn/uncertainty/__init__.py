"""How far a prediction can be trusted: committees of posterior samples, and how well their spread tells the errors."""

from __future__ import annotations

from acnn.uncertainty.calibration import Calibration, Predicted, calibrate
from acnn.uncertainty.committee import Deviations, committee_deviations, spread

__all__ = ["Calibration", "Deviations", "Predicted", "calibrate", "committee_deviations", "spread"]
