"""acnn phonons: against frozen phonons, phonopy's own figures, limits, and each other."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.workflows.commensurate import (
    grid,
    hermite_normal_forms,
    is_commensurate,
    smallest_supercell,
    stars,
)
from acnn.workflows.crystal import at_volume, primitive_of, relaxed
from acnn.workflows.crystal_symmetry import operations
from acnn.workflows.elastic import stiffness, tensor_of
from acnn.workflows.force_constants import exact_points, in_one_supercell, in_small_supercells, phonopy_of
from acnn.workflows.lattice_dynamics import Phonons, Sampling, phonons
from acnn.workflows.phonon_bands import plain_label
from acnn.workflows.phonon_thermodynamics import gruneisen_of, square_displacements, thermodynamics_of
from acnn.workflows.quasiharmonic import expansion_of, thermal_expansion
from acnn.workflows.thermal_conductivity import thermal_conductivity

phonopy = pytest.importorskip("phonopy", reason="phonons need phonopy")
pytest.importorskip("seekpath", reason="paths of phonon bands need seekpath")

SAME = 0.01
"""THz"""
R = 8.31446261815324


@pytest.fixture(scope="module")
def of_copper(copper: Path) -> Phonons:
    sampling = Sampling((2, 2, 2), mesh=(9, 9, 9), highest=2000.0, interval=100.0)
    return phonons(bulk("Cu", a=3.6), copper, sampling, gruneisen=True)


def frequencies(phonopy: Any, points: np.ndarray) -> np.ndarray:
    phonopy.run_qpoints(points)
    return np.array(phonopy.qpoints.frequencies)


# --- frequencies ------------------------------------------------------------------------------------------------------


def test_the_optical_phonon_is_the_frozen_one(silicon: Any) -> None:
    """Both atoms of the cell against each other: ω² = 2k/m."""
    found = phonons(bulk("Si"), silicon, Sampling((2, 2, 2), mesh=(3, 3, 3)))
    atoms, step, forces = found.crystal.copy(), 0.005, []
    atoms.calc = silicon
    for sign in (1, -1):
        atoms.positions[1] = found.crystal.positions[1] + [sign * step, 0, 0]
        forces.append(atoms.get_forces()[1, 0])
    k = (forces[1] - forces[0]) / (2 * step)
    frozen = math.sqrt(2 * k / atoms.get_masses()[0]) * units.fs * 1000 / (2 * np.pi)
    np.testing.assert_allclose(found.bands.points["Γ"][3:], frozen, atol=SAME)
    assert found.bands.ticks[0] == (0.0, "Γ")
    assert {"X", "L", "W"} <= found.bands.points.keys()
    assert found.imaginary == []


def test_sound_has_the_velocity_of_the_elastic_constants(silicon: Any) -> None:
    """Along x: ρ v² = C11, C44, in a supercell that is large enough for the slopes at Γ."""
    crystal = relaxed(bulk("Si"), silicon, fmax=1e-5)
    tensor = tensor_of(crystal, stiffness(crystal))
    found, _ = in_one_supercell(crystal, (4, 4, 4))
    q = 0.01
    length = q / crystal.cell[0, 1]  # 1/Å: (q, 0, q) of the primitive cell is along an axis, and cell[0, 1] is a/2
    slow, _, fast = frequencies(found, np.array([[q, 0, q]]))[0, :3] / length * 100  # m/s
    assert tensor.mass_density * slow**2 / 1e9 == pytest.approx(tensor.stiffness[3, 3], rel=0.03)
    assert tensor.mass_density * fast**2 / 1e9 == pytest.approx(tensor.stiffness[0, 0], rel=0.03)


@pytest.mark.parametrize(
    ("name", "divisions"), [("fcc", (3, 3, 3)), ("hcp", (2, 2, 2)), ("alloy", (3, 2, 1)), ("diamond", (2, 2, 2))]
)
def test_small_supercells_give_the_phonons_of_the_large_one(name: str, divisions, request, copper: Path) -> None:
    crystals = {"fcc": bulk("Cu"), "hcp": bulk("Cu", "hcp", a=2.56, c=4.18), "diamond": bulk("Si")}
    crystals["alloy"] = bulk("Cu", cubic=True, a=3.8)
    crystals["alloy"].symbols[[0, 3]] = "Au"
    calculator = {"fcc": copper, "diamond": "silicon"}.get(name, EMT())
    if calculator == "silicon":
        calculator = request.getfixturevalue("silicon")
    cell = primitive_of(relaxed(crystals[name], calculator, fmax=1e-5))
    large, of_large = in_one_supercell(cell, divisions)
    small, of_small = in_small_supercells(cell, divisions)
    for points in (grid(divisions), np.random.default_rng(0).uniform(size=(5, 3))):
        np.testing.assert_allclose(frequencies(small, points), frequencies(large, points), atol=SAME)
    assert of_small.largest == max(math.lcm(*divisions), 1) * len(cell) <= of_large.largest


def test_supercells_of_a_size_are_as_many_as_there_are_sublattices() -> None:
    """Σ_{d | n} d σ(d)."""
    for n in (1, 2, 4, 6):
        forms = [form.tobytes() for form in hermite_normal_forms(n)]
        divisors = [d for d in range(1, n + 1) if n % d == 0]
        expected = sum(d * sum(k for k in range(1, d + 1) if d % k == 0) for d in divisors)
        assert len(set(forms)) == len(forms) == expected


def test_the_smallest_supercell_holds_the_phonon() -> None:
    divisions, cell = (4, 3, 2), bulk("Cu").cell.array
    for q in grid(divisions):
        S = smallest_supercell(q, divisions, cell)
        denominators = [
            (k / n).as_integer_ratio() if k == 0 else (k // math.gcd(k, n), n // math.gcd(k, n))
            for k, n in zip(np.round(q * divisions).astype(int).tolist(), divisions, strict=True)
        ]
        assert is_commensurate(q, S)
        assert round(np.linalg.det(S)) == math.lcm(*(d for _, d in denominators))


def test_stars_divide_the_grid() -> None:
    found = stars((4, 4, 4), operations(bulk("Cu")))
    places = [place for star in found for place in star.members]
    assert sorted(places) == list(range(64))
    assert len(found) == 8


def test_imaginary_modes_are_named() -> None:
    """A simple cubic metal is unstable."""
    found = phonons(bulk("Cu", "sc", a=2.4), EMT(), Sampling((3, 3, 3), mesh=(3, 3, 3)))
    assert found.imaginary
    assert found.imaginary[0].frequency == min(mode.frequency for mode in found.imaginary) < -0.1
    assert {mode.place for mode in found.imaginary} & {"X", "M", "R", "(1/3, 0, 0)", "(0, 0, 1/3)"}


def test_exact_points_are_those_of_the_supercell() -> None:
    found = phonopy_of(bulk("Cu", cubic=True), np.diag([2, 1, 1]))
    points = exact_points(found)
    assert len(points) == 8
    lattice = np.diag([2, 1, 1]) @ bulk("Cu", cubic=True).cell.array
    cartesian = points @ np.linalg.inv(found.primitive.cell).T
    np.testing.assert_allclose(cartesian @ lattice.T, np.round(cartesian @ lattice.T), atol=1e-9)


@pytest.mark.parametrize(("label", "plain"), [("$\\Gamma$", "Γ"), ("$\\mathrm{X}$", "X"), ("$\\mathrm{H}_{2}$", "H2")])
def test_labels_are_plain(label: str, plain: str) -> None:
    assert plain_label(label) == plain


# --- thermodynamics ---------------------------------------------------------------------------------------------------


def test_limits_are_classical(of_copper: Phonons) -> None:
    heat = of_copper.thermodynamics
    assert heat.heat_capacity[0] == pytest.approx(0, abs=1e-9)
    assert heat.heat_capacity[-1] == pytest.approx(3 * R, rel=0.01)
    slope = np.gradient(heat.free_energy, heat.temperatures)[5]
    assert heat.entropy[5] == pytest.approx(-slope * 96485.33, rel=0.01)
    assert of_copper.displacements[-1, 0] / of_copper.displacements[-2, 0] == pytest.approx(2000 / 1900, rel=1e-3)
    assert of_copper.density.states.sum() * np.diff(of_copper.density.frequencies[:2])[0] == pytest.approx(3, rel=0.01)


def test_displacements_are_those_of_phonopy(of_copper: Phonons) -> None:
    """Which needs the whole mesh for them."""
    found, temperatures = of_copper.phonopy, np.array([0.0, 300.0])
    found.run_mesh((6, 6, 6), with_eigenvectors=True, is_gamma_center=True)
    ours = square_displacements(found, temperatures)
    found.run_mesh((6, 6, 6), with_eigenvectors=True, is_mesh_symmetry=False, is_gamma_center=True)
    found.run_thermal_displacements(temperatures=temperatures, freq_min=0.01)
    theirs = np.array(found.thermal_displacements.thermal_displacements).reshape(2, -1, 3).mean(axis=2)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_gruneisen_parameters_are_logarithmic_derivatives(of_copper: Phonons) -> None:
    """At X, which is in a mesh of even numbers."""
    point = np.array([[0.5, 0.0, 0.5]])
    crystals = [at_volume(of_copper.crystal, 1 + change, 1e-5) for change in (0.0, 0.01, -0.01)]
    three = [in_one_supercell(crystal, (2, 2, 2))[0] for crystal in crystals]
    middle, larger, smaller = (frequencies(one, point)[0] for one in three)
    found = gruneisen_of(*three, (2, 2, 2))
    at_X = int(np.abs(found.frequencies - middle).max(axis=1).argmin())
    np.testing.assert_allclose(found.frequencies[at_X], middle, atol=1e-3)
    expected = -np.log(larger / smaller) / np.log(1.01 / 0.99)
    np.testing.assert_allclose(found.parameters[at_X], expected, rtol=5e-3)
    average = of_copper.gruneisen.average(np.array([0.0, 1000.0]))
    assert np.isnan(average[0])
    assert average[1] == pytest.approx(expected.mean(), rel=0.15)


def test_expansion_is_that_of_phonopy(copper: Path) -> None:
    sampling, changes = Sampling((2, 2, 2), mesh=(5, 5, 5), highest=600.0), (-0.02, 0.0, 0.02, 0.04, 0.06)
    found = thermal_expansion(bulk("Cu", a=3.6), copper, sampling, changes=changes)
    middle = relaxed(bulk("Cu", a=3.6), copper, fmax=1e-5)
    crystals = [at_volume(middle, 1 + change, 1e-5) for change in changes]
    heat = []
    for crystal in crystals:
        of, _ = in_one_supercell(crystal, (2, 2, 2))
        of.run_mesh((5, 5, 5), is_gamma_center=True)
        heat.append(thermodynamics_of(of, sampling.temperatures))
    volumes = np.array([crystal.get_volume() for crystal in crystals])
    energies = np.array([crystal.get_potential_energy() for crystal in crystals])
    ours = expansion_of(volumes, energies, heat)
    columns = {"cv": "heat_capacity", "entropy": "entropy"}
    given = {name: np.array([getattr(h, of) for h in heat]).T for name, of in columns.items()}
    free = np.array([h.free_energy for h in heat]).T * 96.4853321
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = phonopy.PhonopyQHA(
            volumes, energies, sampling.temperatures, free_energy=free, eos="birch_murnaghan", **given
        )
    n = len(theirs.volume_temperature)
    np.testing.assert_allclose(ours.volume[:n], theirs.volume_temperature, rtol=1e-5)
    np.testing.assert_allclose(ours.bulk_modulus[:n], theirs.bulk_modulus_temperature, rtol=1e-3)
    np.testing.assert_allclose(ours.expansion[2 : n - 1], theirs.thermal_expansion[2 : n - 1], atol=3e-7)
    np.testing.assert_allclose(found.volume, ours.volume, rtol=1e-6)


def test_expansion_is_gruneisens(of_copper: Phonons, copper: Path) -> None:
    """α = γ C_V / (B V)."""
    found = thermal_expansion(of_copper.crystal, copper, Sampling((2, 2, 2), mesh=(9, 9, 9), highest=300.0))
    k, heat = -2, of_copper.thermodynamics
    capacity = np.interp(found.temperatures[k], heat.temperatures, heat.heat_capacity) / R * units.kB
    assert of_copper.gruneisen is not None
    gamma = of_copper.gruneisen.average(found.temperatures[k : k + 1])[0]
    expected = gamma * capacity / (found.bulk_modulus[k] * units.GPa * found.volume[k])
    assert found.expansion[k] == pytest.approx(expected, rel=0.1)


def test_unstable_crystals_have_no_expansion() -> None:
    with pytest.raises(ValueError, match=r"phonons are imaginary \(-\d.*use smaller changes of volume"):
        thermal_expansion(bulk("Cu", "sc", a=2.4), EMT(), Sampling((2, 2, 2), mesh=(3, 3, 3)))


def test_conductivity_falls_with_temperature(silicon: Any) -> None:
    """As 1/T when all modes are occupied."""
    pytest.importorskip("phono3py", reason="thermal conductivities need phono3py")
    sampling = Sampling((2, 2, 2), mesh=(4, 4, 4), highest=2000.0, interval=1000.0)
    found = thermal_conductivity(bulk("Si", cubic=True), silicon, sampling, (1, 1, 1))
    np.testing.assert_allclose(found.kappa[:, :3], found.kappa[:, :1].repeat(3, axis=1), rtol=1e-6)
    assert found.kappa[0, 0] > 0
    assert found.kappa[0, 0] / found.kappa[1, 0] == pytest.approx(2, rel=0.05)
    assert found.near(1100.0)[0] == 1000.0
    assert list(found.axes) == ["x, y, z"]


# --- the command ------------------------------------------------------------------------------------------------------


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture
def folder(copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("cu.acnn").write_bytes(copper.read_bytes())
    ase.io.write("cu.xyz", bulk("Cu", a=3.6))
    return tmp_path


def test_the_command_writes_what_phonopy_reads(folder: Path) -> None:
    sizes = ("--supercell", "2,2,2", "--mesh", "5,5,5", "--highest", 400)
    done = run("phonons", "cu.xyz", "cu.acnn", "-o", "cu", *sizes, "--gruneisen", "--qha")
    assert done.exit_code == 0, done.output
    found = json.loads(Path("cu.json").read_text(encoding="utf-8"))
    again = phonopy.load("cu.yaml", log_level=0)
    np.testing.assert_allclose(frequencies(again, np.array([[0.5, 0, 0.5]]))[0], found["points_THz"]["X"], atol=1e-4)
    assert found["space_group"] == "Fm-3m (225)"
    assert found["thermal_expansion"]["volume"][0] > found["volume_per_atom"]
    assert found["gruneisen"][0] is None
    for name in ("bands", "thermal", "qha"):
        assert Path(f"cu.{name}.png").stat().st_size > 10_000
    done = run("phonons", "cu.xyz", "cu.acnn", "-o", "small", *sizes, "--small")
    assert done.exit_code == 0, done.output
    assert "supercells of up to 2 atoms" in done.output
    small = json.loads(Path("small.json").read_text(encoding="utf-8"))
    np.testing.assert_allclose(small["points_THz"]["X"], found["points_THz"]["X"], atol=SAME)


def test_what_makes_no_sense_is_refused(folder: Path) -> None:
    ase.io.write("cluster.xyz", Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]]))
    words = ("phonons", "cu.xyz", "cu.acnn", "-o", "cu")
    for given, what in (
        ((*words, "--supercell", "2,2"), "--supercell is auto or three numbers, 3,3,3, not '2,2'"),
        ((*words, "--mesh", "0,1,1"), "--mesh is three numbers from 1 to 1000, not '0,1,1'"),
        ((*words, "--third", "2,2,2"), "add --order 3, or leave it out"),
        (("phonons", "cluster.xyz", *words[2:]), "phonons need a structure that is periodic in three directions"),
    ):
        done = run(*given)
        assert done.exit_code == 2, done.output
        assert what in done.output
