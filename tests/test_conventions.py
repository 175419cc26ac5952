"""Voigt order, signs and shapes."""

from __future__ import annotations

import numpy as np
import pytest
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from acnn.conventions import (
    full_from_voigt,
    stress_from_virial,
    tensor_from_components,
    virial_from_stress,
    voigt_from_full,
)

NUMBERED = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])


def test_voigt_order_is_xx_yy_zz_yz_xz_xy():
    np.testing.assert_array_equal(voigt_from_full(NUMBERED), [1, 2, 3, 4, 5, 6])


def test_voigt_order_is_that_of_ase():
    full = np.random.default_rng(0).normal(size=(4, 3, 3))
    symmetric = full + full.transpose(0, 2, 1)
    np.testing.assert_allclose(voigt_from_full(symmetric), full_3x3_to_voigt_6_stress(symmetric))
    np.testing.assert_allclose(full_from_voigt([1, 2, 3, 4, 5, 6]), voigt_6_to_full_3x3_stress([1, 2, 3, 4, 5, 6]))


def test_off_diagonal_components_are_averaged():
    full = np.zeros((3, 3))
    full[1, 2], full[2, 1] = 1.0, 3.0
    np.testing.assert_array_equal(voigt_from_full(full), [0, 0, 0, 2, 0, 0])


@pytest.mark.parametrize("shape", [(), (1,), (4, 2), (0,)])
def test_voigt_there_and_back(shape):
    voigt = np.random.default_rng(1).normal(size=(*shape, 6))
    full = full_from_voigt(voigt)
    assert full.shape == (*shape, 3, 3)
    np.testing.assert_array_equal(full, np.swapaxes(full, -1, -2))
    np.testing.assert_array_equal(voigt_from_full(full), voigt)


def test_stress_is_minus_virial_over_volume():
    np.testing.assert_array_equal(stress_from_virial(NUMBERED, 2.0), -NUMBERED / 2)


def test_stress_and_virial_there_and_back():
    np.testing.assert_allclose(virial_from_stress(stress_from_virial(NUMBERED, 37.0), 37.0), NUMBERED)


@pytest.mark.parametrize("components", [[1, 2, 3, 4, 5, 6], NUMBERED, NUMBERED.ravel(), NUMBERED.tolist()])
def test_tensors_from_six_or_nine_components(components):
    np.testing.assert_array_equal(tensor_from_components(components), NUMBERED)


def test_nine_components_are_row_major():
    full = np.arange(9.0)
    np.testing.assert_array_equal(tensor_from_components(full)[0], [0, 1, 2])


@pytest.mark.parametrize("shape", [(5,), (2, 3), (7,), (0,)])
def test_other_numbers_of_components_are_an_error(shape):
    with pytest.raises(ValueError, match="6 or 9 components"):
        tensor_from_components(np.zeros(shape))
