"""Where tests run and with how many threads; which of them are slow, and left out by `pytest -m "not slow"`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent
SLOW = (
    *("lammps_plugin", "fuzz", "documents", "parallel", "report"),
    *("test_every_kind.py", "test_example_scripts.py", "test_packaging.py"),
    *("ase_calculator/test_forks.py", "ase_calculator/test_model_types.py"),
    *("cli/test_cli.py", "cli/test_demo.py", "cli/test_model_types.py"),
    *("data/test_examples.py", "fit/test_cross_validation.py", "fit/test_pruning.py"),
    "fit/test_selection.py",
    *("io/test_yace.py", "kernels/test_selection.py", "models/test_register.py", "solvers/test_pruning.py"),
    *("train/test_command.py", "train/test_distillation.py", "train/test_job.py", "train/test_processes.py"),
    *("train/test_transfer.py", "workflows/test_check.py", "workflows/test_elastic.py"),
    *("workflows/test_hal.py", "workflows/test_phonons.py"),
    "workflows/test_defects_and_surfaces.py",
)
"""Files and folders where most of the time goes to tests of seconds; single ones elsewhere are marked there."""

# `python -m pytest` puts the checkout first, whose acnn has no compiled kernel.
sys.path[:] = [place for place in sys.path if place and Path(place) != TESTS.parent]

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes: more threads would only get in each other's way
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, however long each takes on a busy machine.
settings.register_profile("acnn", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("acnn")


@pytest.fixture(scope="session", autouse=True)
def _from_an_empty_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Leave the checkout, in which the Python of a test would find its packages instead of those that are installed."""
    os.chdir(tmp_path_factory.mktemp("elsewhere"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and run it first: of several processes, none has a long file left when the others end."""
    slow = tuple(TESTS / name for name in SLOW)
    missing = [str(path) for path in slow if not path.exists()]
    if missing:
        raise pytest.UsageError(f"tests/conftest.py calls {', '.join(missing)} slow: there is no such file")
    found = {item.path for item in items if any(path in (item.path, *item.path.parents) for path in slow)}
    for item in items:
        if item.path in found:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path not in found)
