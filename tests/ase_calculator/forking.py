"""Evaluates models here, with two threads of torch, and then in forked workers: python forking.py KERNEL:MODEL…

One line of JSON for each model: forces found here; in a `multiprocessing.Pool`, whose workers use the calculator of
this process; and in a `ProcessPoolExecutor`, whose workers make their own of the last model.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import ase.build
import torch

from ase_calculator import ACNNCalculator

SHIFTS = (0.05, 0.1)
fork = multiprocessing.get_context("fork")


def forces_of(atoms: ase.Atoms, shift: float) -> list[list[float]]:
    """Of eight atoms, after everything else that there is was asked for."""
    atoms.positions[0] += shift
    for name in atoms.calc.implemented_properties:
        atoms.calc.get_property(name, atoms)
    return atoms.get_forces()[:8].tolist()


def shared(shift: float) -> list[list[float]]:
    """With the calculator that the parent made."""
    atoms = structure.copy()
    atoms.calc = calculator
    return forces_of(atoms, shift)


def own(shift: float) -> list[list[float]]:
    """With one that is made here."""
    atoms = structure.copy()
    atoms.calc = ACNNCalculator(path, kernel=kernel)
    return forces_of(atoms, shift)


torch.set_num_threads(2)
structure = ase.build.bulk("SiC", "zincblende", a=4.36, cubic=True) * (3, 2, 1)
for argument in sys.argv[1:]:
    kernel, path = argument.split(":", 1)
    calculator = ACNNCalculator(path, kernel=kernel)
    # Before anything is evaluated; loading alone may have started threads.
    with fork.Pool(2) as pool:
        found = {"pool after loading": pool.map(shared, SHIFTS)}
    found["here"] = [shared(shift) for shift in SHIFTS]
    with fork.Pool(2) as pool:
        found |= {"pool": pool.map(shared, SHIFTS)}
    with ProcessPoolExecutor(2, mp_context=fork) as executor:
        found |= {"executor": list(executor.map(own if argument == sys.argv[-1] else shared, SHIFTS))}
    print(json.dumps(found), flush=True)
