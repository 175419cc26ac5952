from .aenet_xsf import read_acnn_xsf, write_acnn_xsf
from .airss_res import enthalpy_of, read_airss_res, write_airss_res
from .dataset import Dataset, LabeledStructure, read_dataset
from .errors import DatasetError
from .examples import write_copper_aluminum, write_silicon
from .isolated_atoms import isolated_atom_energies, least_squares_energies
from .stillinger_weber import SILICON_PARAMETERS
from .structures import molecular_dynamics, rattled, set_thermal_momenta
from .weights import Weights, WeightTable

__all__ = [
    "SILICON_PARAMETERS",
    "Dataset",
    "DatasetError",
    "LabeledStructure",
    "WeightTable",
    "Weights",
    "enthalpy_of",
    "isolated_atom_energies",
    "least_squares_energies",
    "molecular_dynamics",
    "rattled",
    "read_acnn_xsf",
    "read_airss_res",
    "read_dataset",
    "set_thermal_momenta",
    "write_acnn_xsf",
    "write_airss_res",
    "write_copper_aluminum",
    "write_silicon",
]
