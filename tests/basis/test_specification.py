"""Which functions a basis has, against independent enumeration."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from acnn.basis.counting import many_body_size
from acnn.basis.coupling import m_multisets, n_invariants
from acnn.basis.functions import Channel, Multiset, grouped
from acnn.basis.specification import BasisSpecification, ElementOverride

COUNTS = [  # order, total degree, w_L, invariants B, products AA with Σm = 0
    (2, 12, 1.5, 79, 277),
    (3, 12, 1.5, 211, 778),
    (3, 12, 1.0, 347, 2_703),
    (3, 15, 1.5, 509, 3_032),
    (4, 20, 1.5, 5_456, 62_847),
]


def n_functions(specification: BasisSpecification, element: str = "Si") -> int:
    return sum(n_invariants(grouped(multiset)) for multiset in specification.multisets(element))


def count_products(order: int, degree: float, wl: float, total_m: int) -> int:
    """Distinct multisets of at most ``order`` (n, l, m) within the degree, Σl even and Σm = total_m.

    Counted without listing them: the generating function Π_(n,l,m) 1 / (1 - t x^(n + w_L l) s^l u^m), factor by
    factor, as a table over (number of factors, half units of degree, parity of Σl, Σm).
    """
    top, m_top = int(2 * degree), int(degree / wl)
    table = np.zeros((order + 1, top + 1, 2, 2 * m_top + 1), dtype=np.int64)
    table[0, 0, 0, m_top] = 1
    for n, l in itertools.product(range(1, int(degree) + 1), range(m_top + 1)):
        cost = int(2 * (n + wl * l))
        for m in range(-l, l + 1) if cost <= top else ():
            for factors in range(1, order + 1):
                fewer = np.roll(table[factors - 1], l % 2, axis=1)[: top + 1 - cost]
                kept = slice(max(0, m), 2 * m_top + 1 + min(0, m))
                source = slice(max(0, -m), 2 * m_top + 1 + min(0, -m))
                table[factors, cost:, :, kept] += fewer[:, :, source]
    return int(table[1:, :, 0, m_top + total_m].sum())


def brute_force_multisets(n_elements: int, degrees: tuple[float, ...], wl: float, first_order: int) -> set[Multiset]:
    """All multisets within the degree that have an invariant, by trying every combination."""
    top = int(max(degrees))
    channels = [
        Channel(z, n, l) for z in range(n_elements) for n in range(1, top + 1) for l in range(int(top / wl) + 1)
    ]
    return {
        multiset
        for order, degree in enumerate(degrees, start=1)
        if order >= first_order
        for multiset in itertools.combinations_with_replacement(channels, order)
        if sum(c.n + wl * c.l for c in multiset) <= degree + 1e-9
        and sum(c.l for c in multiset) % 2 == 0
        and has_invariant(multiset)
    }


def has_invariant(multiset: Multiset) -> bool:
    channels = tuple((channel.l, copies) for channel, copies in sorted(Counter(multiset).items()))
    return len(m_multisets(channels, 0)) > len(m_multisets(channels, 1))


@pytest.mark.parametrize(("order", "degree", "wl", "n_b", "n_aa"), COUNTS)
def test_number_of_invariants(order, degree, wl, n_b, n_aa):
    specification = BasisSpecification(
        elements=("Si",), order=order, degree=degree, wl=wl, formulation="self_interacting"
    )
    assert n_functions(specification) == n_b
    # J₊ maps the products with Σm = 0 onto those with Σm = 1, so the invariants are what is left over.
    n_products = count_products(order, degree, wl, 0)
    assert n_products - count_products(order, degree, wl, 1) == n_b
    assert many_body_size(1, dict.fromkeys(range(1, order + 1), degree), wl) == (n_b, n_products)


@pytest.mark.parametrize(("order", "degree", "wl", "n_b", "n_aa"), COUNTS)
def test_number_of_products(order, degree, wl, n_b, n_aa):
    # The table leaves out the single densities A_nl0 with l > 0, which have no invariant.
    single = sum(int(degree - wl * l) for l in range(2, int((degree - 1) / wl) + 1, 2))
    assert count_products(order, degree, wl, 0) - single == n_aa


def test_the_counting_agrees_with_a_list():
    order, degree, wl = 3, 7, 1.5
    functions = [
        (n, l, m) for n in range(1, 8) for l in range(5) for m in range(-l, l + 1) if n + wl * l <= degree
    ]  # fmt: skip
    listed = [
        product
        for factors in range(1, order + 1)
        for product in itertools.combinations_with_replacement(functions, factors)
        if sum(n + wl * l for n, l, _ in product) <= degree
        and sum(l for _, l, _ in product) % 2 == 0
        and sum(m for _, _, m in product) == 0
    ]
    assert count_products(order, degree, wl, 0) == len(listed)


@pytest.mark.parametrize(("order", "degree", "wl", "n_b", "n_aa"), COUNTS[:4])
def test_pure2b_moves_the_pair_functions_to_their_own_basis(order, degree, wl, n_b, n_aa):
    specification = BasisSpecification(elements=("Si",), order=order, degree=degree, wl=wl)
    assert min(map(len, specification.multisets("Si"))) == 2
    assert n_functions(specification) + specification.n_pair_functions == n_b


def test_pure2b_without_a_pair_basis_keeps_order_one():
    specification = BasisSpecification(elements=("Si",), order=2, degree=8, pair_degree=0)
    assert specification.multisets("Si")[:8] == [(Channel(0, n, 0),) for n in range(1, 9)]


@pytest.mark.parametrize(
    ("elements", "degrees", "wl"),
    [
        (("Si",), (9.0, 9.0, 9.0), 1.5),
        (("Si",), (12.0, 9.0, 7.0), 1.0),
        (("Si",), (6.0, 6.0, 6.0, 6.0), 1.0),
        (("Si",), (7.3, 7.3), 0.7),
        (("Al", "Ti"), (8.0, 7.0, 5.0), 1.5),
        (("Al", "Ti"), (5.0, 5.0, 5.0), 1.0),
        (("H", "C", "O"), (5.0, 5.0), 2.0),
    ],
)
@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
def test_selection_is_everything_within_the_degree(elements, degrees, wl, formulation):
    specification = BasisSpecification(
        elements=elements, order=len(degrees), degree=degrees, wl=wl, formulation=formulation
    )
    expected = brute_force_multisets(len(elements), degrees, wl, 2 if formulation == "pure2b" else 1)
    for element in elements:
        chosen = specification.multisets(element)
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) == expected
        assert chosen == sorted(chosen, key=lambda multiset: (len(multiset), multiset))
        assert all(list(multiset) == sorted(multiset) for multiset in chosen)


def test_grouped_counts_the_copies_of_each_channel():
    a, b = Channel(0, 1, 2), Channel(1, 1, 2)
    assert grouped((a, a, b)) == ((2, 2), (2, 1))


def test_one_number_is_the_degree_of_every_order():
    one = BasisSpecification(elements=("Si",), order=3, degree=7)
    each = BasisSpecification(elements=("Si",), order=3, degree=(7, 7, 7))
    assert one.multisets("Si") == each.multisets("Si")


def test_overrides_change_their_element_only():
    plain = BasisSpecification(elements=("Al", "Ti"), order=2, degree=6)
    changed = BasisSpecification(
        elements=("Al", "Ti"),
        order=2,
        degree=6,
        overrides={"Ti": ElementOverride(order=3, degree=(7, 6, 5), wl=1.0)},
    )
    assert changed.multisets("Al") == plain.multisets("Al")
    assert set(changed.multisets("Ti")) == brute_force_multisets(2, (7.0, 6.0, 5.0), 1.0, 2)
    assert changed.degrees("Al") == (6.0, 6.0)
    assert changed.degrees("Ti") == (7.0, 6.0, 5.0)


def test_pair_functions_follow_the_degree_of_order_one_unless_given():
    assert BasisSpecification(elements=("Si",), order=2, degree=(9, 6)).n_pair_functions == 9
    assert BasisSpecification(elements=("Si",), order=2, degree=9, pair_degree=4).n_pair_functions == 4


def test_the_larger_cutoff_is_that_of_the_neighbor_list():
    assert BasisSpecification(elements=("Si",), cutoff=5.0).largest_cutoff == 5.0
    assert BasisSpecification(elements=("Si",), cutoff=5.0, pair_cutoff=6.5).largest_cutoff == 6.5
    assert BasisSpecification(elements=("Si",), cutoff=5.0, pair_cutoff=4.0).largest_cutoff == 5.0


def test_elements_are_kept_once_by_atomic_number():
    assert BasisSpecification(elements=("Ti", "Al", "Ti", "O")).elements == ("O", "Al", "Ti")


def test_a_specification_survives_json():
    specification = BasisSpecification(
        elements=("Al", "Ti"),
        order=2,
        degree=(8, 6),
        pair_cutoff=6.0,
        bond_lengths={"Al-Ti": 2.7},
        overrides={"Ti": ElementOverride(wl=1.2)},
    )
    assert BasisSpecification.model_validate_json(specification.model_dump_json()) == specification


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"elements": ()}, "elements must be chemical symbols, not an empty list"),
        ({"elements": ("Si", "Xx")}, "elements must be chemical symbols, not \\['Xx'\\]"),
        ({"elements": ("Silicon",)}, "not \\['Silicon'\\]"),
        ({"overrides": {"Ti": {}}}, "overrides name 'Ti', which is not an element of the model"),
        ({"overrides": {"Si": {"order": 2}}, "degree": (9, 8, 7)}, "Si: order 2 needs 2 total degrees, got 3"),
        ({"overrides": {"Si": {"cutoff": 4.0}}}, "cutoff"),
        ({"bond_lengths": {"Ti": 2.9}}, "bond_lengths 'Ti': 2.9: the key must be an element of the model or a pair"),
        ({"bond_lengths": {"Si-Ti": 2.9}}, "bond_lengths 'Si-Ti'"),
        ({"bond_lengths": {"Si": -1.0}}, "bond_lengths.Si\\n.*greater than or equal to 0.1"),
        ({"degree": (9, 8)}, "Si: order 3 needs 3 total degrees, got 2"),
        ({"degree": 0.5}, "greater than or equal to 1"),
        ({"degree": (9, 8, 0)}, "greater than or equal to 1"),
        ({"degree": 1000}, "less than or equal to 100"),
        ({"degree": 40, "wl": 0.1}, "with wl = 0.1 reaches spherical harmonics of degree 190, .* here is 50"),
        ({"transform": (4.0, 2.0)}, "must satisfy 0 < p ≤ q, not \\(4.0, 2.0\\)"),
        ({"transform": (0.0, 2.0)}, "greater than or equal to 0.1"),
        ({"order": 0}, "greater than or equal to 1"),
        ({"order": 6}, "less than or equal to 5"),
        ({"wl": 0.0}, "greater than or equal to 0.1"),
        ({"cutoff": -1.0}, "greater than or equal to 0.5"),
        ({"cutoff": 1e9}, "less than or equal to 25"),
        ({"cutoff": float("nan")}, "finite number"),
        ({"pair_cutoff": 0.0}, "greater than or equal to 0.5"),
        ({"pair_degree": -1}, "greater than or equal to 0"),
        ({"formulation": "pure"}, "'pure2b', 'self_interacting' or 'canonical'"),
        ({"total_degree": 9}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_setting_is_told_in_a_sentence(settings, says):
    arguments: dict[str, Any] = {"elements": ("Si",), **settings}
    with pytest.raises(ValidationError, match=says):
        BasisSpecification(**arguments)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"transform": (1.0, 1.0)}, id="y is constant"),
        pytest.param({"transform": (0.5, 0.5)}, id="y grows"),
        pytest.param({"pair_transform": (3.0, 1.0)}, id="pair exponents in the wrong order"),
        pytest.param({"pair_transform": (1.0, 1.0)}, id="y of the pair part is constant"),
        pytest.param({"jacobi": (-2.0, 0.0)}, id="the weight of the polynomials has no integral"),
        pytest.param({"cutoff": float("inf")}, id="infinite cutoff"),
        pytest.param({"degree": float("nan")}, id="degree is not a number"),
        pytest.param({"degree": float("inf")}, id="infinite degree"),
        pytest.param({"bond_lengths": {"Si": float("inf")}}, id="infinite bond length"),
        pytest.param({"elements": ("Al", "Ti"), "bond_lengths": {"Al-Ti-Al": 2.7}}, id="bond length of three elements"),
        pytest.param({"elements": ("Al", "Ti"), "bond_lengths": {"Al-Ti": 2.7, "Ti-Al": 2.8}}, id="two for one pair"),
    ],
)
def test_settings_that_give_no_basis_are_refused(settings):
    """Else NaNs, asymmetric pairs, or a setting without effect."""
    with pytest.raises(ValidationError):
        BasisSpecification(**{"elements": ("Si",), **settings})
