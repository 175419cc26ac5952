"""Volumes per element, by least squares: V / n = Σ_z x_z v_z with the share x_z of the element z in a structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.formula import Formula


@dataclass(frozen=True)
class ElementVolumes:
    """The result of the fit.

    Attributes:
        volumes: v_z in Å³ by element.
        errors: their standard errors in Å³; NaN if there are as many structures as elements.
        n_structures: that were used.
        rms: of V / n minus its estimate, Å³ per atom.
    """

    volumes: Mapping[str, float]
    errors: Mapping[str, float]
    n_structures: int
    rms: float

    def of(self, formula: str) -> float:
        """Return the estimated volume of a formula unit in Å³.

        Raises:
            ValueError: it is no formula of these elements.
        """
        try:
            counts = Formula(formula).count()
        except ValueError:
            raise ValueError(f"{formula!r} is no formula: write SrB6") from None
        unknown = [element for element in counts if element not in self.volumes]
        if unknown or not counts:
            what = ", ".join(unknown) or "nothing"
            raise ValueError(f"the data have no volume of {what}, of which {formula!r} consists")
        return sum(n * self.volumes[element] for element, n in counts.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON has it."""
        errors = {element: None if np.isnan(error) else error for element, error in self.errors.items()}
        return {"volumes": dict(self.volumes), "errors": errors, "structures": self.n_structures, "rms": self.rms}


def element_volumes(structures: Sequence[Atoms]) -> ElementVolumes:
    """Estimate volumes from the structures that are periodic in three directions.

    Raises:
        ValueError: there are none, or their compositions do not determine the volumes.
    """
    crystals = [atoms for atoms in structures if atoms.pbc.all() and atoms.cell.rank == 3 and len(atoms)]
    if not crystals:
        raise ValueError("volumes need structures that are periodic in three directions, and there are none")
    elements = sorted({symbol for atoms in crystals for symbol in atoms.symbols})
    shares = np.array([[list(a.symbols).count(element) / len(a) for element in elements] for a in crystals])
    volumes = np.array([atoms.cell.volume / len(atoms) for atoms in crystals])
    found, _, rank, _ = np.linalg.lstsq(shares, volumes, rcond=None)
    if rank < len(elements):
        raise ValueError(
            f"the compositions of {len(crystals)} structures do not determine the volumes of {', '.join(elements)}: "
            "add structures in which their shares differ"
        )
    left = volumes - shares @ found
    freedom = len(crystals) - len(elements)
    variance = left @ left / freedom if freedom else np.nan
    errors = np.sqrt(variance * np.diag(np.linalg.inv(shares.T @ shares)))
    return ElementVolumes(
        dict(zip(elements, found.tolist(), strict=True)),
        dict(zip(elements, errors.tolist(), strict=True)),
        len(crystals),
        float(np.sqrt(np.mean(left**2))),
    )
