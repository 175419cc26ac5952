"""Extrapolation grades in dynamics: is the flag raised in time outside the data, and never within?

A linear ACE of silicon, order 3, degree 12, fitted to the training data of Zuo et al. (2020). Runs of 64 atoms leave
the data by heat (300 to 10 000 K) or pressure (the cell shrinks to 70 % of its edge): the step at which γ first exceeds
10 is compared with that at which a force exceeds three times the largest of the data. A run at 300 K stays inside.

    python benchmarks/extrapolation.py DATA/zuo2020/Si_train.xyz --json extrapolation.json
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

from acnn.data.dataset import read_dataset
from acnn.data.structures import set_thermal_momenta
from ase_calculator import ACNNCalculator

HALT, MULTIPLE = 10.0, 3.0
STEPS, EVERY = 500, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--inside", type=int, default=100_000, help="steps of the run that stays inside")
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "si.acnn"
        fit_with_cli(arguments.train, model, arguments.threads, "--order", "3", "--degree", "12", "--gamma")
        calculator = ACNNCalculator(model)
    largest = max(float(np.linalg.norm(s.forces, axis=1).max()) for s in read_dataset(arguments.train).structures)
    rows = [leaving(calculator, how, seed, largest) for how in (heated, compressed) for seed in range(10)]
    rows.append(staying(calculator, 1000 if arguments.quick else arguments.inside))
    print_rows(rows)
    write_rows(arguments.json, rows)


def crystal(calculator: ACNNCalculator, kelvin: float, seed: int) -> tuple[Atoms, Langevin]:
    rng = np.random.default_rng(seed)
    atoms = bulk("Si", cubic=True) * 2
    atoms.calc = calculator
    set_thermal_momenta(atoms, kelvin, rng)
    return atoms, Langevin(atoms, 2 * units.fs, temperature_K=kelvin, friction=0.01 / units.fs, fixcm=False, rng=rng)


def heated(atoms: Atoms, dynamics: Langevin, share: float) -> None:
    dynamics.set_temperature(temperature_K=300 + 9700 * share)


def compressed(atoms: Atoms, dynamics: Langevin, share: float) -> None:
    atoms.set_cell((1 - 0.3 * share) * bulk("Si", cubic=True).cell * 2, scale_atoms=True)


def leaving(
    calculator: ACNNCalculator, how: Callable[[Atoms, Langevin, float], None], seed: int, largest: float
) -> dict[str, Any]:
    """Steps of the first grade above the limit, and of the first force above a multiple of the data's."""
    atoms, dynamics = crystal(calculator, 300.0, seed)
    first: dict[str, int | str] = {"gamma": "never", "force": "never"}
    for step in range(0, STEPS, EVERY):
        how(atoms, dynamics, step / STEPS)
        dynamics.run(EVERY)
        if first["gamma"] == "never" and calculator.get_property("gamma", atoms).max() > HALT:
            first["gamma"] = step
        if np.linalg.norm(atoms.get_forces(), axis=1).max() > MULTIPLE * largest:
            first["force"] = step
            break
    in_time = first["gamma"] != "never" and (first["force"] == "never" or first["gamma"] <= first["force"])
    return {
        "run": how.__name__,
        "seed": seed,
        **{f"first_{name}_step": s for name, s in first.items()},
        "in_time": in_time,
    }


def staying(calculator: ACNNCalculator, steps: int) -> dict[str, Any]:
    """The largest grade of a run inside the data."""
    atoms, dynamics = crystal(calculator, 300.0, 0)
    largest = 0.0
    for _ in range(0, steps, 10):
        dynamics.run(10)
        largest = max(largest, float(calculator.get_property("gamma", atoms).max()))
    nothing = dict.fromkeys(("seed", "first_gamma_step", "first_force_step"), "")
    return {"run": f"300 K, {steps} steps: largest grade {largest:.2f}", **nothing, "in_time": largest < HALT}


if __name__ == "__main__":
    main()
