"""Names with spaces, quotes and letters beyond ASCII, of everything that LAMMPS reads and writes for us."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.io.model_file import save_model
from acnn.testing import random_model
from lammps_plugin import save_unified
from lammps_plugin.input_lines import quoted

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from toy import FCC, SETTINGS
finally:
    sys.path.pop(0)

ODD = "Größe 氷 'a' #1 $x"


def test_quotes_of_lammps():
    quotes = {
        "si.mliap.pt": "si.mliap.pt",
        "../a_b-1/si.pt": "../a_b-1/si.pt",
        "a b": '"a b"',
        "größe": '"größe"',
        "a#b": '"a#b"',
        "$x": '"$x"',
        'a"b': "'a\"b'",
        "a'b\"c": '"""a\'b"c"""',
    }
    assert {path: quoted(path) for path in quotes} == quotes
    for unusable in ("a\nb", "a'b\"", '\'"""\''):
        with pytest.raises(ValueError, match="choose another"):
            quoted(unusable)


@pytest.mark.parametrize(("to", "line"), [("mliap", "pair_style mliap unified {} 0"), ("yace", "pair_coeff * * {} Si")])
def test_the_lines_of_the_command_are_quoted(tmp_path, monkeypatch, to, line):
    monkeypatch.chdir(tmp_path)
    save_model(random_model(["Si"], order=2, degree=4.0, cutoff=3.0), Path("m.acnn"))
    suffix = {"mliap": "mliap.pt", "yace": "yace"}[to]
    done = CliRunner().invoke(app, ["export", "m.acnn", "--to", to, "-o", f"my model.{suffix}"], env={"COLUMNS": "300"})
    assert done.exit_code == 0, done.output
    assert line.format(f'"my model.{suffix}"') in done.output
    done = CliRunner().invoke(app, ["export", "m.acnn", "--to", to, "-o", f"ß.{suffix}"], env={"COLUMNS": "300"})
    assert "LAMMPS cannot read the non-ASCII letters" in done.output


WATCH = """
from lammps_plugin.monitor import watching

@watching(every=1)
def watch(frame):
    print("seen", frame.step)
"""


def test_an_input_of_the_plugin(lammps, tmp_path):
    """And nothing is unpickled: not by torch, which is told to refuse it, nor otherwise."""
    folder = tmp_path / "Größe 氷"
    folder.mkdir()
    save_unified(random_model(["Ar", "Kr"], order=2, degree=4.0, cutoff=5.0), folder / "é.mliap.pt")
    (folder / "ñ.py").write_text(WATCH)
    deck = SETTINGS + FCC + f'pair_style mliap unified "{folder}/é.mliap.pt" 0\npair_coeff * * Ar Kr\n'
    deck += f'compute site_energies all pe/atom pair\nfix 1 all acnn/monitor "{folder}/ñ.py" watch\nrun 2\n'
    strict = {"ACNN_LAMMPS_UNPICKLE": "", "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1"}
    done = lammps(deck, **strict)
    assert done.status == 0, done.output
    assert "seen 2" in done.output


class Harm:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_foreign_file_is_refused_and_not_executed(lammps, tmp_path):
    (tmp_path / "évil.pkl").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    deck = SETTINGS + FCC + "pair_style mliap unified évil.pkl 0\n"
    done = lammps(deck, ACNN_LAMMPS_UNPICKLE="")
    assert done.status != 0
    assert "évil.pkl was not written by acnn: 'acnn export MODEL.acnn --to mliap' writes the file" in done.output
    assert not (tmp_path / "harm").exists()


RUN = """
from pathlib import Path
import mpi4py.MPI
from ase.build import bulk
from acnn.testing import random_model
from lammps_plugin import run_md

folder = Path({folder!r})
folder.mkdir()
model = random_model(["Si"], order=2, degree=4.0, cutoff=3.0)
options = dict(steps=2, trajectory=folder / "frames.lammpstrj", trajectory_every=1, progress=False)
first = run_md(bulk("Si") * 3, model, restart=folder / "a.restart", **options)
second = run_md(folder / "a.restart", model, elements=["Si"], **options | dict(steps=0))
print("energies", *first.thermo["potential_energy"][-1:], *second.thermo["potential_energy"])
"""


def test_run_md(tmp_path):
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    folder = tmp_path / ODD
    said = cases.in_python("-c", RUN.format(folder=str(folder)), folder=tmp_path)
    assert {path.name for path in folder.iterdir()} == {"frames.lammpstrj", "a.restart"}
    last, continued = map(float, said.split("energies ")[1].split())
    assert continued == pytest.approx(last, rel=1e-12)
