from .check import CheckResult, check_model
from .dynamics import Protocol, run_dynamics
from .elastic import elastic_constants
from .elastic_tensor import ElasticTensor
from .eos import EquationOfState, equation_of_state
from .guards import Limits
from .labeling import Labeled, Labeling, label_structures
from .predictions import predicted_structures
from .relaxation import relax_many
from .relaxation_tasks import Relaxation, Relaxed

__all__ = [
    "CheckResult",
    "ElasticTensor",
    "EquationOfState",
    "Labeled",
    "Labeling",
    "Limits",
    "Protocol",
    "Relaxation",
    "Relaxed",
    "check_model",
    "elastic_constants",
    "equation_of_state",
    "label_structures",
    "predicted_structures",
    "relax_many",
    "run_dynamics",
]
