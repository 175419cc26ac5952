"""The linear part of a network model: read from a file, fitted with given settings, or chosen from the data.

Without settings, crystals begin with a fit of about a thousand functions, as accurate as it can be. If that leaves less
than `ACCURATE` of the forces, it stays, and the network learns the rest. Functions that differ in elements only are
correlated in its prior (`acnn.fit.element_prior`), so that it predicts alloys of combinations of elements that the data
lack. Otherwise, and for molecules, the linear part is a stiff one, which extrapolates more safely.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.fit.linear import LinearProblem, fit_problem
from acnn.fit.memory import require_memory
from acnn.fit.reference_energies import reference_energies
from acnn.io.model_file import load_model
from acnn.models.linear import LinearACE, require_linear
from acnn.neighbors import atomic_graph
from acnn.progress import Stage, silent
from acnn.settings.base import SettingsError
from acnn.settings.linear import LinearPartSettings
from acnn.settings.train import TrainSettings
from acnn.train.defaults import is_molecular

Size = Mapping[str, Any]
LARGE: dict[str, Any] = {"slack": 1.0, "prior": "algebraic:4"}
LARGE_CUTOFF = 5.5
"""Å, if that of the network is not shorter."""
LARGE_SIZES: tuple[Size, ...] = (
    {"order": 4, "degree": (20.0, 20.0, 14.0, 10.0), "wl": 1.0},
    {"order": 4, "degree": (14.0, 12.0, 9.0, 7.0)},
    {"order": 3, "degree": (12.0, 9.0, 6.0)},
    *({"order": 2, "degree": degree} for degree in (8.0, 6.0, 5.0)),
)
"""Bases of an accurate linear part: the first with at most `MOST_LARGE` functions and one per `EQUATIONS` forces."""
MOST_LARGE, EQUATIONS = 2500, 5
ACCURATE = 0.03
"""RMS of the forces that a fit leaves, divided by the RMS of the forces."""
JUDGED = 50
"""Structures by which it is measured what a fit leaves."""
SMALL_SIZES: tuple[Size, ...] = (
    *({"order": 2, "degree": degree} for degree in (10.0, 8.0, 6.0, 5.0)),
    *({"order": 1, "degree": degree} for degree in (8.0, 6.0, 4.0)),
)
"""Bases of a stiff linear part: the first with at most `MOST_SMALL` functions."""
MOST_SMALL = 400
MOLECULAR_SIZES: tuple[Size, ...] = (
    {"order": 3, "degree": (12.0, 10.0, 7.0)},
    {"order": 3, "degree": (12.0, 9.0, 6.0)},
)
"""The same for molecules, which many angles matter in, if one has at most `MOST_MOLECULAR` functions."""
MOST_MOLECULAR = 4000
MOST_ELEMENTS_OF_A_FIT = 4
"""With more elements, only an accurate linear part is fitted, unless another is given."""
E0_OPTION = "data: e0:"
"""How E0 is given in the settings file."""


@dataclass
class Part:
    """A linear part, what was done, warnings, and constants of the virials that it lacks (`acnn.fit.virial_offset`)."""

    model: LinearACE
    notes: list[str]
    warnings: list[str] = field(default_factory=list)
    virial_offset: Mapping[str, float] = field(default_factory=dict)


def linear_part(settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent) -> Part:
    """Read, fit, or choose and fit the linear part."""
    if isinstance(settings.linear, Path):
        return Part(read_linear(settings), [f"linear part: {settings.linear}"])
    if settings.linear is None:
        return without_functions(settings, train, elements)
    if "linear" in settings.model_fields_set:
        fit = settings.linear_part
        has_size = bool({"order", "degree"} & fit.model_fields_set)
        return fitted(settings, fit if has_size else small(fit, elements, is_molecular(train)), train, elements, stage)
    return chosen(settings, train, elements, stage)


def chosen(settings: TrainSettings, train: Dataset, elements: tuple[str, ...], stage: Stage = silent) -> Part:
    """Choose the linear part by what the module says."""
    rejected, fit = "", settings.linear_part
    if is_molecular(train):
        fit = fit.model_copy(update={"bond_lengths": settings.model.bond_lengths})
    accurate = None if is_molecular(train) else large(fit, elements, n_forces(train))
    if accurate is not None:
        found = fitted(settings, accurate, train, elements, stage)
        left = share_left(found.model, train)
        if left < ACCURATE:
            why = f"accurate, since it leaves {left:.1%} of the forces (RMS), less than {ACCURATE:.0%}"
            return replace(found, notes=[f"{found.notes[0]}; {why}"])
        rejected = f"; stiff, since one of {found.model.basis.n_functions} functions leaves {left:.1%} of the forces"
    if len(elements) > MOST_ELEMENTS_OF_A_FIT:
        return without_functions(settings, train, elements)
    found = fitted(settings, small(fit, elements, is_molecular(train)), train, elements, stage)
    return replace(found, notes=[found.notes[0] + (rejected or "; stiff")])


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


def without_functions(settings: TrainSettings, train: Dataset, elements: tuple[str, ...]) -> Part:
    """Make a linear part of E0 and screened nuclear repulsion alone.

    With many elements and few data, these hardly cover some pairs of elements, for which a fit would be arbitrary.
    """
    cutoff = settings.model.cutoff
    least = {"elements": elements, "order": 1, "degree": 1.0, "pair_degree": 0, "cutoff": cutoff}
    specification = BasisSpecification.model_validate(least)
    energies, source, warnings = reference_energies(settings.data.e0, train, specification, E0_OPTION)
    note = f"linear part: only E0 from {source} and nuclear repulsion (ZBL)"
    return Part(LinearACE(specification, energies, zbl=True), [note], warnings)


def fitted(
    settings: TrainSettings,
    fit: LinearPartSettings,
    train: Dataset,
    elements: tuple[str, ...],
    stage: Stage = silent,
) -> Part:
    """Fit a linear model to the training data."""
    specification = fit.specification(elements)
    energies, source, warnings = reference_energies(settings.data.e0, train, specification, E0_OPTION)
    require_memory(specification, train.structures)
    problem = replace(LinearProblem.of(fit, specification, energies), virial_offset="auto")
    advance = stage(f"linear part, {specification.n_functions} functions", len(train))
    found = fit_problem(problem, train.structures, advance=advance)
    note = (
        f"linear part: order {specification.order}, {specification.n_functions} functions, fitted in "
        f"{found.seconds:.1f} s; E0 from {source}"
    )
    return Part(found.model, [note], warnings + list(found.solution.warnings), found.virial_offset)


def large(fit: LinearPartSettings, elements: tuple[str, ...], equations: int) -> LinearPartSettings | None:
    """Return the settings of an accurate linear part; None if the data are too few for one."""
    most = min(MOST_LARGE, equations // EQUATIONS)
    accurate = fit.model_copy(update={**LARGE, "cutoff": min(LARGE_CUTOFF, fit.cutoff or LARGE_CUTOFF)})
    sized = (accurate.model_copy(update=dict(size)) for size in LARGE_SIZES)
    return next((one for one in sized if one.specification(elements).n_functions <= most), None)


def small(fit: LinearPartSettings, elements: tuple[str, ...], molecular: bool) -> LinearPartSettings:
    """Return settings with a small basis: the network learns the rest."""
    sizes = [(size, MOST_MOLECULAR) for size in MOLECULAR_SIZES if molecular]
    sizes += [(size, MOST_SMALL) for size in SMALL_SIZES]
    for size, most in sizes:
        sized = fit.model_copy(update=dict(size))
        if sized.specification(elements).n_functions <= most:
            break
    return sized


def n_forces(structures: Iterable[LabeledStructure]) -> int:
    """Return the number of force components."""
    return sum(structure.forces.size for structure in structures if structure.forces is not None)


def share_left(model: LinearACE, train: Dataset) -> float:
    """Return the RMS of forces minus those of a model, divided by the RMS of forces, of some structures."""
    labeled = [structure for structure in train if structure.forces is not None and len(structure) > 1]
    some = labeled[:: max(1, len(labeled) // JUDGED)]
    wanted = np.concatenate([structure.forces for structure in some])
    found = np.concatenate([model.pair_gradients(atomic_graph(s.atoms, model.cutoff)).forces.numpy() for s in some])
    return float(np.linalg.norm(wanted - found) / max(np.linalg.norm(wanted), 1e-30))
