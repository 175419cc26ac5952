"""Planted faults are found, each under its name, and clean data have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import Bohr, GPa, Hartree

from acnn.data import read_dataset
from acnn.data.checks import check_data
from acnn.data.related import related_pairs, slopes_of

Frames = list[Atoms]


def labeled(atoms: Atoms) -> Atoms:
    atoms.calc = EMT()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)
    atoms.calc = None
    atoms.info = {"REF_energy": energy, "REF_virial": (-stress * atoms.get_volume()).ravel()}
    atoms.arrays["REF_forces"] = forces
    return atoms


def clean() -> Frames:
    """Copper cells of 4 and 8 atoms: strained, and short walks of displacements."""
    rng = np.random.default_rng(3)
    frames = []
    for repeats in ((1, 1, 1), (2, 1, 1)):
        for _ in range(16):
            atoms = bulk("Cu", cubic=True) * repeats
            strain = rng.normal(scale=0.005, size=(3, 3)) + 0.008 * rng.normal() * np.eye(3)
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
            frames.append(labeled(atoms))
        atoms = bulk("Cu", cubic=True) * repeats
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        for _ in range(16):
            atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
            frames.append(labeled(atoms.copy()))
    return frames


@pytest.fixture(scope="module")
def frames() -> Frames:
    return clean()


def found(frames: Frames, folder: Path) -> dict[str, str]:
    ase.io.write(folder / "data.xyz", frames)
    findings = check_data(read_dataset(folder / "data.xyz", drop_nan=True, max_force=1e6))
    return {finding.kind: finding.text for finding in findings}


def test_clean_data_have_no_faults(frames, tmp_path):
    assert found(frames, tmp_path) == {}


def test_the_ratios_are_one(frames, tmp_path):
    ase.io.write(tmp_path / "data.xyz", frames)
    data = read_dataset(tmp_path / "data.xyz")
    forces, virials = slopes_of(related_pairs(data.structures), [len(s) for s in data])
    assert forces.ratio == pytest.approx(1, abs=0.08)
    assert virials.ratio == pytest.approx(1, abs=0.08)
    assert virials.offset == pytest.approx(0, abs=0.02)


def of_all(key: str, change: Callable[[Atoms], object]) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        for atoms in frames:
            (atoms.arrays if key == "REF_forces" else atoms.info)[key] = change(atoms)

    return plant


def times(key: str, factor: float) -> Callable[[Frames], None]:
    return of_all(key, lambda a: factor * (a.arrays if key == "REF_forces" else a.info)[key])


def with_energy(place: int, change: Callable[[float], float]) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        frames[place].info["REF_energy"] = change(frames[place].info["REF_energy"])

    return plant


def without(key: str) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        for atoms in frames[5:9]:
            (atoms.arrays if key == "REF_forces" else atoms.info).pop(key)

    return plant


def with_forces(place: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Frames], None]:
    def plant(frames: Frames) -> None:
        frames[place].arrays["REF_forces"] = change(frames[place].arrays["REF_forces"].copy())

    return plant


def repeated(frames: Frames) -> None:
    copy = frames[30].copy()
    copy.positions += [1.0, 0.3, 0.0]
    copy.wrap()
    frames.append(copy)


def rotated_with_another_energy(frames: Frames) -> None:
    copy = frames[30].copy()
    copy.rotate(30, "z", rotate_cell=True)
    copy.info["REF_energy"] += 0.4
    frames.append(copy)


def repeated_with_other_forces(frames: Frames) -> None:
    copy = frames[30].copy()
    copy.arrays["REF_forces"] = copy.arrays["REF_forces"] * 1.3
    frames.append(copy)


def too_close(frames: Frames) -> None:
    frames[40].positions[1] = frames[40].positions[0] + [0.7, 0.0, 0.0]


def in_bohr(frames: Frames) -> None:
    for atoms in frames:
        atoms.set_cell(atoms.cell.array / Bohr, scale_atoms=True)


def charged(frames: Frames) -> None:
    for place, atoms in enumerate(frames):
        atoms.info["charge"] = 1 if place % 10 == 0 else 0


def in_wrong_order(frames: Frames) -> None:
    for atoms in frames[:20]:
        atoms.info["REF_virial"] = np.array([1.0, 2, 3, -4, 5, 6, -7, 8, 9])


def peaked(forces: np.ndarray) -> np.ndarray:
    forces[0, 0] += 80.0
    forces[1, 0] -= 80.0
    return forces


def unbalanced(forces: np.ndarray) -> np.ndarray:
    forces[0] = [0.5, 0.0, 0.0] - forces[1:].sum(axis=0)
    return forces


FAULTS: dict[str, tuple[Callable[[Frames], None], str, str]] = {
    "missing energies": (without("REF_energy"), "missing energies", "4 of 64 structures have none: data.xyz #5 "),
    "missing forces": (without("REF_forces"), "missing forces", "4 of 64"),
    "missing virials": (without("REF_virial"), "missing virials", "4 of 64"),
    "a NaN": (with_energy(3, lambda e: np.nan), "no numbers", "energy of 1 structure"),
    "constant energies": (of_all("REF_energy", lambda a: -3.5 * len(a)), "constant energies", "all are -3.5 eV/atom"),
    "zero forces": (with_forces(30, lambda f: 0 * f), "zero forces", "1 structure without symmetry: data.xyz #30"),
    "zero virials": (lambda f: f[7].info.update(REF_virial=np.zeros(9)), "zero virials", "data.xyz #7"),
    "a repeated structure": (repeated, "duplicates", "data.xyz #30 (default) = data.xyz #64 (default)"),
    "another energy": (rotated_with_another_energy, "contradictory energies", "0.1 eV/atom apart in data.xyz #30"),
    "other forces": (repeated_with_other_forces, "contradictory forces", "eV/Å apart in data.xyz #30"),
    "atoms too close": (too_close, "short distances", "Cu–Cu 0.7 Å in data.xyz #40"),
    "lengths in Bohr": (in_bohr, "long distances", "check that lengths are in Å, not Bohr"),
    "an energy outlier": (with_energy(20, lambda e: e + 2.0), "energy outliers", "data.xyz #20"),
    "a force outlier": (with_forces(35, peaked), "force outliers", "data.xyz #35"),
    "a net force": (with_forces(35, unbalanced), "net forces", "0.5 eV/Å in data.xyz #35"),
    "forces are gradients": (times("REF_forces", -1.0), "forces and energies", "the sign is wrong"),
    "forces in atomic units": (
        times("REF_forces", Bohr / Hartree),
        "forces and energies",
        "they seem to be in hartree/Bohr",
    ),
    "virials of the other sign": (times("REF_virial", -1.0), "virials and energies", "the sign is wrong"),
    "stresses in kbar": (
        of_all("REF_virial", lambda a: a.info["REF_virial"] / (0.1 * GPa)),
        "virials and energies",
        "they seem to be in kbar",
    ),
    "an offset of virials": (
        of_all("REF_virial", lambda a: a.info["REF_virial"] - 0.2 * len(a) * np.eye(3).ravel()),
        "offset of virials",
        "by -0.1",
    ),
    "asymmetric virials": (in_wrong_order, "asymmetric virials", "20 structures: check the order"),
    "energies per atom": (
        of_all("REF_energy", lambda a: a.info["REF_energy"] / len(a) - 8),
        "energies per atom",
        "4 to 8",
    ),
    "charge states": (charged, "charge states", "+0 in 57, +1 in 7"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(frames, tmp_path, name):
    plant, kind, text = FAULTS[name]
    copies = [atoms.copy() for atoms in frames]
    plant(copies)
    faults = found(copies, tmp_path)
    assert text in faults.get(kind, ""), faults


def test_at_least_twenty_faults_are_planted():
    assert len({kind for _, kind, _ in FAULTS.values()}) >= 20
