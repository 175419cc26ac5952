"""acnn defects, surface, decohesion, dimers: broken bonds that can be counted, derivatives, other builders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, fcc100, fcc111
from ase.calculators.emt import EMT
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.stillinger_weber import SILICON_PARAMETERS
from acnn.models.dimers import dimer_curves
from acnn.workflows.crystal import relaxed
from acnn.workflows.defects import chemical_potentials, formation_energies, holes, interstitials, vacancies
from acnn.workflows.dimers import dimer_energies
from acnn.workflows.surfaces import J_PER_M2, area, cleaved, decohesion, oriented, surface

pytest.importorskip("spglib", reason="symmetries need spglib")

EPSILON = SILICON_PARAMETERS["epsilon"]


# --- surfaces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("miller", "bonds", "per"), [((1, 0, 0), 2, 1 / 2), ((1, 1, 0), 1, 1 / 2**1.5), ((1, 1, 1), 1, 3**0.5 / 4)]
)
def test_surfaces_of_silicon_cost_their_broken_bonds(miller, bonds: int, per: float, silicon: Any) -> None:
    """Each bond is ε, half of which belongs to each side; ``per`` is the area of one atom of the surface in a²."""
    found = surface(bulk("Si", cubic=True), silicon, miller, thickness=12.0)
    edge = relaxed(bulk("Si", cubic=True), silicon).cell[0, 0]
    assert found.unrelaxed == pytest.approx(bonds * EPSILON / 2 / (per * edge**2) * J_PER_M2, rel=1e-4)
    assert found.relaxed == pytest.approx(found.unrelaxed, rel=1e-3)


@pytest.mark.parametrize(("miller", "build"), [((1, 1, 1), fcc111), ((1, 0, 0), fcc100)])
def test_surfaces_of_copper_are_those_of_ase(miller, build: Any) -> None:
    crystal = relaxed(bulk("Cu", cubic=True), EMT())
    found = surface(crystal, EMT(), miller, thickness=12.0)
    slab = build("Cu", (1, 1, len(found.slab)), a=crystal.cell[0, 0], vacuum=5.0, periodic=True)
    slab.calc = EMT()
    per_atom = crystal.get_potential_energy() / 4
    expected = (slab.get_potential_energy() - len(slab) * per_atom) / (2 * area(slab)) * J_PER_M2
    assert found.unrelaxed == pytest.approx(expected, rel=1e-3)
    assert 0 < found.relaxed < found.unrelaxed


@pytest.mark.parametrize("miller", [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 1), (-1, 3, 2), (0, 0, 1)])
@pytest.mark.parametrize("crystal", [bulk("Cu", cubic=True), bulk("Ti"), bulk("Si")], ids=["fcc", "hcp", "diamond"])
def test_an_oriented_cell_is_the_crystal(miller, crystal: Atoms) -> None:
    """As many neighbors at the same distances; x and y in the plane; the volume of the primitive cell."""
    found = oriented(crystal, miller)
    assert found.get_volume() / len(found) == pytest.approx(crystal.get_volume() / len(crystal))
    assert (found * 3).get_all_distances(mic=True)[0].min() == pytest.approx(0.0)
    for one, other in ((found, crystal),):
        near = [
            np.sort((atoms * 5).get_distances(0, range(1, 125 * len(atoms)), mic=True))[:12] for atoms in (one, other)
        ]
        np.testing.assert_allclose(near[0], near[1], atol=1e-6)
    np.testing.assert_allclose(found.cell.array[:2, 2], 0, atol=1e-9)
    assert found.cell[0, 1] == pytest.approx(0.0)
    normal = np.array(miller) @ np.linalg.inv(crystal.cell.array).T
    spacing = 1 / np.linalg.norm(normal)
    assert spacing / found.cell[2, 2] == pytest.approx(round(spacing / found.cell[2, 2]))


def test_blocks_are_cut_where_planes_are_far_apart() -> None:
    block = cleaved(bulk("Si", cubic=True), (1, 1, 1), 12.0)
    heights = np.sort(block.positions[:, 2])
    gap = heights[0] + block.cell[2, 2] - heights[-1]
    assert gap == pytest.approx(np.diff(heights).max(), abs=1e-3)
    assert gap == pytest.approx(5.43 * 3**0.5 / 4, abs=0.01)
    assert heights[0] == pytest.approx(gap / 2, abs=1e-3)
    with pytest.raises(ValueError, match="no Miller indices"):
        oriented(bulk("Cu"), (0, 0, 0))


def test_the_stress_of_decohesion_is_the_derivative_of_its_energy(copper: Path) -> None:
    """Also in a tilted cell."""
    openings = np.linspace(0.5, 1.5, 21)
    found = decohesion(bulk("Cu", cubic=True), copper, (2, 1, 1), openings, thickness=8.0)
    slope = np.gradient(found.energies / J_PER_M2, openings)[1:-1] / units.GPa
    np.testing.assert_allclose(found.stresses[1:-1], slope, rtol=0.01, atol=0.02)
    assert found.strength == found.stresses.max()


def test_decohesion_ends_with_two_surfaces(silicon: Any) -> None:
    found = decohesion(bulk("Si", cubic=True), silicon, (1, 1, 1), [0.0, 6.0], thickness=9.0)
    assert found.energies[0] == pytest.approx(0, abs=1e-9)
    flat = surface(bulk("Si", cubic=True), silicon, (1, 1, 1), thickness=9.0)
    assert found.energies[1] == pytest.approx(2 * flat.unrelaxed, rel=1e-6)


# --- defects ----------------------------------------------------------------------------------------------------------


def test_the_vacancy_of_silicon_has_two_minima(silicon: Any) -> None:
    """One where its neighbors do not see each other, 2ε; a lower one, into which they have to be moved."""
    (found,) = formation_energies(bulk("Si", cubic=True), silicon, (2, 2, 2), ["vacancy"])
    assert found.unrelaxed == pytest.approx(2 * EPSILON, rel=1e-4)
    assert found.energies[-1] == pytest.approx(2 * EPSILON, rel=1e-3)
    assert 2.5 < found.energy < 3.0
    assert found.name == "vacancy of Si"
    assert len(found.relaxed) == 63


def test_the_vacancy_of_copper_is_a_difference_of_energies() -> None:
    crystal = relaxed(bulk("Cu"), EMT())
    (found,) = formation_energies(crystal, EMT(), (3, 3, 3), ["vacancy"], attempts=1)
    atoms = crystal.copy() * 3
    del atoms[0]
    atoms.calc = EMT()
    assert found.unrelaxed == pytest.approx(atoms.get_potential_energy() - 26 * crystal.get_potential_energy())
    assert 0.5 < found.energy < found.unrelaxed


def test_holes_of_diamond_are_tetrahedral_and_hexagonal() -> None:
    crystal = bulk("Si", cubic=True)
    tetrahedral, hexagonal = (place @ crystal.cell.array for place in holes(crystal))
    for place, distance, count in ((tetrahedral, 3**0.5 / 4, 4), (hexagonal, 11**0.5 / 8, 6)):
        atoms = crystal * 3 + Atoms("H", [place + crystal.cell.array.sum(axis=0)])
        near = np.sort(atoms.get_distances(len(atoms) - 1, range(len(atoms) - 1), mic=True))
        assert near[0] == pytest.approx(distance * 5.43, rel=1e-3)
        assert np.isclose(near, near[0], rtol=1e-3).sum() == count


def test_defects_of_a_compound_are_those_of_each_element() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    assert [defect.change for defect in vacancies(crystal, (2, 2, 2))] == [{"Na": -1}, {"Cl": -1}]
    assert {defect.name.split()[0] for defect in interstitials(crystal, (2, 2, 2))} == {"Na", "Cl"}
    with pytest.raises(ValueError, match="chemical potential of each element: Cl has none"):
        chemical_potentials(crystal, {"Na": -1.0})


# --- dimers -----------------------------------------------------------------------------------------------------------


def test_dimers_are_those_of_the_pair_potential(silicon: Any) -> None:
    """ε A (B (σ/r)⁴ − 1) exp(σ/(r − aσ))."""
    s, distances = SILICON_PARAMETERS, np.array([2.0, 2.3, 3.0])
    x = distances / s["sigma"]
    expected = EPSILON * s["A"] * (s["B"] * x**-4.0 - 1) * np.exp(1 / (x - s["a"]))
    np.testing.assert_allclose(dimer_energies(silicon, ("Si", "Si"), distances), expected, rtol=1e-6)


def test_dimers_of_a_model_are_its_curves(copper: Path) -> None:
    from acnn.io.model_file import load_model

    (curve,) = dimer_curves(load_model(copper))
    chosen = slice(None, None, 40)
    found = dimer_energies(copper, curve.pair, curve.distances[chosen])
    np.testing.assert_allclose(found, curve.energies[chosen], atol=1e-8)


# --- commands ---------------------------------------------------------------------------------------------------------


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


def read(name: str) -> Any:
    return json.loads(Path(name).read_text(encoding="utf-8"))


def test_commands_write_what_the_functions_find(folder: Path) -> None:
    for command in (
        "surface cu.xyz cu.acnn --miller 1,1,1 --miller 1,-1,0 --thickness 8 -o slabs.xyz --json surface.json",
        "decohesion cu.xyz cu.acnn --miller 1,1,1 --points 11 --json decohesion.json --plot decohesion.png",
        "dimers cu.acnn -o dimers.xyz --distances 2:3:0.5 --json dimers.json --plot dimers.png",
        "defects cu.xyz cu.acnn --supercell 2,2,2 --kinds vacancy --attempts 1 -o vacancy.xyz --json defects.json",
    ):
        done = run(*command.split())
        assert done.exit_code == 0, done.output
    flat, other = read("surface.json")["surfaces"]
    assert (flat["miller"], other["miller"]) == ([1, 1, 1], [1, -1, 0])
    assert flat["relaxed_J_per_m2"] < flat["unrelaxed_J_per_m2"]
    (parted,) = read("decohesion.json")["decohesion"]
    assert parted["energies"][-1] == pytest.approx(2 * flat["unrelaxed_J_per_m2"], rel=0.02)
    slabs, pairs = ase.io.read("slabs.xyz", ":"), ase.io.read("dimers.xyz", ":")
    assert [slab.info["config_type"] for slab in slabs] == ["(111)", "(1 -1 0)"]
    assert [pair.get_distance(0, 1) for pair in pairs] == pytest.approx([2.0, 2.5, 3.0])
    (vacancy,) = read("defects.json")["defects"]
    assert vacancy["energy"] == min(vacancy["attempts"]) < vacancy["unrelaxed"]
    assert len(ase.io.read("vacancy.xyz")) == 31
    for picture in ("decohesion.png", "dimers.png"):
        assert Path(picture).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("surface cu.xyz cu.acnn --miller 1,1", "--miller is three whole numbers"),
        ("decohesion cu.xyz cu.acnn --miller 0,0,0", "not all 0"),
        ("defects cu.xyz cu.acnn --kinds hole", "--kinds is vacancy or interstitial"),
        ("defects cu.xyz cu.acnn --mu Cu", "--mu is an element and its energy"),
        ("dimers cu.acnn -o x.xyz --distances 2", "--distances is from:to:step"),
        ("dimers cu.acnn -o x.xyz --distances=-2:3:1", "--distances must be positive"),
        ("dimers cu.acnn --distances 2:3:1", "name a file, -o dimers.xyz"),
        ("dimers cu.acnn -o x.cif", "would be extended XYZ: name it x.xyz"),
    ],
)
def test_what_makes_no_sense_is_refused(command: str, what: str, folder: Path) -> None:
    done = run(*command.split())
    assert done.exit_code == 2, done.output
    assert what in done.output
