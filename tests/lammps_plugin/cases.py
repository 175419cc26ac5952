"""Structures that LAMMPS and the ASE calculator must agree on, the input that computes them, and ways to run LAMMPS.

Nothing here knows how LAMMPS comes by ``pair_style mliap``: a `Launcher` does.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import ase.build
import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers

from acnn.arrays import BoolArray, FloatArray
from acnn.conventions import VOIGT_COLUMNS, VOIGT_ROWS
from acnn.data.dataset import LabeledStructure, Weights
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.potential import Potential
from acnn.testing import evaluate, random_model, random_network, with_random_committee
from acnn.uncertainty.grade import active_set_of
from lammps_plugin import plugin_build

sys.path.insert(0, str(Path(__file__).parents[1]))
try:
    import warm
finally:
    sys.path.pop(0)

AGREEMENT = 1e-10
"""eV, eV/Å and eV: LAMMPS and ASE add the same terms in other orders."""
BAR_PER_EV_A3 = 1.6021765e6
"""LAMMPS' own constant (nktv2p of units metal)."""
DRIVER = Path(__file__).with_name("driver.py")


def model() -> LinearACE:
    """More elements than most of the cases have, and a longer cutoff of pairs."""
    return random_model(["O", "Si", "Ti"], order=3, degree=6.0, cutoff=4.2, pair_cutoff=5.0)


def graded() -> LinearACE:
    """With a committee, and the active set of rattled silicon."""
    crystals = [_rattled(ase.build.bulk("Si", cubic=True), seed) for seed in range(20)]
    return with_active_set(with_random_committee(model(), 3), crystals)


def of_elements_apart() -> LinearACE:
    """With the active set of rattled copper and of rattled aluminium: it has seen no alloy."""
    perfect = [ase.build.bulk(element, cubic=True) * (2, 2, 2) for element in ("Cu", "Al")]
    crystals = [_rattled(atoms.copy(), seed) for atoms in perfect for seed in range(8)]
    return with_active_set(random_model(["Al", "Cu"], order=2, degree=5.0, cutoff=4.2, pair_cutoff=5.0), crystals)


def with_active_set(found: LinearACE, crystals: list[Atoms]) -> LinearACE:
    structures = [LabeledStructure(atoms, 0.0, None, None, "bulk", Weights(), "bulk") for atoms in crystals]
    found.active_set = active_set_of(found, structures)
    return found


def attention(*elements: str) -> NetworkACE:
    """With two attention layers, and a cutoff beyond that of its linear part."""
    return random_network(elements, layers=2, channels=2, cutoff=4.7)


@dataclass(frozen=True)
class Case:
    """A structure, and the element of every atom type of LAMMPS ("NULL": another pair style's)."""

    name: str
    atoms: Atoms
    types: tuple[str, ...]
    ghost_neighbors: bool = False
    others: tuple[str, ...] = field(default=(), kw_only=True)
    """Elements of types that the potential must not see."""


def _rattled(atoms: Atoms, seed: int) -> Atoms:
    atoms.rattle(0.1, seed=seed)
    return atoms


def _standard(atoms: Atoms) -> Atoms:
    """Turned so that the cell is as LAMMPS wants it: lower triangular."""
    cell, _ = atoms.cell.standard_form()
    atoms.set_cell(cell, scale_atoms=True)
    return atoms


def _cluster() -> Atoms:
    """Five atoms, and two without neighbors, in a box most of which is empty."""
    corners = 1.1 * np.array([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    return Atoms("SiO4OTi", [*(corners + 6.0), [20, 20, 20], [3, 20, 12]], cell=[24, 25, 26])


def _alloy(symbols: list[str]) -> Atoms:
    crystal = ase.build.bulk("X", "fcc", a=4.1, cubic=True) * (2, 2, 1)
    crystal.symbols = np.random.default_rng(3).permutation(np.resize(symbols, len(crystal)))
    return crystal


def _sheared() -> Atoms:
    atoms = ase.build.bulk("SiO", "zincblende", a=4.5) * (2, 2, 1)
    shear = np.eye(3) + [[0.05, 0.1, 0], [0, -0.04, 0.2], [0.15, 0, 0.02]]
    atoms.set_cell(atoms.cell @ shear, scale_atoms=True)
    return _standard(atoms)


def _slab() -> Atoms:
    atoms = ase.build.diamond100("Si", (2, 2, 4), vacuum=4.0)
    atoms.numbers[::5] = 8
    return atoms


def _with_argon() -> Atoms:
    """Argon is another pair style's business, wherever it is in the order of atoms."""
    atoms = ase.build.bulk("Si", cubic=True) * (2, 1, 1)
    atoms.numbers[[0, 5, 11]] = 18
    return atoms


CASES = [
    Case("bulk", _rattled(ase.build.bulk("Si", cubic=True) * (2, 2, 1), 1), ("Si",)),
    Case("two elements", _rattled(_alloy(["Ti", "O"]), 2), ("Ti", "O")),
    Case("three elements", _rattled(_alloy(["Ti", "O", "Si"]), 3), ("Si", "O", "Ti")),
    Case("triclinic", _rattled(_sheared(), 4), ("O", "Si")),
    Case("slab", _rattled(_slab(), 5), ("Si", "O")),
    Case("isolated atoms", _rattled(_cluster(), 6), ("Ti", "O", "Si")),
    Case("no pairs", Atoms("SiO", [[1, 1, 1], [11, 11, 11]], cell=[20, 20, 20], pbc=True), ("O", "Si")),
    Case("one-atom cell", Atoms("Ti", cell=[3.1, 3.2, 3.3], pbc=True), ("Ti",)),
    Case("neighbors of ghosts", _rattled(_alloy(["Ti", "O"]), 7), ("O", "Ti"), ghost_neighbors=True),
    Case("NULL type", _rattled(_with_argon(), 8), ("NULL", "Si"), others=("Ar",)),
]


@dataclass(frozen=True)
class Values:
    """Energy and virial (None: not periodic), and energies, forces and virials of atoms; eV, eV/Å, Voigt order."""

    energy: float
    virial: FloatArray | None
    energies: FloatArray
    forces: FloatArray
    virials: FloatArray


def seen(case: Case) -> BoolArray:
    """Which atoms the potential sees."""
    return ~np.isin(case.atoms.symbols, case.others)


def expected(case: Case, potential: Potential) -> Values:
    """By the ASE calculator; virials of atoms by the potential itself, since ASE has them only in periodic cells."""
    from ase_calculator import ACNNCalculator

    known, n = seen(case), len(case.atoms)
    atoms = case.atoms[known]
    atoms.calc = ACNNCalculator(potential)
    virial = -atoms.get_stress() * atoms.get_volume() if atoms.pbc.all() else None
    energies, forces, virials = np.zeros(n), np.zeros((n, 3)), np.zeros((n, 6))
    energies[known], forces[known] = atoms.get_potential_energies(), atoms.get_forces()
    # The virial of one atom is not symmetric: ASE gets both halves' average, LAMMPS has r_x g_y, r_x g_z and r_y g_z.
    virials[known] = evaluate(potential, [atoms]).atomic_virials.numpy()[:, VOIGT_ROWS, VOIGT_COLUMNS]
    return Values(float(atoms.get_potential_energy()), virial, energies, forces, virials)


# --- input of LAMMPS --------------------------------------------------------------------------------------------------


def data_file(case: Case) -> str:
    """The structure for ``read_data``: positions as they are, in a cell of lower triangular form."""
    atoms, elements = case.atoms, _elements(case)
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = atoms.cell.array.tolist()
    lines = ["", f"{len(atoms)} atoms", f"{len(elements)} atom types"]
    lines += [f"0 {length!r} {axis}lo {axis}hi" for axis, length in zip("xyz", (lx, ly, lz), strict=True)]
    if xy or xz or yz:
        lines.append(f"{xy!r} {xz!r} {yz!r} xy xz yz")
    lines += ["", "Masses", "", *(f"{t} {atomic_masses[atomic_numbers[e]]}" for t, e in enumerate(elements, 1))]
    lines += ["", "Atoms # atomic", ""]
    for index, (symbol, position) in enumerate(zip(atoms.symbols, atoms.positions.tolist(), strict=True), 1):
        lines.append(f"{index} {elements.index(symbol) + 1} {' '.join(map(repr, position))}")
    return "\n".join(lines) + "\n"


def _elements(case: Case) -> list[str]:
    others = iter(case.others)
    return [next(others) if element == "NULL" else element for element in case.types]


def setup(case: Case, data: str, grid: str = "* * *") -> str:
    boundary = " ".join("p" if periodic else "f" for periodic in case.atoms.pbc)
    return f"""\
units metal
newton on
atom_style atomic
atom_modify map array
boundary {boundary}
processors {grid}
read_data "{data}"
neighbor 1.0 bin
"""


def style(case: Case, file: str) -> str:
    ghosts, types = int(case.ghost_neighbors), " ".join(case.types)
    if not case.others:
        return f'pair_style mliap unified "{file}" {ghosts}\npair_coeff * * {types}\n'
    return f"""\
pair_style hybrid/overlay mliap unified "{file}" {ghosts} zero 5.0
pair_coeff * * mliap {types}
pair_coeff * * zero
"""


def measure(name: str) -> str:
    """``run 0`` twice; NAME.1, NAME.2: values of atoms, NAME.1.thermo, NAME.2.thermo: energy and pressure."""
    pressures = " ".join(f"c_pressure[{k}]" for k in range(1, 7))
    values = " ".join(["pe", *pressures.split()])
    printed = " ".join(f"$({value}:%.17g)" for value in values.split())
    stresses = " ".join(f"c_stresses[{k}]" for k in range(1, 7))
    once = """\
dump values all custom 1 "{name}.{run}" id c_energies fx fy fz {stresses}
dump_modify values sort id format float %.17g
run 0
undump values
print "{printed}" file "{name}.{run}.thermo"
"""
    return (
        "compute energies all pe/atom pair\n"
        "compute stresses all stress/atom NULL virial\n"
        "compute pressure all pressure NULL virial\n"
        f"thermo_style custom step {values}\n"
        + once.format(name=name, run=1, stresses=stresses, printed=printed)
        + once.format(name=name, run=2, stresses=stresses, printed=printed)
    )


LAMMPS_TO_VOIGT = [0, 1, 2, 5, 4, 3]
"""xx yy zz xy xz yz, as LAMMPS has them, in ASE's order."""


def found(case: Case, name: Path, run: int = 1) -> Values:
    """What `measure` wrote of its first or second run."""
    rows = np.loadtxt(f"{name}.{run}", skiprows=9, ndmin=2)
    energy, *pressures = map(float, Path(f"{name}.{run}.thermo").read_text().split())
    volume = case.atoms.get_volume()
    virial = np.array(pressures)[LAMMPS_TO_VOIGT] * volume / BAR_PER_EV_A3 if case.atoms.pbc.all() else None
    virials = -rows[:, 5:][:, LAMMPS_TO_VOIGT] / BAR_PER_EV_A3
    return Values(energy, virial, rows[:, 1], rows[:, 2:5], virials)


def deviations(found: Values, expected: Values) -> dict[str, float]:
    """Largest deviations, eV and eV/Å."""
    pairs = {
        "energy": (found.energy, expected.energy),
        "energies": (found.energies, expected.energies),
        "forces": (found.forces, expected.forces),
        "virials": (found.virials, expected.virials),
    }
    if found.virial is not None and expected.virial is not None:
        pairs["virial"] = (found.virial, expected.virial)
    return {name: float(np.abs(np.subtract(*pair)).max()) for name, pair in pairs.items()}


# --- how LAMMPS is run ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Launcher:
    """A command that takes an input file, on one rank or several."""

    name: str
    command: tuple[str, ...]
    missing: str = ""
    """One line that says why it cannot run here."""
    plugin: bool = False
    """By our plugin, in a LAMMPS without Python coupling."""

    def run(self, deck: Path, ranks: int = 1, timeout: float = 600.0) -> subprocess.CompletedProcess[str]:
        """The finished run, whatever its status; one that hangs is ended with all its ranks, and an error."""
        return finished([*on_ranks(ranks), *self.command, str(deck)], deck.parent, timeout)


def on_ranks(ranks: int) -> list[str]:
    """What stands before a command."""
    return [] if ranks == 1 else [mpiexec(), "-n", str(ranks)]


def in_python(*arguments: str, folder: Path, ranks: int = 1) -> str:
    """What a script that ends well prints, in a Python that has everything imported but LAMMPS."""
    done = finished([*on_ranks(ranks), warm.program(), *arguments], folder, 300)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def finished(command: list[str], folder: Path, timeout: float) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return subprocess.CompletedProcess(command, process.returncode, output)


def mpiexec() -> str:
    """The one of this environment, else the first on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec") or "mpiexec"


@functools.cache
def binary() -> Launcher:
    """``lmp``, or the program that ``ACNN_LMP`` names, with the switches in ``ACNN_LMP_ARGS``."""
    name = os.environ.get("ACNN_LMP") or "lmp"
    program = shutil.which(name)
    command = (program or name, *shlex.split(os.environ.get("ACNN_LMP_ARGS", "")), "-log", "none", "-in")
    if program is None:
        return Launcher("lmp", command, f"there is no program {name}; ACNN_LMP can name one")
    packages = subprocess.run([program, "-h"], capture_output=True, text=True, timeout=600).stdout.split()
    lacking = [package for package in ("ML-IAP", "PYTHON") if package not in packages]
    if lacking == ["PYTHON"] and Path(program).parent == Path(sys.executable).parent:
        return Launcher("lmp", command, plugin_problem(), plugin=True)
    return Launcher("lmp", command, f"{program} lacks {' and '.join(lacking)}" if lacking else "")


def plugin_problem() -> str:
    """Why the plugin cannot be had, or nothing."""
    try:
        plugin_build.build()
    except plugin_build.PluginError as error:
        return str(error)
    return ""


@functools.cache
def module() -> Launcher:
    """The Python module ``lammps``, in a Python that has everything else imported."""
    command = (warm.program(), str(DRIVER))
    asked = subprocess.run([*command, "--coupling"], capture_output=True, text=True, timeout=600)
    why = (asked.stderr.strip().splitlines() or ["unknown"])[-1]
    missing = "" if asked.returncode == 0 else f"no lammps module that runs pair_style mliap unified ({why})"
    return Launcher("module", command, missing, plugin=asked.stdout.strip().endswith("plugin"))


def quickest() -> Launcher:
    """The module, for which torch need not be imported, if it runs; for what is the same in the program."""
    return binary() if module().missing else module()
