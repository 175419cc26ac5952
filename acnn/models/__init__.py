"""Types of models, registered by name: see `acnn.models.model`."""

from acnn.models.ensemble import Ensemble
from acnn.models.features import SiteFeatures
from acnn.models.linear import LinearACE
from acnn.models.model import MODEL_TYPES, Model, register
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification

__all__ = [
    "MODEL_TYPES",
    "Ensemble",
    "LinearACE",
    "Model",
    "NetworkACE",
    "NetworkSpecification",
    "SiteFeatures",
    "register",
]
