"""Continuing from a trained model: on other data, and with elements that are new to it.

A new element starts as a copy of the nearest known one in the periodic table: its network weights, radial functions and
standardization. This does not change the model for known elements, however many there are afterwards: even beyond four,
pairs keep their own radial functions if they had them. Then the functions of the linear part that see the new elements
are fitted to what E0, the known functions and the network leave, and all weights of the network are trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from acnn.basis.ace import ACEBasis
from acnn.basis.radial import bond_length, transform_lengths
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.isolated_atoms import isolated_atom_energies
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler
from acnn.fit.contacts import CloseContacts
from acnn.fit.linear import make_prior, make_solver
from acnn.fit.memory import require_memory
from acnn.fit.repulsion import repulsion_rows
from acnn.io.model_file import load_model
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE, NetworkPart, require_network
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph
from acnn.parallel import ALONE
from acnn.progress import Stage, silent
from acnn.settings.base import SettingsError
from acnn.settings.data import explicit_energies
from acnn.settings.train import TrainSettings
from acnn.solvers import StreamingQR
from acnn.train.initialization import Start, inner_cutoffs

NOBLE_GASES = (2, 10, 18, 36, 54, 86, 118)


def continued_model(settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent) -> Start:
    """Load the trained model of ``from``, and add elements if the data contain new ones."""
    model = read_network(str(settings.start))
    different = settings.model.differences(model.specification)
    if different:
        raise SettingsError(
            f"{settings.start} was made with another {' and another '.join(different)}: leave it out of section model"
        )
    new = tuple(e for e in elements if e not in model.elements)
    if not new:
        if settings.data.e0 is not None:
            raise SettingsError(f"E0 is taken from {settings.start}: leave out data.e0")
        model = with_lower_inner_cutoffs(model, train)
        return Start(model, False, [f"continues from {settings.start}: weights, standardization, linear part kept"])
    sources = {e: nearest_element(e, model.elements) for e in new}
    energies = new_reference_energies(settings, train, extended_model(model, sources, dict.fromkeys(new, 0.0)), new)
    extended = with_lower_inner_cutoffs(extended_model(model, sources, energies), train, new)
    known = ", ".join(f"{e} starts as {source} (E0 {energies[e]:.4f} eV)" for e, source in sources.items())
    note = f"continues from {settings.start} of {', '.join(model.elements)}: {known}; everything else kept"
    if bool(model.linear.coefficients.any()):
        fit_new_functions(settings, extended, model.elements, train, stage)
        functions = extended.linear.basis.n_functions - model.linear.basis.n_functions
        note += f"; the {functions} functions of the linear part that see new elements are fitted"
    return Start(extended, False, [note])


def read_network(path: str) -> NetworkACE:
    """Load the model of ``from``."""
    instead = (
        "give a linear model as 'linear'; of an ensemble, give one member, or train a new model on the output of acnn "
        "distill"
    )
    return require_network(load_model(path), path, instead)


def with_lower_inner_cutoffs(model: NetworkACE, train: Dataset, new: Sequence[str] = ()) -> NetworkACE:
    """Lower the inner cutoffs to the shortest distances of the data."""
    lengths = inner_cutoffs(model.specification, train, new)
    if lengths == model.specification.inner_cutoffs:
        return model
    other = NetworkACE(model.specification.model_copy(update={"inner_cutoffs": lengths}), model.linear)
    other.set_weights(model.weights())
    return other


def nearest_element(element: str, known: Sequence[str]) -> str:
    """Return the known element the fewest periods and groups away; ties are decided by bond length."""
    period, group = periodic_place(element)

    def distance(other: str) -> tuple[int, float]:
        places = periodic_place(other)
        return abs(places[0] - period) + abs(places[1] - group), abs(bond_length(other) - bond_length(element))

    return min(known, key=distance)


def periodic_place(element: str) -> tuple[int, int]:
    """Return period and group 1 … 18; lanthanides and actinides count as group 3."""
    number = atomic_numbers[element]
    period = int(np.searchsorted(NOBLE_GASES, number))
    from_start, from_end = number - (0, *NOBLE_GASES)[period], NOBLE_GASES[period] - number
    return period + 1, from_start if from_start <= 2 and from_end else max(3, 18 - from_end)


def new_reference_energies(
    settings: TrainSettings, train: Dataset, extended: NetworkACE, new: tuple[str, ...]
) -> dict[str, float]:
    """Return E0 in eV of new elements: given, from isolated atoms, or by least squares.

    Args:
        extended: the model with E0 = 0 of the new elements; least squares fit what it leaves of the energies.
    """
    given = explicit_energies(settings.data.e0) if settings.data.e0 is not None else None
    if given is not None and set(given) != set(new):
        raise SettingsError(f"data.e0 must give the new elements, {', '.join(new)}, and no others")
    isolated = given if given is not None else isolated_atom_energies(train, extended.cutoff)
    if all(e in isolated for e in new):
        return {e: isolated[e] for e in new}
    if settings.data.e0 == "isolated":
        raise SettingsError(f"the training data contain no isolated atom of {', '.join(set(new) - set(isolated))}")
    labeled = [s for s in train if s.energy is not None and set(new) & set(s.atoms.symbols)]
    if not labeled:
        raise SettingsError(f"the training data contain no energy to find E0 of {', '.join(new)}: give data.e0")
    counts = np.array([[np.sum(s.atoms.symbols == e) for e in new] for s in labeled], dtype=float)
    free = extended.without_bounds()
    found = [float(free.pair_gradients(atomic_graph(s.atoms, extended.cutoff)).energies[0]) for s in labeled]
    left = np.array([s.energy for s in labeled]) - np.array(found)
    return dict(zip(new, np.linalg.lstsq(counts, left, rcond=None)[0].tolist(), strict=True))


def extended_model(model: NetworkACE, sources: dict[str, str], energies: dict[str, float]) -> NetworkACE:
    """Add elements, which the network treats like their source elements and the linear part ignores."""
    elements = tuple(sorted({*model.elements, *sources}, key=lambda e: atomic_numbers[e]))
    linear = extended_linear(model.linear, elements, energies)
    mixed = model.specification.mixed_elements or 0  # mixtures cannot represent the pairs' own radial functions
    fields = extended_fields(model.specification, elements) | {"element_channels": mixed}
    extended = NetworkACE(NetworkSpecification(**fields), linear)
    rows = torch.tensor([model.elements.index(sources.get(e, e)) for e in elements])
    own = extended.weights()
    extended.set_weights({name: _extended(old, own[name], rows) for name, old in model.weights().items()})
    return extended


def _extended(old: Tensor, new: Tensor, rows: Tensor) -> Tensor:
    """Select the rows of the elements' sources, along all axes that grow with the number of elements."""
    for axis, (before, after) in enumerate(zip(old.shape, new.shape, strict=True)):
        old = old if before == after else old.index_select(axis, rows)
    return old


def extended_linear(linear: LinearACE, elements: tuple[str, ...], energies: dict[str, float]) -> LinearACE:
    """Add elements to a linear model; functions that see them have the coefficient 0."""
    specification = BasisSpecification.model_validate(extended_fields(linear.basis.specification, elements))
    require_memory(specification)
    basis = ACEBasis(specification)
    old = dict(zip(linear.basis.specification.functions(), linear.coefficients.tolist(), strict=True))
    coefficients = torch.tensor([old.get(key, 0.0) for key in basis.specification.functions()], dtype=torch.float64)
    return LinearACE(basis, {**linear.e0.energies, **energies}, coefficients, linear.zbl is not None)


def extended_fields(
    specification: NetworkSpecification | BasisSpecification, elements: tuple[str, ...]
) -> dict[str, Any]:
    """Return the fields of a specification with more elements, which get the default r0."""
    new = transform_lengths(set(elements) - set(specification.elements), specification.cutoff)
    return {**specification.model_dump(), "elements": elements, "bond_lengths": new | specification.bond_lengths}


def fit_new_functions(
    settings: TrainSettings, model: NetworkACE, known: Sequence[str], train: Dataset, stage: Stage = silent
) -> None:
    """Fit the functions that see new elements to what all other parts of the model leave.

    With the factor R of all columns and its target z, ‖z - R_old c_old - R_new c_new‖² is a problem in c_new alone.
    """
    linear = model.linear
    fit = settings.linear_part.model_copy(update={"slack": None})  # most of the residual is not theirs
    structures = [without_network(model, s) for s in train if set(s.atoms.symbols) - set(known)]
    assemble = Assembler(linear, fit.kernel)
    advance = stage("linear part of new elements", len(structures))
    reduced = accumulate(assemble, structures, ALONE, None, advance).result().leading(linear.basis.n_functions)
    functions = linear.basis.specification.functions()
    is_new = np.array([bool(set(function.elements) - set(known)) for function in functions])
    coefficients = linear.coefficients.detach().numpy()
    rows = StreamingQR(int(is_new.sum()))
    rows.add(reduced.factor[:, is_new], reduced.target - reduced.factor @ coefficients)
    rows.add(np.zeros((1, rows.n_columns)), np.array([reduced.residual]))
    rows.n_rows = reduced.n_rows
    if fit.repulsion > 0:
        contacts = CloseContacts.of(linear.elements, train.structures)
        repulsion, targets = repulsion_rows(linear, assemble.rows, contacts, fit.repulsion, reduced.n_rows)
        ours = repulsion[:, is_new].any(axis=1)
        rows.add(repulsion[ours][:, is_new], (targets - repulsion @ coefficients)[ours])
    gamma = make_prior(fit)([function.nl for function in functions])[is_new]
    solution = make_solver(fit).solve(rows.result(), gamma)
    linear.coefficients.detach()[torch.as_tensor(is_new)] = torch.as_tensor(solution.coefficients)


def without_network(model: NetworkACE, structure: LabeledStructure) -> LabeledStructure:
    """Subtract the network's contributions from the labels of a structure."""
    graph = atomic_graph(structure.atoms, model.specification.cutoff)
    found = NetworkPart(model.without_bounds()).pair_gradients(graph)
    energy, forces, virial = structure.energy, structure.forces, structure.virial
    return replace(
        structure,
        energy=None if energy is None else energy - float(found.energies[0]),
        forces=None if forces is None else forces - found.forces.numpy(),
        virial=None if virial is None else virial - found.virials[0].numpy(),
    )
