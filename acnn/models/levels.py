"""All kinds of models that have files, compiled programs and commands."""

from __future__ import annotations

from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE

Model = LinearACE | NetworkACE | Ensemble
