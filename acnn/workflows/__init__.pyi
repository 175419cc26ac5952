from .check import CheckResult, check_model
from .labeling import Labeled, Labeling, label_structures
from .predictions import predicted_structures

__all__ = ["CheckResult", "Labeled", "Labeling", "check_model", "label_structures", "predicted_structures"]
