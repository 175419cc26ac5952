"""run_md watches a property of the atoms: it ends the run, and writes frames to be labeled."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest

from acnn.io.model_file import save_model
from ase_calculator import ACNNCalculator
from lammps_plugin.limits import Limits, Watch

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
finally:
    sys.path.pop(0)

FILE_DIGITS = 1e-5  # relative, of grades from positions with eight decimals
HALT, KEEP = 4.0, 2.0

DRIVER = """
import json
import ase.io
import lammps_plugin
result = lammps_plugin.run_md(
    ase.io.read("start.extxyz"), "m.acnn", steps=200, ensemble="nve", temperature=3000.0, timestep=0.5, thermo_every=25,
    monitor="gamma", monitor_every=4, halt=4.0, keep=2.0, kept="kept.xyz", progress=False)
if result.atoms is not None:
    ase.io.write("last.extxyz", result.atoms)
    monitored = {name: list(column) for name, column in result.monitored.items()}
    print(json.dumps([monitored, result.n_kept, result.reason, list(result.thermo["step"])]))
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_ends_above_one_limit_and_keeps_frames_above_the_other(ranks: int, tmp_path: Path) -> None:
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    model = cases.graded()
    save_model(model, tmp_path / "m.acnn")
    start = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    start.rattle(0.02, seed=1)
    ase.io.write(tmp_path / "start.extxyz", start)
    (tmp_path / "kept.xyz").write_text("of another run")
    said = cases.in_python("-c", DRIVER, folder=tmp_path, ranks=ranks)
    monitored, n_kept, reason, rows = json.loads(said.splitlines()[-1])
    steps, largest = monitored["step"], np.array(monitored["largest"])
    assert steps == list(range(0, int(steps[-1]) + 1, 4))
    assert largest[-1] > HALT
    assert (largest[:-1] <= HALT).all()
    assert largest[0] < KEEP
    assert reason == f"gamma of an atom is {largest[-1]:.3g}, above the limit of 4"
    assert rows == [*range(0, int(steps[-1]), 25), steps[-1]]
    kept = ase.io.read(tmp_path / "kept.xyz", ":")
    assert [atoms.info["step"] for atoms in kept] == [
        s for s, value in zip(steps, largest, strict=True) if value > KEEP
    ]
    assert n_kept == len(kept)
    for atoms in kept:
        grades = ACNNCalculator(model).get_property("gamma", atoms)
        np.testing.assert_allclose(atoms.arrays["acnn_gamma"], grades, rtol=FILE_DIGITS)
    last = ase.io.read(tmp_path / "last.extxyz")
    np.testing.assert_allclose(last.positions, kept[-1].positions, atol=1e-7)


def test_limits_that_make_no_sense_are_a_sentence() -> None:
    with pytest.raises(ValueError, match="halt, keep and kept belong to a monitored property"):
        Limits(halt=3.0)
    with pytest.raises(ValueError, match="monitor_every must be at least 1 step, not 0"):
        Limits("gamma", every=0)
    for given in ({"keep": 2.0}, {"kept": "kept.xyz"}):
        with pytest.raises(ValueError, match="give both, or neither"):
            Limits("gamma", **given)
    with pytest.raises(ValueError, match=r"no gamma of single atoms: monitor one of energies$"):
        Watch(None, None, Limits("gamma"), cases.model())
