"""Conformal scales: quantiles, coverage of errors of any distribution, groups."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.models.calibration import EVERY, ErrorBars, Scale
from acnn.uncertainty.conformal import Spreads, conformal_quantile, cross_coverage, joined


@pytest.mark.parametrize(
    ("n", "coverage", "place"), [(9, 0.9, 9), (10, 0.9, 10), (19, 0.9, 18), (99, 0.9, 90), (3, 0.9, 3), (99, 0.5, 50)]
)
def test_the_quantile_counts_one_more(n: int, coverage: float, place: int) -> None:
    ratios = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert conformal_quantile(ratios, coverage) == place


def of_structures(n: int, rng: np.random.Generator) -> list[Spreads]:
    """Errors with heavy tails, of a size that the spread tells apart from a factor: three for Si, one for C."""
    found = []
    for _ in range(n):
        one = Spreads()
        for element, factor in (("Si", 3.0), ("C", 1.0)):
            spread = rng.lognormal(size=(20, 3))
            errors = factor * spread * rng.standard_t(3, size=spread.shape)
            one.add("forces", element, errors, spread)
            one.add_norms(element, np.linalg.norm(errors, axis=1), np.linalg.norm(spread, axis=1))
        one.add("energy", EVERY, rng.normal(), 0.5)
        found.append(one)
    return found


def test_error_bars_cover_what_they_say() -> None:
    rng = np.random.default_rng(0)
    bars, further = joined(of_structures(60, rng)).error_bars(), joined(of_structures(60, rng))
    for quantity, covered in further.covered(bars).items():
        few = 0.12 if quantity == "energy" else 0.02
        assert covered["std"].mean() == pytest.approx(0.683, abs=few)
        assert covered["q90"].mean() == pytest.approx(0.9, abs=few)


def test_elements_have_scales_of_their_own_if_there_are_enough() -> None:
    bars = joined(of_structures(20, np.random.default_rng(1))).error_bars()
    assert bars.scale("forces", "Si").std == pytest.approx(3 * bars.scale("forces", "C").std, rel=0.15)
    assert bars.scale("forces", "C").count == 1200
    few = joined(of_structures(1, np.random.default_rng(1))).error_bars()
    assert set(few.scales["forces"]) == {EVERY}
    assert few.scale("forces", "Si") == few.scale("forces")
    assert set(bars.scales["energy"]) == {EVERY}


def test_coverage_is_measured_on_other_structures() -> None:
    found = cross_coverage(of_structures(60, np.random.default_rng(2)))
    assert found["forces"]["q90"] == pytest.approx(0.9, abs=0.02)
    assert set(found) == {"forces", "energy"}
    assert cross_coverage(of_structures(4, np.random.default_rng(2))) == {}


def test_what_vanishes_by_symmetry_does_not_count() -> None:
    one = Spreads()
    one.add("forces", "Si", np.array([0.0, 0.0, 2.0]), np.array([1e-17, 0.0, 1.0]))
    one.add_norms("Si", np.array([2.0]), np.array([1.0]))
    assert one.error_bars().scale("forces") == Scale(2.0, 2.0, 1)


def test_quantities_without_labels_are_not_calibrated() -> None:
    bars = joined(of_structures(3, np.random.default_rng(0))).error_bars()
    assert bars.covers("forces")
    assert not bars.covers("stress")


def test_the_stored_form_is_the_same() -> None:
    bars = joined(of_structures(20, np.random.default_rng(1))).error_bars()
    assert ErrorBars.from_dict(bars.as_dict()) == bars
    with pytest.raises(ValueError, match="finite and not negative"):
        Scale(float("nan"), 1.0, 1)
