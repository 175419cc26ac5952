"""The algebra of elastic constants: stability, moduli, anisotropy, directions.

In Voigt's notation σ_p = Σ_q C_pq e_q, p = xx, yy, zz, yz, xz, xy, with e = (ε_xx, ε_yy, ε_zz, 2ε_yz, 2ε_xz, 2ε_xy).
The compliance S is the inverse of C. Under a hydrostatic pressure C holds the derivatives of the Cauchy stress by the
strain of the compressed crystal (Birch's coefficients), which decide its stability in place of the second derivatives
of the energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray
from acnn.conventions import VOIGT_COLUMNS, VOIGT_ROWS, full_from_voigt, voigt_from_full

PLANCK, BOLTZMANN = 6.62607015e-34, 1.380649e-23
"""J s, J/K."""
SHEAR_TWICE = np.array([1, 1, 1, 2, 2, 2])


class Moduli(NamedTuple):
    """Of an isotropic solid: bulk modulus K and shear modulus G in GPa, and what follows from them."""

    bulk: float
    shear: float

    @property
    def young(self) -> float:
        """Young's modulus 9KG / (3K + G), GPa."""
        return 9 * self.bulk * self.shear / (3 * self.bulk + self.shear)

    @property
    def poisson(self) -> float:
        """Poisson's ratio (3K − 2G) / (6K + 2G)."""
        return (3 * self.bulk - 2 * self.shear) / (6 * self.bulk + 2 * self.shear)

    def as_dict(self) -> dict[str, float]:
        """Return the four numbers by name."""
        names = ("bulk", "shear", "young", "poisson")
        return {name: float(getattr(self, name)) for name in names}


@dataclass(frozen=True)
class ElasticTensor:
    """Elastic constants.

    Attributes:
        stiffness: C [6, 6], GPa, in the axes of the crystal.
        pressure: GPa.
        mass_density: kg/m³.
        number_density: atoms/m³.
    """

    stiffness: FloatArray
    pressure: float
    mass_density: float
    number_density: float

    @cached_property
    def compliance(self) -> FloatArray:
        """S [6, 6], 1/GPa."""
        return np.array(scipy.linalg.inv(self.stiffness))

    @property
    def eigenvalues(self) -> FloatArray:
        """Of C, ascending, GPa, with shear weighted so that they do not depend on the axes (Mandel's notation)."""
        weights = np.sqrt(SHEAR_TWICE)
        return np.asarray(np.linalg.eigvalsh(self.stiffness * np.outer(weights, weights)), dtype=float)

    @property
    def is_stable(self) -> bool:
        """Born: whether every small strain costs energy."""
        return bool(self.eigenvalues[0] > 0)

    @property
    def voigt(self) -> Moduli:
        """Upper bounds of a polycrystal: the same strain everywhere."""
        C = self.stiffness
        diagonal, others = np.trace(C[:3, :3]), C[0, 1] + C[0, 2] + C[1, 2]
        return Moduli((diagonal + 2 * others) / 9, (diagonal - others + 3 * np.trace(C[3:, 3:])) / 15)

    @property
    def reuss(self) -> Moduli:
        """Lower bounds of a polycrystal: the same stress everywhere."""
        S = self.compliance
        diagonal, others = np.trace(S[:3, :3]), S[0, 1] + S[0, 2] + S[1, 2]
        return Moduli(1 / (diagonal + 2 * others), 15 / (4 * (diagonal - others) + 3 * np.trace(S[3:, 3:])))

    @property
    def hill(self) -> Moduli:
        """The mean of both."""
        return Moduli(*((upper + lower) / 2 for upper, lower in zip(self.voigt, self.reuss, strict=True)))

    @property
    def anisotropy(self) -> float:
        """Universal anisotropy 5 G_V/G_R + K_V/K_R − 6; zero for an isotropic crystal."""
        return 5 * self.voigt.shear / self.reuss.shear + self.voigt.bulk / self.reuss.bulk - 6

    @property
    def debye_temperature(self) -> float:
        """K, from the mean velocity of sound with Hill's moduli; NaN for an unstable crystal."""
        K, G = self.hill
        if not self.is_stable:
            return float("nan")
        along, across = np.sqrt(np.array([K + 4 / 3 * G, G]) * 1e9 / self.mass_density)
        mean = ((1 / along**3 + 2 / across**3) / 3) ** (-1 / 3)
        return float(PLANCK / BOLTZMANN * (3 * self.number_density / (4 * np.pi)) ** (1 / 3) * mean)

    def young(self, directions: FloatArray) -> FloatArray:
        """Return Young's modulus along unit vectors [n, 3], GPa: 1 / Σ S_pq w_p w_q with w = (n_x², …, n_x n_y)."""
        products = directions[:, VOIGT_ROWS] * directions[:, VOIGT_COLUMNS]
        return np.array(1.0 / np.einsum("np,pq,nq->n", products, self.compliance, products))

    def young_in_planes(self, points: int = 361) -> dict[str, FloatArray]:
        """Return Young's modulus over the full circle in the planes xy, yz and zx, GPa."""
        angles = np.linspace(0, 2 * np.pi, points)
        flat = np.stack([np.cos(angles), np.sin(angles), np.zeros(points)], axis=1)
        return {plane: self.young(np.roll(flat, shift, axis=1)) for shift, plane in enumerate(("xy", "yz", "zx"))}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, GPa and K."""
        averages = {"voigt": self.voigt, "reuss": self.reuss, "hill": self.hill}
        return {
            "pressure": self.pressure,
            "stiffness": self.stiffness.tolist(),
            "eigenvalues": self.eigenvalues.tolist(),
            "is_stable": self.is_stable,
            **{name: of.as_dict() for name, of in averages.items()},
            "anisotropy": float(self.anisotropy),
            "debye_temperature": self.debye_temperature,
        }

    def rotated(self, rotation: FloatArray) -> ElasticTensor:
        """Return the tensor in axes turned by a rotation: x' = R x."""
        turn = stress_rotation(rotation)
        turned = turn @ self.stiffness @ turn.T
        return ElasticTensor((turned + turned.T) / 2, self.pressure, self.mass_density, self.number_density)


def stress_rotation(rotation: FloatArray) -> FloatArray:
    """Return the matrix [6, 6] that turns a stress in Voigt's notation: σ' = R σ Rᵀ."""
    return voigt_from_full(rotation @ full_from_voigt(np.eye(6)) @ rotation.T).T


def voigt_strain(tensor: FloatArray) -> FloatArray:
    """Return the six components of a strain, those of shear twice."""
    return voigt_from_full(tensor) * SHEAR_TWICE


def strain_of(components: FloatArray) -> FloatArray:
    """Return the symmetric strain [3, 3] of six components."""
    return full_from_voigt(components / SHEAR_TWICE)
