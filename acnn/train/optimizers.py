"""Assignment of parameters to optimizers: matrices to Muon and the rest to AdamW, or all to AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.nn import Parameter
from torch.optim import AdamW

from acnn.settings.training import TrainingSettings
from acnn.train.muon import Muon, inputs_of


def make_optimizers(
    names: Sequence[str], parameters: Sequence[Parameter], settings: TrainingSettings, rate: float
) -> tuple[Muon, AdamW]:
    """Make the optimizers of the parameters of a network; weight decay applies to the matrices of its readout.

    Args:
        rate: learning rate.
    """
    matrices: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for decays in (True, False):
        own = {name: p for name, p in zip(names, parameters, strict=True) if is_decaying(name) == decays}
        decay = {"weight_decay": settings.weight_decay if decays else 0.0}
        inputs = {name: inputs_of(name, p) for name, p in own.items()} if settings.optimizer == "muon" else {}
        inputs = {name: of for name, of in inputs.items() if of is not None}
        matrices.append({"params": [own[name] for name in inputs], "inputs": list(inputs.values()), **decay})
        others.append({"params": [p for name, p in own.items() if name not in inputs], **decay})
    return Muon(matrices, lr=rate), AdamW(others, lr=rate, betas=settings.betas, foreach=True)


def is_decaying(name: str) -> bool:
    """Return whether a parameter has a weight decay."""
    return name.startswith(("readout.weights", "readout.skip"))
