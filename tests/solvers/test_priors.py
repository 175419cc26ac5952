"""Smoothness priors: γ from (n, l)."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.solvers import AlgebraicPrior, CustomPrior, ExponentialPrior, GaussianPrior, IdentityPrior
from acnn.solvers.priors import parse_prior

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


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_exponential_and_gaussian_priors_are_the_papers(strength):
    """γ = exp(α_l Σ l + α_n Σ n) and exp(σ_l Σ l² + σ_n Σ n²), with w_L the ratio of the two parameters."""
    wl = 1.3
    n, l = [
        np.array([[1, 0, 0], [3, 0, 0], [2, 2, 0], [1, 3, 1]]),
        np.array([[0, 0, 0], [0, 0, 0], [1, 1, 0], [0, 2, 2]]),
    ]
    expected = np.exp(wl * strength * l.sum(axis=1) + strength * n.sum(axis=1))
    np.testing.assert_allclose(ExponentialPrior(strength, wl)(FUNCTIONS), expected, rtol=1e-13)
    expected = np.exp(wl * strength * (l**2).sum(axis=1) + strength * (n**2).sum(axis=1))
    np.testing.assert_allclose(GaussianPrior(strength, wl)(FUNCTIONS), expected, rtol=1e-13)


@pytest.mark.parametrize("prior", [ExponentialPrior(80.0), GaussianPrior(80.0)])
def test_a_prior_beyond_numbers_is_refused(prior):
    with pytest.raises(ValueError, match=r"beyond the range .*: reduce the parameter 80 to at most"):
        prior(FUNCTIONS)


def test_a_prior_of_your_own_is_a_rule_or_numbers():
    assert CustomPrior(len)(FUNCTIONS).tolist() == [1.0, 1.0, 2.0, 3.0]
    assert CustomPrior([1, 2, 3, 4.5])(FUNCTIONS).tolist() == [1.0, 2.0, 3.0, 4.5]
    assert CustomPrior(np.ones(4), "flat")(FUNCTIONS).tolist() == [1.0] * 4
    assert (CustomPrior(len).describe(), CustomPrior(len, "bodies").describe()) == ("custom", "bodies")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ([1.0, 2.0], r"'mine' has shape \(2,\), but the basis has 4 functions"),
        ([1.0, 0.0, 1.0, 1.0], r"'mine' is 0.0 for \(n, l\) = \(\(3, 0\),\): it must be positive"),
        (lambda nl: float("nan"), r"'mine' is nan for .*must be positive"),
    ],
)
def test_a_wrong_prior_of_your_own_is_told(rule, says):
    with pytest.raises(ValueError, match=says):
        CustomPrior(rule, "mine")(FUNCTIONS)


def test_the_identity_prior_treats_all_functions_alike():
    assert IdentityPrior()(FUNCTIONS).tolist() == [1.0] * 4


@pytest.mark.parametrize("prior", [AlgebraicPrior(4.0, 1.5), ExponentialPrior(), GaussianPrior()])
def test_rougher_functions_are_held_back_more(prior):
    gamma = prior([((n, 0), (1, 0)) for n in range(1, 9)])
    assert np.all(np.diff(gamma) > 0)
    gamma = prior([((1, l), (1, l)) for l in range(8)])
    assert np.all(np.diff(gamma) > 0)


def test_every_column_of_a_basis_has_a_positive_prior():
    basis = ACEBasis(BasisSpecification(elements=("Al", "Ti"), degree=6))
    gamma = AlgebraicPrior()([function.nl for function in basis.specification.functions()])
    assert gamma.shape == (basis.n_functions,)
    assert gamma.min() == 1.0  # the pair function n = 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("algebraic", AlgebraicPrior(4.0, 1.2)),
        ("algebraic:4", AlgebraicPrior(4.0, 1.2)),
        ("algebraic:2.5", AlgebraicPrior(2.5, 1.2)),
        ("algebraic:0", AlgebraicPrior(0.0, 1.2)),
        ("exponential", ExponentialPrior(1.0, 1.2)),
        ("exponential:0.5", ExponentialPrior(0.5, 1.2)),
        ("gaussian", GaussianPrior(0.1, 1.2)),
        ("gaussian:0.05", GaussianPrior(0.05, 1.2)),
        ("identity", IdentityPrior()),
    ],
)
def test_a_prior_is_read_from_its_name_and_describes_itself(text, expected):
    prior = parse_prior(text, 1.2)
    assert prior == expected
    assert parse_prior(prior.describe(), 1.2) == prior


@pytest.mark.parametrize(
    "text", ["", "gauss", "algebraic:x", "algebraic:-1", "identity:2", "algebraic:nan", "ALGEBRAIC", "gaussian:inf"]
)
def test_an_unknown_prior_is_told_with_what_is_known(text):
    with pytest.raises(ValueError, match=r"unknown prior .* algebraic:P, exponential:A or gaussian:S .*or identity"):
        parse_prior(text, 1.5)
