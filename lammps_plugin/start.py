"""The command with which ``acnn lammps run`` starts LAMMPS."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acnn.parallel.launchers import mpi_place
from lammps_plugin import plugin_build
from lammps_plugin.installation import (
    PLUGIN_SWITCH,
    Program,
    describe_program,
    environment_changes,
    find_launcher,
    find_program,
    n_processors,
)


@dataclass(frozen=True)
class Start:
    """A command, the environment changes it needs, and warnings for the user."""

    command: list[str]
    changes: dict[str, str]
    warnings: list[str]


def start(deck: Path, ranks: int, wanted: str | None = None, arguments: Sequence[str] = ()) -> Start:
    """Find LAMMPS and the ``mpiexec`` that belongs to it, and compile the plugin if LAMMPS needs it.

    Args:
        deck: LAMMPS' input.
        ranks: number of MPI processes; one is started without ``mpiexec``.
        wanted: name or path of the program.
        arguments: further arguments of LAMMPS.

    Raises:
        FileNotFoundError: the input does not exist.
        InstallationError: there is no LAMMPS, or no launcher that fits it.
    """
    if not deck.is_file():
        raise FileNotFoundError(f"there is no input file {deck}")
    _require_one_launcher(ranks)
    program = describe_program(find_program(wanted))
    launcher = [] if ranks == 1 else [str(find_launcher(program).path), "-n", str(ranks)]
    changes, warnings = environment_changes(program.library_path), _too_many(ranks)
    if problem := plugin_problem(program):
        warnings.append(f"no pair_style mliap unified: {problem}")
        changes[PLUGIN_SWITCH] = "0"  # otherwise every rank repeats it
    return Start([*launcher, str(program.path), "-in", str(deck), *arguments], changes, warnings)


def _require_one_launcher(ranks: int, environment: Mapping[str, str] = os.environ) -> None:
    told = mpi_place(environment).size
    if ranks > 1 and told > 1:
        raise ValueError(f"a launcher has already started {told} processes of this command: leave out -n")


def _too_many(ranks: int) -> list[str]:
    available = n_processors()
    if ranks <= available:
        return []
    return [f"{ranks} ranks on {available} processors: they will slow each other down"]


def plugin_problem(program: Program) -> str:
    """Return why the plugin cannot be used; empty if it can or is not needed. It is compiled if necessary."""
    if not program.needs_plugin or os.environ.get(PLUGIN_SWITCH) == "0":
        return ""
    try:
        plugin_build.build()
    except plugin_build.PluginError as error:
        return str(error)
    return ""
