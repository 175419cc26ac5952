"""Error against cost: bases of every size, a large model pruned, and automatic relevance determination (ARD).

Silicon of Zuo et al. (2020), TiAl_tutorial of ACEpotentials.jl and acetylacetone, each with one cutoff and from one
assembly of the largest basis. Errors are on test data; costs are µs per atom and core of energy and forces, by the
kernel's cost model on atoms of the training data. "bases" are all smaller orders and degrees, as acnn fit --select
compares them; "pruned" are the stages from the largest basis on (acnn prune); "ard" are the largest basis and smaller
ones with solver ard (thresholds bic and 3), with elements independent in the prior, so that it can drop functions.
Within each budget, a share of the cost of the largest basis, the row has the basis and the ARD model of largest
evidence, and the stage at which acnn prune would end.

The data folder contains zuo2020/, acepotentials/ and acac/. --points writes all models.

    python benchmarks/cost_front.py DATA --json benchmarks/results/cost_front.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fitting import add_arguments, print_rows, write_rows

from acnn.arrays import FloatArray
from acnn.basis.ace import ACEBasis
from acnn.data.dataset import LabeledStructure, read_dataset
from acnn.data.weights import WeightTable
from acnn.fit.assembly import Assembler
from acnn.fit.candidates import columns_of, smaller_bases
from acnn.fit.costs import surroundings, typical_atoms
from acnn.fit.linear import LinearProblem
from acnn.fit.pruning import Pruning
from acnn.fit.pruning_job import equations_of
from acnn.fit.reference_energies import reference_energies
from acnn.kernels.calibration import cost_model
from acnn.kernels.program import compile_energy
from acnn.neighbors import atomic_graph
from acnn.settings.fit import FitSettings, fit_settings
from acnn.settings.prune import Target
from acnn.solvers import ARD, Solution

ARD_BASES = 6
BUDGETS = (0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
KINDS = ("bases", "pruned", "ard")
SMALLEST = 25
"""Functions of the smallest pruned model."""


@dataclass(frozen=True)
class Case:
    name: str
    train: str
    test: str
    settings: Mapping[str, Any]
    every: tuple[slice, slice] = (slice(None), slice(None))
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


CASES = (
    Case(
        "silicon",
        "zuo2020/Si_train.xyz",
        "zuo2020/Si_test.xyz",
        {"order": 4, "degree": (20, 20, 14, 10), "wl": 1.0, "cutoff": 5.5, "e0": "lstsq"},
    ),
    Case(
        "TiAl",
        "acepotentials/TiAl_tutorial.xyz",
        "acepotentials/TiAl_tutorial.xyz",
        {"order": 3, "degree": 10, "cutoff": 5.5, "e0": {"Ti": -1586.0195, "Al": -105.5954}},
        (slice(0, None, 5), slice(1, None, 10)),
        {"FLD_TiAl": {"E": 60, "F": 1, "V": 1}, "TiAl_T5000": {"E": 5, "F": 1, "V": 1}},
    ),
    Case(
        "acetylacetone",
        "acac/train_300K.xyz",
        "acac/test_MD_600K.xyz",
        {"order": 3, "degree": (10, 9, 7), "cutoff": 4.5},
        (slice(None), slice(0, None, 8)),
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--points", type=Path, help="write all models here")
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES])
    add_arguments(parser)
    arguments = parser.parse_args()
    points: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for case in CASES[:1] if arguments.quick else CASES:
        if case.name in arguments.cases:
            found = Front(arguments.data, case).rows()
            points += found
            rows += within_budgets(found)
    print_rows(points)
    print_rows(rows)
    write_rows(arguments.points, points)
    write_rows(arguments.json, rows)


def within_budgets(points: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """For each budget that a basis fits in, functions, cost and errors of the choice of each kind."""
    largest = max(point["us_per_atom"] for point in points if point["kind"] == "bases")
    for share in BUDGETS:
        budget = largest * share
        row: dict[str, Any] = {"data": points[0]["data"], "budget_us_per_atom": budget}
        for kind in KINDS:
            affordable = [p for p in points if p["kind"] == kind and p["us_per_atom"] <= budget * (1 + 1e-9)]
            by = "us_per_atom" if kind == "pruned" else "log_evidence"  # acnn prune ends at the first within the budget
            best = max(affordable, key=lambda point: point[by], default=None)
            row |= {f"{kind}_{name}": "–" if best is None else f"{best[key]:{form}}" for name, key, form in SHOWN}
        if row["bases_functions"] != "–":
            yield row


SHOWN = (
    ("functions", "functions", "d"),
    ("us_per_atom", "us_per_atom", ".2f"),
    ("energy_mae_meV_per_atom", "energy_mae_meV_per_atom", ".2f"),
    ("forces_mae_eV_per_A", "forces_mae_eV_per_A", ".4f"),
)


class Front:
    """One set of data: the equations of the largest basis, and its rows for the test."""

    def __init__(self, data: Path, case: Case) -> None:
        self.name, weights = case.name, WeightTable.from_mapping(case.weights)
        settings: FitSettings = fit_settings({"train": data / case.train, "output": "unused.acnn", **case.settings})
        dataset = read_dataset(data / case.train, weights=weights)
        self.train = dataset.structures[case.every[0]]
        self.test = read_dataset(data / case.test).structures[case.every[1]]
        specification = settings.specification(dataset.elements)
        isolated = data / case.train.replace("train_300K", "isolated_atoms")
        known = read_dataset(isolated) if "acac" in case.train else dataset
        e0, _, _ = reference_energies(settings.e0, known, specification)
        self.problem = LinearProblem.of(settings, specification, e0)
        self.equations = equations_of(self.problem, self.train, {})
        self.model, self.basis = self.problem.model(), ACEBasis(specification)
        self.prior = self.problem.element_prior()
        self.around = surroundings(typical_atoms(self.train, specification.largest_cutoff), specification)
        self.cost = cost_model()
        self.energies, self.forces = self._test_rows()

    def rows(self) -> list[dict[str, Any]]:
        start = time.perf_counter()
        rho = self.prior.solve_by_evidence(self.problem.solver, self.equations, False)[1]
        found = [*self.bases(rho), *self.pruned(rho), *self.ard()]
        print(f"{self.name}: ρ = {rho:g}, {time.perf_counter() - start:.0f} s")
        return found

    def bases(self, rho: float) -> Iterator[dict[str, Any]]:
        for specification in smaller_bases(self.problem.specification):
            columns = columns_of(specification, self.problem.specification)
            prior, equations = self.prior.restricted(columns), self.equations.restricted(columns)
            solution = prior.solve(self.problem.solver, equations, rho)
            yield self.row("bases", self._whole(columns, solution), _shape(specification), solution)

    def pruned(self, rho: float) -> Iterator[dict[str, Any]]:
        pruning = Pruning(self.basis, self.equations, self.prior, self.problem.solver, rho, self.around, self.cost)
        everything = np.arange(self.basis.n_functions)
        for stage in pruning.stages(everything, Target(0.01, "%")):
            if stage.n_functions < SMALLEST:
                break
            yield self.row("pruned", stage.coefficients, "", stage.solution)

    def ard(self) -> Iterator[dict[str, Any]]:
        bases = smaller_bases(self.problem.specification)
        for k in np.unique(np.linspace(len(bases) // 3, len(bases) - 1, ARD_BASES).round().astype(int)):
            columns = columns_of(bases[k], self.problem.specification)
            equations, gamma = self.equations.restricted(columns), self.prior.gamma[columns]
            for threshold in ("bic", 3.0):
                solution = ARD(threshold=threshold, max_iterations=100).solve(equations, gamma)  # type: ignore[arg-type]
                yield self.row("ard", self._whole(columns, solution), f"{_shape(bases[k])}; {threshold}", solution)

    def row(self, kind: str, coefficients: FloatArray, of: str, solution: Solution) -> dict[str, Any]:
        program = compile_energy(self.basis, coefficients, dict.fromkeys(self.basis.elements, 0.0))
        (e_rows, energies), (f_rows, forces) = self.energies, self.forces
        de, df = 1000 * (e_rows @ coefficients - energies), f_rows @ coefficients - forces
        return {
            "data": self.name,
            "kind": kind,
            "of": of,
            "functions": int(np.count_nonzero(coefficients)),
            "us_per_atom": self.cost(program, self.around),
            "log_evidence": float(solution.log_evidence or 0.0),
            "energy_mae_meV_per_atom": float(np.abs(de).mean()),
            "energy_rmse_meV_per_atom": float(np.sqrt((de**2).mean())),
            "forces_mae_eV_per_A": float(np.abs(df).mean()),
            "forces_rmse_eV_per_A": float(np.sqrt((df**2).mean())),
        }

    def _whole(self, columns: Any, solution: Solution) -> FloatArray:
        coefficients = np.zeros(self.basis.n_functions)
        coefficients[columns] = solution.coefficients
        return coefficients

    def _test_rows(self) -> tuple[tuple[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]:
        """Rows and targets of energies per atom (eV) and of forces (eV/Å)."""
        assemble = Assembler(self.model)
        energies, forces = zip(*(self._rows_of(assemble, structure) for structure in self.test), strict=True)
        return _joined(energies), _joined(forces)

    def _rows_of(self, assemble: Assembler, structure: LabeledStructure) -> tuple[Any, Any]:
        found, n = assemble.rows(atomic_graph(structure.atoms, self.model.cutoff), True), len(structure.atoms)
        zero = sum(self.model.e0.energies[symbol] for symbol in structure.atoms.symbols)
        assert structure.energy is not None
        assert structure.forces is not None
        energy = (found.energy[None] / n, np.array([(structure.energy - zero) / n]))
        return energy, (found.forces, structure.forces.reshape(-1))


def _joined(parts: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[FloatArray, FloatArray]:
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([targets for _, targets in parts])


def _shape(specification: Any) -> str:
    degree = specification.degree
    degrees = ", ".join(f"{d:g}" for d in degree) if isinstance(degree, tuple) else f"{degree:g}"
    return f"order {specification.order}, degree {degrees}"


if __name__ == "__main__":
    main()
