"""Bonds do not take neighbors from the model: LAMMPS' default does, and is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
try:
    from toy import FCC, SETTINGS, UNIFIED, thermo_of
finally:
    sys.path.pop(0)

MOLECULES = SETTINGS.replace("atomic", "bond") + FCC.replace(
    "create_box 2 box", "create_box 2 box bond/types 1 extra/bond/per/atom 30 extra/special/per/atom 300"
)
BONDS = """
bond_style zero
bond_coeff *
group second type 2
create_bonds many {group} {group} 1 0.0 4.0
"""
SHOW = "thermo_modify format float %.14g\nrun 0\n"
REFUSED = "special_bonds takes 1-{} neighbors, which bonds connect, from the model"
HYBRID = "pair_style hybrid/overlay mliap unified {0} 0 zero 7.0\npair_coeff * * mliap Ar NULL\npair_coeff * * zero\n"


def bonded(potential: str, group: str = "all", factors: str = "") -> str:
    special = f"special_bonds {factors}\n" if factors else ""
    return MOLECULES + potential + BONDS.format(group=group) + special + SHOW


@pytest.mark.parametrize("ranks", [1, 2])
def test_molecules_have_the_energy_of_their_atoms(lammps, model, ranks):
    """Where special_bonds leaves the neighbors, is about charges only, or where other atoms have the bonds."""
    whole, part = UNIFIED.format(model()), HYBRID.format(model())
    kept = ["lj/coul 1 1 1", "lj 1 1 1 coul 0 0 0.5"]
    decks = [SETTINGS + FCC + whole + SHOW, *(bonded(whole, factors=factors) for factors in kept)]
    decks += [SETTINGS + FCC + part + SHOW, bonded(part, "second"), bonded(whole)]
    done = lammps("clear\n".join(decks), ranks)
    energies = thermo_of(done.output)[:, 2]
    assert len(energies) == 5
    np.testing.assert_allclose(energies[1:3], energies[0], 1e-12)
    np.testing.assert_allclose(energies[4], energies[3], 1e-12)
    assert abs(energies[3] - energies[0]) > 1e-3
    assert done.status != 0
    assert REFUSED.format(2) in done.output
    assert "add the line 'special_bonds lj/coul 1 1 1'" in done.output


@pytest.mark.parametrize(("factors", "partner"), [("lj/coul 1 0 1", 3), ("lj/coul 1 1 0.5", 4)])
def test_any_lost_or_scaled_neighbor_is_named(lammps, model, factors, partner):
    done = lammps(bonded(UNIFIED.format(model()), factors=factors))
    assert done.status != 0
    assert REFUSED.format(partner) in done.output
