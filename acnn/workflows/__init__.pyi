from .check import CheckResult, check_model
from .dynamics import Protocol, run_dynamics
from .labeling import Labeled, Labeling, label_structures
from .predictions import predicted_structures

__all__ = [
    "CheckResult",
    "Labeled",
    "Labeling",
    "Protocol",
    "check_model",
    "label_structures",
    "predicted_structures",
    "run_dynamics",
]
