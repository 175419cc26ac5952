"""What ASE's readers leave out of outputs of programs: steps that did not converge, and free energies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from ase import Atoms

from acnn.data.sources import PROGRAMS

UNCONVERGED = "their electrons did not converge"
UNFINISHED = "they have no energy: the calculation stopped"


def flaws(name: str, lines: Iterable[str], images: Sequence[Atoms]) -> list[str]:
    """Return why a step is no data, for each step; "" where it is.

    Args:
        name: ASE's name of the format.
        lines: those of the file.
    """
    if name not in PROGRAMS:
        return [""] * len(images)
    converged = list(CONVERGED[name](lines)) if name in CONVERGED else []
    converged += [True] * (len(images) - len(converged))
    found = []
    for atoms, is_converged in zip(images, converged, strict=False):
        energy = atoms.calc.results.get("energy") if atoms.calc is not None else None
        found.append(UNFINISHED if energy is None else "" if is_converged else UNCONVERGED)
    return found


def add_free_energies(name: str, lines: Iterable[str], images: Sequence[Atoms]) -> None:
    """Add the free energy, whose derivatives forces are, to results of GPAW, which ASE reads without."""
    if name != "gpaw-out":
        return
    energies = [float(line.split()[-1]) for line in lines if line.startswith("Free energy:")]
    for atoms, energy in zip(images, energies, strict=False):
        if atoms.calc is not None:
            atoms.calc.results["free_energy"] = energy


def _outcar(lines: Iterable[str]) -> Iterator[bool]:
    """Yield whether each ionic step ended before NELM electronic steps, or with a change of the energy below EDIFF.

    VASP 5 says "aborting loop because EDIFF is reached" after NELM steps, too.
    """
    most, steps, limit, change = 0, 0, 0.0, 0.0
    for line in lines:
        if not most and (found := re.search(r"\bNELM\s*=\s*(\d+)", line)):
            most = int(found[1])
        elif not limit and (found := re.search(r"\bEDIFF\s*=\s*(\S+)", line)):
            limit = float(found[1])
        elif found := re.search(r"- Iteration\s+\d+\(\s*(\d+)\)", line):
            steps = int(found[1])
        elif found := re.search(r"total energy-change.*:\s*(\S+)", line):
            change = abs(float(found[1]))
        elif "FREE ENERGIE OF THE ION-ELECTRON SYSTEM" in line:
            yield steps < most or change < limit
            steps = 0


def _vasprun(lines: Iterable[str]) -> Iterator[bool]:
    most, steps = 0, 0
    for line in lines:
        if not most and (found := re.search(r'name="NELM">\s*(\d+)', line)):  # further ones mean something else
            most = int(found[1])
        elif "<calculation" in line:
            steps = 0
        elif "<scstep" in line:
            steps += 1
        elif "</calculation" in line:
            yield steps < most or not most


def _pwo(lines: Iterable[str]) -> Iterator[bool]:
    """Yield whether the estimated accuracy is below the threshold.

    With scf_must_converge = .false. Quantum ESPRESSO says "convergence has been achieved" in any case.
    """
    threshold, is_final = 0.0, False
    for line in lines:
        if "scf convergence threshold" in line:
            threshold = float(line.split("=")[1])
        elif "convergence NOT achieved" in line:
            yield False
        elif line.startswith("!") and "total energy" in line:
            is_final = True
        elif is_final and "estimated scf accuracy" in line:
            yield float(line.split("<")[1].split()[0]) <= threshold
            is_final = False


def _gpaw(lines: Iterable[str]) -> Iterator[bool]:
    for line in lines:
        if line.startswith("Converged after"):
            yield True
        elif line.startswith("Did not converge"):
            yield False


def _castep(lines: Iterable[str]) -> Iterator[bool]:
    is_converged = True
    for line in lines:
        if "system has not reached the groundstate" in line:
            is_converged = False
        elif line.startswith("Final energy"):
            yield is_converged
            is_converged = True


CONVERGED: dict[str, Callable[[Iterable[str]], Iterator[bool]]] = {
    "castep-castep": _castep,
    "espresso-out": _pwo,
    "gpaw-out": _gpaw,
    "vasp-out": _outcar,
    "vasp-xml": _vasprun,
}
"""By format: whether the electrons of each step converged. Of other programs, steps without an energy are left out."""
