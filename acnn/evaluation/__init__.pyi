from .calibration import Calibration, Predicted, calibrate
from .metrics import ErrorTable, evaluate
from .properties import Evaluation, Property

__all__ = ["Calibration", "ErrorTable", "Evaluation", "Predicted", "Property", "calibrate", "evaluate"]
