"""``acnn lammps doctor`` and ``run``: with the LAMMPS that is here, and with programs that pretend to be one.

The pretended ones are broken in the ways that happen: they hang, crash, lack packages, belong to another MPI library,
compute something else, or run a Python without acnn.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from acnn.cli.display import console
from acnn.cli.main import app
from lammps_plugin import plugin_build
from lammps_plugin.children import InstallationError, run_child
from lammps_plugin.doctor import installed, remedies, runs
from lammps_plugin.doctor.findings import Finding
from lammps_plugin.doctor.trial import Trial, ranks_in
from lammps_plugin.doctor.trial_input import Stage, model, structures, write_files
from lammps_plugin.installation import (
    Program,
    describe_program,
    environment_changes,
    environment_programs,
    find_launcher,
    find_program,
    mpi_family,
)
from lammps_plugin.start import start

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
finally:
    sys.path.pop(0)

LIMIT = 300.0  # seconds: what hangs fails

HELP = """
Large-scale Atomic/Molecular Massively Parallel Simulator - 4 Jul 2026 - Development
Git info (none)

MPI v4.0: {mpi}

{kokkos}
Installed packages:

{packages}

List of individual style options included in this LAMMPS executable
"""

# Does what the stages ask for with the ASE calculator, and loads their models as LAMMPS does.
PRETENDER = """
import os, pickle, re, sys
import numpy as np
from types import SimpleNamespace
from ase_calculator import ACNNCalculator
from lammps_plugin.doctor.trial import BAR_PER_EV_A3, LAMMPS_TO_VOIGT
from lammps_plugin.doctor.trial_input import model, structures

sys.modules["mliap_unified_couple"] = sys
deck = open(sys.argv[-1]).read()
open("newton", "w").write("{newton}")
print("  1 by 1 by 1 MPI processor grid")
stages = re.findall(r"read_data (\\S+).data.*?unified (\\S+) 0.*?custom (\\S+).forces", deck, re.DOTALL)
for structure, file, name in stages:
    loaded = None
    if file.endswith(".pkl"):
        loaded = pickle.load(open(file, "rb"))
    atoms = structures()[structure]
    if name == "memory":
        loaded.before -= {taken}
        loaded.compute_forces(SimpleNamespace(nlistatoms=1000, npairs=46000))
    atoms.calc = ACNNCalculator(model())
    if name == "{crash}":
        os.kill(os.getpid(), 11)
    rows = [[i, *f] for i, f in enumerate(atoms.get_forces() * {factor}, 1)]
    np.savetxt(name + ".forces", rows, header="\\n" * 8, comments="")
    pressures = [repr(float(p)) for p in -atoms.get_stress()[LAMMPS_TO_VOIGT] * BAR_PER_EV_A3]
    open(name + ".done", "w").write(" ".join([repr(float(atoms.get_potential_energy())), *pressures]))
"""
NORMAL = {"newton": "1", "taken": 0, "crash": "", "factor": 1.0}


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def fake(
    folder: Path, body: str = "", packages: str = "ML-IAP PYTHON", mpi: str = "MPICH Version:\t4.1", kokkos: str = ""
) -> Path:
    """A program ``lmp`` that answers to -h, and runs a shell script otherwise."""
    answer = HELP.format(packages=packages, mpi=mpi, kokkos=kokkos)
    return script(folder / "lmp", f"if [ \"$1\" = -h ]; then cat <<'END'\n{answer}\nEND\nexit 0; fi\n{body}")


def pretender(folder: Path, **changes: object) -> Path:
    """A program ``lmp`` that computes."""
    code = PRETENDER
    for name, value in (NORMAL | changes).items():
        code = code.replace("{" + name + "}", str(value))
    (folder / "pretender.py").write_text(code)
    return fake(folder, f'exec "{cases.warm.program()}" "{folder / "pretender.py"}" "$@"')


def trial(folder: Path, limit: float = LIMIT) -> Trial:
    (folder / "trial").mkdir()
    write_files(folder / "trial")
    return Trial(folder / "trial", limit)


def serial(program: Path, folder: Path, limit: float = LIMIT) -> dict[str, Finding]:
    return {f.what: f for f in runs.of_serial(describe_program(program), trial(folder, limit))}


def shown(*arguments: str | Path) -> tuple[int, str]:
    before, console.width = console.width, 300  # sentences stay on one line
    try:
        done = CliRunner().invoke(app, ["lammps", *map(str, arguments)], env={"TERM": "dumb"})
    finally:
        console.width = before
    return done.exit_code, done.output


def acnn_lammps(*arguments: str | Path, folder: Path, **changes: str) -> subprocess.Popen[str]:
    """In a process of its own, since it becomes LAMMPS."""
    command = [sys.executable, "-m", "acnn", "lammps", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **changes}, text=True, **pipes)


# --- finding LAMMPS ---------------------------------------------------------------------------------------------------


def test_what_a_program_tells_about_itself(tmp_path):
    path = fake(tmp_path, packages="ML-IAP PYTHON \nKOKKOS", kokkos="KOKKOS package API: CUDA OpenMP")
    program = describe_program(path)
    assert program.version == "4 Jul 2026 - Development"
    assert program.packages == ("ML-IAP", "PYTHON", "KOKKOS")
    assert program.mpi == "MPICH Version: 4.1"
    assert program.kokkos == "CUDA OpenMP"
    assert program.lacking() == []
    assert not program.needs_plugin


def test_the_program_asked_for_comes_first_and_then_path(tmp_path, monkeypatch):
    one, other = fake(tmp_path / "one"), fake(tmp_path / "other")
    monkeypatch.setenv("PATH", str(other.parent), prepend=os.pathsep)
    assert find_program() == other
    assert find_program(str(one)) == one
    with pytest.raises(InstallationError, match="there is no program nolmp"):
        find_program("nolmp")


@pytest.mark.parametrize(
    ("body", "message", "limit"),
    [
        ("sleep 1000", "not finished after 1 s", 1),
        ("kill -SEGV $$", "ended by signal SIGSEGV", 300),
        ("echo Hello", "does not answer to -h like LAMMPS", 300),
        ("echo 'Hello\nno license today'; exit 3", "no license today", 300),
    ],
)
def test_a_program_that_does_not_answer_is_an_error(tmp_path, body, message, limit):
    path = script(tmp_path / "lmp", body)
    with pytest.raises(InstallationError, match=message):
        describe_program(path, limit=float(limit))


def test_what_is_found_of_a_program_that_is_none_becomes_a_row(tmp_path):
    status, output = shown("doctor", "--lmp", script(tmp_path / "lmp", "echo Hello"))
    assert status == 1
    assert "does not answer to -h like LAMMPS" in output
    assert remedies.INSTALL in output


def test_libraries_that_are_not_found_are_looked_for(tmp_path, monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    told = "lmp: error while loading shared libraries: libmpi.so.12: cannot open shared object file"
    path = fake(tmp_path)
    check = f"#!/bin/sh\n[ $LD_LIBRARY_PATH ] || {{ echo '{told}'; exit 127; }}"
    path.write_text(path.read_text().replace("#!/bin/sh", check))
    program = describe_program(path)
    assert environment_changes(program.library_path)["LD_LIBRARY_PATH"] == program.library_path != ""
    row = next(f for f in installed.of_program(program) if f.what == "libraries")
    assert row.fix == f"export LD_LIBRARY_PATH={program.library_path}"


@pytest.mark.parametrize(("packages", "lacking"), [("PYTHON", ["ML-IAP"]), ("MOLECULE", ["ML-IAP", "PYTHON"])])
def test_packages_that_are_lacking(tmp_path, packages, lacking):
    program = describe_program(fake(tmp_path, packages=packages))
    assert program.lacking() == lacking
    row = next(f for f in installed.of_program(program) if f.what == "packages")
    assert (row.status, row.fix) == ("missing", remedies.REBUILD)


def test_a_plugin_that_cannot_be_built(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = {f.what: f for f in installed.of_plugin(again=False)}
    assert rows["C++ compiler"].fix == "unset CXX"
    assert rows["plugin"].status == "missing"
    monkeypatch.setenv("ACNN_LAMMPS_PLUGIN", "0")
    assert [f.fix for f in installed.of_plugin(again=False)][-1] == "unset ACNN_LAMMPS_PLUGIN"


# --- MPI --------------------------------------------------------------------------------------------------------------


def test_families_of_mpi_libraries():
    assert mpi_family("MPICH Version: 4.1") == mpi_family("Intel(R) MPI Library 2021") == "MPICH"
    assert mpi_family("Open MPI v4.1.4, package: Debian") == mpi_family("mpirun (Open MPI) 5.0.2") == "Open MPI"
    assert mpi_family("LAMMPS MPI STUBS for LAMMPS version 4 Jul 2026") == "no MPI"
    assert mpi_family("something") == ""


def test_the_launcher_is_that_of_lammps_own_mpi(tmp_path, monkeypatch):
    program = describe_program(fake(tmp_path / "lammps", mpi="Open MPI v4.1.4"))
    script(tmp_path / "a" / "mpiexec", "echo HYDRA build details:")
    right = script(tmp_path / "b" / "mpirun", "echo 'mpirun (Open MPI) 4.1.4'")
    monkeypatch.setattr("lammps_plugin.installation.environment_programs", lambda: tmp_path)  # has launchers, often
    monkeypatch.setenv("PATH", str(tmp_path / "a"))
    with pytest.raises(InstallationError, match="lmp was built with Open MPI, which has no mpiexec here"):
        find_launcher(program)
    monkeypatch.setenv("PATH", f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")
    assert find_launcher(program).path == right


def test_lammps_without_mpi_has_one_rank(tmp_path):
    program = describe_program(fake(tmp_path, mpi="LAMMPS MPI STUBS for LAMMPS version 4 Jul 2026"))
    with pytest.raises(InstallationError, match="built without MPI"):
        find_launcher(program)
    assert "BUILD_MPI" in remedies.of_launcher(program)


def test_grids_tell_ranks_that_run_alone():
    assert ranks_in("  1 by 2 by 3 MPI processor grid\n") == [6]
    assert ranks_in("  1 by 1 by 1 MPI processor grid\n" * 2) == [1, 1]


def test_two_lammps_of_one_rank_are_noticed(tmp_path):
    program = describe_program(pretender(tmp_path))
    script(tmp_path / "mpiexec", 'if [ "$1" = --version ]; then echo HYDRA; exit; fi\nshift 2\n"$@"\nexec "$@"')
    attempt = trial(tmp_path)
    attempt.problems["many"] = ""
    rows = {f.what: f for f in runs.of_ranks(program, attempt)}
    assert rows["mpiexec"].status == "ok"
    assert rows["64 atoms, 2 ranks"].status == "fails"
    assert "LAMMPS twice on one rank each" in rows["64 atoms, 2 ranks"].found


# --- what runs --------------------------------------------------------------------------------------------------------


def test_the_structures_have_forces():
    from ase_calculator import ACNNCalculator

    for name in ("two", "many"):
        atoms = structures()[name]
        atoms.calc = ACNNCalculator(model())
        assert np.abs(atoms.get_forces()).max() > 0.1
        assert np.abs(atoms.get_stress()).max() > 1e-4


def test_a_lammps_that_agrees(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script(tmp_path / "python3", "exit 1")
    rows = serial(pretender(tmp_path), tmp_path)
    assert rows.pop("python3 on PATH").fix == f"export PATH={environment_programs()}:$PATH"
    assert {row.status for row in rows.values()} == {"ok"}
    assert rows["pair_style mliap unified"].found == "LAMMPS' own Python coupling"
    assert {"2 atoms", "64 atoms", "model file .pt", "memory", "newton"} <= set(rows)


def test_wrong_forces_newton_off_and_an_array_of_atoms_times_pairs(tmp_path):
    rows = serial(pretender(tmp_path, factor=1 + 1e-7, newton=0, taken=150_000_000), tmp_path)
    assert rows["64 atoms"].status == "fails"
    assert rows["64 atoms"].found.startswith("differs from the ASE calculator: ")
    assert rows["memory"].fix == remedies.MEMORY
    assert rows["newton"].fix == "write 'newton on' in the input"


def test_after_a_crash_the_others_are_tried(tmp_path):
    rows = serial(pretender(tmp_path, crash="torch"), tmp_path)
    assert rows["model file .pt"].found == "ended by signal SIGSEGV"
    assert {rows[what].status for what in ("2 atoms", "64 atoms", "memory")} == {"ok"}


@pytest.mark.parametrize(
    ("body", "found", "fix"),
    [
        ("sleep 60", "not finished after 2 s", "acnn lammps doctor --time-limit 20"),
        ("kill -SEGV $$", "ended by signal SIGSEGV", remedies.SEE_OUTPUT),
        ("exit 0", "LAMMPS ended before its input did", remedies.SEE_OUTPUT),
        ("echo 'LAMMPS\nERROR: Unrecognized pair style mliap'; exit 1", "ERROR: Unrecognized", remedies.REBUILD),
    ],
)
def test_runs_that_fail_become_rows(tmp_path, body, found, fix):
    rows = serial(fake(tmp_path, body), tmp_path, limit=2.0)
    assert rows["2 atoms"].status == "fails"
    assert rows["2 atoms"].found.startswith(found)
    assert rows["2 atoms"].fix == fix
    assert rows["64 atoms"].found == "not tried, because an earlier run failed"


def test_a_python_without_acnn_in_lammps(tmp_path):
    python = getattr(sys, "_base_executable", sys.executable)
    code = "import pickle; pickle.load(open('facts.pkl', 'rb'))"
    path = fake(tmp_path, f'unset PYTHONPATH\nexec "{python}" -I -S -c "{code}"')
    rows = serial(path, tmp_path)
    inside = rows["Python in LAMMPS"]
    assert inside.status == "fails"
    assert "ModuleNotFoundError: No module named 'acnn'" in inside.found
    assert inside.fix.endswith("-m pip install /clone/of/acnn")
    assert "No module named" in rows["2 atoms"].found


@pytest.mark.parametrize("body", ["echo begun; kill -SEGV $$", "echo begun; exit 139", "echo begun; exit 245"])
def test_a_crash_is_told_by_its_signal(tmp_path, body):
    ended = run_child([str(script(tmp_path / "crashes", body))], {})
    assert ended.reason() == "ended by signal SIGSEGV"


def test_a_child_that_hangs_is_ended_with_its_own_children(tmp_path):
    path = script(tmp_path / "hangs", "sleep 1000 &\necho $! > pid\nwait")
    ended = run_child([str(path)], {}, folder=tmp_path, limit=3.0)
    assert ended.reason() == "not finished after 3 s"
    state = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    end = time.monotonic() + LIMIT
    while state.exists() and state.read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("problem", "fix"),
    [
        ("ERROR: UnpicklingError: Weights only load failed, weights_only", "-o MODEL.mliap.pkl"),
        ("mpiexec has detected an attempt to run as root.", "OMPI_ALLOW_RUN_AS_ROOT=1"),
        ("ERROR: Failed to allocate 8 bytes for array: out of memory", "ulimit -v unlimited"),
        ("something new", "acnn lammps doctor --json"),
    ],
)
def test_known_problems_have_their_command(problem, fix):
    assert fix in remedies.of_run(problem, None, LIMIT)


# --- acnn lammps run --------------------------------------------------------------------------------------------------


def deck(folder: Path) -> Path:
    path = folder / "in.lammps"
    path.write_text("print hello\n")
    return path


def test_run_becomes_lammps_and_hands_its_status_on(tmp_path):
    program = fake(tmp_path, 'echo "$@"; echo "threads $OMP_NUM_THREADS"; echo "$PATH"; exit 7')
    arguments = ["run", deck(tmp_path), "--lmp", program, "--", "-var", "steps", "100"]
    process = acnn_lammps(*arguments, folder=tmp_path, OMP_NUM_THREADS="8")
    output, _ = process.communicate(timeout=LIMIT)
    first, threads, path = output.splitlines()
    assert first == f"-in {tmp_path / 'in.lammps'} -var steps 100"
    assert threads == "threads 1"
    assert path.split(os.pathsep)[0] == str(environment_programs())
    assert process.returncode == 7


def test_signals_reach_lammps(tmp_path):
    program = fake(tmp_path, "echo started\nexec sleep 1000")
    process = acnn_lammps("run", deck(tmp_path), "--lmp", program, folder=tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.terminate()
    assert process.wait(timeout=LIMIT) == -signal.SIGTERM


def test_dry_run_prints_what_a_shell_can_do(tmp_path):
    program = fake(tmp_path / "a folder")
    status, output = shown("run", deck(tmp_path), "--lmp", program, "--dry-run")
    assert status == 0
    *exports, command = output.splitlines()
    assert "export OMP_NUM_THREADS=1" in exports
    assert shlex.split(command) == [str(program), "-in", str(tmp_path / "in.lammps")]
    assert shlex.quote(str(program)) in command


def test_ranks_are_started_by_the_launcher_that_fits(tmp_path, monkeypatch):
    program = fake(tmp_path)
    launcher = script(tmp_path / "mpiexec", "echo HYDRA")
    monkeypatch.setattr("lammps_plugin.start.n_processors", lambda: 2)
    prepared = start(deck(tmp_path), 3, str(program))
    assert prepared.command == [str(launcher), "-n", "3", str(program), "-in", str(tmp_path / "in.lammps")]
    assert prepared.warnings == ["3 ranks on 2 processors: they will slow each other down"]
    monkeypatch.setenv("PMI_SIZE", "4")
    with pytest.raises(ValueError, match="a launcher has already started 4 processes of this command"):
        start(deck(tmp_path), 3, str(program))
    assert start(deck(tmp_path), 1, str(program)).command[0] == str(program)


def test_what_run_needs(tmp_path):
    status, output = shown("run", tmp_path / "in.none")
    assert status == 2
    assert f"there is no input file {tmp_path / 'in.none'}" in output
    status, output = shown("run", deck(tmp_path), "--lmp", "nolmp")
    assert status == 2
    assert "there is no program nolmp" in output


# --- the LAMMPS that is here ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def here() -> Program:
    """The program of ``ACNN_LMP`` or the first one, if models of acnn can be expected to run in it."""
    try:
        program = describe_program(find_program(os.environ.get("ACNN_LMP")))
    except InstallationError as error:
        pytest.skip(str(error))
    if program.lacking():
        pytest.skip(f"{program.path} lacks {' and '.join(program.lacking())}")
    if program.needs_plugin:
        try:
            plugin_build.build()
        except plugin_build.PluginError as error:
            pytest.skip(str(error))
    return program


def test_the_doctor_finds_this_lammps_well(here, tmp_path):
    status, output = shown("doctor", "--lmp", here.path, "--json", tmp_path / "found.json")
    assert status == 0, output
    report = json.loads((tmp_path / "found.json").read_text())
    rows = {row["what"]: row for row in report["findings"]}
    assert report["works"]
    assert here.version in rows["lmp"]["found"]
    for what in ("2 atoms", "64 atoms"):
        assert rows[what]["status"] == "ok", rows[what]
    if rows["mpiexec"]["status"] == "ok":
        assert rows["64 atoms, 2 ranks"]["status"] == "ok", rows
    if here.needs_plugin:
        assert rows["memory"]["status"] == rows["model file .pt"]["status"] == "ok"
    bad = [row for row in report["findings"] if row["status"] != "ok"]
    assert all(row["fix"] for row in bad), bad
    assert output.rstrip().endswith("LAMMPS can run acnn models")


def test_the_doctor_without_the_plugin(here, tmp_path, monkeypatch):
    if not here.needs_plugin:
        pytest.skip("this LAMMPS has a Python coupling of its own")
    monkeypatch.setenv("ACNN_LAMMPS_PLUGIN", "0")
    monkeypatch.delenv("LAMMPS_PLUGIN_PATH", raising=False)  # set by the module lammps, where another test imported it
    rows = serial(here.path, tmp_path)
    assert "requires ML-IAP with python support" in rows["2 atoms"].found
    assert rows["2 atoms"].fix == "acnn lammps doctor --build"


def test_a_model_runs_on_two_ranks(here, tmp_path):
    try:
        find_launcher(here)
    except InstallationError as error:
        pytest.skip(str(error))
    write_files(tmp_path)
    stage = Stage("ranks", "many", "m.mliap.pt")
    (tmp_path / "in.lammps").write_text(stage.deck())
    arguments = ["run", "in.lammps", "-n", "2", "--lmp", here.path, "--", "-log", "none"]
    process = acnn_lammps(*arguments, folder=tmp_path)
    output, complaints = process.communicate(timeout=2 * LIMIT)
    assert process.returncode == 0, output + complaints
    assert ranks_in(output) == [2]
    assert Trial(tmp_path).deviations(stage).largest < 1e-10
