from .calibration import Calibration, Predicted, calibrate
from .many import EvaluatedStructures, evaluate_many
from .metrics import ErrorTable, evaluate
from .properties import Evaluation, Property

__all__ = [
    "Calibration",
    "ErrorTable",
    "EvaluatedStructures",
    "Evaluation",
    "Predicted",
    "Property",
    "calibrate",
    "evaluate",
    "evaluate_many",
]
