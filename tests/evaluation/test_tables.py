"""Errors as text: every number under its heading, dashes where there are no labels."""

from __future__ import annotations

import ase
import numpy as np
import pytest

from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.metrics import ErrorTable
from acnn.evaluation.tables import CALIBRATION_HEADINGS, calibration_rows, error_cells, error_headings


def table_of_one() -> ErrorTable:
    """Two atoms of silicon, -10 eV, predicted 6 meV too low; 0.25 eV/Å off in every component of the forces."""
    atoms = ase.Atoms("Si2", [[0, 0, 0], [0, 0, 2.2]])
    table = ErrorTable({"Si": -4.0})
    label = LabeledStructure(atoms, -10.0, np.ones((2, 3)), None, "dimer", Weights(), "test")
    table.add(label, -10.006, np.full((2, 3), 1.25), np.zeros((3, 3)))
    return table


def test_errors_stand_under_their_headings():
    shown = dict(zip(error_headings(), error_cells(table_of_one().as_dict()["dimer"]), strict=True))
    assert shown["energy MAE\nmeV/atom"] == shown["energy RMSE\nmeV/atom"] == "3.000"
    assert shown["forces MAE\neV/Å"] == shown["forces RMSE\neV/Å"] == "0.2500"
    assert shown["virial MAE\nmeV/atom"] == "–"


def test_one_measure_alone():
    assert error_headings(["rmse"], "\n") == ["energy\nRMSE\nmeV/atom", "forces\nRMSE\neV/Å", "virial\nRMSE\nmeV/atom"]
    assert error_cells(table_of_one().as_dict()["total"], ["rmse"]) == ["3.000", "0.2500", "–"]


def test_binding_energies_are_relative_to_isolated_atoms():
    table = ErrorTable.merged([table_of_one(), table_of_one()])
    assert table.binding_energies == {"dimer": pytest.approx([-1.0, -1.0])}
    assert len(table.parity["dimer"]["energy"].labels) == 2
    assert table.quantities == ["energy", "forces"]


def test_calibration_has_a_cell_for_every_heading():
    errors, std = np.array([0.1, -0.2, 0.3]), np.array([1.0, 2.0, 3.0])
    rows = calibration_rows({"forces": Predicted(errors, std, np.ones(3), np.full(3, 2.0))})
    assert [row[:3] for row in rows] == [
        [*("forces, eV/Å", term), "3"] for term in ("committee", "committee and noise", "error bars")
    ]
    assert all(len(row) == len(CALIBRATION_HEADINGS) for row in rows)
    assert float(rows[0][6]) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-3)
