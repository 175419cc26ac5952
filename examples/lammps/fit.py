"""Make data and fit the model of an example: python fit.py silicon|alloy|water [--quick]

Writes NAME.xyz (the data), NAME.acnn (the model) and NAME.mliap.pt (the file LAMMPS loads) to the working directory,
and other files that the input needs. The potentials that label the data play the role of DFT.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import molecule
from flexible_water import FlexibleWater
from numpy.typing import NDArray

import acnn
from acnn.data import SILICON_PARAMETERS, molecular_dynamics, rattled, write_copper_aluminum, write_silicon
from acnn.uncertainty import active_set_of
from lammps_plugin import save_unified

WATER_EDGE = 3.104
"""Å; edge of the cube per molecule at 1 g/cm³."""


def silicon(quick: bool) -> acnn.BasisSpecification:
    """Label silicon with LAMMPS' Stillinger-Weber; the potential is also written for comparison in in.expansion."""
    write_silicon(Path(), quick=quick)
    Path("train.xyz").replace("silicon.xyz")
    Path("test.xyz").unlink()
    Path("Si.sw").write_text(f"Si Si Si {' '.join(map(repr, SILICON_PARAMETERS.values()))}\n")
    return acnn.BasisSpecification(elements=("Si",), order=3, degree=10 if quick else 13, cutoff=4.0)


def alloy(quick: bool) -> acnn.BasisSpecification:
    """Label copper and aluminum with ASE's effective medium theory."""
    write_copper_aluminum(Path())  # the quick set has too few alloys for dynamics
    Path("train.xyz").replace("alloy.xyz")
    Path("test.xyz").unlink()
    degree = (14, 9, 7, 6, 6) if quick else (18, 12, 10, 9, 8)
    return acnn.BasisSpecification(elements=("Cu", "Al"), order=5, degree=degree, wl=10, cutoff=6.5)


def water(quick: bool) -> acnn.BasisSpecification:
    """Label molecules, pairs, droplets and small periodic boxes of flexible water."""
    rng = np.random.default_rng(0)
    boxes = list(liquid(box(rng), rng, 300.0, 20 if quick else 40))
    structures = [isolated("O"), isolated("H"), *map(labeled, [*small_structures(rng, quick), *boxes])]
    for temperature in (600.0, 1200.0):
        structures += map(labeled, liquid(box(rng), rng, temperature, 15 if quick else 30))
        structures += map(labeled, liquid(droplet(rng), rng, temperature, 10 if quick else 20))
    ase.io.write("water.xyz", structures)
    ase.io.write("water.data", boxes[-1], format="lammps-data", specorder=["O", "H"], masses=True)
    return acnn.BasisSpecification(
        elements=("O", "H"),
        order=3,
        degree=(10, 10, 6) if quick else (12, 12, 9),
        cutoff=4.5,
        pair_cutoff=6.0,
        pair_degree=12 if quick else 18,
    )


def small_structures(rng: np.random.Generator, quick: bool) -> Iterator[Atoms]:
    """Yield deformed molecules, and pairs of molecules closer than in a liquid, which dynamics must avoid."""
    for _ in range(20 if quick else 60):
        yield rattled(molecule("H2O"), rng, 0.07)
    count = 150
    while count > 0:
        pair = molecule_at(np.zeros(3), rng) + molecule_at(np.array([rng.uniform(2.2, 4.5), 0.0, 0.0]), rng)
        pair.calc = FlexibleWater()
        if pair.get_potential_energy() < 3.0:
            count -= 1
            yield pair


def molecule_at(place: NDArray[np.float64], rng: np.random.Generator) -> Atoms:
    single = rattled(molecule("H2O"), rng, 0.04)
    single.euler_rotate(*rng.uniform(0.0, 360.0, 3))
    single.translate(place)
    return single


def droplet(rng: np.random.Generator) -> Atoms:
    """Place eight molecules of random orientation at the corners of a cube."""
    corners = WATER_EDGE * np.stack(np.meshgrid(*[[0.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    return sum((molecule_at(place, rng) for place in corners), start=Atoms())


def box(rng: np.random.Generator) -> Atoms:
    """Place the same in a periodic cube, at 1 g/cm³."""
    atoms = droplet(rng)
    atoms.set_cell(2 * WATER_EDGE * np.eye(3))
    atoms.pbc = True
    return atoms


def liquid(start: Atoms, rng: np.random.Generator, temperature: float, count: int) -> Iterator[Atoms]:
    """Yield snapshots while heating from the start to a temperature (K), and at it."""
    settings = {"timestep": 0.5, "equilibration": 10, "interval": 50}
    yield from molecular_dynamics(start, FlexibleWater(), rng, temperature=temperature, snapshots=count, **settings)


def isolated(symbol: str) -> Atoms:
    return Atoms(symbol, info={"REF_energy": 0.0, "config_type": "isolated_atom"})


def labeled(atoms: Atoms) -> Atoms:
    """Return a copy with labels under keys that acnn finds."""
    atoms.calc = FlexibleWater()
    copy = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    kind = {3: "molecule", 6: "pair"}.get(len(atoms), "liquid" if atoms.pbc.any() else "droplet")
    copy.info |= {"REF_energy": atoms.get_potential_energy(), "config_type": kind}
    copy.arrays["REF_forces"] = atoms.get_forces()
    if atoms.pbc.all():
        copy.info["REF_stress"] = atoms.get_stress(voigt=False).ravel()
    return copy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    systems = {function.__name__: function for function in (silicon, alloy, water)}
    parser.add_argument("system", choices=systems)
    parser.add_argument("--quick", action="store_true", help="fewer data and functions, worse model")
    arguments = parser.parse_args()
    name = arguments.system
    specification = systems[name](arguments.quick)
    data = acnn.read_dataset(Path(f"{name}.xyz"))
    fit = acnn.fit_linear(
        specification,
        data.structures,
        acnn.isolated_atom_energies(data),
        acnn.BLR(),
        acnn.AlgebraicPrior(),
        repulsion_weight=0.3,
    )
    if name == "silicon":
        fit.model.active_set = active_set_of(fit.model, data.structures)  # for grades, in in.stop and in.collect
    acnn.save_model(fit.model, f"{name}.acnn")
    save_unified(fit.model, f"{name}.mliap.pt")
    print(f"{name}: {len(data)} structures, {fit.model.basis.n_functions} functions, {fit.seconds:.0f} s; errors:")
    for kind, row in acnn.evaluate(fit.model, data).as_dict().items():
        print(f"{kind:14s} {row['energy_rmse']:8.2f} meV/atom {row.get('forces_rmse') or 0.0:8.3f} eV/Å")


if __name__ == "__main__":
    main()
