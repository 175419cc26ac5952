"""What memory will not do is told before the work."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.fit import memory
from acnn.fit.memory import BasisTooLargeError, fit_bytes, require_memory
from acnn.solvers import StreamingQR


@pytest.mark.parametrize(("order", "degree", "n"), [(4, 26.0, "32_3"), (5, 26.0, "87_6"), (5, 100.0, "more than ")])
def test_a_basis_too_large_is_refused_at_once(order: int, degree: float, n: str, monkeypatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 8 * 2**30)
    monkeypatch.setattr(BasisSpecification, "functions", None)  # a list of them would take minutes
    monkeypatch.setattr(BasisSpecification, "multisets", None)
    with pytest.raises(BasisTooLargeError, match=f"the basis has {n}.* functions, .* of memory, but only 8 GiB are"):
        require_memory(BasisSpecification(elements=("Si",), order=order, degree=degree))


def test_what_fits_is_told(monkeypatch) -> None:
    monkeypatch.setattr(memory, "available_bytes", lambda: 8 * 2**30)
    assert require_memory(BasisSpecification(elements=("Si",), order=4, degree=20)) == ", 1.9 GiB of memory"
    assert require_memory(BasisSpecification(elements=("Si",), order=3, degree=12)) == ""


def test_the_estimate_covers_factor_and_rows() -> None:
    specification = BasisSpecification(elements=("Si",), order=3, degree=12)
    p, n_atoms = ACEBasis(specification).n_functions, 200
    factor = StreamingQR(p)
    rows = np.random.default_rng(0).normal(size=(3 * n_atoms + 7, p))
    factor.add(rows, rows[:, 0])
    held = rows.nbytes + factor._factor.nbytes + sum(block.nbytes for block in factor._pending)
    assert held < fit_bytes(specification, n_atoms) < 10 * held
