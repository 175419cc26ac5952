"""A model of copper, fitted once, and silicon by LAMMPS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acnn.data.stillinger_weber import require_lammps, stillinger_weber

sys.path[:0] = [str(Path(__file__).parents[1])]
try:
    from copper import write_copper
finally:
    del sys.path[:1]


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cu.acnn, with cu.xyz beside it."""
    return write_copper(tmp_path_factory.mktemp("copper"))


@pytest.fixture
def folder(copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that commands are run in, with both files."""
    monkeypatch.chdir(tmp_path)
    for name in ("cu.acnn", "cu.xyz"):
        Path(name).write_bytes((copper.parent / name).read_bytes())
    return tmp_path


@pytest.fixture(scope="session")
def needs_lammps() -> None:
    """Skip what LAMMPS is missing for."""
    try:
        require_lammps()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def silicon(needs_lammps: None) -> Iterator[Any]:
    """A calculator of Stillinger and Weber, in which neither pairs nor angles beyond bonds count."""
    with stillinger_weber() as make_calculator:
        yield make_calculator()
