"""Error bars of forces by ace-jax 0.4.1, on the silicon of `uncertainty.py`: its fit, its calibration, its predictions.

In an environment of its own (`pip install ace-jax`), with the DATA/zuo2020 of `uncertainty.py`:

    aj fit --train Si_train.xyz --test Si_test.xyz --order 3 --max-degree 12 --elements Si --rcut 5.5 --e0 lsq
        --energy-key REF_energy --force-key REF_forces --virial-key REF_virial --uq ard --out si
    aj eval --model si/model.npz --posterior si/posterior.npz --data Si_test.xyz --energy-key REF_energy
        --force-key REF_forces --virial-key REF_virial --shape-path committee --per-atom predicted.xyz --out errors.xyz

and then, with acnn:

    python benchmarks/uncertainty_acejax.py Si_test.xyz predicted.xyz --json uncertainty_acejax.json

Its forces_std is that of |ΔF_i|: over √3 of a component. forces_q bounds |ΔF_i| with a probability of 90 %.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import ase.io
import numpy as np
from fitting import print_rows, write_rows

from acnn.evaluation.calibration import calibrate

SMALLEST = 1e-6
"""Of the largest σ: below it the forces vanish by symmetry."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", type=Path)
    parser.add_argument("predicted", type=Path)
    parser.add_argument("--json", type=Path, help="write the row here")
    arguments = parser.parse_args()
    pairs = list(zip(ase.io.read(arguments.test, ":"), ase.io.read(arguments.predicted, ":"), strict=True))
    errors = np.concatenate([found.arrays["forces_pred"] - labeled.arrays["REF_forces"] for labeled, found in pairs])
    std, bound = (np.concatenate([found.arrays[f"forces_{name}"] for _, found in pairs]) for name in ("std", "q"))
    std = np.repeat(std[:, None], 3, axis=1) / np.sqrt(3)
    counted = std > SMALLEST * std.max()
    row = {"data": "Si", "members": "ace-jax 0.4.1, ARD", "quantity": "forces", "sigma": "error bars"}
    row |= asdict(calibrate(errors[counted], std[counted]))
    row["std_covers"] = f"{100 * (np.abs(errors[counted]) <= std[counted]).mean():.0f} %"
    row["q90_covers"] = f"{100 * (np.linalg.norm(errors, axis=1) <= bound).mean():.0f} %"
    print_rows([row])
    write_rows(arguments.json, [row])


if __name__ == "__main__":
    main()
