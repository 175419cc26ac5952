from .basis.specification import BasisSpecification
from .data.dataset import Dataset, read_dataset
from .data.dimers import dimers
from .data.isolated_atoms import isolated_atom_energies, least_squares_energies
from .data.weights import Weights, WeightTable
from .evaluation.metrics import evaluate
from .fit.job import run_fit
from .fit.linear import fit_linear
from .graph import AtomicGraph
from .io.model_file import load_model, save_model
from .io.yace import save_yace
from .models.ensemble import Ensemble
from .models.linear import LinearACE
from .models.network import NetworkACE
from .models.network_specification import NetworkSpecification
from .neighbors import atomic_graph
from .potential import PairGradients, Potential
from .solvers import (
    ARD,
    BLR,
    LSQR,
    QR,
    RRQR,
    AlgebraicPrior,
    CustomPrior,
    ExponentialPrior,
    GaussianPrior,
    IdentityPrior,
)
from .train.distillation import distilled
from .train.job import run_training
from .uncertainty.committee import committee_deviations
from .workflows.check import check_model
from .workflows.labeling import label_structures
from .workflows.predictions import predicted_structures

__version__: str

__all__ = [
    "ARD",
    "BLR",
    "LSQR",
    "QR",
    "RRQR",
    "AlgebraicPrior",
    "AtomicGraph",
    "BasisSpecification",
    "CustomPrior",
    "Dataset",
    "Ensemble",
    "ExponentialPrior",
    "GaussianPrior",
    "IdentityPrior",
    "LinearACE",
    "NetworkACE",
    "NetworkSpecification",
    "PairGradients",
    "Potential",
    "WeightTable",
    "Weights",
    "atomic_graph",
    "check_model",
    "committee_deviations",
    "dimers",
    "distilled",
    "evaluate",
    "fit_linear",
    "isolated_atom_energies",
    "label_structures",
    "least_squares_energies",
    "load_model",
    "predicted_structures",
    "read_dataset",
    "run_fit",
    "run_training",
    "save_model",
    "save_yace",
]
