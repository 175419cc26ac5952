"""A model whose crystal is stable, for tests of relaxations and of the properties of crystals."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase.build import bulk
from ase.calculators.emt import EMT

import acnn
from acnn.data.labeling import labeled
from acnn.data.structures import rattled, strained


def write_copper(folder: Path) -> Path:
    """cu.acnn, fitted to strained and rattled cells of copper by EMT, and cu.xyz, the cell to begin with."""
    rng = np.random.default_rng(0)
    cells = [bulk("Cu", cubic=True, a=3.6) for _ in range(24)]
    frames = [rattled(strained(cell, rng, 0.03, 0.1), rng, rng.uniform(0, 0.1)) for cell in cells]
    data, model = folder / "cu_train.xyz", folder / "cu.acnn"
    ase.io.write(data, [labeled(atoms, "bulk", EMT()) for atoms in frames])
    ase.io.write(folder / "cu.xyz", cells[0])
    acnn.run_fit({"train": data, "output": model, "order": 2, "degree": 8, "cutoff": 5.0})
    return model
