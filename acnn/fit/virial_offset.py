"""Virials that differ from what the energies say by a constant per atom, as those of plane waves do (Pulay stress).

A basis of plane waves of fixed cutoff energy leaves energies and forces right, but the stress wrong by about the same
energy per atom at every volume:

    W_label = W + 1 Σ_z N_z w_z

with a constant w_z in eV for every element z. Equations have a column for each of these after the columns of the
functions; only rows of virials fill it (`acnn.fit.assembly`). Beside coefficients c, with the residual r = z - R c, the
constants that fit best are, while c follows them at the same λ,

    w = S⁻¹ Xᵀ r ,        S = XᵀX - XᵀR (RᵀR + λ Γ²)⁻¹ RᵀX + δ² ,

where X are their columns, and the log evidence at the best β grows by -N/2 log(1 - β wᵀS w / N) - ½ log |S| / δ^2n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms, units

from acnn.arrays import FloatArray
from acnn.data.dataset import LabeledStructure
from acnn.solvers import ReducedProblem, Solution

WIDTH = 0.1
"""δ: the prior of a constant is a normal distribution of the width of the noise (eV, weighted) over δ."""
LEAST_GAIN, LEAST_EVIDENCE = 0.1, 20.0
"""Log evidence that constants must gain, per equation (what errors lower by 10 % are worth) and in all. A basis that is
too small for the data gains less, by constants of some meV that are not in the data."""
REPEATS = 3
CHANGE = 0.01
"""Constants are found when they change by less than this part of themselves."""

Solve = Callable[[ReducedProblem], tuple[Solution, float]]
Solved = tuple[Solution, int, float, dict[str, float]]
"""Solution, number of equations, ρ, and constants of virials by element."""


@dataclass(frozen=True)
class Offset:
    """Constants beside a solution.

    Attributes:
        constants: w [n_elements], eV.
        gain: growth of the log evidence.
    """

    constants: FloatArray
    gain: float

    @classmethod
    def beside(cls, solution: Solution, problem: ReducedProblem, n_functions: int) -> Offset:
        """Determine the constants of the last columns of a problem, beside a solution for the first."""
        functions, constants = problem.factor[:, :n_functions], problem.factor[:, n_functions:]
        nothing = cls(np.zeros(constants.shape[1]), 0.0)
        beta = solution.noise_precision
        if beta is None or not constants.any():
            return nothing
        mixed = solution.covariance_factor.T @ (functions.T @ constants)
        prior = WIDTH**2 * np.eye(constants.shape[1])
        schur = constants.T @ constants - beta * mixed.T @ mixed + prior
        if np.linalg.eigvalsh(schur).min() <= 0:
            return nothing
        found = np.linalg.solve(schur, constants.T @ (problem.target - functions @ solution.coefficients))
        explained = min(beta * float(found @ schur @ found) / problem.n_rows, 1 - 1e-12)
        occam = 0.5 * (np.linalg.slogdet(schur)[1] - np.linalg.slogdet(prior)[1])
        return cls(found, -0.5 * problem.n_rows * math.log1p(-explained) - float(occam))


def corrected(problem: ReducedProblem, n_functions: int, constants: FloatArray) -> ReducedProblem:
    """Return the problem of the functions alone, for virials without the constants."""
    target = problem.target - problem.factor[:, n_functions:] @ constants
    return replace(problem, target=target).leading(n_functions)


def solve_with_offset(
    solve: Solve, problem: ReducedProblem, n_functions: int, wanted: str
) -> tuple[Solution, float, FloatArray]:
    """Return the solution, ρ, and the constants w [n_elements], zeros without them.

    Args:
        wanted: "none", "fit", or "auto": fit them if the evidence gains enough.
    """
    constants = np.zeros(len(problem.target) - n_functions)
    solution, rho = solve(problem.leading(n_functions))
    if wanted == "none":
        return solution, rho, constants
    for repeat in range(REPEATS):
        target = problem.target - problem.factor[:, n_functions:] @ constants
        found = Offset.beside(solution, replace(problem, target=target), n_functions)
        if repeat == 0 and wanted == "auto" and found.gain < max(LEAST_GAIN * problem.n_rows, LEAST_EVIDENCE):
            break
        if np.abs(found.constants).max(initial=0.0) <= CHANGE * np.abs(constants).max(initial=0.0):
            break
        constants = constants + found.constants
        solution, rho = solve(corrected(problem, n_functions, constants))
    return solution, rho, constants


def solve_all(problems: Sequence[ReducedProblem], solve: Solve, elements: Sequence[str], wanted: str) -> list[Solved]:
    """Solve the problems of subsets of the data; the constants are those of the last, which holds all data."""
    *partial, everything = problems
    n = len(everything.target) - len(elements)
    last, rho, constants = solve_with_offset(solve, everything, n, wanted)
    offset = dict(zip(elements, constants.tolist(), strict=True)) if constants.any() else {}
    found = [(*solve(corrected(one, n, constants)), one.n_rows) for one in partial] + [(last, rho, everything.n_rows)]
    return [(solution, n_rows, rho, offset) for solution, rho, n_rows in found]


def counts_of(atoms: Atoms, elements: Sequence[str]) -> FloatArray:
    """Return the number of atoms of each element [n_elements]."""
    symbols = np.array(atoms.get_chemical_symbols())
    return np.array([np.count_nonzero(symbols == element) for element in elements], dtype=float)


def without_offset(structure: LabeledStructure, offset: Mapping[str, float]) -> LabeledStructure:
    """Return a structure whose virial lacks the constants (eV by element)."""
    if structure.virial is None or not offset:
        return structure
    constant = float(counts_of(structure.atoms, list(offset)) @ list(offset.values()))
    return replace(structure, virial=structure.virial - constant * np.eye(3))


def offset_warnings(
    offset: Mapping[str, float],
    structures: Sequence[LabeledStructure],
    otherwise: str = "give --virial-offset none",
) -> list[str]:
    """Describe constants in a sentence: eV/atom, and the pressure at the mean volume of the structures with virials.

    Args:
        otherwise: what to do for a fit without them.
    """
    labeled = [structure for structure in structures if structure.virial is not None]
    if not offset or not labeled:
        return []
    atoms = sum(len(structure) for structure in labeled)
    energy = sum(float(counts_of(s.atoms, list(offset)) @ list(offset.values())) for s in labeled) / atoms
    pressure = energy / (sum(s.atoms.cell.volume for s in labeled) / atoms) / units.GPa
    of_elements = "" if len(offset) == 1 else f" ({', '.join(f'{e} {w:+.3f}' for e, w in offset.items())})"
    return [
        f"the virials are {abs(energy):.3f} eV/atom{of_elements}, a pressure of {abs(pressure):.2f} GPa, "
        f"{'above' if energy > 0 else 'below'} what the energies say, as Pulay stress makes them: they were fitted "
        "with a constant for each element, which is not in the model, and errors of virials are without it; for none, "
        f"{otherwise}"
    ]
