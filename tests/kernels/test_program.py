"""Programs executed by NumPy, one atom and one term at a time, against the torch definition: no C++ here."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acnn.kernels.features import COMPLEX_COMPLEX, COMPLEX_CONJUGATE, REAL_REAL
from acnn.kernels.invariants import compile_basis
from acnn.kernels.program import COMPLEX_TILE, REAL_TILE, Program
from acnn.models.fixed_terms import switch, zbl_energy
from acnn.testing import scipy_harmonic

ORACLE_ACCURACY = 1e-10  # relative to the largest site energy or basis function
SMALLEST_SCALE = 1e-3

quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


class Oracle:
    """What `acnn/kernels/src/program_views.h` says of the arrays, for the neighbors of one atom."""

    def __init__(self, program: Program, z: int, neighbors: np.ndarray, vectors: np.ndarray) -> None:
        self.arrays, self.z = program.arrays, z
        self.neighbors, self.vectors, self.r = neighbors, vectors, np.linalg.norm(vectors, axis=1)
        self.n_elements, self.l_max, self.zbl, self.n_max, self.n_pair = program.arrays["sizes"].tolist()

    def own(self, name: str) -> np.ndarray:
        return self.arrays[f"{self.z}.{name}"]

    def polynomials(self, name: str, x: np.ndarray, n_max: int) -> np.ndarray:
        """P_{n+1} = (u x - v) P_n - w P_{n-1} [n_max, n]."""
        u, v, w = self.arrays[name]
        values = [np.zeros_like(x), np.ones_like(x)]
        for n in range(n_max - 1):
            values.append((u[n] * x - v[n]) * values[-1] - w[n] * values[-2])
        return np.array(values[1 : n_max + 1]).reshape(n_max, len(x))

    def transformed(self, name: str, s: int) -> tuple[np.ndarray, ...]:
        """y, x and r/r0 of all distances, and the constants, for neighbors of element s."""
        inverse_r0, a, p, q, y_cut, scale, shift = self.own(name)[s]
        ratio = self.r * inverse_r0
        y = 1 / (1 + a * ratio**q / (1 + ratio ** (q - p)))
        return y, scale * y + shift, ratio, y_cut

    def radial(self, s: int) -> np.ndarray:
        """R_n of neighbors of element s, zero elsewhere [n_max, n], of densities and of the sum over distances."""
        y, x, _, y_cut = self.transformed("transforms", s)
        inside = (self.neighbors == s) & (self.r < self.arrays["cutoffs"][0])
        n_max = max(self.n_max, int(self.own("n_radial")[s]))
        return np.where(inside, (y - y_cut) ** 3, 0.0) * self.polynomials("recurrence", x, n_max)

    def pair_radial(self, s: int) -> np.ndarray:
        _, x, ratio, _ = self.transformed("pair_transforms", s)
        inside = (self.neighbors == s) & (self.r < self.arrays["cutoffs"][1])
        envelope = np.where(inside, (1 - self.r / self.arrays["cutoffs"][1]) ** 3 / ratio, 0.0)
        return envelope * self.polynomials("pair_recurrence", x, self.n_pair)

    def densities(self, f: np.ndarray) -> None:
        for s, l, n_count, offset in self.own("blocks"):
            assert n_count <= self.own("n_radial")[s]
            radial = self.radial(s)
            for n in range(n_count):
                first = offset + n * (2 * l + 1)
                f[first] = radial[n] @ scipy_harmonic(l, 0, self.vectors).real
                for m in range(1, l + 1):
                    component = radial[n] @ scipy_harmonic(l, m, self.vectors)
                    f[first + 2 * m - 1], f[first + 2 * m] = component.real, component.imag

    def features(self) -> np.ndarray:
        """f; rows that nothing writes are NaN, but the padding is zero."""
        f = np.full(int(self.own("n_rows")[0]), np.nan)
        f[-2:] = 0.0
        self.densities(f)
        for kind, first, last in self.own("groups"):
            for left, right, out in self.own("products")[first:last]:
                a = complex(f[left], f[left + 1]) if kind in (COMPLEX_COMPLEX, COMPLEX_CONJUGATE) else f[left]
                b = f[right] if kind == REAL_REAL else complex(f[right], f[right + 1])
                product = a * (np.conj(b) if kind == COMPLEX_CONJUGATE else b)
                f[out] = np.real(product)
                if kind != REAL_REAL:
                    f[out + 1] = np.imag(product)
        return f

    def matrix(self) -> np.ndarray:
        """M, dense."""
        n = int(self.own("n_rows")[0])
        found = np.zeros((n, n))
        for name, size, parts in (("complex", COMPLEX_TILE, 2), ("real", REAL_TILE, 1)):
            start, columns = self.own(f"{name}.start"), self.own(f"{name}.columns")
            coefficients = self.own(f"{name}.coefficients").reshape(-1, size)
            for t, rows in enumerate(self.own(f"{name}.rows").reshape(-1, size)):
                for k in range(start[t], start[t + 1]):
                    for part in range(parts):
                        np.add.at(found, (rows + part, columns[k] + part), coefficients[k])
        return found

    def pair_energy(self) -> float:
        """Σ_j v(r_ij) without ZBL."""
        q, c = self.own("scalar_coefficients"), self.own("pair_coefficients")
        many = sum((q[s] @ self.radial(s)[: self.n_max]).sum() for s in range(self.n_elements))
        return float(many + sum((c[s] @ self.pair_radial(s)).sum() for s in range(self.n_elements)))

    def energy(self) -> float:
        f, matrix = self.features(), self.matrix()
        assert not matrix[np.isnan(f)].any()  # M has nothing to do with rows that are not written
        f = np.nan_to_num(f)
        np.testing.assert_array_equal(matrix, matrix.T)
        return float(self.arrays["reference_energies"][self.z] + self.pair_energy() + 0.5 * f @ matrix @ f)

    def repulsion(self, numbers: np.ndarray) -> float:
        """ZBL by its formula, its constants those of the program."""
        total = 0.0
        reach = max(self.arrays["cutoffs"])
        for s, r in zip(self.neighbors, self.r, strict=True):
            length, range_, strength = self.arrays["zbl"][:, self.z, s]
            a, b = torch.tensor(float(numbers[self.z])), torch.tensor(float(numbers[s]))
            r_, one = torch.tensor(r), torch.tensor(r, dtype=torch.float64)
            assert math.isclose(length, 0.46850 / (float(a) ** 0.23 + float(b) ** 0.23), rel_tol=1e-6)
            if r < min(range_, reach):
                total += 0.5 * float(zbl_energy(one, a.double(), b.double()) * switch(r_ / range_))
                assert strength > 0
        return total

    def invariants(self) -> np.ndarray:
        """B_k of this center's element: 1/ν Σ_c A_c ∂B_k/∂A_c, and what is linear."""
        f, S = self.features(), self.n_elements
        found = np.zeros(len(self.own("inverse_order")))
        starts, terms = self.own("entry_start"), self.own("term_start")
        for k in range(len(found)):
            for e in range(starts[k * S], starts[(k + 1) * S]):
                span = slice(terms[e], terms[e + 1])
                slope = self.own("term_value")[span] @ f[self.own("term_row")[span]]
                found[k] += self.own("inverse_order")[k] * slope * f[self.own("component")[e]]
            for s in range(S):
                span = slice(self.own("linear_start")[k * S + s], self.own("linear_start")[k * S + s + 1])
                found[k] += self.own("linear_value")[span] @ f[self.own("linear_row")[s] + self.own("linear_n")[span]]
        return found


def atoms_of(program, graph, n_atoms=3):
    """The first centers, as oracles."""
    index = {atomic_numbers[e]: z for z, e in enumerate(program.elements)}
    for i in range(min(n_atoms, graph.n_centers)):
        pairs = (graph.pair_i == i).numpy()
        neighbors = np.array([index[int(a)] for a in graph.species[graph.pair_j[pairs]]], dtype=int)
        yield i, Oracle(program, index[int(graph.species[i])], neighbors, graph.pair_vectors[pairs].numpy())


@quick
@given(data=st.data())
def test_the_energy_program_is_the_model(cases, data):
    model, graph = data.draw(cases)
    program, expected = model.program(), model.pair_gradients(graph, "torch").site_energies.numpy()
    numbers = np.array([atomic_numbers[e] for e in model.elements])
    scale = max(SMALLEST_SCALE, np.abs(expected).max())
    for i, oracle in atoms_of(program, graph):
        found = oracle.energy() + (oracle.repulsion(numbers) if model.zbl else 0.0)
        assert abs(found - expected[i]) <= ORACLE_ACCURACY * scale
        assert oracle.zbl == (model.zbl is not None)


@quick
@given(data=st.data())
def test_the_basis_program_is_the_basis(cases, data):
    model, graph = data.draw(cases)
    basis = model.basis
    program, expected = compile_basis(basis), basis(graph).numpy()
    scale = max(SMALLEST_SCALE, np.abs(expected).max())
    for i, oracle in atoms_of(program, graph, 2):
        found = np.zeros(basis.n_functions)
        found[basis.by_element[oracle.z].columns] = oracle.invariants()
        for s in range(oracle.n_elements) if oracle.n_pair else ():
            first = int(oracle.own("pair_columns")[s])
            found[first : first + oracle.n_pair] += 0.5 * oracle.pair_radial(s).sum(axis=1)
        np.testing.assert_allclose(found, expected[:, i], rtol=0, atol=ORACLE_ACCURACY * scale)


@quick
@given(data=st.data())
def test_every_row_that_is_read_is_written(cases, data):
    """The kernel's workspace starts as it was left: idle rows and tiles together cover all adjoints."""
    model, _ = data.draw(cases)
    arrays = model.program().arrays
    for z in range(len(model.elements)):
        n_rows = int(arrays[f"{z}.n_rows"][0])
        complex_rows = arrays[f"{z}.complex.rows"].reshape(-1)
        tiled = np.concatenate([complex_rows, complex_rows + 1, arrays[f"{z}.real.rows"].reshape(-1)])
        own = tiled[tiled < n_rows - 2]
        assert len(np.unique(own)) == len(own)  # tiles assign: a row in two of them would lose one
        assert set(tiled) | set(arrays[f"{z}.idle"]) == set(range(n_rows))
        assert not set(own) & set(arrays[f"{z}.idle"])
        for name in ("complex", "real"):
            assert arrays[f"{z}.{name}.columns"].max(initial=0) < n_rows


# --- storage and determinism -----------------------------------------------------------------------------------------


def assert_equal_programs(a, b):
    assert (a.kind, a.elements, a.cutoff) == (b.kind, b.elements, b.cutoff)
    assert a.arrays.keys() == b.arrays.keys()
    for name, values in a.arrays.items():
        assert (values.dtype, values.shape) == (b.arrays[name].dtype, b.arrays[name].shape), name
        np.testing.assert_array_equal(values, b.arrays[name], err_msg=name)


@quick
@given(data=st.data())
def test_bytes_and_back(cases, data):
    model, _ = data.draw(cases)
    for program in (model.program(), compile_basis(model.basis)):
        assert_equal_programs(Program.from_bytes(program.to_bytes()), program)


def test_compiling_twice_gives_the_same_bytes(model_of):
    model = model_of()
    assert model.program().to_bytes() == model.program().to_bytes()
    assert compile_basis(model.basis).to_bytes() == compile_basis(model.basis).to_bytes()


SCRIPT = """
import hashlib
from acnn.kernels.invariants import compile_basis
from acnn.testing import random_model
model = random_model(["Si", "C"], order=4, degree=5.0)
for program in (model.program(), compile_basis(model.basis)):
    content = b"".join(name.encode() + values.tobytes() for name, values in sorted(program.arrays.items()))
    print(hashlib.sha256(content).hexdigest())
"""


@pytest.mark.slow
def test_programs_do_not_depend_on_the_hash_seed():
    digests = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "ACNN_KERNEL": "torch"}
        run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        digests.add(run.stdout)
    assert len(digests) == 1


def test_arrays_are_what_the_kernel_reads(model_of):
    """int32 or float64, contiguous."""
    model = model_of()
    for program in (model.program(), compile_basis(model.basis)):
        for name, values in program.arrays.items():
            assert values.dtype in (np.int32, np.float64), name
            assert values.flags.c_contiguous, name
            assert values.dtype == np.int32 or np.isfinite(values).all(), name


def test_a_program_of_another_version_is_told(model_of, monkeypatch):
    content = model_of().program().to_bytes()
    monkeypatch.setattr("acnn.kernels.program.PROGRAM_VERSION", 3)
    with pytest.raises(ValueError, match="program version 2, but this acnn executes 3"):
        Program.from_bytes(content)


def test_without_coefficients_nothing_is_left_to_do(model_of):
    arrays = model_of(kind="zero").program().arrays
    for z in range(2):
        assert [len(arrays[f"{z}.{name}"]) for name in ("blocks", "products", "complex.rows", "real.rows")] == [0] * 4


def test_products_without_a_coefficient_are_left_out(model_of):
    full, sparse = (model_of(kind=kind).program().arrays for kind in ("all", "one"))
    assert sum(len(sparse[f"{z}.products"]) for z in range(2)) < sum(len(full[f"{z}.products"]) for z in range(2))
