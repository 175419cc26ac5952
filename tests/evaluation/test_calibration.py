"""Figures of calibration: synthetic errors of known distribution, and formulas by quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from acnn.evaluation.calibration import Predicted, calibrate, coverage_levels, miscalibration_area

N = 40_000
SAMPLING_ERROR = 0.01  # of the area for N predictions: F scatters by 0.5/sqrt(N)


def synthetic(scale=1.0, seed=0, n=N):
    """Errors of a Gaussian model whose standard deviations vary, and are too small by ``scale``."""
    rng = np.random.default_rng(seed)
    std = np.exp(rng.normal(size=n))
    return scale * std * rng.normal(size=n), std


def area_by_quadrature(scale):
    """∫ |F(p) - p| dp where the errors are ``scale`` times as large as predicted."""
    p = (np.arange(20_000) + 0.5) / 20_000
    inside = 2 * scipy.stats.norm.cdf(scipy.stats.norm.ppf((1 + p) / 2) / scale) - 1
    return np.abs(inside - p).mean()


@pytest.mark.parametrize("scale", [1.0, 2.0, 0.5, 10.0])
def test_the_area_is_that_of_the_distribution(scale):
    found = calibrate(*synthetic(scale))
    assert found.miscalibration == pytest.approx(area_by_quadrature(scale), abs=SAMPLING_ERROR)
    assert found.count == N


def test_perfect_standard_deviations():
    errors, std = synthetic()
    found = calibrate(errors, std)
    assert found.miscalibration < SAMPLING_ERROR
    assert found.rmse == pytest.approx(found.sharpness, rel=0.1)
    assert found.sharpness == pytest.approx(np.sqrt(np.mean(std**2)))
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(np.abs(errors), std).statistic)
    assert found.spearman > 0.4


def test_the_area_is_exact():
    levels = np.sort(np.random.default_rng(3).uniform(size=7))
    p = (np.arange(400_000) + 0.5) / 400_000
    share = np.searchsorted(levels, p, side="right") / 7
    assert miscalibration_area(levels) == pytest.approx(np.abs(share - p).mean(), abs=1e-6)


def test_the_worst_there_is():
    assert calibrate(np.ones(5), np.zeros(5)).miscalibration == pytest.approx(0.5)
    assert calibrate(np.zeros(5), np.ones(5)).miscalibration == pytest.approx(0.5)


def test_errors_inside_one_sigma():
    assert coverage_levels(np.array([-1.0]), np.array([1.0])) == pytest.approx([0.6827], abs=1e-4)


def test_ranks():
    sizes = np.array([0.1, -0.2, 0.3, -0.4])
    assert calibrate(sizes, np.array([1.0, 2.0, 3.0, 4.0])).spearman == pytest.approx(1)
    assert calibrate(sizes, np.array([4.0, 3.0, 2.0, 1.0])).spearman == pytest.approx(-1)
    assert calibrate(sizes, np.ones(4)).spearman is None
    tied = np.array([2.0, 1.0, 2.0, 3.0])
    assert calibrate(sizes, tied).spearman == pytest.approx(scipy.stats.spearmanr(np.abs(sizes), tied).statistic)


def test_noise_makes_small_committees_honest():
    errors, std = synthetic(n=4000)
    noise = np.full(4000, 2.0)
    errors = errors + noise * np.random.default_rng(1).normal(size=4000)
    found = Predicted(errors, std, noise, np.full(4000, np.inf)).calibrations()
    assert found["committee and noise"].miscalibration < 0.02
    assert found["committee"].miscalibration > 0.15
    assert list(Predicted(errors, std, *np.full((2, 4000), np.inf)).calibrations()) == ["committee"]


def test_what_symmetry_makes_zero_is_left_out():
    errors, std = synthetic(n=2000)
    zeros = np.full(1000, 1e-14)
    found = Predicted(np.append(errors, zeros), np.append(std, zeros), np.ones(3000), np.ones(3000)).calibrations()
    assert found == Predicted(errors, std, np.ones(2000), np.ones(2000)).calibrations()
    same = Predicted(errors, np.zeros(2000), np.ones(2000), np.ones(2000)).calibrations()
    assert same["committee"].count == 2000


@pytest.mark.parametrize(
    ("errors", "std", "reason"),
    [
        (np.ones(3), np.ones(2), "one standard deviation per error"),
        (np.ones(0), np.ones(0), "one standard deviation per error"),
        (np.ones(2), np.array([1.0, np.nan]), "finite and not negative"),
        (np.ones(2), np.array([1.0, -1.0]), "finite and not negative"),
    ],
)
def test_what_cannot_be_judged(errors, std, reason):
    with pytest.raises(ValueError, match=reason):
        calibrate(errors, std)
