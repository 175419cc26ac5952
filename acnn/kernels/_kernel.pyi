"""The compiled kernel (src/module.cpp): C-contiguous arrays in, results written into the arrays given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Indices = NDArray[np.int64] | NDArray[np.int32]
Floats = NDArray[np.float64] | NDArray[np.float32]
Doubles = NDArray[np.float64]

sources: str

def instruction_sets() -> list[str]: ...
def add_forces(pair_i: Integers, pair_j: Integers, gradients: Floats, forces: Floats) -> None: ...

class Engine:
    def __init__(self, arrays: dict[str, NDArray[Any]], instruction_set: str) -> None: ...
    def energies(
        self,
        species: Indices,
        pair_i: Indices,
        pair_j: Indices,
        vectors: Floats,
        energies: Doubles,
        gradients: Floats,
        n_threads: int,
        seconds: Doubles | None = None,
    ) -> None: ...
    def members(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        energies: Doubles,
        gradients: Floats | None,
        n_threads: int,
    ) -> None: ...
    def values(
        self, species: Integers, pair_i: Integers, pair_j: Integers, vectors: Floats, values: Floats, n_threads: int
    ) -> None: ...
    def vjp(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        adjoints: Floats,
        gradients: Floats,
        n_threads: int,
    ) -> None: ...
    def jvp(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        directions: Floats,
        derivatives: Floats,
        n_threads: int,
    ) -> None: ...
    def rows(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Doubles,
        energy: Doubles,
        forces: Doubles,
        virial: Doubles,
    ) -> None: ...
    @property
    def workspace_bytes(self) -> int: ...

class Embedding:
    def __init__(self, arrays: dict[str, NDArray[Any]], instruction_set: str) -> None: ...
    def values(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        theta: Floats,
        descriptors: Floats,
        n_threads: int,
    ) -> None: ...
    def vjp(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        theta: Floats,
        adjoints: Floats,
        gradients: Floats | None,
        theta_gradient: Floats | None,
        n_threads: int,
    ) -> None: ...
    def dual(
        self,
        species: Integers,
        pair_i: Integers,
        pair_j: Integers,
        vectors: Floats,
        theta: Floats,
        adjoints: Floats,
        directions: Floats,
        derivatives: Floats,
        theta_gradient: Floats | None,
        n_threads: int,
    ) -> None: ...
    @property
    def n_descriptors(self) -> int: ...
    @property
    def n_theta(self) -> int: ...
    @property
    def workspace_bytes(self) -> int: ...

class Network:
    def __init__(self, arrays: dict[str, NDArray[Any]], instruction_set: str) -> None: ...
    def energies(
        self,
        species: Indices,
        pair_i: Indices,
        pair_j: Indices,
        vectors: Floats,
        energies: Doubles,
        gradients: Floats,
        add: bool,
        n_threads: int,
    ) -> None: ...
    @property
    def workspace_bytes(self) -> int: ...
