"""The model before its first step: linear part, random network, standardization."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from acnn.data.dataset import Dataset
from acnn.fit.contacts import shortest_distances
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.progress import Stage, silent
from acnn.settings.train import TrainSettings
from acnn.train.alike import Alike
from acnn.train.batches import Batch, StructureStore
from acnn.train.linear_part import linear_part
from acnn.train.validation import network_gradients

SAMPLE_CENTERS = 4000
NO_FORCE = 1e-6
"""eV/Å, less than any force of a network of scale 1 eV except those that vanish by symmetry."""


@dataclass
class Start:
    """A model to train.

    Attributes:
        is_new: the network is random and its invariants are not yet standardized.
        notes: what was done, one sentence each.
        warnings: fallbacks and doubts, one sentence each.
        virial_offset: constants of the virials that are not to be learned, eV/atom by element.
    """

    model: NetworkACE
    is_new: bool
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    virial_offset: Mapping[str, float] = field(default_factory=dict)


def new_model(settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent) -> Start:
    """Make a random network on a linear part that is read or fitted."""
    part = linear_part(settings, train, elements, stage)
    linear = part.model
    specification = settings.model.specification(linear.elements)
    if "inner_cutoffs" not in settings.model.model_fields_set:
        specification = specification.model_copy(
            update={"inner_cutoffs": inner_cutoffs(specification, train, linear.elements)}
        )
    model = NetworkACE(specification, linear, settings.training.seed)
    Alike.of(model, settings.training.element_correlation).correlate()
    return Start(model, True, part.notes, part.warnings, part.virial_offset)


def inner_cutoffs(specification: NetworkSpecification, train: Dataset, new: Sequence[str]) -> dict[str, float]:
    """Return the shortest distances of the data, or existing inner cutoffs where these are shorter; Å.

    Pairs without one get one only if one of their elements is new: earlier data may have had shorter distances.
    """
    elements, known = specification.elements, specification.inner_cutoff_matrix()
    found, _ = shortest_distances(elements, train.structures)
    lengths: dict[str, float] = {}
    for (a, one), (b, other) in itertools.combinations_with_replacement(enumerate(elements), 2):
        shortest = min(found[a, b], known[a][b] or np.inf)
        if shortest < specification.cutoff and (known[a][b] or {one, other} & set(new)):
            lengths[f"{one}-{other}"] = float(shortest)
    return lengths


def standardize(model: NetworkACE, store: StructureStore, seed: int) -> None:
    """Standardize the invariants over some thousand centers of the data, and choose the scale of the output.

    The output weights start at zero, so that training starts from the linear part. The scale is the ratio of the RMS of
    the forces to be learned to that of the forces of the untrained network of scale 1 eV, with random output weights,
    so that learning rates mean the same in all materials. Without forces, or if they all vanish by symmetry, it is the
    ratio of the standard deviations of energies per atom.
    """
    batch = _sample(store, seed)
    element = model.element_index(batch.graph.species)
    double = batch.graph.to(dtype=torch.float64)
    with torch.no_grad():
        model.readout.standardize(model.embedding(double, element), element, 1.0)
    model.readout.scale.fill_(_scale(model, batch._replace(graph=double)))
    with torch.no_grad():
        model.readout.out.zero_()


def _sample(store: StructureStore, seed: int) -> Batch:
    order = torch.randperm(len(store), generator=torch.Generator().manual_seed(seed)).to(store.atoms.device)
    atoms = torch.cumsum(store.atoms[order], 0)
    return store.batch(order[: 1 + int((atoms < SAMPLE_CENTERS).sum())])


def _scale(model: NetworkACE, batch: Batch) -> float:
    found, labels = network_gradients(model, batch), batch.labels
    known = labels.force_weights > 0
    if _rms(found.forces[known]) > NO_FORCE:
        return _ratio(_rms(labels.forces[known]), _rms(found.forces[known]))
    known = labels.energy_weights > 0
    per_atom = (labels.energies[known] / labels.n_atoms[known], found.energies[known] / labels.n_atoms[known])
    return _ratio(*(_rms(energies - energies.mean()) for energies in per_atom))


def _rms(values: Tensor) -> float:
    return float(values.double().square().mean().sqrt()) if values.numel() else 0.0


def _ratio(wanted: float, found: float) -> float:
    return wanted / found if wanted > 0 and found > 0 else 1.0
