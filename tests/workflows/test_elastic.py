"""acnn elastic and acnn eos: against matscipy, derivatives of energies, published constants, and each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lammpslib import LAMMPSlib
from ase.eos import EquationOfState
from ase.optimize import LBFGS
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.workflows.crystal import RelaxationError, relax, relaxed, space_group, strained
from acnn.workflows.elastic import elastic_constants, stiffness, tensor_of
from acnn.workflows.elastic_tensor import ElasticTensor, strain_of, stress_rotation
from acnn.workflows.eos import equation_of_state, fitted

pytest.importorskip("spglib", reason="symmetries need spglib")

TO_A_THOUSANDTH = 1e-3


def ordered_alloy() -> Atoms:
    """Two layers of gold and two of copper, tetragonal."""
    atoms = bulk("Cu", cubic=True, a=3.8)
    atoms.symbols[[0, 3]] = "Au"
    return atoms


def by_matscipy(crystal: Atoms, symmetry: str) -> np.ndarray:
    elasticity = pytest.importorskip("matscipy.elasticity", reason="matscipy is the reference")
    C, _ = elasticity.fit_elastic_constants(
        crystal, symmetry=symmetry, optimizer=LBFGS, N_steps=5, delta=2e-3, fmax=1e-5, verbose=False, logfile=None
    )
    return C / units.GPa


@pytest.mark.parametrize(
    ("atoms", "symmetry"),
    [
        (bulk("Cu", cubic=True), "cubic"),
        (bulk("Cu", "hcp", a=2.56, c=4.18), "hexagonal"),
        (ordered_alloy(), "triclinic"),
    ],
    ids=["fcc", "hcp", "alloy"],
)
def test_constants_are_those_of_matscipy(atoms: Atoms, symmetry: str) -> None:
    crystal = relaxed(atoms, EMT(), fmax=1e-5)
    found = stiffness(crystal)
    np.testing.assert_allclose(found, by_matscipy(crystal, symmetry), atol=TO_A_THOUSANDTH * found.max())


def test_silicon_has_its_published_constants(silicon: Any) -> None:
    """Cowley, Phys. Rev. Lett. 60, 2379 (1988); internal displacements halve C44."""
    found = elastic_constants(bulk("Si"), silicon).stiffness
    clamped = elastic_constants(bulk("Si"), silicon, clamped=True).stiffness
    np.testing.assert_allclose(found[[0, 0, 3], [0, 1, 3]], [151.4, 76.4, 56.4], atol=0.1)
    np.testing.assert_allclose(clamped[[0, 0, 3], [0, 1, 3]], [151.4, 76.4, 109.8], atol=0.1)


TERSOFF = "Si Si Si 3 1 0 100390 16.217 -0.59825 0.78734 1.1e-6 1.73222 471.18 2.85 0.15 2.4799 1830.8"


@pytest.mark.usefixtures("needs_lammps")
def test_tersoffs_silicon_has_its_published_constants(tmp_path: Path) -> None:
    """Balamane, Halicioglu and Tiller, Phys. Rev. B 46, 2250 (1992). Loosely relaxed, C44 is up to 5 % off."""
    (tmp_path / "Si.tersoff").write_text(f"{TERSOFF}\n")
    commands = ["pair_style tersoff", f'pair_coeff * * "{tmp_path}/Si.tersoff" Si']
    found = elastic_constants(bulk("Si"), LAMMPSlib(lmpcmds=commands, atom_types={"Si": 1})).stiffness
    np.testing.assert_allclose(found[[0, 0, 3], [0, 1, 3]], [142.5, 75.4, 69.0], atol=0.1)


def test_constants_are_second_derivatives_of_the_relaxed_energy(copper: Path) -> None:
    """E(ε) = E0 + V eᵀCe/2 without pressure, for any strain of a crystal of low symmetry."""
    atoms = bulk("Cu", cubic=True, a=3.6) * (2, 1, 1)
    del atoms[3]
    atoms.rattle(0.05, seed=1)
    crystal = relaxed(atoms, copper, fmax=1e-5, keep_symmetry=False)
    e = np.random.default_rng(0).normal(size=6)
    energies = []
    for size in (-2e-3, 0.0, 2e-3):
        moved = strained(crystal, size * strain_of(e))
        relax(moved, 1e-5)
        energies.append(moved.get_potential_energy())
    curvature = (energies[0] - 2 * energies[1] + energies[2]) / 2e-3**2 / crystal.get_volume() / units.GPa
    assert e @ stiffness(crystal) @ e == pytest.approx(curvature, rel=2e-3)


@pytest.mark.parametrize("pressure", [0.0, 10.0])
def test_the_bulk_modulus_is_that_of_the_equation_of_state(pressure: float, copper: Path) -> None:
    found = elastic_constants(bulk("Cu"), copper, pressure)
    curve = equation_of_state(bulk("Cu"), copper, span=0.03, points=7, pressure=pressure)
    volume, step = relaxed(bulk("Cu"), copper, pressure).get_volume(), 1e-4
    above, below = curve.pressure_at(np.array([volume * (1 + step), volume * (1 - step)]))
    assert found.voigt.bulk == pytest.approx((below - above) / (2 * step), rel=5e-3)
    assert curve.pressure_at(np.array(volume)) == pytest.approx(pressure, abs=0.02)


def test_axes_are_those_of_the_standardized_cell() -> None:
    turned = bulk("Cu")
    turned.rotate(33, (1, 2, 3), rotate_cell=True)
    found = elastic_constants(turned, EMT())
    np.testing.assert_allclose(found.stiffness[:3, 3:], 0.0, atol=0.02)
    given = elastic_constants(turned, EMT(), standard=False)
    assert np.abs(given.stiffness[:3, 3:]).max() > 1
    for one, other in ((given.voigt, found.voigt), (given.reuss, found.reuss)):
        np.testing.assert_allclose(one, other, rtol=1e-3)
    np.testing.assert_allclose(given.eigenvalues, found.eigenvalues, rtol=1e-3)


def isotropic(bulk_modulus: float, shear: float) -> ElasticTensor:
    C = np.full((3, 3), bulk_modulus - 2 * shear / 3) + 2 * shear * np.eye(3)
    return ElasticTensor(np.block([[C, np.zeros((3, 3))], [np.zeros((3, 3)), shear * np.eye(3)]]), 0.0, 1000.0, 1e28)


def test_an_isotropic_solid_is_one() -> None:
    found = isotropic(100.0, 40.0)
    for moduli in (found.voigt, found.reuss, found.hill):
        np.testing.assert_allclose(moduli, (100.0, 40.0))
    assert found.hill.young == pytest.approx(9 * 100 * 40 / 340)
    assert found.anisotropy == pytest.approx(0, abs=1e-12)
    for values in found.young_in_planes().values():
        np.testing.assert_allclose(values, found.hill.young)
    along, across = np.sqrt((100 + 160 / 3) * 1e6), np.sqrt(40e6)
    mean = ((along**-3 + 2 * across**-3) / 3) ** (-1 / 3)
    assert found.debye_temperature == pytest.approx(4.799243e-11 * (3e28 / (4 * np.pi)) ** (1 / 3) * mean, rel=1e-5)


def test_stability_is_that_of_born() -> None:
    assert isotropic(100.0, 40.0).is_stable
    unstable = isotropic(100.0, -1.0)
    assert not unstable.is_stable
    assert np.isnan(unstable.debye_temperature)
    assert unstable.eigenvalues[0] == pytest.approx(-2.0)


def test_rotations_of_stress_are_those_of_tensors() -> None:
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    stress = rng.normal(size=(3, 3))
    stress += stress.T
    six = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    turned = rotation @ stress @ rotation.T
    np.testing.assert_allclose(stress_rotation(rotation) @ six, turned[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])


def test_relaxations_keep_the_space_group_and_the_volume() -> None:
    atoms = ordered_alloy()
    assert space_group(relaxed(atoms, EMT())) == "P4/mmm (123)"
    stretched = atoms.copy()
    stretched.set_cell(atoms.cell.array * [1.0, 1.0, 1.04], scale_atoms=True)
    shaped = relaxed(stretched, EMT(), freedom="shape")
    assert shaped.get_volume() == pytest.approx(stretched.get_volume(), rel=1e-6)
    assert shaped.cell[2, 2] / shaped.cell[0, 0] < 1.02
    with pytest.raises(RelaxationError, match=r"4 atoms did not reach 1e-09 eV/Å in 1 steps \(largest force"):
        relaxed(stretched, EMT(), fmax=1e-9, steps=1)


def test_a_known_curve_is_found_again() -> None:
    volumes = np.linspace(18, 22, 7)
    truth = fitted(volumes, 0.01 * (volumes - 20) ** 2 - 0.001 * (volumes - 20) ** 3)
    again = fitted(volumes, truth.energy_at(volumes))
    for name in ("volume", "energy", "bulk_modulus", "derivative"):
        assert getattr(again, name) == pytest.approx(getattr(truth, name), rel=1e-4, abs=1e-6)
    step = 1e-3
    slope = (truth.energy_at(volumes + step) - truth.energy_at(volumes - step)) / (2 * step)
    np.testing.assert_allclose(truth.pressure_at(volumes), -slope / units.GPa, rtol=1e-4, atol=1e-4)
    assert again.misfit < 1e-9


def test_the_curve_is_that_of_ase() -> None:
    volumes = np.linspace(18, 22, 9)
    energies = 0.01 * (volumes - 20) ** 2 + 1e-4 * np.random.default_rng(0).normal(size=9)
    found, other = fitted(volumes, energies), EquationOfState(volumes, energies, eos="birchmurnaghan")
    other.fit()
    E0, B0, derivative, V0 = other.eos_parameters
    for ours, theirs in ((found.energy, E0), (found.bulk_modulus, B0 / units.GPa), (found.volume, V0)):
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert found.derivative == pytest.approx(derivative, rel=1e-3)
    with pytest.raises(ValueError, match="no minimum over the volume"):
        fitted(volumes, -0.01 * (volumes - 20) ** 2)


def test_mass_density_is_that_of_copper() -> None:
    assert tensor_of(bulk("Cu", a=3.615), np.eye(6)).mass_density == pytest.approx(8935, rel=1e-3)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


def test_commands_write_what_the_functions_find(folder: Path) -> None:
    done = run("elastic", "cu.xyz", "cu.acnn", "--json", "elastic.json", "--plot", "elastic.png")
    assert done.exit_code == 0, done.output
    assert "universal anisotropy" in done.output
    found = json.loads(Path("elastic.json").read_text())
    expected = elastic_constants(ase.io.read("cu.xyz"), "cu.acnn")
    np.testing.assert_allclose(found["stiffness"], expected.stiffness, atol=1e-6)
    assert found["hill"]["young"] == pytest.approx(expected.hill.young)
    done = run("eos", "cu.xyz", "cu.acnn", "--json", "eos.json", "--plot", "eos.png", "--span", 0.04)
    assert done.exit_code == 0, done.output
    assert json.loads(Path("eos.json").read_text())["bulk_modulus"] == pytest.approx(found["voigt"]["bulk"], rel=0.01)
    for picture in ("elastic.png", "eos.png"):
        assert Path(picture).stat().st_size > 10_000


def test_the_model_is_like_what_it_was_fitted_to(folder: Path) -> None:
    found = elastic_constants(ase.io.read("cu.xyz"), "cu.acnn").stiffness
    np.testing.assert_allclose(found, elastic_constants(bulk("Cu"), EMT()).stiffness, atol=20)


def test_what_has_no_cell_is_refused(folder: Path) -> None:
    ase.io.write("cluster.xyz", Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]]))
    for command in ("elastic", "eos"):
        done = run(command, "cluster.xyz", "cu.acnn")
        assert done.exit_code == 2
        assert "need a structure that is periodic in three directions" in done.output
