"""From data to molecular dynamics in Python: what ``acnn fit`` and the ASE calculator do, step by step.

python examples/fit_and_run.py [--quick]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import units
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.optimize import BFGS

import acnn
from acnn.data import write_copper_aluminum
from ase_calculator import ACNNCalculator

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--folder", type=Path, default=Path("fit-and-run"))
parser.add_argument("--quick", action="store_true")
arguments = parser.parse_args()
folder, quick = arguments.folder, arguments.quick
folder.mkdir(parents=True, exist_ok=True)

# 1. Data: labeled structures. Here ASE's EMT plays the role of DFT.
write_copper_aluminum(folder, seed=0, quick=quick)
train, test = (acnn.read_dataset(folder / f"{name}.xyz") for name in ("train", "test"))

# 2. Basis and fit.
specification = acnn.BasisSpecification(
    elements=train.elements,
    order=2 if quick else 5,
    degree=6 if quick else (18, 12, 10, 9, 8),
    wl=10,
    cutoff=6.5,
)
fit = acnn.fit_linear(
    specification,
    train.structures,
    acnn.isolated_atom_energies(train),
    acnn.BLR(),
    acnn.AlgebraicPrior(p=4),
    repulsion_weight=0.3,
)
print(f"{fit.model.basis.n_functions} functions, {fit.seconds:.1f} s, log evidence {fit.solution.log_evidence:.0f}")

# 3. Errors on structures that the fit has not seen.
errors = acnn.evaluate(fit.model, test).as_dict()
for config_type, row in errors.items():
    print(f"{config_type:10s} {row['energy_mae']:8.2f} meV/atom {row['forces_mae']:8.4f} eV/Å")

# 4. Save, load, run.
acnn.save_model(fit.model, folder / "cual.acnn")
atoms = bulk("Cu", a=3.7, cubic=True)
atoms.calc = ACNNCalculator(folder / "cual.acnn")
BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01, steps=50)
print(f"lattice constant {atoms.cell.lengths()[0]:.3f} Å")

supercell = atoms * (3, 3, 3)
supercell.calc = ACNNCalculator(folder / "cual.acnn")
rng = np.random.default_rng(0)
dynamics = Langevin(supercell, 2 * units.fs, temperature_K=300, friction=0.02 / units.fs, fixcm=False, rng=rng)
dynamics.run(20 if quick else 500)
print(f"{supercell.get_temperature():.0f} K after {dynamics.get_time() / units.fs:.0f} fs")
