"""Writes linear_si.json and linear_tial.json: what models of this format must give, for every engine.

    python tests/reference/make.py

Each file holds a specification, E0, coefficients, structures, and their energies (eV), forces (eV/Å) and virials
(eV, -dE/dε), with all digits of a double. Nothing but JSON is needed to read them, so that other engines (the kernel,
LAMMPS) and later versions can be compared. The coefficients are random, scaled so that every function contributes.

Do not run this to make a failing test pass: if the values changed, so did the meaning of every saved model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from ase.build import bulk, diamond100

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.graph import batch
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph

HERE = Path(__file__).resolve().parent

# A small w_L, so that some (n, l) have several invariants, whose choice and order must not change either.
SILICON = BasisSpecification(
    elements=("Si",), order=4, degree=(10, 9, 7, 8.4), wl=0.6, cutoff=5.0, bond_lengths={"Si": 2.35}
)
TITANIUM_ALUMINUM = BasisSpecification(
    elements=("Al", "Ti"),
    order=2,
    degree=(7, 7),
    cutoff=5.0,
    pair_cutoff=5.5,
    pair_degree=6,
    bond_lengths={"Al": 2.86, "Ti": 2.95, "Al-Ti": 2.8},
    overrides={"Ti": ElementOverride(order=3, degree=(7, 7, 6), wl=1.2)},
)


def silicon_structures() -> dict[str, ase.Atoms]:
    crystal = bulk("Si", cubic=True)
    crystal.rattle(0.1, seed=1)
    cell = bulk("Si")
    cell.set_cell(
        cell.cell.array @ (np.eye(3) + [[0.02, 0.03, 0], [0, -0.03, 0.05], [0.01, 0, 0.04]]), scale_atoms=True
    )
    cell.rattle(0.05, seed=2)
    slab = diamond100("Si", (1, 1, 4), vacuum=4.0)
    slab.rattle(0.05, seed=3)
    molecule = ase.Atoms("Si4", positions=[[0, 0, 0], [2.3, 0.1, 0], [0.9, 2.2, 0.3], [-0.4, 0.8, 2.4]])
    return {
        "rattled crystal": crystal,
        "strained primitive cell": cell,
        "slab": slab,
        "molecule": molecule,
        "dimer": ase.Atoms("Si2", positions=[[0, 0, 0], [0.3, 0.4, 2.1]]),
        "isolated atom": ase.Atoms("Si"),
    }


def titanium_aluminum_structures() -> dict[str, ase.Atoms]:
    ordered = bulk("Al", cubic=True, a=4.05)
    ordered.symbols[2:] = "Ti"
    ordered.rattle(0.1, seed=4)
    pure = bulk("Ti", a=2.95, c=4.68)
    pure.rattle(0.05, seed=5)
    molecule = ase.Atoms("AlTiTiAl", positions=[[0, 0, 0], [2.7, 0.1, 0], [1.1, 2.5, 0.3], [-0.4, 0.8, 1.9]])
    return {
        "rattled alloy": ordered,
        "titanium": pure,
        "molecule": molecule,
        "dimer": ase.Atoms("TiAl", positions=[[0, 0, 0], [0.3, 0.4, 1.6]]),
        "isolated atom": ase.Atoms("Ti"),
    }


def contributing_coefficients(basis: ACEBasis, structures: list[ase.Atoms], seed: int) -> torch.Tensor:
    """Random c_k of both signs with |c_k| max|B_k| between 0.05 and 0.2 eV, rounded to 12 digits."""
    graph = batch([atomic_graph(atoms, basis.specification.largest_cutoff) for atoms in structures])
    largest = basis(graph).abs().amax(dim=1).numpy()
    rng = np.random.default_rng(seed)
    values = rng.choice([-1.0, 1.0], len(largest)) * rng.uniform(0.05, 0.2, len(largest)) / largest
    return torch.tensor([float(f"{value:.12g}") for value in values], dtype=torch.float64)


def entry(name: str, model: LinearACE, atoms: ase.Atoms) -> dict[str, Any]:
    result = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    return {
        "name": name,
        "numbers": atoms.numbers.tolist(),
        "positions": atoms.positions.tolist(),
        "cell": atoms.cell.array.tolist(),
        "pbc": atoms.pbc.tolist(),
        "energy": float(result.energies[0]),
        "site_energies": result.site_energies.tolist(),
        "forces": result.forces.tolist(),
        "virial": result.virials[0].tolist(),
    }


def write(
    name: str, specification: BasisSpecification, e0: dict[str, float], zbl: bool, structures: dict[str, ase.Atoms]
) -> None:
    basis = ACEBasis(specification)
    model = LinearACE(basis, e0, contributing_coefficients(basis, list(structures.values()), seed=1), zbl)
    content = {
        "units": {"energy": "eV", "forces": "eV/Å", "virial": "eV, -dE/dε", "length": "Å"},
        "specification": specification.model_dump(mode="json"),
        "reference_energies": e0,
        "zbl": zbl,
        "coefficients": model.coefficients.tolist(),
        "structures": [entry(title, model, atoms) for title, atoms in structures.items()],
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{name}.json: {basis.n_functions} functions, {len(structures)} structures")


if __name__ == "__main__":
    write("linear_si", SILICON, {"Si": -0.8}, False, silicon_structures())
    write("linear_tial", TITANIUM_ALUMINUM, {"Al": -0.4, "Ti": -2.4}, True, titanium_aluminum_structures())
