"""Whether predicted standard deviations tell the errors that are made.

A prediction with standard deviation σ claims that its error e is below σ √2 erf⁻¹(p) with probability p. Over many
predictions the share that is, F(p), should be p: F is the cumulative distribution of u = erf(|e| / (σ √2)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.special
import scipy.stats

from acnn.arrays import FloatArray

NOTHING_TO_PREDICT = 1e-6
"""Of the largest σ: smaller ones belong to what symmetry makes zero for every member, or to isolated atoms."""


@dataclass(frozen=True)
class Calibration:
    """Predicted standard deviations beside the errors.

    Attributes:
        count: number of predictions.
        miscalibration: ∫ |F(p) - p| dp over 0 … 1: 0 is perfect, 0.5 the worst there is.
        rmse: root mean square of the errors.
        sharpness: root mean square of σ: the smaller the better among calibrated predictions; below the rmse the errors
            are larger than predicted.
        spearman: rank correlation of σ with |e|; None where one of them does not vary.
    """

    count: int
    miscalibration: float
    rmse: float
    sharpness: float
    spearman: float | None


def calibrate(errors: FloatArray, std: FloatArray) -> Calibration:
    """How well standard deviations [n] describe errors [n] of the same unit.

    Raises:
        ValueError: there are no predictions, or their standard deviations are negative or not finite.
    """
    if errors.shape != std.shape or errors.ndim != 1 or len(errors) == 0:
        raise ValueError(f"one standard deviation per error is needed, not {std.shape} for {errors.shape}")
    if not (np.isfinite(std) & (std >= 0)).all():
        raise ValueError("standard deviations are finite and not negative")
    return Calibration(
        count=len(errors),
        miscalibration=miscalibration_area(coverage_levels(errors, std)),
        rmse=float(np.sqrt(np.mean(errors**2))),
        sharpness=float(np.sqrt(np.mean(std**2))),
        spearman=_rank_correlation(np.abs(errors), std),
    )


def deviates(errors: FloatArray, std: FloatArray) -> FloatArray:
    """|e|/σ [n]; 0 where both are 0, infinite where σ alone is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(errors == 0, 0.0, np.abs(errors) / std)


def coverage_levels(errors: FloatArray, std: FloatArray) -> FloatArray:
    """u [n], ascending: the smallest p whose interval holds the error. The share of them below p is F(p)."""
    return np.sort(scipy.special.erf(deviates(errors, std) / np.sqrt(2)))


def miscalibration_area(levels: FloatArray) -> float:
    """∫ |F(p) - p| dp for ascending levels [n], exactly: F is a step function."""
    steps = np.concatenate([[0.0], levels, [1.0]])
    share = np.arange(len(levels) + 1) / len(levels)

    def below(p: FloatArray) -> FloatArray:
        """∫ |share - p| dp up to p, from where p = share."""
        return 0.5 * (p - share) * np.abs(p - share)

    return float((below(steps[1:]) - below(steps[:-1])).sum())


def _rank_correlation(sizes: FloatArray, std: FloatArray) -> float | None:
    if np.ptp(sizes) == 0 or np.ptp(std) == 0:
        return None
    return float(scipy.stats.spearmanr(sizes, std).statistic)


@dataclass(frozen=True)
class Predicted:
    """Errors of one quantity and both terms of eq. (17), [n] each, in the units of the error tables.

    Attributes:
        errors: prediction - label.
        epistemic: spread of the committee.
        aleatoric: noise of the labels as the fit assumed it; infinite where it assumed nothing.
    """

    errors: FloatArray
    epistemic: FloatArray
    aleatoric: FloatArray

    @property
    def free(self) -> Predicted:
        """Without what every member predicts alike (`NOTHING_TO_PREDICT`), such as forces that symmetry makes zero: to
        find σ and error zero there is no merit, and would dominate ranks and coverage."""
        kept = self.epistemic >= NOTHING_TO_PREDICT * self.epistemic.max(initial=0.0)
        return Predicted(self.errors[kept], self.epistemic[kept], self.aleatoric[kept])

    @property
    def has_noise(self) -> bool:
        """Whether the noise is known for all predictions."""
        return bool(np.isfinite(self.aleatoric).all())

    @property
    def total(self) -> FloatArray:
        """The root of both terms."""
        return np.hypot(self.epistemic, self.aleatoric)

    def deviations(self) -> dict[str, FloatArray]:
        """Standard deviations of the committee alone, and together with the noise if that is known."""
        found = {"committee": self.epistemic}
        return found | {"committee and noise": self.total} if self.has_noise else found

    def calibrations(self) -> dict[str, Calibration]:
        """How well each of the `deviations` describes the errors where predictions are `free`."""
        free = self.free
        return {source: calibrate(free.errors, std) for source, std in free.deviations().items()}
