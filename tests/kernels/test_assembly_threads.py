"""Equations assembled in several threads: the same rows, in the same order, and errors with a name."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.assembly import Assembler
from acnn.fit.linear import fit_linear
from acnn.kernels.loading import instruction_sets
from acnn.models.linear import LinearACE
from acnn.solvers import QR, IdentityPrior

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

KERNEL_AGREEMENT = 1e-10  # of the largest entry

SPECIFICATION = BasisSpecification(elements=("Al", "Ti"), order=3, degree=4.0, cutoff=4.5)
E0 = {"Al": -3.0, "Ti": -5.0}


def structures(n):
    rng, found = np.random.default_rng(0), []
    for k in range(n):
        atoms = bulk("Al", cubic=True) * (1 + k % 2, 1, 1)  # of different lengths, so that threads overtake each other
        atoms.symbols[:] = rng.choice(["Al", "Ti"], len(atoms)).tolist()
        atoms.positions += rng.normal(scale=0.1, size=(len(atoms), 3))
        forces, virial = rng.normal(size=(len(atoms), 3)), rng.normal(size=(3, 3))
        found.append(LabeledStructure(atoms, rng.normal(), forces, virial, "default", Weights(), f"frame {k}"))
    return found


@pytest.fixture(autouse=True)
def _the_kernel_is_chosen(monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", "cpu")


@pytest.fixture
def assembler(monkeypatch):
    def make(threads, kernel=None):
        monkeypatch.setenv("ACNN_NUM_THREADS", str(threads))
        return Assembler(LinearACE(SPECIFICATION, E0, zbl=True), kernel)

    return make


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_rows_come_in_order(assembler, threads):
    chosen = structures(9)
    expected = list(assembler(1).each(chosen))
    found = list(assembler(threads).each(chosen))
    assert len(found) == len(expected) == 9
    for (a, b), (c, d) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, c)
        np.testing.assert_array_equal(b, d)


def test_rows_are_those_of_torch(assembler):
    chosen = structures(3)
    for (a, b), (c, d) in zip(assembler(2).each(chosen), assembler(2, "torch").each(chosen), strict=True):
        assert a.shape == c.shape
        np.testing.assert_allclose(a, c, rtol=0, atol=KERNEL_AGREEMENT * np.abs(c).max())
        np.testing.assert_allclose(b, d, rtol=0, atol=KERNEL_AGREEMENT * np.abs(d).max())


@pytest.mark.parametrize("threads", [1, 3])
def test_no_structures_no_rows(assembler, threads):
    assert list(assembler(threads).each([])) == []


def test_only_a_few_are_ahead(assembler):
    """Memory is bounded by the number of threads, whatever the number of structures."""
    assemble, started = assembler(2), []
    inner = assemble.rows
    assemble.rows = lambda graph, gradients: started.append(1) or inner(graph, gradients)
    rows = assemble.each(structures(12))
    for k in range(1, 6):
        next(rows)
        assert len(started) <= k + 3
    rows.close()
    assert len(started) <= 9


def test_leaving_early_ends_the_threads(assembler):
    before = threading.active_count()
    rows = assembler(3).each(structures(10))
    next(rows)
    rows.close()
    assert threading.active_count() == before


def with_unknown_element(structure):
    symbols = ["Cu", *structure.atoms.get_chemical_symbols()[1:]]
    return replace(structure, atoms=Atoms(symbols, structure.atoms.positions, cell=structure.atoms.cell, pbc=True))


@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("position", [0, 4, 6])
def test_errors_have_the_name_of_the_structure(monkeypatch, threads, position):
    monkeypatch.setenv("ACNN_NUM_THREADS", str(threads))
    chosen = structures(7)
    chosen[position] = with_unknown_element(chosen[position])
    with pytest.raises(ValueError, match=f"^frame {position}: the element Cu is not in this model"):
        fit_linear(SPECIFICATION, chosen, E0, QR(), IdentityPrior())


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_of_two_errors_is_told(monkeypatch, threads):
    monkeypatch.setenv("ACNN_NUM_THREADS", str(threads))
    chosen = structures(7)
    for position in (5, 2):
        chosen[position] = with_unknown_element(chosen[position])
    with pytest.raises(ValueError, match=r"^frame 2: "):
        fit_linear(SPECIFICATION, chosen, E0, QR(), IdentityPrior())


@pytest.mark.parametrize("threads", [1, 3])
def test_atoms_on_top_of_one_another_are_told(monkeypatch, threads):
    monkeypatch.setenv("ACNN_NUM_THREADS", str(threads))
    chosen = structures(4)
    chosen[3].atoms.positions[1] = chosen[3].atoms.positions[0]
    with pytest.raises(ValueError, match=r"^frame 3: .*is zero, infinite or not a number"):
        fit_linear(SPECIFICATION, chosen, E0, QR(), IdentityPrior())


def test_fits_do_not_depend_on_the_number_of_threads(monkeypatch):
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("ACNN_NUM_THREADS", threads)
        found.append(fit_linear(SPECIFICATION, structures(8), E0, QR(), IdentityPrior()).model.coefficients.numpy())
    np.testing.assert_array_equal(*found)
