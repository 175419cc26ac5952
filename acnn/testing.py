"""Structures, tolerances and checks for testing potentials, here and in other packages.

Everything is deterministic, in float64 and on the CPU. All figures are relative deviations, so that one tolerance suits
all structures.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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
from acnn.graph import batch
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE, NetworkPart
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential

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

SHORTEST_STEP = 3e-5
"""Å, and strain: so short that a pair hardly ever crosses the cutoff, where second derivatives may jump."""
STENCIL = (1.0, -1.0, 0.5, -0.5)
ENERGY_SCALE = 1.0
"""eV; deviations of smaller energies are relative to this."""
FORCE_SCALE = 1e-2
"""eV/Å, and eV for virials; if all are smaller, deviations are relative to this."""


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
        skip = np.random.default_rng(seed).normal(size=tuple(model.fitting.skip.shape))
        model.fitting.skip.copy_(torch.as_tensor(skip))
        model.fitting.standardize(model.embedding(graph, element), element, scale=1.0)
        largest = NetworkPart(model).pair_gradients(graph, "torch").forces.abs().max()
        model.fitting.scale.fill_(1 / float(largest))
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

    product = list(itertools.product(*axes))
    missing, rows = set().union(*map(pairs, product)), []
    while missing:
        rows.append(max(product, key=lambda row: len(pairs(row) & missing)))
        missing -= pairs(rows[-1])
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


def evaluate(potential: Potential, structures: Sequence[ase.Atoms]) -> PairGradients:
    """Evaluate several structures at once."""
    return potential.pair_gradients(batch([atomic_graph(atoms, potential.cutoff) for atoms in structures]))


def relative_deviation(found: FloatArray, expected: FloatArray, scale: float) -> float:
    """Return max|found - expected| / max|expected|, with a denominator of at least ``scale``."""
    deviation = np.abs(np.asarray(found) - expected).max(initial=0.0)
    return float(deviation / np.abs(expected).max(initial=scale))


def finite_difference_forces(
    potential: Potential, atoms: ase.Atoms, indices: Sequence[int] | None = None, step: float | None = None
) -> FloatArray:
    """Return -dE/dx in eV/Å [n, 3] of all atoms, or of ``indices``, from central differences extrapolated to step 0.

    Args:
        step: the longer of two steps, in Å (see `finite_difference_step`).
    """
    h = finite_difference_step(potential, atoms) if step is None else step
    chosen = range(len(atoms)) if indices is None else indices
    directions = [(i, axis) for i in chosen for axis in range(3)]

    def moved(direction: tuple[int, int], distance: float) -> ase.Atoms:
        displaced = _bare(atoms)
        displaced.positions[direction] += distance
        return displaced

    slopes = [_slope(potential, [moved(d, s * h) for s in STENCIL], h) for d in directions]
    return -np.array(slopes).reshape(-1, 3)


def finite_difference_virial(potential: Potential, atoms: ase.Atoms, step: float | None = None) -> FloatArray:
    """Return -dE/dε in eV [3, 3] for r → r (1 + ε) of positions and cell, ε any matrix, like the forces above."""
    h = finite_difference_step(potential, atoms) if step is None else step

    def strained(component: tuple[int, int], strain: float) -> ase.Atoms:
        deformation = np.eye(3)
        deformation[component] += strain
        copy = _bare(atoms)
        copy.set_cell(atoms.cell.array @ deformation)
        copy.positions = atoms.positions @ deformation
        return copy

    components = list(np.ndindex(3, 3))
    slopes = [_slope(potential, [strained(c, s * h) for s in STENCIL], h) for c in components]
    return -np.array(slopes).reshape(3, 3)


def finite_difference_step(potential: Potential, atoms: ase.Atoms) -> float:
    """Return `SHORTEST_STEP`, or a longer step for large site energies (all-electron E0), which lose more digits."""
    largest = float(evaluate(potential, [atoms]).site_energies.abs().max()) if len(atoms) else 0.0
    return SHORTEST_STEP * max(1.0, largest / 1000.0) ** 0.5


def _slope(potential: Potential, structures: list[ase.Atoms], step: float) -> float:
    """Return dE/dh from structures at `STENCIL` · step: (4 D(step/2) - D(step)) / 3, D(h) = (E(h) - E(-h)) / 2h."""
    site = evaluate(potential, structures).site_energies.reshape(4, -1)
    # Atom by atom first, so that constant parts, such as E0, cost no precision.
    long, short = float((site[0] - site[1]).sum()), float((site[2] - site[3]).sum())
    return (4 * short / step - long / (2 * step)) / 3


@dataclass(frozen=True)
class GradientReport:
    """Relative deviations of forces and virial from finite differences of the energy."""

    forces: float
    virial: float

    @property
    def largest(self) -> float:
        """The largest of the deviations; NaN if one is."""
        return float(np.max([self.forces, self.virial]))


def check_gradients(potential: Potential, atoms: ase.Atoms, indices: Sequence[int] | None = None) -> GradientReport:
    """Compare forces (of ``indices``, or of all atoms) and virial with finite differences."""
    found = evaluate(potential, [atoms])
    forces = found.forces.numpy()
    chosen = slice(None) if indices is None else list(indices)
    differences = finite_difference_forces(potential, atoms, indices)
    scale = np.abs(forces).max(initial=FORCE_SCALE)
    virial = finite_difference_virial(potential, atoms)
    return GradientReport(
        relative_deviation(forces[chosen], differences, scale),
        relative_deviation(found.virials[0].numpy(), virial, FORCE_SCALE),
    )


@dataclass(frozen=True)
class Deviation:
    """Relative deviations of energy and forces from their transforms under a symmetry operation."""

    operation: str
    energy: float
    forces: float

    @property
    def largest(self) -> float:
        """The largest of the deviations; NaN if one is."""
        return float(np.max([self.energy, self.forces]))


def check_invariances(potential: Potential, atoms: ase.Atoms, seed: int = 0) -> list[Deviation]:
    """Measure deviations under a random rotation, reflection, permutation and translation, and in a doubled cell."""
    rng = np.random.default_rng(seed)
    energy, forces = _energy_and_forces(potential, atoms)
    return [
        Deviation(
            name,
            relative_deviation(np.array([found[0]]), np.array([multiple * energy]), ENERGY_SCALE),
            relative_deviation(found[1], expected, FORCE_SCALE),
        )
        for name, image, expected, multiple in _images(atoms, forces, rng)
        for found in [_energy_and_forces(potential, image)]
    ]


def _images(atoms: ase.Atoms, forces: FloatArray, rng: Generator) -> Iterator[tuple[str, ase.Atoms, FloatArray, int]]:
    """Yield (name, transformed structure, transformed forces, number of copies)."""
    rotation, order = random_rotation(rng), rng.permutation(len(atoms))
    yield "rotation", _transformed(atoms, rotation), forces @ rotation, 1
    yield "reflection", _transformed(atoms, -rotation), forces @ -rotation, 1
    yield "permutation", _bare(atoms)[order], forces[order], 1
    translated = _bare(atoms)
    translated.positions += rng.normal(scale=5.0, size=3)
    yield "translation", translated, forces, 1
    if atoms.pbc.any():
        doubled = [1, 1, 1]
        doubled[int(np.argmax(atoms.pbc))] = 2
        yield "supercell", _bare(atoms) * doubled, np.tile(forces, (2, 1)), 2


def random_rotation(rng: Generator) -> FloatArray:
    """Return a proper rotation [3, 3], uniformly distributed."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def _transformed(atoms: ase.Atoms, matrix: FloatArray) -> ase.Atoms:
    copy = _bare(atoms)
    copy.set_cell(atoms.cell.array @ matrix)
    copy.positions = atoms.positions @ matrix
    return copy


def _energy_and_forces(potential: Potential, atoms: ase.Atoms) -> tuple[float, FloatArray]:
    found = evaluate(potential, [atoms])
    return float(found.energies[0]), found.forces.numpy()


def _bare(atoms: ase.Atoms) -> ase.Atoms:
    """Keep only what a potential sees."""
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)


def _rattled(atoms: ase.Atoms, seed: int) -> ase.Atoms:
    atoms.rattle(0.08, seed=seed)
    return atoms
