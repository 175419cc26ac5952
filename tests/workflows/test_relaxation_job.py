"""acnn relax: files in and out, runs that are killed and continue, several processes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.frames import read_frames
from acnn.data.named_structures import named_structures
from acnn.data.structure_files import write_structures
from acnn.workflows import relaxation_job
from acnn.workflows.relaxation_job import RelaxationJob, run_relaxations
from acnn.workflows.relaxation_journal import RelaxationJournal, record_of, relaxed_of
from acnn.workflows.relaxation_processes import LostProcessError, _received
from acnn.workflows.relaxation_tasks import Relaxation, Relaxed


class Killed(Exception):
    """What a kill is to a test."""


@pytest.fixture
def files(copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """cu.acnn, and structures: two in a.res, three in b.xyz."""
    monkeypatch.chdir(tmp_path)
    Path("cu.acnn").write_bytes(copper.read_bytes())
    crystals = [bulk("Cu", a=3.5 + 0.05 * n) * (1, 1, n) for n in (1, 2, 3)] + [bulk("Cu", "bcc", a=2.9)]
    for k, atoms in enumerate(crystals):
        atoms.rattle(0.05, seed=k)
    crystals[0].info["name"] = "first"
    write_structures(Path("a.res"), crystals[:2])
    ase.io.write("b.xyz", [*crystals[2:], molecule("H2O", vacuum=3.0)])
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "TERM": "dumb"})


COMMAND = ["relax", "a.res", "b.xyz", "-m", "cu.acnn", "--pressure", "5", "-o", "out.res"]


def test_results_are_written_by_enthalpy_with_their_space_groups(files: Path) -> None:
    done = run(*COMMAND, "--trajectories", "steps")
    assert done.exit_code == 0, done.output
    assert "4 converged, 1 failed" in done.output
    assert "b-2: failed, it contains H, O, which the model does not know" in " ".join(done.output.split())
    assert "wrote out.res: 4 structures" in done.output
    frames = [frame.atoms for frame in read_frames(files / "out.res")]
    assert {atoms.info["name"] for atoms in frames} == {"first", "Cu2-2", "b-0", "b-1"}
    enthalpies = [atoms.info["enthalpy"] / len(atoms) for atoms in frames]
    assert enthalpies == sorted(enthalpies)
    for atoms in frames:
        assert atoms.info["pressure"] == 5.0
        assert atoms.info["rem"][0].startswith("acnn relax: converged; ")
        steps = ase.io.read(files / "steps" / f"{atoms.info['name']}.xyz", ":")
        assert len(steps[-1]) == len(atoms)
        assert steps[-1].get_potential_energy() == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert frames[[a.info["name"] for a in frames].index("first")].info["spacegroup"] == "Fm-3m"
    assert sorted(path.name for path in files.iterdir()) == ["a.res", "b.xyz", "cu.acnn", "out.res", "steps"]


def test_a_killed_run_continues_and_relaxes_nothing_twice(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(*COMMAND[:-1], "whole.xyz")
    assert whole.exit_code == 0, whole.output
    add, given = RelaxationJournal.add, []
    relax_many = relaxation_job.relax_many

    def adds_two(journal: RelaxationJournal, found: Relaxed) -> None:
        if len(journal.done) == 2:
            with journal.path.open("ab") as file:
                file.write(b'{"place": 4, "sta')  # a line that was being written
            raise Killed
        add(journal, found)

    def watched(model, structures, relaxation, kernel, places):
        given.append(list(places))
        return relax_many(model, structures, relaxation, kernel, places)

    monkeypatch.setattr(relaxation_job, "relax_many", watched)
    command = [*COMMAND[:-1], "out.xyz"]
    with monkeypatch.context() as patch:
        patch.setattr(RelaxationJournal, "add", adds_two)
        run(*command)
    assert not Path("out.xyz").exists()
    other = run(*[word if word != "5" else "6" for word in command])
    assert other.exit_code == 2
    assert "contains results of an interrupted run with another pressure: give the same" in other.output
    done = run(*command)
    assert done.exit_code == 0, done.output
    assert "continues after 2 structures of an interrupted run" in done.output
    assert len(given[0]) == 5
    assert len(given[-1]) == 3
    pairs = zip(ase.io.read("out.xyz", ":"), ase.io.read("whole.xyz", ":"), strict=True)
    for one, same in pairs:
        assert one.info["name"] == same.info["name"]
        assert one.info["enthalpy"] == pytest.approx(same.info["enthalpy"], abs=1e-4)
    assert not Path("out.xyz.journal").exists()


@pytest.mark.slow
def test_several_processes_give_the_same(files: Path) -> None:
    relaxation = Relaxation(symmetry="break", fmax=1e-4, smax=1e-3)
    found = [
        run_relaxations(RelaxationJob([Path("a.res"), Path("b.xyz")], Path("cu.acnn"), Path(f"{n}.res"), relaxation, n))
        for n in (1, 2)
    ]
    for one, two in zip(*found, strict=True):
        assert (one.name, one.found.state) == (two.name, two.found.state)
        assert one.enthalpy == pytest.approx(two.enthalpy, abs=1e-5, nan_ok=True)


def test_errors_of_a_process_and_its_death_are_reported() -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)

    class Process:
        exitcode = -9

        def join(self) -> None: ...

    theirs.send(ValueError("something is wrong"))
    with pytest.raises(ValueError, match="something is wrong"):
        _received(ours, {ours: Process()})
    theirs.close()
    with pytest.raises(LostProcessError, match="ended with status -9, perhaps for lack of memory: repeat the command"):
        _received(ours, {ours: Process()})


def test_journals_keep_results_and_refuse_other_files(tmp_path: Path) -> None:
    relaxed = Relaxed(3, Atoms("H", info={"name": "a"}), "failed", "no", pressure=1.5)
    again = relaxed_of(record_of(relaxed))
    assert (again.place, again.state, again.reason, again.pressure) == (3, "failed", "no", 1.5)
    assert np.isnan(again.fmax)
    assert again.atoms == relaxed.atoms
    assert again.atoms.info == {"name": "a"}
    (tmp_path / "a").write_text("something else\n")
    with pytest.raises(ValueError, match="is damaged, or was not written by acnn relax"):
        RelaxationJournal(tmp_path / "a", {})


def test_names_are_unique_and_without_blanks(tmp_path: Path) -> None:
    atoms = [bulk("Cu") for _ in range(4)]
    for one, name in zip(atoms, ["a b", "a b", "a_b-2", "a/b"], strict=True):
        one.info["name"] = name
    ase.io.write(tmp_path / "x.xyz", atoms)
    ase.io.write(tmp_path / "y.xyz", bulk("Cu"))
    names = [one.info["name"] for one in named_structures([tmp_path / "x.xyz", tmp_path / "y.xyz"])]
    assert names[0] == "a_b"
    assert names[4] == "y"
    assert len(set(names)) == 5


def test_options_that_make_no_sense_are_refused(files: Path) -> None:
    for words, sentence in {
        ("--min-bond", "Cu=2"): "shortest bonds are given as Sr-Sr=2.075,Sr-B=1.671, not 'Cu=2'",
        ("-o", "out.poscar"): "would be 'vasp', which does not take several structures",
        ("--fixed-cell",): "a pressure acts on the cell, which is fixed",
        ("--gamma-max", "5"): "this model has no active set",
    }.items():
        done = run(*COMMAND, *words)
        assert done.exit_code == 2, done.output
        assert sentence in done.output
