from .dataset import Dataset, LabeledStructure, read_dataset
from .examples import write_copper_aluminum, write_silicon
from .frames import DatasetError
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
    "isolated_atom_energies",
    "least_squares_energies",
    "molecular_dynamics",
    "rattled",
    "read_dataset",
    "set_thermal_momenta",
    "write_copper_aluminum",
    "write_silicon",
]
