"""Heat flux: LAMMPS' compute with centroid stresses is the exact one of a strictly local many-body potential.

J = d/dt Σ_i r_i (e_i + ½ m v_i²) = Σ_i (e_i + ½ m v_i²) v_i − Σ_ij r_ij (g_ij·v_j)       g_ij = de_i/dr_ij
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import ase.build
import numpy as np
import pytest
import torch
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.models.linear import LinearACE
from acnn.potential import Potential
from acnn.testing import evaluate, random_model, random_network
from lammps_plugin import save_unified

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import BAR_PER_EV_A3, Case, Launcher
finally:
    sys.path.pop(0)


AGREEMENT = 1e-10
"""Of fluxes, relative: sums in another order."""
DIFFERENCES = 1e-6
"""Relative, of central differences over two steps of 0.01 fs."""
KINETIC = 1.0364269e-4
"""eV per g/mol (Å/ps)²: LAMMPS' own constant (mvv2e of units metal)."""


def committee() -> LinearACE:
    model = random_model(["O", "Si"], seed=1)
    rows = torch.randn(3, len(model.coefficients), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model.set_committee(0.1 * rows)
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, Potential]:
    return {
        "linear": random_model(["O", "Si"], seed=1, pair_cutoff=5.0),
        "committee": committee(),
        "network": random_network(["O", "Si"], seed=2, layers=0),
        "attention": random_network(["O", "Si"], seed=3, layers=2),
    }


@pytest.fixture(scope="module")
def launcher() -> Launcher:
    found = cases.quickest()
    if found.missing:
        pytest.skip(found.missing)
    if not found.plugin:
        pytest.skip("LAMMPS' own coupling has no centroid stresses")
    return found


def alloy() -> Atoms:
    atoms = ase.build.bulk("SiO", "zincblende", a=4.5, cubic=True) * (2, 2, 1)
    atoms.set_cell(atoms.cell.array + [[0, 0, 0], [0.9, 0, 0], [0.4, -0.7, 0]], scale_atoms=True)
    atoms.rattle(0.1, seed=1)
    return atoms


def cluster() -> Atoms:
    """Nothing is periodic, so that Σ r_i E_i is defined; its atoms are in the middle of a wide box."""
    atoms = ase.build.bulk("SiO", "zincblende", a=4.5, cubic=True) * (2, 1, 1)
    atoms.rattle(0.1, seed=2)
    atoms.positions += 10.0
    return Atoms(atoms.symbols, atoms.positions, cell=[30.0, 26.0, 26.0])


def crystal() -> Atoms:
    return ase.build.bulk("SiO", "zincblende", a=4.5, cubic=True) * (2, 2, 2)


def velocities(atoms: Atoms) -> FloatArray:
    """Å/ps"""
    return np.random.default_rng(3).normal(scale=5.0, size=(len(atoms), 3))


def flux(potential: Potential, atoms: Atoms, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Convection Σ_i (e_i + ½ m v²) v_i and conduction −Σ_ij r_ij (g_ij·v_j), eV Å/ps."""
    found = evaluate(potential, [atoms])
    energies = found.site_energies.numpy() + 0.5 * KINETIC * atoms.get_masses() * (v**2).sum(axis=1)
    g, r, j = (x.numpy() for x in (found.pair_gradients, found.graph.pair_vectors, found.graph.pair_j))
    return energies @ v, -np.einsum("pa,pb,pb->a", r, g, v[j])


FLUX = """\
compute ke all ke/atom
compute pe all pe/atom pair
compute stress all centroid/stress/atom NULL virial
compute flux all heat/flux ke pe stress
thermo_style custom step c_flux[*]
thermo_modify format float %.17g
thermo 1
"""


def setup(atoms: Atoms, v: FloatArray, name: str, folder: Path) -> str:
    """Input up to the thermo; writes the structure."""
    case, data = Case("flux", atoms, ("Si", "O")), f"{len(atoms)}.data"
    rows = "".join(f"{i} {' '.join(map(repr, row))}\n" for i, row in enumerate(v.tolist(), 1))
    (folder / data).write_text(cases.data_file(case) + f"\nVelocities\n\n{rows}")
    return cases.setup(case, data) + cases.style(case, f"{name}.pkl") + FLUX


TENSORS = """\
run 0
write_dump all custom "{name}.tensors" id c_stress[*] modify sort id format float %.17g
"""
MOMENT = """\
variable x atom x*(c_ke+c_pe)
variable y atom y*(c_ke+c_pe)
variable z atom z*(c_ke+c_pe)
compute moment all reduce sum v_x v_y v_z
compute halves all stress/atom NULL virial
compute wrong all heat/flux ke pe halves
thermo_style custom step c_flux[1] c_flux[2] c_flux[3] c_wrong[1] c_wrong[2] c_wrong[3] c_moment[*]
thermo_modify format float %.17g
timestep 1e-5
fix move all nve
run 2
"""
MOVE = "fix move all nve\nthermo 25\nrun 100\n"
MOVING = np.array([20.0, 5.0, -10.0])  # Å/ps


@dataclass(frozen=True)
class Runs:
    """Thermo tables without their column of steps, by the names of the models; files; all that LAMMPS said."""

    fluxes: dict[str, FloatArray]
    moments: dict[str, FloatArray]
    moving: FloatArray
    folder: Path
    output: str


@pytest.fixture(scope="module", params=[1, 2])
def runs(request, launcher: Launcher, models: dict[str, Potential], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All in one run of LAMMPS, on one rank and on two."""
    folder = tmp_path_factory.mktemp("runs")
    for name, potential in models.items():
        save_unified(potential, folder / f"{name}.pkl")
    decks = [setup(alloy(), velocities(alloy()), name, folder) + TENSORS.format(name=name) for name in models]
    decks += [setup(cluster(), velocities(cluster()), name, folder) + MOMENT for name in models]
    decks.append(setup(crystal(), np.tile(MOVING, (len(crystal()), 1)), "linear", folder) + MOVE)
    (folder / "in.lammps").write_text("clear\n".join(decks))
    done = launcher.run(folder / "in.lammps", request.param)
    assert done.returncode == 0, done.stdout[-3000:]
    tables = re.findall(r"^ *Step .*\n((?: *\d+ .*\n)+)", done.stdout, re.MULTILINE)
    *rows, moving = [np.array([row.split()[1:] for row in table.splitlines()], float) for table in tables]
    fluxes, moments = rows[: len(models)], rows[len(models) :]
    return Runs(
        dict(zip(models, fluxes, strict=True)), dict(zip(models, moments, strict=True)), moving, folder, done.stdout
    )


def test_centroid_stresses_give_the_exact_flux(runs, models):
    for name, potential in models.items():
        convection, conduction = flux(potential, alloy(), velocities(alloy()))
        expected = np.concatenate([convection + conduction, convection])
        assert np.abs(runs.fluxes[name][0] - expected).max() < AGREEMENT * np.abs(expected).max(), name


def test_all_of_a_pair_belongs_to_the_neighbor(runs, models):
    """W_j = −Σ_i r_ij ⊗ g_ij: xx yy zz xy xz yz yx zx zy"""
    for name, potential in models.items():
        found = evaluate(potential, [alloy()])
        tensors = found.pair_virials.new_zeros(len(alloy()), 3, 3).index_add_(0, found.graph.pair_j, found.pair_virials)
        expected = tensors.numpy()[:, [0, 1, 2, 0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 2, 2, 0, 0, 1]]
        rows = -np.loadtxt(runs.folder / f"{name}.tensors", skiprows=9)[:, 1:] / BAR_PER_EV_A3
        assert np.abs(rows - expected).max() < AGREEMENT * np.abs(expected).max(), name


def test_the_flux_is_the_derivative_of_the_moment_of_energy(runs):
    """Along the dynamics of a cluster; with halves of the pairs' stresses it is not, and LAMMPS says so, once."""
    for name, table in runs.moments.items():
        found, halves, moment = table[:, :3], table[:, 3:6], table[:, 6:]
        derivative = (moment[2] - moment[0]) / 2e-5
        size = np.abs(derivative).max()
        assert np.abs(found[1] - derivative).max() < DIFFERENCES * size, name
        assert np.abs(halves[1] - derivative).max() > 0.01 * size, name
    assert runs.output.count("WARNING: compute heat/flux with compute stress/atom is wrong") == 1


def test_a_moving_crystal_carries_its_energy_and_its_pressure(runs, models):
    """J = (E + W) v, also after atoms have crossed to other ranks."""
    found, masses = evaluate(models["linear"], [crystal()]), crystal().get_masses()
    energy = float(found.energies[0]) + 0.5 * KINETIC * masses.sum() * MOVING @ MOVING
    expected = energy * MOVING + found.virials[0].numpy() @ MOVING
    assert runs.moving.shape == (5, 6)
    assert np.abs(runs.moving[:, :3] - expected).max() < 1e-8 * np.abs(expected).max()
