"""An input that LAMMPS reads from a pipe is read to its end, although a Python starts in the middle of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
try:
    from toy import FCC, LJ_CUT, SETTINGS, UNIFIED, thermo_of
finally:
    sys.path.pop(0)

MOVE = """
velocity all create 300 5 loop geom
fix 1 all nve
thermo 1
thermo_modify format float %.14g
run 3
"""
READ_AHEAD = 4096  # bytes, of a pipe
PADDING = {"short": "", "long": "# nothing, in many words\n" * (2 * READ_AHEAD // 25)}
WATCH = """
from lammps_plugin.monitor import watching

@watching(every=1)
def watch(frame):
    print("seen", frame.step)
"""


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("length", PADDING)
def test_same_as_from_a_file(lammps, piped, model, length, ranks):
    deck = SETTINGS + FCC + UNIFIED.format(model()) + PADDING[length] + MOVE
    done, expected = piped(deck, ranks), lammps(deck, ranks)
    assert done.status == expected.status == 0, done.output
    assert len(thermo_of(expected.output)) == 4
    assert np.array_equal(thermo_of(done.output), thermo_of(expected.output))


def test_a_monitor_starts_python(piped, tmp_path):
    """What it prints stands among the lines of LAMMPS where it belongs."""
    (tmp_path / "watch.py").write_text(WATCH)
    deck = SETTINGS + FCC + LJ_CUT + "compute site_energies all pe/atom pair\nfix 2 all acnn/monitor watch.py watch\n"
    done = piped(deck + MOVE)
    assert done.status == 0, done.output
    lines = re.findall(r"^ *(\d+ +300 |seen \d|\d+ +\d)", done.output, re.MULTILINE)
    assert [line.split()[0] for line in lines] == ["0", "1", "seen", "2", "seen", "3"]


ASE = """
from ase.build import bulk
from ase.calculators.lammpsrun import LAMMPS

atoms = bulk("Ar", a=5.3, cubic=True) * 2
atoms.rattle(0.2, seed=1)
for style, coefficients in (("mliap unified {}", "* * Ar"), ("lj/cut 7.0", "* * 0.01 3.4")):
    with LAMMPS(pair_style=style, pair_coeff=[coefficients], command="{}") as atoms.calc:
        print("energy", atoms.get_potential_energy(), abs(atoms.get_forces()).max())
"""


def test_the_calculator_of_ase(run, model):
    """It keeps a LAMMPS waiting at the other end of a pipe."""
    done = run([sys.executable, "-c", ASE.format(model(), Path(sys.prefix) / "bin" / "lmp")])
    assert done.status == 0, done.output
    ours, lj = (np.array(values.split(), float) for values in re.findall(r"^energy (.*)$", done.output, re.MULTILINE))
    np.testing.assert_allclose(ours, lj, 1e-10)
