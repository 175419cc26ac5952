from .check import CheckResult, check_model
from .dynamics import Protocol, run_dynamics
from .elastic import elastic_constants
from .elastic_tensor import ElasticTensor
from .eos import EquationOfState, equation_of_state
from .guards import Limits
from .labeling import Labeled, Labeling, label_structures
from .lattice_dynamics import Phonons, Sampling, phonons
from .predictions import predicted_structures
from .quasiharmonic import Expansion, thermal_expansion
from .relaxation import relax_many
from .relaxation_tasks import Relaxation, Relaxed
from .thermal_conductivity import Conductivity, thermal_conductivity

__all__ = [
    "CheckResult",
    "Conductivity",
    "ElasticTensor",
    "EquationOfState",
    "Expansion",
    "Labeled",
    "Labeling",
    "Limits",
    "Phonons",
    "Protocol",
    "Relaxation",
    "Relaxed",
    "Sampling",
    "check_model",
    "elastic_constants",
    "equation_of_state",
    "label_structures",
    "phonons",
    "predicted_structures",
    "relax_many",
    "run_dynamics",
    "thermal_conductivity",
    "thermal_expansion",
]
