"""The model before its first step: linear part, random network, standardization."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset
from acnn.fit.contacts import shortest_distances
from acnn.fit.linear import LinearProblem, fit_problem
from acnn.fit.memory import require_memory
from acnn.fit.reference_energies import reference_energies
from acnn.io.model_file import load_model
from acnn.models.linear import LinearACE, require_linear
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.progress import Stage, silent
from acnn.settings.base import SettingsError
from acnn.settings.linear import LinearPartSettings
from acnn.settings.train import TrainSettings
from acnn.train.batches import Batch, StructureStore
from acnn.train.validation import network_gradients

LINEAR_SIZES = ((2, 10.0), (2, 8.0), (2, 6.0), (2, 5.0), (1, 8.0), (1, 6.0), (1, 4.0))
"""Order and total degree of a linear part by default: the first with at most `MOST_LINEAR_FUNCTIONS` functions."""
MOST_LINEAR_FUNCTIONS = 400
MOST_ELEMENTS_OF_A_FIT = 4
"""With more elements, a linear part is fitted only on request."""
E0_OPTION = "data: e0:"
"""How E0 is given in the settings file."""
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
    """

    model: NetworkACE
    is_new: bool
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def new_model(settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent) -> Start:
    """Make a random network on a linear part that is read or fitted."""
    warnings: list[str] = []
    if isinstance(settings.linear, Path):
        linear, notes = read_linear(settings), [f"linear part: {settings.linear}"]
    elif settings.linear is None or (not settings.linear and len(elements) > MOST_ELEMENTS_OF_A_FIT):
        linear, notes, warnings = without_functions(settings, train, elements)
    else:
        linear, notes, warnings = fitted_linear(settings, train, elements, stage)
    specification = settings.model.specification(linear.elements)
    if "inner_cutoffs" not in settings.model.model_fields_set:
        specification = specification.model_copy(
            update={"inner_cutoffs": inner_cutoffs(specification, train, linear.elements)}
        )
    model = NetworkACE(specification, linear, settings.training.seed)
    return Start(model, True, notes, warnings)


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


def read_linear(settings: TrainSettings) -> LinearACE:
    """Read the linear model of a file."""
    path = str(settings.linear)
    linear = require_linear(load_model(path), path, "give one of acnn fit, or train a network further with 'from'")
    if settings.data.e0 is not None:
        raise SettingsError(f"E0 is taken from {path}: leave out data.e0")
    if settings.model.elements and settings.model.elements != linear.elements:
        raise SettingsError(
            f"the elements are taken from {path} ({', '.join(linear.elements)}): leave out model.elements"
        )
    return linear


def without_functions(
    settings: TrainSettings, train: Dataset, elements: tuple[str, ...]
) -> tuple[LinearACE, list[str], list[str]]:
    """Make a linear part of E0 and screened nuclear repulsion alone.

    With many elements, the data hardly cover some pairs of them, for which a fit would be arbitrary.
    """
    cutoff = settings.model.cutoff
    least = {"elements": elements, "order": 1, "degree": 1.0, "pair_degree": 0, "cutoff": cutoff}
    specification = BasisSpecification.model_validate(least)
    energies, source, warnings = reference_energies(settings.data.e0, train, specification, E0_OPTION)
    note = f"linear part: only E0 from {source} and nuclear repulsion (ZBL)"
    return LinearACE(specification, energies, zbl=True), [note], warnings


def fitted_linear(
    settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent
) -> tuple[LinearACE, list[str], list[str]]:
    """Fit a linear model to the training data; return it, what was done, and warnings."""
    fit = settings.linear_part
    size = {} if {"order", "degree"} & fit.model_fields_set else linear_size(fit, elements)
    specification = fit.specification(elements, **size)
    energies, source, warnings = reference_energies(settings.data.e0, train, specification, E0_OPTION)
    require_memory(specification, train.structures)
    problem = LinearProblem.of(fit, specification, energies)
    advance = stage(f"linear part, {specification.n_functions} functions", len(train))
    found = fit_problem(problem, train.structures, advance=advance)
    note = (
        f"linear part: order {specification.order}, {specification.n_functions} functions, fitted in "
        f"{found.seconds:.1f} s; E0 from {source}"
    )
    return found.model, [note], warnings + list(found.solution.warnings)


def linear_size(fit: LinearPartSettings, elements: tuple[str, ...]) -> dict[str, Any]:
    """Return order and total degree of a small basis: the network learns the rest."""
    for order, degree in LINEAR_SIZES:
        size = {"order": order, "degree": degree}
        if fit.specification(elements, **size).n_functions <= MOST_LINEAR_FUNCTIONS:
            break
    return size


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
