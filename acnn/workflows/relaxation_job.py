"""Relaxation of the structures of files: results by enthalpy, trajectories, and runs that are killed and go on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from acnn.data.frames import extended_xyz
from acnn.data.named_structures import named_structures
from acnn.data.sources import files_of, inputs_of
from acnn.data.structure_files import require_structure_format, write_structures
from acnn.extras import optional
from acnn.files import require_new, require_writable, sha256_of, write_atomically
from acnn.io.model_file import load_model
from acnn.locks import locked
from acnn.progress import Stage, silent
from acnn.workflows.crystal_symmetry import NO_GROUP, space_group_symbol
from acnn.workflows.relaxation import relax_many
from acnn.workflows.relaxation_journal import RelaxationJournal
from acnn.workflows.relaxation_processes import relax_in_processes
from acnn.workflows.relaxation_tasks import Relaxation, Relaxed

GROUP_TOLERANCE = 0.05
"""Å; relaxed positions that differ by less are symmetric."""


@dataclass(frozen=True)
class RelaxationJob:
    """What is relaxed, and where results go.

    Attributes:
        structures: files, folders and patterns.
        model: model file.
        output: file of relaxed structures, .res, .xyz or another format of ASE.
        relaxation: how.
        jobs: processes.
        trajectories: folder for NAME.xyz with the steps of each structure.
        kernel: as in `acnn.potential.Potential.pair_gradients`.
    """

    structures: Sequence[Path]
    model: Path
    output: Path
    relaxation: Relaxation
    jobs: int = 1
    trajectories: Path | None = None
    kernel: str | None = None

    @property
    def journal(self) -> Path:
        """The file that holds results until all are there."""
        return self.output.with_name(f"{self.output.name}.journal")


class Row(NamedTuple):
    """A result with the name of its structure and the symbol of its space group."""

    name: str
    found: Relaxed
    group: str

    @property
    def enthalpy(self) -> float:
        """H in eV per atom; NaN where it is unknown."""
        return self.found.enthalpy / max(len(self.found.atoms), 1)

    @property
    def formula(self) -> str:
        """The reduced formula."""
        return str(self.found.atoms.symbols.formula.reduce()[0])

    @property
    def volume(self) -> float:
        """Å³ per atom; NaN without a cell."""
        atoms = self.found.atoms
        return float(atoms.cell.volume) / len(atoms) if atoms.cell.rank == 3 else math.nan

    @property
    def remarked(self) -> Atoms:
        """The structure with a remark on how it ended, which .res has in a line REM."""
        atoms, found = self.atoms, self.found
        reason = f": {found.reason}" if found.reason else ""
        end = f"{found.steps} steps, largest force {found.fmax:.3g} eV/A"
        atoms.info["rem"] = [f"acnn relax: {found.state}{reason}; {end}"]
        return atoms

    @property
    def atoms(self) -> Atoms:
        """The structure as it is written to a file."""
        atoms, found = self.found.atoms.copy(), self.found
        atoms.calc = found.atoms.calc
        atoms.info |= {"name": self.name, "pressure": found.pressure, "spacegroup": self.group, "state": found.state}
        atoms.info |= {"enthalpy": found.enthalpy, "steps": found.steps}
        return atoms


def run_relaxations(
    job: RelaxationJob,
    overwrite: bool = False,
    stage: Stage = silent,
    on_resume: Callable[[int], None] = lambda done: None,
) -> list[Row]:
    """Relax structures and write them by enthalpy per atom, those that were stopped last, and no failed ones.

    A killed run continues when called with the same arguments.

    Args:
        on_resume: gets the number of structures that an interrupted run has relaxed.

    Raises:
        ValueError: files, model or options cannot be used.
        FileExistsError: an output exists, and ``overwrite`` is not set.
    """
    resumes = job.journal.exists()
    require_writable(
        [job.output, job.journal], [*inputs_of(job.structures), job.model], overwrite=overwrite, continued=[job.journal]
    )
    require_new([job.trajectories], overwrite or resumes)
    require_structure_format(job.output)
    optional("spglib", "space groups")
    with locked(job.output):
        structures = named_structures(job.structures)
        rows = _relaxed(job, structures, stage, on_resume)
        remarks = job.output.suffix == ".res"
        known = [row for row in rows if row.found.state != "failed"]
        write_structures(job.output, [row.remarked if remarks else row.atoms for row in known])
        job.journal.unlink(missing_ok=True)
    return rows


def _relaxed(
    job: RelaxationJob, structures: Sequence[Atoms], stage: Stage, on_resume: Callable[[int], None]
) -> list[Row]:
    journal = RelaxationJournal(job.journal, _fingerprint(job))
    if journal.done:
        on_resume(len(journal.done))
    waiting = {place: atoms for place, atoms in enumerate(structures) if place not in journal.done}
    if job.trajectories:
        job.trajectories.mkdir(exist_ok=True)
    advance = stage("relaxations", len(waiting))
    for found in _results(job, waiting):
        if job.trajectories and found.frames:
            name = structures[found.place].info["name"]
            write_atomically(job.trajectories / f"{name}.xyz", extended_xyz(found.frames))
        journal.add(found)
        advance()
    return sorted((_row(found) for found in journal.done.values()), key=_rank)


def _rank(row: Row) -> tuple[bool, bool, float, int]:
    """Return the key by which results are sorted: those that kept to their limits first, by enthalpy."""
    return row.found.state in ("stopped", "failed"), math.isnan(row.enthalpy), row.enthalpy, row.found.place


def _results(job: RelaxationJob, waiting: Mapping[int, Atoms]) -> Iterator[Relaxed]:
    model = load_model(job.model)
    if job.jobs > 1 and len(waiting) > 1:
        return relax_in_processes(job.model, waiting, job.relaxation, job.kernel, job.jobs)
    return relax_many(model, list(waiting.values()), job.relaxation, job.kernel, list(waiting))


def _row(found: Relaxed) -> Row:
    group = NO_GROUP if found.state == "failed" else space_group_symbol(found.atoms, GROUP_TOLERANCE)
    return Row(str(found.atoms.info["name"]), found, group)


def _fingerprint(job: RelaxationJob) -> dict[str, Any]:
    settings = asdict(job.relaxation)
    limits = settings.pop("limits")
    bonds = {"-".join(sorted(pair)): limits["scale"] * length for pair, length in limits["bonds"].items()}
    files = {str(path): sha256_of(path) for path in files_of(job.structures) if path.is_file()}
    return {"structures": files, "model": sha256_of(job.model), **settings, "min-bond": bonds, "grade": limits["grade"]}
