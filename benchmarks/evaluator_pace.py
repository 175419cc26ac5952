"""The peer of `evaluator.py`: python-ace as a worker, run by an interpreter that has it.

One JSON object per line on stdin and one on stdout. Requests:

    {"do": "load", "potential": PATH, "numbers": [...], "positions": [...], "cell": [...], "modes": [...]}
        → {"version": ...}: evaluators, neighbor lists and one evaluation each, none of which is timed
    {"do": "results", "mode": MODE} → {"energies": [...], "forces": [...]}
    {"do": "time", "mode": MODE, "calls": N} → {"seconds": of all N evaluations of energies and forces}
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from ase import Atoms
from pyace.atomicenvironment import aseatoms_to_atomicenvironment
from pyace.basis import ACECTildeBasisSet
from pyace.calculator import ACECalculator
from pyace.evaluator import ACECTildeEvaluator, ACERecursiveEvaluator


class Contestant:
    """One evaluator with its own basis and neighbor list."""

    def __init__(self, potential: str, atoms: Atoms, mode: str) -> None:
        self.basis = ACECTildeBasisSet(potential)
        if mode == "product":
            self.evaluator = ACECTildeEvaluator(self.basis)
        else:
            self.evaluator = ACERecursiveEvaluator(self.basis)
            self.evaluator.set_recursive(mode == "recursive")
        self.calculator = ACECalculator()
        self.calculator.set_evaluator(self.evaluator)
        names = np.array(self.basis.elements_name).astype("S2")
        self.environment = aseatoms_to_atomicenvironment(
            atoms, cutoff=self.basis.cutoffmax, elements_mapper_dict={name: i for i, name in enumerate(names)}
        )
        self.evaluate()

    def evaluate(self) -> None:
        self.calculator.compute(self.environment, compute_projections=False)


class Worker:
    """Answers requests."""

    def __init__(self) -> None:
        self.contestants: dict[str, Contestant] = {}

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        atoms = Atoms(request["numbers"], request["positions"], cell=request["cell"], pbc=True)
        self.contestants = {mode: Contestant(request["potential"], atoms, mode) for mode in request["modes"]}
        return {"version": version("python-ace")}

    def results(self, request: dict[str, Any]) -> dict[str, Any]:
        calculator = self.contestants[request["mode"]].calculator
        return {"energies": np.array(calculator.energies).tolist(), "forces": np.array(calculator.forces).tolist()}

    def time(self, request: dict[str, Any]) -> dict[str, Any]:
        contestant = self.contestants[request["mode"]]
        start = time.perf_counter()
        for _ in range(request["calls"]):
            contestant.evaluate()
        return {"seconds": time.perf_counter() - start}


def main() -> None:
    logging.disable(logging.INFO)
    # What libraries print goes to stderr: stdout belongs to the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker()
    handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "load": worker.load,
        "results": worker.results,
        "time": worker.time,
    }
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(handlers[request["do"]](request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
