"""Smoothness priors: γ from (n, l)."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.fit.priors import AlgebraicPrior, IdentityPrior, parse_prior

FUNCTIONS = [((1, 0),), ((3, 0),), ((2, 1), (2, 1)), ((1, 0), (3, 2), (1, 2))]


@pytest.mark.parametrize("p", [0.0, 1.0, 2.0, 4.0, 2.5])
def test_the_algebraic_prior_is_the_papers_sum(p):
    wl = 1.3
    expected = [
        1 + wl * 0.0**p,
        3**p + wl * 0.0**p,
        2 * (2**p + wl * 1),
        (1 + wl * 0.0**p) + (3**p + wl * 2**p) + (1 + wl * 2**p),
    ]
    np.testing.assert_allclose(AlgebraicPrior(p, wl)(FUNCTIONS), expected, rtol=1e-14)


def test_the_identity_prior_treats_all_functions_alike():
    assert IdentityPrior()(FUNCTIONS).tolist() == [1.0] * 4


def test_rougher_functions_are_held_back_more():
    prior = AlgebraicPrior(4.0, 1.5)
    gamma = prior([((n, 0), (1, 0)) for n in range(1, 9)])
    assert np.all(np.diff(gamma) > 0)
    gamma = prior([((1, l), (1, l)) for l in range(8)])
    assert np.all(np.diff(gamma) > 0)


def test_every_column_of_a_basis_has_a_positive_prior():
    basis = ACEBasis(BasisSpecification(elements=("Al", "Ti"), total_degree=6))
    gamma = AlgebraicPrior()([nl for _, nl in basis.labels()])
    assert gamma.shape == (basis.n_functions,)
    assert gamma.min() == 1.0  # the pair function n = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algebraic", AlgebraicPrior(4.0, 1.2)),
        ("algebraic:4", AlgebraicPrior(4.0, 1.2)),
        ("algebraic:2.5", AlgebraicPrior(2.5, 1.2)),
        ("algebraic:0", AlgebraicPrior(0.0, 1.2)),
        ("identity", IdentityPrior()),
    ],
)
def test_a_prior_is_read_from_its_name_and_describes_itself(text, expected):
    prior = parse_prior(text, 1.2)
    assert prior == expected
    assert parse_prior(prior.describe(), 1.2) == prior


@pytest.mark.parametrize(
    "text", ["", "gauss", "algebraic:x", "algebraic:-1", "identity:2", "algebraic:nan", "ALGEBRAIC"]
)
def test_an_unknown_prior_is_told_with_what_is_known(text):
    with pytest.raises(ValueError, match=r"unknown prior .* algebraic:P .*or identity"):
        parse_prior(text, 1.5)
