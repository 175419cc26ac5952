"""Dimers for reference calculations."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.data.dimers import dimers


def test_every_pair_of_elements_at_every_distance():
    made = dimers(["Ti", "Al"], [2.5, 1.5, 2.0])
    assert [str(a.symbols) for a in made] == ["Ti2"] * 3 + ["TiAl"] * 3 + ["Al2"] * 3
    np.testing.assert_allclose([a.get_distance(0, 1) for a in made], [1.5, 2.0, 2.5] * 3)
    assert all(a.info["config_type"] == "dimer" for a in made)
    assert not any(a.pbc.any() or a.cell.rank for a in made)
    assert len(dimers(["Si", "Si"], [2.0])) == 1


def test_a_box_is_periodic_and_keeps_images_away():
    for atoms in dimers(["Si"], np.linspace(1.0, 4.0, 5), box=12.0):
        assert atoms.pbc.all()
        assert atoms.cell.lengths().tolist() == [12.0] * 3
        assert atoms.get_distance(0, 1, mic=True) == pytest.approx(atoms.get_distance(0, 1))
        assert ((atoms.positions > 0) & (atoms.positions < 12.0)).all()
        np.testing.assert_allclose(atoms.get_center_of_mass(), 6.0)


@pytest.mark.parametrize("distances", [[], [0.0, 1.0], [-1.0], [np.nan, 1.0], [np.inf]])
def test_distances_are_positive(distances):
    with pytest.raises(ValueError, match="positive numbers in Å"):
        dimers(["Si"], distances)


def test_a_box_has_room():
    with pytest.raises(ValueError, match=r"box of 6 Å is too small for a dimer of 3.5 Å: use more than twice that"):
        dimers(["Si"], [2.0, 3.5], box=6.0)
