"""Error tables by hand."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from torch import Tensor

from acnn.conventions import full_from_voigt
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.metrics import ErrorTable, evaluate
from acnn.graph import AtomicGraph
from acnn.potential import Potential

ROUNDING = 1e-12

NOTHING = {
    f"{quantity}_{what}": 0 if what == "count" else None
    for quantity in ("energy", "forces", "virial")
    for what in ("mae", "rmse", "count")
}


def structure(
    symbols: str = "Si2",
    config_type: str = "liquid",
    energy: float | None = None,
    forces: np.ndarray | None = None,
    virial: np.ndarray | None = None,
) -> LabeledStructure:
    atoms = ase.Atoms(symbols, positions=[[0, 0, 2.2 * i] for i in range(len(ase.Atoms(symbols)))])
    return LabeledStructure(atoms, energy, forces, virial, config_type, Weights(), "test")


def test_energies_are_compared_per_atom_in_mev():
    table = ErrorTable()
    zeros = np.zeros((2, 3)), np.zeros((3, 3))
    table.add(structure("Si2", energy=-10.0), -10.006, *zeros)  # -3 meV/atom
    table.add(structure("Si4", energy=-20.0), -19.996, np.zeros((4, 3)), zeros[1])  # +1 meV/atom
    row = table.as_dict()["liquid"]
    assert row["energy_count"] == 2
    assert row["energy_mae"] == pytest.approx(2.0)
    assert row["energy_rmse"] == pytest.approx(np.sqrt(5.0))


def test_forces_are_compared_by_component():
    table = ErrorTable()
    forces = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    table.add(structure(forces=forces), 0.0, forces + [[0.0, 0.3, 0.0], [-0.1, 0.0, 0.2]], np.zeros((3, 3)))
    row = table.as_dict()["liquid"]
    assert row["forces_count"] == 6
    assert row["forces_mae"] == pytest.approx(0.6 / 6)
    assert row["forces_rmse"] == pytest.approx(np.sqrt(0.14 / 6))


def test_a_force_of_the_wrong_sign_is_wrong():
    table = ErrorTable()
    forces = np.array([[1.0, -2.0, 3.0], [-1.0, 2.0, -3.0]])
    table.add(structure(forces=forces), 0.0, -forces, np.zeros((3, 3)))
    assert table.as_dict()["liquid"]["forces_mae"] == pytest.approx(2 * 12 / 6)


def test_virials_are_compared_by_voigt_component_per_atom_in_mev():
    table = ErrorTable()
    error = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) * 1e-3  # eV for 2 atoms
    virial = full_from_voigt(np.arange(6.0))
    table.add(structure(virial=virial), 0.0, np.zeros((2, 3)), virial - full_from_voigt(error))
    row = table.as_dict()["liquid"]
    assert row["virial_count"] == 6
    assert row["virial_mae"] == pytest.approx(21 / 6 / 2)
    assert row["virial_rmse"] == pytest.approx(np.sqrt(91 / 6) / 2)


def test_missing_labels_do_not_count():
    table = ErrorTable()
    table.add(structure(energy=-1.0), -1.0, np.ones((2, 3)), np.ones((3, 3)))
    table.add(structure(config_type="unlabeled"), -5.0, np.ones((2, 3)), np.ones((3, 3)))
    rows = table.as_dict()
    assert rows["unlabeled"] == NOTHING
    assert rows["liquid"] == {**NOTHING, "energy_mae": 0.0, "energy_rmse": 0.0, "energy_count": 1}
    assert rows["total"] == rows["liquid"]


def test_an_empty_table_has_an_empty_total():
    assert ErrorTable().as_dict() == {"total": NOTHING}


def test_the_total_weighs_components_not_config_types():
    table = ErrorTable()
    for energy, config_type in [(0.0, "a"), (0.0, "a"), (0.0, "a"), (0.006, "b")]:
        table.add(structure(config_type=config_type, energy=0.0), energy, np.zeros((2, 3)), np.zeros((3, 3)))
    rows = table.as_dict()
    assert list(rows) == ["a", "b", "total"]
    assert rows["b"]["energy_mae"] == pytest.approx(3.0)
    assert rows["total"]["energy_mae"] == pytest.approx(3.0 / 4)
    assert rows["total"]["energy_rmse"] == pytest.approx(3.0 / 2)
    assert rows["total"]["energy_count"] == 4


def test_rmse_is_never_below_mae():
    rng = np.random.default_rng(0)
    table = ErrorTable()
    for _ in range(5):
        table.add(
            structure(energy=0.0, forces=np.zeros((2, 3))), rng.normal(), rng.normal(size=(2, 3)), np.zeros((3, 3))
        )
    row = table.as_dict()["total"]
    for quantity in ("energy", "forces"):
        assert 0 < row[f"{quantity}_mae"] <= row[f"{quantity}_rmse"]


class Springs(Potential):
    """E = ½ Σ_ij ½ k r², k in eV/Å²."""

    elements, cutoff, k = ("Si",), 3.0, 0.7

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        squares = (graph.pair_vectors**2).sum(dim=1)
        return squares.new_zeros(graph.n_centers).index_add(0, graph.pair_i, 0.25 * self.k * squares)


def test_a_potential_is_evaluated_on_every_structure():
    """A dimer on springs at r: E = ½ k r², F = ± k r, W_zz = -k r²."""
    r, k = 2.2, Springs.k
    forces = np.array([[0, 0, k * r], [0, 0, -k * r]])
    virial = np.zeros((3, 3))
    virial[2, 2] = -k * r * r
    exact = structure(energy=0.5 * k * r * r, forces=forces, virial=virial)
    wrong = structure(energy=0.5 * k * r * r - 0.002, forces=forces + 0.5, virial=virial + np.eye(3) * 0.002)
    calls = []
    rows = evaluate(Springs(), [exact], lambda: calls.append(1)).as_dict()
    assert max(rows["total"][f"{q}_rmse"] for q in ("energy", "forces", "virial")) < 1000 * ROUNDING
    rows = evaluate(Springs(), [wrong, exact], lambda: calls.append(1)).as_dict()
    assert len(calls) == 3
    assert rows["total"]["energy_mae"] == pytest.approx(0.5)
    assert rows["total"]["forces_mae"] == pytest.approx(0.25)
    assert rows["total"]["virial_mae"] == pytest.approx(0.25)


def test_a_config_type_called_total_is_not_lost():
    table = ErrorTable()
    for config_type, energy in [("total", 0.0), ("other", 0.004)]:
        table.add(structure(config_type=config_type, energy=0.0), energy, np.zeros((2, 3)), np.zeros((3, 3)))
    counts = sorted(row["energy_count"] for row in table.as_dict().values())
    assert counts == [1, 1, 2]


def test_errors_by_number_of_elements():
    """Off by 1 meV/atom where there is one element, by 3 where there are two, in a table merged of parts."""
    tables = ErrorTable(), ErrorTable()
    for table, symbols, error in ((tables[0], "SiC", -0.006), (tables[1], "Si2", 0.002), (tables[1], "C2", -0.002)):
        table.add(structure(symbols, energy=-10.0), -10.0 + error, np.zeros((2, 3)), np.zeros((3, 3)))
    assert tables[1].by_components() == {}
    found = ErrorTable.merged(tables).by_components()
    assert list(found) == ["1 element", "2 elements"]
    assert [row["energy_mae"] for row in found.values()] == pytest.approx([1.0, 3.0])
    assert [row["energy_count"] for row in found.values()] == [2, 1]
