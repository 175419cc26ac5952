"""Structures, models, tolerances and checks for testing potentials, here and in other packages.

Everything is deterministic, in float64 and on the CPU.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import ase
import ase.build
import numpy as np
import scipy.special
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.basis.radial import bond_length
from acnn.basis.specification import BasisSpecification
from acnn.evaluation.comparison import ENERGY_SCALE, FORCE_SCALE, evaluate, relative_deviation
from acnn.evaluation.derivatives import (
    GradientReport,
    check_gradients,
    finite_difference_forces,
    finite_difference_step,
    finite_difference_virial,
)
from acnn.evaluation.invariances import Deviation, check_invariances, random_rotation
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE, NetworkPart
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph

__all__ = [
    "ENERGY_SCALE",
    "FINITE_DIFFERENCE_TOLERANCE",
    "FLOAT32_ENERGY_TOLERANCE",
    "FLOAT32_FORCE_TOLERANCE",
    "FORCE_SCALE",
    "INVARIANCE_TOLERANCE",
    "REDUCTION_TOLERANCE",
    "Deviation",
    "GradientReport",
    "check_gradients",
    "check_invariances",
    "evaluate",
    "example_structures",
    "finite_difference_forces",
    "finite_difference_step",
    "finite_difference_virial",
    "pairwise",
    "random_crystal",
    "random_model",
    "random_network",
    "random_rotation",
    "relative_deviation",
    "scipy_harmonic",
    "with_random_committee",
    "with_zbl",
]

FINITE_DIFFERENCE_TOLERANCE = 1e-6
"""Forces and virials against central differences of the energy: the accuracy of these in float64."""
INVARIANCE_TOLERANCE = 1e-10
"""Exact symmetries: only rounding remains, amplified by products of densities."""
REDUCTION_TOLERANCE = 1e-12
"""The same terms added in another order: batches, chunks, per-atom shares."""
FLOAT32_ENERGY_TOLERANCE = 1e-4
"""Energy in single precision against double precision, divided by the energy relative to isolated atoms."""
FLOAT32_FORCE_TOLERANCE = 1e-4
"""Forces in single precision against double precision."""


def example_structures() -> dict[str, ase.Atoms]:
    """Return small structures of silicon and carbon, one for every kind of periodicity."""
    diamond = ase.build.bulk("Si", cubic=True)
    carbide = ase.build.bulk("SiC", "zincblende", a=4.36, cubic=True)
    carbide.numbers[[1, 2]] = carbide.numbers[[2, 1]]
    slab = ase.build.diamond100("Si", (1, 1, 4), vacuum=3.0)
    slab.numbers[-1] = 6
    triclinic = ase.build.bulk("SiC", "zincblende", a=4.36) * (2, 1, 1)
    triclinic.set_cell(
        triclinic.cell @ (np.eye(3) + [[0.05, 0.1, 0], [0, -0.04, 0.2], [0.15, 0, 0.02]]), scale_atoms=True
    )
    corners = np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    wire = ase.Atoms("SiCSiC", [[i % 2, i // 2, 1.3 * i] for i in range(4)], cell=[0, 0, 5.2], pbc=[0, 0, 1])
    return {
        "bulk": _rattled(diamond, 1),
        "alloy": _rattled(carbide, 2),
        "slab": _rattled(slab, 3),
        "triclinic": _rattled(triclinic, 4),
        "molecule": _rattled(ase.Atoms("CSi4", 1.1 * corners), 5),
        "one-atom cell": ase.Atoms("Si", cell=[2.5, 2.6, 2.7], pbc=True),
        "isolated atom": ase.Atoms("Si"),
        "two atoms at 0.3 Å": ase.Atoms("SiC", [[0, 0, 0], [0.1, 0.2, 0.2]]),
        "wire": _rattled(wire, 6),
    }


def random_crystal(elements: Sequence[str], seed: int = 0) -> ase.Atoms:
    """Return 16 or more atoms of all elements, shuffled and rattled on a face-centered lattice.

    Neighbors are as far apart as the elements' mean bond length, but at least 2 Å: molecules do not pack closer.
    """
    rng = np.random.default_rng(seed)
    lattice = np.sqrt(2) * max(2.0, float(np.mean([bond_length(e) for e in elements])))
    crystal = ase.build.bulk("X", "fcc", a=lattice, cubic=True) * (2, 2, math.ceil(len(elements) / 8))
    crystal.symbols = rng.permutation(np.resize(list(elements), len(crystal)))
    crystal.positions += rng.normal(scale=0.02 * lattice, size=(len(crystal), 3))
    return crystal


def _rattled(atoms: ase.Atoms, seed: int) -> ase.Atoms:
    atoms.rattle(0.08, seed=seed)
    return atoms


def random_model(elements: Sequence[str], seed: int = 0, **specification: Any) -> LinearACE:
    """Return a linear ACE model with random coefficients, repulsive pairs, and forces of the order of 1 eV/Å.

    Args:
        specification: fields of `BasisSpecification`; by default order 3, total degree 6, cutoff 4.5 Å.
    """
    settings = {"order": 3, "degree": 6.0, "cutoff": 4.5} | specification
    energies = {element: -1.0 - 0.5 * z for z, element in enumerate(sorted(set(elements)))}
    model = LinearACE(BasisSpecification(elements=tuple(elements), **settings), energies)
    rng = np.random.default_rng(seed)
    crystal = random_crystal(model.elements, seed)
    total = torch.zeros_like(model.coefficients)
    for part in _random_parts(model, rng):
        model.coefficients.data = part
        largest = float(evaluate(model, [crystal]).forces.abs().max())
        total += part / largest if largest > 0 else part
    model.coefficients.data = total
    return model


def with_zbl(model: LinearACE) -> LinearACE:
    """Return a model with the repulsion of bare nuclei as a fixed term."""
    return LinearACE(model.basis, model.e0.energies, model.coefficients.detach(), zbl=True)


def with_random_committee(model: LinearACE, n: int, seed: int = 0, size: float = 0.1) -> LinearACE:
    """Give a model ``n`` members whose coefficients differ from its own by a share of about ``size``."""
    factors = 1 + size * torch.as_tensor(np.random.default_rng(seed).normal(size=(n, model.basis.n_functions)))
    model.set_committee(model.coefficients * factors)
    return model


def random_network(elements: Sequence[str], seed: int = 0, **specification: Any) -> NetworkACE:
    """Return a small network on `random_model`, with random weights and forces of the order of 1 eV/Å.

    Args:
        specification: fields of `NetworkSpecification`; by default one attention layer, and a cutoff of 4 Å.
    """
    defaults: dict[str, Any] = dict(cutoff=4.0, channels=3, l_max=2, radial_functions=4, heads=2, hidden=(8,))
    chosen = NetworkSpecification(elements=tuple(elements), **(defaults | specification))
    model = NetworkACE(chosen, random_model(elements, seed), seed)
    graph = atomic_graph(random_crystal(model.elements, seed), model.specification.cutoff)
    element = model.element_index(graph.species)
    with torch.no_grad():
        skip = np.random.default_rng(seed).normal(size=tuple(model.readout.skip.shape))
        model.readout.skip.copy_(torch.as_tensor(skip))
        model.readout.standardize(model.embedding(graph, element), element, scale=1.0)
        largest = NetworkPart(model).pair_gradients(graph, "torch").forces.abs().max()
        model.readout.scale.fill_(1 / float(largest))
    return model


def _random_parts(model: LinearACE, rng: Generator) -> Iterator[torch.Tensor]:
    """Yield coefficients of the many-body part, decreasing with degree, and of the pair part, dominated by n = 1."""
    functions = model.basis.specification.functions()
    is_pair = np.array([function.kind == "pair" for function in functions])
    degree = np.array([sum(n * n + l * l for n, l in function.nl) for function in functions], dtype=float)
    random = rng.normal(size=len(functions)) / degree
    yield torch.as_tensor(np.where(is_pair, 0.0, random))
    yield torch.as_tensor(np.where(is_pair, np.where(degree == 1, 1.0, 0.1 * random), 0.0))


def pairwise(*axes: Collection[Any]) -> list[tuple[Any, ...]]:
    """Rows of one value per axis in which any two values of two axes meet: few of the rows of the full product.

    For parameters that act on the same path through the code two at a time. Greedy, the same rows every time.
    """

    def pairs(row: tuple[Any, ...]) -> set[tuple[tuple[int, Any], ...]]:
        return set(itertools.combinations(enumerate(row), 2))

    product, used = list(itertools.product(*axes)), Counter[tuple[int, Any]]()
    missing, rows = set().union(*map(pairs, product)), []
    while missing:
        # Of rows with as many new pairs, that of the values which are rarest so far.
        best = max(product, key=lambda row: (len(pairs(row) & missing), -sum(used[value] for value in enumerate(row))))
        rows.append(best)
        used.update(enumerate(best))
        missing -= pairs(best)
    return rows


def scipy_harmonic(l: int, m: int, vectors: FloatArray) -> NDArray[np.complex128]:
    """Return Y_lm of vectors [n, 3] from SciPy, whose function was renamed in version 1.15."""
    polar = np.arctan2(np.hypot(vectors[:, 0], vectors[:, 1]), vectors[:, 2])
    azimuth = np.arctan2(vectors[:, 1], vectors[:, 0])
    if hasattr(scipy.special, "sph_harm_y"):
        values = scipy.special.sph_harm_y(l, m, polar, azimuth)
    else:
        values = scipy.special.sph_harm(m, l, azimuth, polar)
    return np.asarray(values)
