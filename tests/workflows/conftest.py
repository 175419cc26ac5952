"""A model of copper, fitted once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1])]
try:
    from copper import write_copper
finally:
    del sys.path[:1]


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cu.acnn, with cu.xyz beside it."""
    return write_copper(tmp_path_factory.mktemp("copper"))
