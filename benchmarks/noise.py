"""One noise for all labels, or one for each quantity, both by the evidence: test errors of linear models.

The weights of labels (E 30, F 1, V 1, energies and virials per √atom) say how accurate a model is to be; the evidence
can instead find a precision β for energies, forces and virials each. With factors R of the rows of each quantity, rows
times √k have the precision β k, and their evidence is that of the scaled rows times k^(N/2). Data are those of
defaults.py, with a smaller basis. Virials of Ni and Cu are fitted with a constant.

    python benchmarks/noise.py DATA --json noise.json
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import scipy.optimize
import torch
from defaults import CASES
from fitting import add_arguments, print_rows, write_rows

from acnn.data.dataset import LabeledStructure, read_dataset
from acnn.evaluation.metrics import evaluate
from acnn.fit.assembly import Assembler
from acnn.fit.linear import LinearProblem
from acnn.fit.reference_energies import reference_energies
from acnn.fit.virial_offset import corrected, solve_with_offset, without_offset
from acnn.models.linear import LinearACE
from acnn.settings.fit import FitSettings, fit_settings
from acnn.solvers import BLR, ReducedProblem, Solution, StreamingQR

BASES = {"water": (10, 9, 7), "acetylacetone": (9, 7, 6), "ethanol": (9, 7, 6), "TiAl_tutorial": (9, 9, 9)}
LARGE = (12, 12, 12)
EVALUATIONS = 30
QUANTITIES = ("energy", "forces", "virial")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", nargs="+", default=["Ni", "Cu", "Si", "Si_tiny", *BASES], choices=CASES)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = []
    for name in ["Si_tiny"] if arguments.quick else arguments.cases:
        rows += measured(name, arguments.data)
        write_rows(arguments.json, rows)
    print_rows(rows)


def measured(name: str, folder: Path) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{part}.xyz" for part in ("train", "test")]
        for file, structures in zip(files, CASES[name].read(folder), strict=True):
            ase.io.write(file, structures)
        train, test = map(read_dataset, files)
        given = {"train": files[0], "output": "m.acnn", "e0": CASES[name].e0}
        settings = fit_settings({**given, "order": 3, "degree": BASES.get(name, LARGE)})
    specification = settings.specification(train.elements)
    energies = reference_energies(settings.e0, train, specification)[0]
    fit = Noises(settings, LinearProblem.of(settings, specification, energies), train.structures)
    rows = []
    for noise, ratios in (("shared", (1.0, 1.0, 1.0)), ("per quantity", fit.best())):
        model = LinearACE(specification, energies, torch.as_tensor(fit.solution(ratios).coefficients))
        total = evaluate(model, [without_offset(s, fit.offset) for s in test]).as_dict()["total"]
        errors = {q: "–" if total[f"{q}_rmse"] is None else f"{total[f'{q}_rmse']:.4g}" for q in QUANTITIES}
        evidence = fit.log_evidence(ratios)
        k = ", ".join(f"{ratio:.2g}" for ratio in (ratios[0], ratios[2]))
        rows.append({"data": name, "noise": noise, "k": k, "log_evidence": f"{evidence:.0f}", **errors})
    return rows


class Noises:
    """A factor for each quantity, and solutions with any ratio of their precisions to that of forces."""

    def __init__(self, settings: FitSettings, problem: LinearProblem, structures: Sequence[LabeledStructure]) -> None:
        self.n = problem.specification.n_functions
        self.prior = problem.element_prior()
        self.factors = factors(Assembler(problem.model(), settings.kernel, keep_zero_rows=True), structures)

        def solve(reduced: ReducedProblem) -> tuple[Solution, float]:
            return self.prior.solve_by_evidence(BLR(), reduced, beyond=False)

        _, self.rho, self.constants = solve_with_offset(solve, self.combined((1.0, 1.0, 1.0)), self.n, "auto")
        self.offset = dict(zip(problem.specification.elements, self.constants.tolist(), strict=True))

    def combined(self, ratios: Sequence[float]) -> ReducedProblem:
        total = StreamingQR(self.factors["forces"].n_columns)
        for ratio, factor in zip(ratios, self.factors.values(), strict=True):
            if factor.n_rows:
                triangle = math.sqrt(ratio) * factor.triangle()
                total.combine(StreamingQR.from_triangle(triangle, factor.n_columns, factor.n_rows))
        return total.result()

    def solution(self, ratios: Sequence[float]) -> Solution:
        return self.prior.solve(BLR(), corrected(self.combined(ratios), self.n, self.constants), self.rho)

    def log_evidence(self, ratios: Sequence[float]) -> float:
        counts = [factor.n_rows for factor in self.factors.values()]
        scaled = sum(0.5 * n * math.log(ratio) for n, ratio in zip(counts, ratios, strict=True))
        return (self.solution(ratios).log_evidence or 0.0) + scaled

    def best(self) -> tuple[float, float, float]:
        has_virials = self.factors["virial"].n_rows > 0

        def ratios(x: np.ndarray) -> tuple[float, float, float]:
            return math.exp(x[0]), 1.0, math.exp(x[1]) if has_virials else 1.0

        start = [[0.0, 0.0], [-2.0, 0.0], [0.0, -2.0]] if has_virials else [[0.0], [-2.0]]
        options = {"initial_simplex": start, "maxfev": EVALUATIONS, "xatol": 0.1, "fatol": 1.0}
        found = scipy.optimize.minimize(
            lambda x: -self.log_evidence(ratios(x)), start[0], method="Nelder-Mead", options=options
        )
        return ratios(found.x)


def factors(assemble: Assembler, structures: Sequence[LabeledStructure]) -> dict[str, StreamingQR]:
    found = {quantity: StreamingQR(assemble.n_columns) for quantity in QUANTITIES}
    for structure in structures:
        rows, targets = assemble(structure)
        of_quantities = (structure.energy, structure.forces, structure.virial)
        sizes = [n * (label is not None) for n, label in zip((1, 3 * len(structure), 6), of_quantities, strict=True)]
        start = 0
        for quantity, size in zip(QUANTITIES, sizes, strict=True):
            part = slice(start, start + size)
            some = rows[part].any(axis=1)
            found[quantity].add(rows[part][some], targets[part][some])
            start += size
    return found


if __name__ == "__main__":
    main()
