"""Fewer functions for many elements: channels that mix elements, against the full basis, on the alloys of `alloys.py`.

Tensor-reduced ACE (Darby et al., PRL 131, 028001 (2023)) has densities of K channels in the place of elements, and
products of densities of the same channel:

    A_knlm = Σ_j W_k(z_j) R_n(r_j) Y_lm(r_j) ,                  k = 1 … K ,    W_k(z) = 1 + ½ N(0, 1)

Its functions are linear combinations of those of the full basis, with products of W as weights. So this fits both from
the same equations, without a kernel for them: what is compared are numbers of functions, errors, and the products of
densities that a kernel would have to form for an atom. Pairs keep their elements. The full bases are those of smaller
total degrees, with the correlation of elements that the evidence finds.

    python benchmarks/tensor_reduction.py --json tensor_reduction.json
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from alloys import write_data
from fitting import add_arguments, print_rows, write_rows

from acnn.arrays import FloatArray
from acnn.basis.counting import many_body_size
from acnn.basis.element_tensors import ElementGroup, element_groups
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset, read_dataset
from acnn.data.isolated_atoms import least_squares_energies
from acnn.evaluation.metrics import evaluate
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler
from acnn.fit.element_prior import ElementPrior
from acnn.models.linear import LinearACE
from acnn.parallel import ALONE
from acnn.solvers import BLR, StreamingQR
from acnn.solvers.priors import parse_prior

ELEMENTS = ("Cu", "Ag", "Pd", "Pt")
CUTOFF = 5.5


class Experiment:
    """The equations of the largest basis, and what may be fitted to them."""

    def __init__(self, order: int, degree: float, train: Dataset, test: Dataset) -> None:
        self.order, self.degree, self.test = order, degree, test
        specification = BasisSpecification(elements=ELEMENTS, order=order, degree=degree, cutoff=CUTOFF)
        self.model = LinearACE(specification, least_squares_energies(train))
        self.functions, self.wl = specification.functions(), specification.wl
        self.gamma = parse_prior("algebraic:4", self.wl)([function.nl for function in self.functions])
        self.prior = ElementPrior(self.functions, specification.elements, self.gamma)
        rows = accumulate(Assembler(self.model), train.structures, ALONE, None, lambda: None)
        self.problem = rows.result().restricted(np.arange(len(self.functions)))  # without the constants of virials

    def rows(self, channels: Sequence[int], seed: int) -> Iterator[dict[str, Any]]:
        for degree in np.arange(max(self.order + 1, self.degree - 3), self.degree + 1):
            yield self.full(float(degree))
        rng = np.random.default_rng(seed)
        for k in channels:
            yield self.mixed(1 + 0.5 * rng.normal(size=(k, len(ELEMENTS))))

    def full(self, degree: float) -> dict[str, Any]:
        """Fit all pairs, and the other functions up to a total degree."""
        pairs = np.array([function.kind == "pair" for function in self.functions])
        totals = np.array([sum(n + self.wl * l for n, l in function.nl) for function in self.functions])
        columns = np.flatnonzero(pairs | (totals <= degree + 1e-9))
        solution, _ = self.prior.restricted(columns).solve_by_evidence(BLR(), self.problem.restricted(columns), True)
        coefficients = np.zeros(len(self.functions))
        coefficients[columns] = solution.coefficients
        products = self._products(len(ELEMENTS), degree)
        return self._row(f"full, degree {degree:g}", coefficients, len(columns), products, solution.log_evidence)

    def mixed(self, channels: FloatArray) -> dict[str, Any]:
        """Fit pairs, and the functions of these channels [K, n_elements]."""
        parts = [_combinations(group, channels, self.gamma, len(self.functions)) for group in self._groups()]
        combined = np.hstack([matrix for matrix, _ in parts])
        rows = StreamingQR(combined.shape[1])
        rows.add(self.problem.factor @ combined, self.problem.target)
        rows.add(np.zeros((1, combined.shape[1])), np.array([self.problem.residual]))
        rows.n_rows = self.problem.n_rows
        solution = BLR().solve(rows.result(), np.concatenate([gamma for _, gamma in parts]))
        products = len(channels) * self._products(1, self.degree)
        coefficients = combined @ solution.coefficients
        name = f"{len(channels)} channel{'s' * (len(channels) > 1)}, degree {self.degree:g}"
        return self._row(name, coefficients, combined.shape[1], products, solution.log_evidence)

    def _groups(self) -> list[ElementGroup]:
        return element_groups(self.functions, self.model.elements)

    def _products(self, n_elements: int, degree: float) -> int:
        return many_body_size(n_elements, dict.fromkeys(range(1, self.order + 1), degree), self.wl).products

    def _row(
        self, name: str, coefficients: FloatArray, n: int, products: int, evidence: float | None
    ) -> dict[str, Any]:
        model = LinearACE(self.model.basis, self.model.reference_energies, torch.as_tensor(coefficients))
        row = {"basis": f"order {self.order}: {name}", "functions": n, "products": products, "log_evidence": evidence}
        for number, errors in evaluate(model, self.test.structures).by_components().items():
            row[f"{number}_energy_meV_per_atom"] = errors["energy_mae"]
            row[f"{number}_forces_eV_per_A"] = errors["forces_mae"]
        return row


def _combinations(
    group: ElementGroup, channels: FloatArray, gamma: FloatArray, n_functions: int
) -> tuple[FloatArray, FloatArray]:
    """Return the functions of a group as columns of the full basis [n_functions, n_new], and their γ."""
    values = np.eye(len(group.columns)) if _is_pair(group) else _contracted(group.weights, channels)
    kept = np.linalg.norm(values, axis=0) > 1e-9  # antisymmetric couplings of a channel with itself are zero
    matrix = np.zeros((n_functions, int(kept.sum())))
    matrix[group.columns] = values[:, kept]
    return matrix, np.full(matrix.shape[1], gamma[group.columns[0]])


def _is_pair(group: ElementGroup) -> bool:
    return group.weights.ndim == 4 and bool(group.shape[0])


def _contracted(weights: FloatArray, channels: FloatArray) -> FloatArray:
    """Return Σ_z weights[., z_0, z, .] Π_t W_k(z_t) [n_columns, K n_elements n_couplings]."""
    parts = []
    for channel in channels:
        part = weights
        for _ in range(weights.ndim - 3):
            part = np.tensordot(part, channel, axes=(2, 0))
        parts.append(part.reshape(len(weights), -1))
    return np.hstack(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--bases", nargs="+", default=["2:8", "3:6"], help="order:degree")
    parser.add_argument("--seed", type=int, default=0)
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        train, test = (read_dataset(path) for path in write_data(Path(scratch), ELEMENTS))
    rows: list[dict[str, Any]] = []
    for basis in arguments.bases:
        order, degree = basis.split(":")
        rows += Experiment(int(order), float(degree), train, test).rows(arguments.channels, arguments.seed)
    print_rows(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
