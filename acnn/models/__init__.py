"""Types of models, registered by name: see `acnn.models.model`."""

from acnn.models import ensemble, linear, network
from acnn.models.model import MODEL_TYPES, Model

__all__ = ["MODEL_TYPES", "Model", "ensemble", "linear", "network"]
