from .check import CheckResult, check_model
from .dynamics import Protocol, run_dynamics
from .elastic import elastic_constants
from .elastic_tensor import ElasticTensor
from .eos import EquationOfState, equation_of_state
from .labeling import Labeled, Labeling, label_structures
from .predictions import predicted_structures

__all__ = [
    "CheckResult",
    "ElasticTensor",
    "EquationOfState",
    "Labeled",
    "Labeling",
    "Protocol",
    "check_model",
    "elastic_constants",
    "equation_of_state",
    "label_structures",
    "predicted_structures",
    "run_dynamics",
]
