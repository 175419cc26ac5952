"""Pools of structures in SQLite, and volumes per element."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.frames import read_frames
from acnn.data.pool import Pool
from acnn.data.structure_files import write_structures
from acnn.data.volumes import element_volumes


def crystal(energy: float, symbol: str = "Cu", a: float = 3.6) -> Atoms:
    atoms = bulk(symbol, "fcc", a=a)
    atoms.calc = SinglePointCalculator(atoms, energy=energy)
    atoms.info |= {"name": f"{symbol}{energy:g}", "pressure": 2.0}
    return atoms


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_structures(Path("a.res"), [crystal(-1.0), crystal(-3.0, a=3.7), crystal(-2.0, a=3.8)])
    write_structures(Path("b.res"), [crystal(-1.0), crystal(-5.0, "Al", 4.0)])
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["pool", *words], env={"COLUMNS": "200", "TERM": "dumb"})


def test_structures_are_kept_once_and_used_once(folder: Path) -> None:
    done = run("build", "one.db", "a.res", "b.res")
    assert done.exit_code == 0, done.output
    assert "a.res: 3 new of 3 structures" in done.output
    assert "b.res: 1 new of 2 structures" in done.output
    taken = run("take", "one.db", "-n", "2", "--for", "dft", "--formula", "Cu", "-o", "next.res")
    assert taken.exit_code == 0, taken.output
    assert [atoms.info["name"] for atoms in frames_of("next.res")] == ["Cu-3", "Cu-2"]
    again = run("take", "one.db", "-n", "9", "--for", "dft", "-o", "rest.xyz")
    assert again.exit_code == 0, again.output
    assert [atoms.info["name"] for atoms in ase.io.read("rest.xyz", ":")] == ["Al-5", "Cu-1"]
    none = run("take", "one.db", "-n", "9", "--for", "dft", "-o", "none.xyz")
    assert none.exit_code == 2
    assert "one.db has no structures of this kind that were not used for 'dft' yet" in none.output
    assert not Path("none.xyz").exists()
    shown = run("stat", "one.db").output
    assert "used for dft: 4" in shown
    assert "from a.res: 3" in shown


def frames_of(name: str) -> list[Atoms]:
    return [frame.atoms for frame in read_frames(Path(name))]


def test_merging_keeps_what_was_used(folder: Path) -> None:
    run("build", "one.db", "a.res")
    run("build", "two.db", "b.res")
    run("take", "two.db", "-n", "2", "--for", "dft", "-o", "x.res")
    done = run("merge", "one.db", "two.db")
    assert done.exit_code == 0, done.output
    assert "two.db: 1 new" in done.output
    assert "one.db has 4 structures" in done.output
    assert run("merge", "one.db", "two.db").output.startswith("two.db: 0 new")
    with Pool(Path("one.db")) as pool:
        assert pool.purposes() == {"dft": 2}
        copper, aluminum = sorted(pool.statistics(), key=lambda row: -row.structures)
    assert (copper.formula, copper.structures, copper.used, copper.pressures) == ("Cu", 3, 1, (2.0, 2.0))
    assert aluminum.lowest == pytest.approx(-5.0 + 2.0 * 16.0 * 0.006241509, abs=1e-4)
    assert aluminum.volume == pytest.approx(16.0)


def test_what_is_not_written_was_not_used(folder: Path) -> None:
    run("build", "one.db", "a.res")
    with Pool(Path("one.db")) as pool, pytest.raises(KeyboardInterrupt), pool.taken(1, "dft"):
        raise KeyboardInterrupt
    with Pool(Path("one.db")) as pool:
        assert pool.purposes() == {}


def test_other_files_are_no_pools(folder: Path) -> None:
    for words in ("build a.res b.res", "merge new.db missing.db", "stat missing.db", "stat b.res"):
        done = run(*words.split())
        assert done.exit_code == 2, done.output
        assert "is no pool" in done.output or "there is no pool" in done.output
    Path("broken.db").write_bytes(b"SQLite format 3\0" + bytes(5000))
    done = run("stat", "broken.db")
    assert done.exit_code == 2
    assert "broken.db cannot be used as a pool: " in done.output
    sqlite3.connect("other.db").execute("CREATE TABLE structures (x)").connection.close()
    done = run("stat", "other.db")
    assert done.exit_code == 2
    assert "other.db is a database of another kind, not a pool" in done.output


def test_volumes_of_elements_are_found(folder: Path) -> None:
    rng = np.random.default_rng(0)
    structures = []
    for formula in ("Sr", "B4", "SrB6", "SrB2", "Sr2B"):
        atoms = Atoms(formula, pbc=True)
        volume = sum({"Sr": 50.0, "B": 7.0}[symbol] for symbol in atoms.symbols)
        atoms.set_cell(np.eye(3) * volume ** (1 / 3))
        atoms.positions = rng.random((len(atoms), 3))
        structures.append(atoms)
    found = element_volumes([*structures, Atoms("H")])
    assert found.volumes == pytest.approx({"B": 7.0, "Sr": 50.0})
    assert found.errors == pytest.approx({"B": 0.0, "Sr": 0.0}, abs=1e-9)
    assert found.of("SrB6") == pytest.approx(92.0)
    assert np.isnan(element_volumes(structures[:2]).errors["B"])
    with pytest.raises(ValueError, match="the compositions of 1 structures do not determine the volumes of B, Sr"):
        element_volumes(structures[2:3])
    with pytest.raises(ValueError, match="the data have no volume of H"):
        found.of("SrH2")
    with pytest.raises(ValueError, match="periodic in three directions, and there are none"):
        element_volumes([Atoms("H")])
    ase.io.write("all.xyz", structures)
    done = CliRunner().invoke(app, ["volumes", "all.xyz", "--formula", "SrB6", "--json", "v.json"])
    assert done.exit_code == 0, done.output
    assert "SrB6: 92.00 Å³" in done.output
    assert json.loads(Path("v.json").read_text())["volumes"]["B"] == pytest.approx(7.0)


def test_standard_errors_are_those_of_scattered_volumes() -> None:
    rng = np.random.default_rng(1)
    structures = []
    for _ in range(400):
        atoms = Atoms("Cu", cell=np.eye(3) * (10 + rng.normal(scale=0.5)) ** (1 / 3), pbc=True)
        structures.append(atoms)
    found = element_volumes(structures)
    assert found.errors["Cu"] == pytest.approx(0.5 / 20, rel=0.1)
    assert found.rms == pytest.approx(0.5, rel=0.1)
