"""Calibration: how well predicted standard deviations describe the actual errors.

A prediction with standard deviation σ claims that its error e is below σ √2 erf⁻¹(p) with probability p. Over many
predictions, the share F(p) for which this holds should be p: F is the cumulative distribution of u = erf(|e| / (σ √2)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special

from acnn.arrays import FloatArray

NOTHING_TO_PREDICT = 1e-6
"""Relative to the largest σ; smaller ones belong to isolated atoms, or to values that vanish by symmetry."""


@dataclass(frozen=True)
class Calibration:
    """Comparison of predicted standard deviations with the errors.

    Attributes:
        count: number of predictions.
        miscalibration: ∫ |F(p) - p| dp over 0 … 1: 0 is perfect, 0.5 the worst possible.
        rmse: root mean square of the errors.
        sharpness: root mean square of σ: the smaller the better among calibrated predictions; below the rmse, errors
            are larger than predicted.
        spearman: rank correlation of σ with |e|; None if one of them does not vary.
    """

    count: int
    miscalibration: float
    rmse: float
    sharpness: float
    spearman: float | None


def calibrate(errors: FloatArray, std: FloatArray) -> Calibration:
    """Measure how well standard deviations [n] describe errors [n] of the same unit.

    Raises:
        ValueError: there are no predictions, or their standard deviations are negative or not finite.
    """
    if errors.shape != std.shape or errors.ndim != 1 or len(errors) == 0:
        raise ValueError(f"one standard deviation per error is needed, not {std.shape} for {errors.shape}")
    if not (np.isfinite(std) & (std >= 0)).all():
        raise ValueError("standard deviations must be finite and not negative")
    return Calibration(
        count=len(errors),
        miscalibration=miscalibration_area(coverage_levels(errors, std)),
        rmse=float(np.sqrt(np.mean(errors**2))),
        sharpness=float(np.sqrt(np.mean(std**2))),
        spearman=_rank_correlation(np.abs(errors), std),
    )


def deviates(errors: FloatArray, std: FloatArray) -> FloatArray:
    """Return |e|/σ [n]; 0 if both are 0, infinite if only σ is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(errors == 0, 0.0, np.abs(errors) / std)


def coverage_levels(errors: FloatArray, std: FloatArray) -> FloatArray:
    """Return u [n], ascending: the smallest p whose interval contains the error; the share below p is F(p)."""
    return np.sort(scipy.special.erf(deviates(errors, std) / np.sqrt(2)))


def miscalibration_area(levels: FloatArray) -> float:
    """Return ∫ |F(p) - p| dp for ascending levels [n], exactly, since F is a step function."""
    steps = np.concatenate([[0.0], levels, [1.0]])
    share = np.arange(len(levels) + 1) / len(levels)

    def below(p: FloatArray) -> FloatArray:
        """Return ∫ |share - p| dp from share to p."""
        return 0.5 * (p - share) * np.abs(p - share)

    return float((below(steps[1:]) - below(steps[:-1])).sum())


def _rank_correlation(sizes: FloatArray, std: FloatArray) -> float | None:
    if np.ptp(sizes) == 0 or np.ptp(std) == 0:
        return None
    return float(np.corrcoef(_ranks(sizes), _ranks(std))[0, 1])


def _ranks(values: FloatArray) -> FloatArray:
    """Return the rank of each value, equal ones the mean of theirs; scipy.stats would take half a second to import."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - 0.5 * (counts - 1))[inverse]


@dataclass(frozen=True)
class Predicted:
    """Errors of one quantity and both terms of eq. (17), [n] each, in the units of the error tables.

    Attributes:
        errors: prediction - label.
        epistemic: spread of the committee.
        aleatoric: noise that the fit assumed in the labels; infinite if unknown.
        scales: factors that make error bars of the spread, see `acnn.models.calibration`; infinite if unknown.
    """

    errors: FloatArray
    epistemic: FloatArray
    aleatoric: FloatArray
    scales: FloatArray

    @property
    def free(self) -> Predicted:
        """Predictions that differ between members, without forces that vanish by symmetry (`NOTHING_TO_PREDICT`).

        There, σ and the error are trivially zero, which would dominate ranks and coverage.
        """
        kept = self.epistemic >= NOTHING_TO_PREDICT * self.epistemic.max(initial=0.0)
        return Predicted(self.errors[kept], self.epistemic[kept], self.aleatoric[kept], self.scales[kept])

    @property
    def has_noise(self) -> bool:
        """Whether the noise is known for all predictions."""
        return bool(np.isfinite(self.aleatoric).all())

    @property
    def total(self) -> FloatArray:
        """The root of both terms."""
        return np.hypot(self.epistemic, self.aleatoric)

    def deviations(self) -> dict[str, FloatArray]:
        """Return the standard deviations of the committee alone, with the noise if it is known, and scaled if it is."""
        found = {"committee": self.epistemic}
        found |= {"committee and noise": self.total} if self.has_noise else {}
        return found | {"error bars": self.scales * self.epistemic} if np.isfinite(self.scales).all() else found

    def coverages(self) -> dict[str, FloatArray]:
        """Return the `coverage_levels` of each of the `deviations`."""
        return {source: coverage_levels(self.errors, std) for source, std in self.deviations().items()}

    def calibrations(self) -> dict[str, Calibration]:
        """Measure how well each of the `deviations` describes the errors of the `free` predictions."""
        free = self.free
        return {source: calibrate(free.errors, std) for source, std in free.deviations().items()}
