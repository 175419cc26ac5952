"""The workflows among the examples run, with a cheap reference instead of density functional theory, and with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest

from acnn.settings.hal import read_hal_settings
from acnn.workflows.hal import run_hal

WORKFLOWS = Path(__file__).resolve().parents[1] / "examples" / "workflows"
LENNARD_JONES = """
import sys, ase.io
from ase.calculators.lj import LennardJones
atoms = ase.io.read(sys.argv[1])
atoms.calc = LennardJones(sigma=2.1, epsilon=0.5, rc=5, smooth=True)
atoms.get_forces()
ase.io.write(sys.argv[2], atoms)
"""


@pytest.fixture
def silicon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(WORKFLOWS / "silicon_dft", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "start.py"], check=True)
    return tmp_path


def test_silicon_learns_from_a_command(silicon):
    (silicon / "label.py").write_text(LENNARD_JONES)
    changes = {
        "reference.command": f"{sys.executable} label.py {{input}} {{output}}",
        "dynamics.steps": 40,
        "stop.iterations": 1,
        "fit.order": 2,
        "fit.members": 4,
    }
    finished = run_hal(read_hal_settings(silicon / "hal.yaml", changes))
    assert [row.kind for row in finished.rows][:2] == ["start", "start"]
    assert finished.rows[-1].iteration == 1
    assert finished.model.is_file()


@pytest.mark.skipif(shutil.which("pw.x") is None, reason="there is no Quantum ESPRESSO here")
def test_quantum_espresso_labels_the_two_atoms_of_silicon(silicon):
    from ase.build import bulk

    atoms = bulk("Si")
    atoms.rattle(0.05, seed=1)
    ase.io.write("input.xyz", atoms)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "label.py", "input.xyz", "output.xyz"], check=True, env=environment)
    found = ase.io.read("output.xyz")
    assert np.abs(found.get_forces().sum(axis=0)).max() < 1e-3
    assert found.get_potential_energy() < -200
    assert found.get_stress().shape == (6,)
