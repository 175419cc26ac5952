"""Terms that a fit does not change: the energies E0 of isolated atoms, and ZBL repulsion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from ase.data import atomic_numbers, covalent_radii
from ase.units import Bohr, Hartree
from torch import Tensor, nn

from acnn.graph import AtomicGraph

ZBL_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
ZBL_EXPONENTS = (3.1998, 0.94229, 0.4029, 0.20162)


class ReferenceEnergies(nn.Module):
    """E0 in eV per element: V^(0)(Z_i), the energy of an isolated atom (paper eq. 2)."""

    numbers: Tensor
    values: Tensor

    def __init__(self, elements: Sequence[str], energies: Mapping[str, float]) -> None:
        super().__init__()
        missing = [e for e in elements if e not in energies]
        if missing:
            raise ValueError(f"no E0 for {', '.join(missing)}: give one in eV for every element")
        if list(elements) != sorted(elements, key=lambda element: atomic_numbers[element]):
            raise ValueError(f"elements must be in order of atomic number, not {', '.join(elements)}")
        self.energies = {e: float(energies[e]) for e in elements}
        self.register_buffer("numbers", torch.tensor([atomic_numbers[e] for e in elements]), persistent=False)
        values = torch.tensor([self.energies[e] for e in elements], dtype=torch.float64)
        self.register_buffer("values", values, persistent=False)

    def forward(self, graph: AtomicGraph) -> Tensor:
        """Return E0 of every center [n_centers], float64; elements must be known."""
        index = torch.searchsorted(self.numbers, graph.species[: graph.n_centers])
        return self.values[index].double()


class ZBL(nn.Module):
    """Screened nuclear repulsion, Ziegler, Biersack and Littmark (1985), switched off at the sum of covalent radii.

    V(r) = f(r) k Z_i Z_j e²/r Σ_t a_t exp(-b_t r/d), d = 0.46850 Å / (Z_i^0.23 + Z_j^0.23),
    f(x = r / (R_i + R_j)) = 1 - 10x³ + 15x⁴ - 6x⁵ for x < 1 with covalent radii R (Å): C² everywhere.
    Each center carries half of the energy of its pairs.
    """

    radii: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("radii", torch.as_tensor(covalent_radii).clone(), persistent=False)

    def forward(self, graph: AtomicGraph) -> Tensor:
        """Return site energies in eV [n_centers]."""
        r = torch.linalg.vector_norm(graph.pair_vectors, dim=1)
        number_i, number_j = graph.species[graph.pair_i], graph.species[graph.pair_j]
        z_i, z_j = number_i.to(r.dtype), number_j.to(r.dtype)
        reach = (self.radii[number_i] + self.radii[number_j]).to(r.dtype)
        halves = 0.5 * zbl_energy(r, z_i, z_j) * switch(r / reach)
        return r.new_zeros(graph.n_centers).index_add(0, graph.pair_i, halves)


def zbl_reach(elements: Sequence[str]) -> float:
    """Return the distance in Å beyond which ZBL vanishes for all pairs of these elements."""
    return 2 * max(float(covalent_radii[atomic_numbers[e]]) for e in elements)


def zbl_energy(r: Tensor, z_i: Tensor, z_j: Tensor) -> Tensor:
    """Return the unswitched ZBL energy (eV) of pairs at distances r (Å)."""
    length = 0.46850 / (z_i**0.23 + z_j**0.23)
    x = r / length
    screening = sum(a * torch.exp(-b * x) for a, b in zip(ZBL_AMPLITUDES, ZBL_EXPONENTS, strict=True))
    return Hartree * Bohr * z_i * z_j / r * screening


def switch(x: Tensor) -> Tensor:
    """Return a switch from 1 at x = 0 to 0 for x ≥ 1, with two continuous derivatives."""
    inside = x.clamp(max=1.0)
    return 1 - inside**3 * (10 - 15 * inside + 6 * inside**2)
