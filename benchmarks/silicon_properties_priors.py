"""Smoothness priors at equal accuracy: dimers and rigid decohesion, as in Fig. 3 of Witt et al. (2023).

Ridge regression with λ such that every prior ends at the paper's force RMSE on the training data. Least squares goes to
half of it on so few data, and p = 10 no further than to 0.064 eV/Å: its γ span more than double precision resolves. No
repulsion is taught at short range, so that what the curves do there is the prior's doing.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from ase import units
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.signal import find_peaks
from silicon_properties_crystal import decohesion, relaxed_crystal

import acnn
from acnn.files import write_atomically
from acnn.fit.linear import LinearFit
from acnn.workflows import dimer_energies
from ase_calculator import ACNNCalculator

POWERS = (0, 1, 2, 5, 10)
"""p of the algebraic prior; 0 is the identity."""
FORCES_RMSE = 0.075
"""eV/Å, on the training data."""
ACCURACY = 2e-3
"""Relative, of that."""
LOG_REGULARIZATIONS = (-32.0, 4.0)
"""Of λ, base 10: where it is sought."""
DISTANCES = np.arange(0.8, 6.51, 0.05)
"""Å"""
OPENINGS = np.arange(0.0, 6.01, 0.05)
"""Å"""
PROMINENCE = 0.05
"""eV of a dimer; smaller bumps are no turns."""
SPACING = {"energy": 8.0, "stress": 12.0}
"""eV and GPa between two priors in the figure."""


@dataclass(frozen=True)
class PriorFits:
    """Fits with one basis and one data set; the equations are kept in ``checkpoint`` and assembled once."""

    specification: acnn.BasisSpecification
    train: acnn.Dataset
    checkpoint: Path

    def fit(self, power: int, regularization: float) -> LinearFit:
        prior = acnn.AlgebraicPrior(power, self.specification.wl) if power else acnn.IdentityPrior()
        energies = acnn.isolated_atom_energies(self.train)
        solver = acnn.QR(regularization)
        structures, kept = self.train.structures, self.checkpoint
        return acnn.fit_linear(self.specification, structures, energies, solver, prior, checkpoint=kept)

    def forces_rmse(self, fit: LinearFit) -> float:
        """Training RMSE in eV/Å."""
        return float(acnn.evaluate(fit.model, self.train).as_dict()["total"]["forces_rmse"])

    def at_forces_rmse(self, power: int, target: float) -> LinearFit:
        """The fit whose training RMSE is ``target`` (eV/Å) to `ACCURACY`."""

        def excess(log_regularization: float) -> float:
            ratio = self.forces_rmse(self.fit(power, 10.0**log_regularization)) / target
            return 0.0 if abs(ratio - 1) < ACCURACY else ratio - 1

        return self.fit(power, 10.0 ** scipy.optimize.brentq(excess, *LOG_REGULARIZATIONS, xtol=1e-3))


def prior_curves(fits: PriorFits, powers: tuple[int, ...]) -> list[dict[str, Any]]:
    """For each prior its regularization, accuracy and curves."""
    return [_curves(power, fits, fits.at_forces_rmse(power, FORCES_RMSE)) for power in powers]


def _curves(power: int, fits: PriorFits, fit: LinearFit) -> dict[str, Any]:
    calculator = ACNNCalculator(fit.model)
    crystal, dimers = relaxed_crystal(calculator), dimer_energies(calculator, ("Si", "Si"), DISTANCES)
    return {
        "p": power,
        "regularization": fit.solution.regularization,
        "forces_rmse_eV_per_A": fits.forces_rmse(fit),
        "dimer": {"distance": DISTANCES.tolist(), "energy": dimers.tolist()},
        "decohesion": {surface: decohesion(crystal, surface, OPENINGS) for surface in ("100", "110", "111")},
    }


def reference_decohesion(file: Path, surface: str) -> dict[str, list[float]]:
    """DFT's energy (eV/Å²) and stress (GPa) by opening (Å). The file halves them for all but (100)."""
    found = json.loads(file.read_text())["CASTEP_ASE"][f"surface-decohesion-{surface}-unrelaxed"]
    surfaces = 1 if surface == "100" else 2
    names = {"opening": 1.0, "energy": surfaces, "stress": surfaces / units.GPa}
    return {
        name: [factor * value for value in found[f"surface_decohesion_unrelaxed_{name}"]]
        for name, factor in names.items()
    }


def prior_rows(curves: list[dict[str, Any]], references: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """How often the dimer turns (once is right), the RMS deviation of the stress from DFT's and the lowest stress.

    DFT's stress stays above zero while the halves part. What lies below is an oscillation of the potential.
    """
    return [_row(curve, references) for curve in curves]


def _row(curve: dict[str, Any], references: dict[str, dict[str, list[float]]]) -> dict[str, Any]:
    row = {"p": curve["p"], "lambda": curve["regularization"], "forces_rmse_eV_per_A": curve["forces_rmse_eV_per_A"]}
    row["dimer_turns"] = turns(curve["dimer"]["energy"])
    for surface, reference in references.items():
        ours = curve["decohesion"][surface]
        at = np.interp(reference["opening"], ours["opening"], ours["stress"])
        row[f"stress_{surface}_off_DFT_GPa"] = float(np.sqrt(np.mean((at - reference["stress"]) ** 2)))
        row[f"lowest_stress_{surface}_GPa"] = min(ours["stress"])
    return row


def turns(energies: list[float]) -> int:
    """Maxima and minima of energies (eV) between their ends."""
    return sum(len(find_peaks(sign * np.array(energies), prominence=PROMINENCE)[0]) for sign in (1.0, -1.0))


def draw(path: Path, curves: list[dict[str, Any]], references: dict[str, dict[str, list[float]]]) -> None:
    """Dimers, and the stress of decohesion beside DFT's (dotted); priors shifted against each other."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    dimers, stresses = figure.subplots(1, 2)
    for place, curve in enumerate(curves):
        color, name = f"C{place}", f"p = {curve['p']}" if curve["p"] else "Γ = 1"
        shift = -SPACING["energy"] * place
        dimers.plot(curve["dimer"]["distance"], np.add(curve["dimer"]["energy"], shift), color=color, label=name)
        dimers.axhline(shift, color="0.85", linewidth=0.6, zorder=0)
        _draw_stresses(stresses, curve["decohesion"], references, color, -SPACING["stress"] * place)
    lowest = -SPACING["energy"] * len(curves)
    dimers.set(xlabel="r (Å)", ylabel="E - 2 E0 (eV), shifted", ylim=(lowest - 4, 20), title="dimer")
    stresses.set(xlabel="opening (Å)", ylabel="stress (GPa), shifted", title="(100) solid, (110) dashed, DFT dotted")
    dimers.legend()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, image.getvalue())


def _draw_stresses(axes: Axes, ours: dict[str, Any], references: dict[str, Any], color: str, shift: float) -> None:
    for surface, style in {"100": "-", "110": "--"}.items():
        reference = references[surface]
        axes.plot(reference["opening"], np.add(reference["stress"], shift), ":", color="0.4", linewidth=0.9)
        axes.plot(ours[surface]["opening"], np.add(ours[surface]["stress"], shift), style, color=color)
