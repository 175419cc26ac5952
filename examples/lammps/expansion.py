"""in.expansion from Python: mpiexec -n 4 python expansion.py; writes expansion.python.dat for plot.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase.build import bulk

from lammps_plugin import run_md

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--n", type=int, default=4, help="cubic cells of 8 atoms along each direction")
parser.add_argument("--steps", type=int, default=5000, help="of 1 fs at each temperature, after half as many")
parser.add_argument("--temperatures", type=float, nargs="+", default=[300.0, 600.0, 900.0, 1200.0], help="K")
arguments = parser.parse_args()

crystal = bulk("Si", cubic=True) * arguments.n
rows = []
for temperature in arguments.temperatures:
    settings = {"ensemble": "npt", "temperature": temperature, "thermo_every": 10, "elements": ["Si"]}
    run_md(crystal, "silicon.acnn", steps=arguments.steps // 2, restart="silicon.restart", **settings)
    result = run_md("silicon.restart", "silicon.acnn", steps=arguments.steps, **settings)
    rows.append([temperature, np.mean(np.cbrt(result.thermo["volume"])) / arguments.n])
    if result.atoms is not None:  # rank 0
        print(f"{temperature:.0f} K: {rows[-1][1]:.4f} Å")
        np.savetxt("expansion.python.dat", rows, fmt="%.6f")
        Path("silicon.restart").unlink()
