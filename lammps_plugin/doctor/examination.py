"""All checks of the doctor, in order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from lammps_plugin.children import TIME_LIMIT, InstallationError
from lammps_plugin.doctor import installed, remedies, runs
from lammps_plugin.doctor.findings import FAILS, MISSING, OK, Finding
from lammps_plugin.doctor.trial import Trial
from lammps_plugin.doctor.trial_input import write_files
from lammps_plugin.installation import describe_program, find_program


@dataclass
class Report:
    """All findings, and what LAMMPS printed in the trial runs."""

    findings: list[Finding] = field(default_factory=list)
    works: bool = False
    """Whether LAMMPS agrees with the ASE calculator: the program or, unless one was requested, the Python module."""
    output: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the report in a form for JSON."""
        return {"acnn": metadata.version("acnn"), **asdict(self)}


def examine(
    wanted: str | None = None,
    *,
    build_again: bool = False,
    limit: float = TIME_LIMIT,
    announce: Callable[[str], None] = lambda doing: None,
) -> Report:
    """Find LAMMPS and test it.

    Args:
        wanted: name or path of the program; None searches for it.
        build_again: compile the plugin even if it exists.
        limit: seconds for every child process.
        announce: called with a description of each step.
    """
    report = Report()
    with tempfile.TemporaryDirectory(prefix="acnn-doctor-") as folder:
        trial = Trial(Path(folder), limit)
        write_files(trial.folder)
        for finding in _findings(wanted, build_again, trial, announce):
            report.findings.append(finding)
    proofs = {runs.LABELS["many"]} if wanted else {runs.LABELS["many"], runs.LABELS["module"]}
    report.works = any(finding.status == OK and finding.what in proofs for finding in report.findings)
    report.output = trial.output
    return report


def _findings(
    wanted: str | None, build_again: bool, trial: Trial, announce: Callable[[str], None]
) -> Iterator[Finding]:
    announce("looking for LAMMPS")
    program = None
    try:
        program = describe_program(find_program(wanted), trial.limit)
    except InstallationError as error:
        status = MISSING if str(error).startswith("there is no") else FAILS
        yield Finding("lmp", str(error), status, remedies.of_program(str(error)))
    if program is not None:
        yield from installed.of_program(program)
    if (program is not None and program.needs_plugin) or build_again:
        announce("the plugin")
        yield from installed.of_plugin(build_again)
    if program is not None:
        yield from installed.of_mpi(program, trial.limit)
        announce("running 2 and 64 atoms")
        yield from runs.of_serial(program, trial)
        announce("running on 2 ranks")
        yield from runs.of_ranks(program, trial)
    announce("running from Python")
    yield from runs.of_module(program, trial)
    yield installed.of_threads()
