from .check import CheckResult, check_model
from .defects import FormationEnergy, formation_energies
from .dimers import dimer_energies
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
from .surfaces import Decohesion, Surface, decohesion, surface
from .thermal_conductivity import Conductivity, thermal_conductivity

__all__ = [
    "CheckResult",
    "Conductivity",
    "Decohesion",
    "ElasticTensor",
    "EquationOfState",
    "Expansion",
    "FormationEnergy",
    "Labeled",
    "Labeling",
    "Limits",
    "Phonons",
    "Protocol",
    "Relaxation",
    "Relaxed",
    "Sampling",
    "Surface",
    "check_model",
    "decohesion",
    "dimer_energies",
    "elastic_constants",
    "equation_of_state",
    "formation_energies",
    "label_structures",
    "phonons",
    "predicted_structures",
    "relax_many",
    "run_dynamics",
    "surface",
    "thermal_conductivity",
    "thermal_expansion",
]
