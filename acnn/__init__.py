"""Machine-learned interatomic potentials: fit linear ACE models to quantum-mechanical data and run them.

    data = acnn.read_dataset("train.xyz")
    specification = acnn.BasisSpecification(elements=data.elements, order=3, degree=12)
    fit = acnn.fit_linear(specification, data.structures, {"Si": -158.54}, acnn.BLR(), acnn.AlgebraicPrior())
    acnn.save_model(fit.model, "si.acnn")

The ASE calculator is `ase_calculator.ACNNCalculator`; the command line is ``acnn --help``.
"""

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset, read_dataset
from acnn.data.dimers import dimers
from acnn.data.isolated_atoms import isolated_atom_energies, least_squares_energies
from acnn.data.weights import Weights, WeightTable
from acnn.evaluation.metrics import evaluate
from acnn.fit.linear import fit_linear
from acnn.graph import AtomicGraph
from acnn.io.model_file import load_model, save_model
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential
from acnn.solvers import (
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
    "dimers",
    "evaluate",
    "fit_linear",
    "isolated_atom_energies",
    "least_squares_energies",
    "load_model",
    "read_dataset",
    "save_model",
]
