"""Checks of a potential: derivatives, symmetries, smoothness, short range, precision, compiled kernel."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch

from acnn.basis.radial import pair_bond_length
from acnn.evaluation.comparison import ENERGY_SCALE, FORCE_SCALE, evaluate, relative_deviation
from acnn.evaluation.derivatives import check_gradients
from acnn.evaluation.invariances import check_invariances
from acnn.kernels.energy import KernelGradients
from acnn.models.dimers import REPULSIVE_RANGE
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.testing import FINITE_DIFFERENCE_TOLERANCE, INVARIANCE_TOLERANCE, random_crystal

NET_FORCE_LIMIT = 1e-9
"""eV/Å"""
ISOLATED_ATOM_LIMIT = 1e-9
"""eV"""
ENERGY_JUMP_LIMIT = 1e-6
"""eV, when an atom crosses the cutoff."""
FORCE_JUMP_LIMIT = 1e-5
"""eV/Å, when an atom crosses the cutoff."""
CURVATURE_JUMP_LIMIT = 1e-3
"""eV/Å², when an atom crosses the cutoff."""
CUTOFF_STEP = 1e-4
"""Å; both sides of the cutoff are extrapolated to it from three points this far apart."""
FLOAT32_LIMIT = 1e-3
"""Relative; large fitted coefficients cancel and amplify rounding, but this is still far below the errors of a fit."""
KERNEL_LIMIT = 1e-10
"""Relative."""
DIFFERENTIATED_ATOMS = 4
"""Atoms per structure whose forces are compared with finite differences."""


@dataclass(frozen=True)
class CheckResult:
    """One property of a potential.

    Attributes:
        name: what was checked.
        figure: the worst value found, in ``unit`` ("" for relative deviations).
        limit: the figure must not exceed it; for dimers it must exceed it.
        note: where the figure was found, and further observations.
    """

    name: str
    figure: float
    unit: str
    limit: float
    passed: bool
    note: str


def check_model(potential: Potential, structures: Sequence[ase.Atoms] | None = None) -> list[CheckResult]:
    """Run all checks of a potential, which must be on the CPU in float64.

    Args:
        structures: used for derivatives, symmetries and precision; by default a random crystal, slab and cluster of the
            potential's elements at their bond lengths.
    """
    chosen = default_structures(potential) if structures is None else list(structures)
    if not chosen:
        raise ValueError("check_model() needs at least one structure")
    return [
        *_derivatives(potential, chosen),
        *_symmetries(potential, chosen),
        _net_force(potential, chosen),
        *_isolated_atoms(potential),
        *_smoothness(potential),
        *_dimers(potential),
        *_single_precision(potential, chosen),
        *_compiled_kernel(potential, chosen),
    ]


def default_structures(potential: Potential) -> list[ase.Atoms]:
    """Return a random crystal of all elements, and a slab and a cluster cut from it."""
    crystal = random_crystal(potential.elements)
    slab = crystal.copy()
    slab.center(vacuum=potential.cutoff, axis=2)
    slab.pbc = (True, True, False)
    nearest = np.argsort(crystal.get_distances(0, range(len(crystal))), kind="stable")
    cluster = crystal[nearest[:6]]
    cluster.pbc = False
    return [crystal, slab, cluster]


def _derivatives(potential: Potential, structures: list[ase.Atoms]) -> list[CheckResult]:
    rng = np.random.default_rng(0)
    picks = [rng.permutation(len(a))[:DIFFERENTIATED_ATOMS].tolist() for a in structures]
    reports = [check_gradients(potential, a, pick) for a, pick in zip(structures, picks, strict=True)]
    where = [_describe(atoms) for atoms in structures]
    return [
        _largest(name, zip(figures, where, strict=True), "", FINITE_DIFFERENCE_TOLERANCE)
        for name, figures in [
            ("forces = -dE/dx", [report.forces for report in reports]),
            ("virial = -dE/dε", [report.virial for report in reports]),
        ]
    ]


def _symmetries(potential: Potential, structures: list[ase.Atoms]) -> Iterator[CheckResult]:
    found: dict[str, list[tuple[float, str]]] = {}
    for atoms in structures:
        for deviation in check_invariances(potential, atoms):
            found.setdefault(deviation.operation, []).append((deviation.largest, _describe(atoms)))
    for operation, figures in found.items():
        yield _largest(f"invariance: {operation}", figures, "", INVARIANCE_TOLERANCE)


def _net_force(potential: Potential, structures: list[ase.Atoms]) -> CheckResult:
    figures = [
        (float(evaluate(potential, [atoms]).forces.sum(dim=0).abs().max()), _describe(atoms)) for atoms in structures
    ]
    return _largest("net force", figures, "eV/Å", NET_FORCE_LIMIT)


def _isolated_atoms(potential: Potential) -> Iterator[CheckResult]:
    """Compare with E0 if the potential has one."""
    reference = getattr(potential, "e0", None)
    if isinstance(reference, ReferenceEnergies):
        atoms = [ase.Atoms(element) for element in potential.elements]
        energies = evaluate(potential, atoms).energies.tolist()
        figures = [
            (abs(energy - reference.energies[element]), element)
            for element, energy in zip(potential.elements, energies, strict=True)
        ]
        yield _largest("isolated atom = E0", figures, "eV", ISOLATED_ATOM_LIMIT)


def _smoothness(potential: Potential) -> list[CheckResult]:
    """Measure jumps of energy, force and second derivative when an atom comes within the cutoff of a small cluster."""
    jumps = {f"{b} reaches {a}": _jumps(potential, a, b) for a, b in itertools.product(potential.elements, repeat=2)}
    return [*_largest_jumps("{} at the cutoff", jumps), *_network_smoothness(potential)]


def _network_smoothness(potential: Potential) -> list[CheckResult]:
    """Check the network of a model, or those of an ensemble, separately, each at its own cutoff."""
    members = potential.members()
    networks = {k: part for k, member in enumerate(members, 1) if (part := member.network_part()) is not None}
    if not networks:
        return []
    jumps = {
        f"{b} reaches {a}" + (f" in member {k}" if len(members) > 1 else ""): _jumps(part, a, b)
        for k, part in networks.items()
        for a, b in itertools.product(potential.elements, repeat=2)
    }
    return _largest_jumps("network: {} at its cutoff", jumps)


def _largest_jumps(name: str, jumps: Mapping[str, tuple[float, float, float]]) -> list[CheckResult]:
    """Return the largest jumps of energy, force and second derivative, whose names go into ``name``."""
    kinds = (
        ("energy", "eV", ENERGY_JUMP_LIMIT),
        ("force", "eV/Å", FORCE_JUMP_LIMIT),
        ("second derivative", "eV/Å²", CURVATURE_JUMP_LIMIT),
    )
    return [
        _largest(name.format(kind), ((jump[k], where) for where, jump in jumps.items()), unit, limit)
        for k, (kind, unit, limit) in enumerate(kinds)
    ]


def _jumps(potential: Potential, center: str, mover: str) -> tuple[float, float, float]:
    """Return |ΔE| (eV), |ΔF| (eV/Å) and |Δd²E/dr²| (eV/Å²) at the cutoff, extrapolated from both sides."""
    steps = CUTOFF_STEP * np.array([-1, -2, -3, 1, 2, 3])
    found = evaluate(potential, [_approach(potential, center, mover, potential.cutoff + h) for h in steps])
    energy = found.energies.numpy().reshape(2, 3)
    force = found.forces.numpy().reshape(len(steps), -1, 3)[:, -1, 0].reshape(2, 3)
    at_cutoff = np.array([3.0, -3.0, 1.0])
    slope = np.array([-2.5, 4.0, -1.5]) / CUTOFF_STEP
    inside, outside = (force @ slope) * [-1, 1]
    return (
        float(abs(np.diff(energy @ at_cutoff)[0])),
        float(abs(np.diff(force @ at_cutoff)[0])),
        float(abs(outside - inside)),
    )


def _approach(potential: Potential, center: str, mover: str, distance: float) -> ase.Atoms:
    """Make a center with three neighbors, and another atom opposite them at a distance (Å) from the center."""
    others = [potential.elements[k % len(potential.elements)] for k in range(3)]
    directions = np.array([[0.6, 0.8, 0.0], [0.3, -0.4, 0.866], [0.8, -0.3, -0.52]])
    lengths = [0.9 * min(pair_bond_length(center, other), potential.cutoff) for other in others]
    places = np.vstack([np.zeros(3), directions * np.array(lengths)[:, None], [-distance, 0.0, 0.0]])
    return ase.Atoms([center, *others, mover], places)


def _dimers(potential: Potential) -> Iterator[CheckResult]:
    """Check that -dE/dr of every pair of elements is positive where cores overlap."""
    for a, b in itertools.combinations_with_replacement(potential.elements, 2):
        distances = pair_bond_length(a, b) * np.linspace(*REPULSIVE_RANGE, 61)
        found = evaluate(potential, [ase.Atoms([a, b], [[0, 0, 0], [r, 0, 0]]) for r in distances])
        repulsion = found.forces.numpy().reshape(-1, 2, 3)[:, 1, 0]
        worst = int(np.argmin(repulsion))
        figure, at = float(repulsion[worst]), f"lowest -dE/dr, at {distances[worst]:.2f} Å"
        yield CheckResult(f"dimer {a}-{b} repulsive", figure, "eV/Å", 0.0, figure > 0, at)


def _single_precision(potential: Potential, structures: list[ase.Atoms]) -> list[CheckResult]:
    energies, forces = [], []
    for atoms in structures:
        graph = atomic_graph(atoms, potential.cutoff)
        double, found = potential.pair_gradients(graph), potential.pair_gradients(graph.to(dtype=torch.float32))
        isolated = evaluate(potential, [ase.Atoms(symbol) for symbol in atoms.symbols]).energies.sum()
        binding = abs(float(double.energies[0] - isolated))
        error = abs(float(found.site_energies.double().sum() - double.energies[0]))
        energies.append((error / max(ENERGY_SCALE, binding), _describe(atoms)))
        deviation = relative_deviation(found.forces.double().numpy(), double.forces.numpy(), FORCE_SCALE)
        forces.append((deviation, _describe(atoms)))
    return [
        _largest("float32 energy", energies, "", FLOAT32_LIMIT),
        _largest("float32 forces", forces, "", FLOAT32_LIMIT),
    ]


def _compiled_kernel(potential: Potential, structures: list[ase.Atoms]) -> Iterator[CheckResult]:
    """Compare the compiled kernel with torch, if the potential runs in it."""
    figures = []
    for atoms in structures:
        graph = atomic_graph(atoms, potential.cutoff)
        compiled = potential.pair_gradients(graph)
        if not isinstance(compiled, KernelGradients):
            return
        reference = potential.pair_gradients(graph, "torch")
        deviations = [
            relative_deviation(compiled.site_energies.numpy(), reference.site_energies.numpy(), ENERGY_SCALE),
            relative_deviation(compiled.forces.numpy(), reference.forces.numpy(), FORCE_SCALE),
        ]
        figures.append((max(deviations), _describe(atoms)))
    yield _largest("compiled kernel = torch", figures, "", KERNEL_LIMIT)


def _largest(name: str, figures: Iterable[tuple[float, str]], unit: str, limit: float) -> CheckResult:
    """Return the result for the largest of the figures; NaN counts as the largest and fails."""
    values, places = zip(*figures, strict=True)
    worst = int(np.argmax(values))
    return CheckResult(
        name, float(values[worst]), unit, limit, bool(values[worst] <= limit), f"largest for {places[worst]}"
    )


def _describe(atoms: ase.Atoms) -> str:
    periodic = "".join("T" if p else "F" for p in atoms.pbc)
    return f"{atoms.get_chemical_formula()} (pbc {periodic})"
