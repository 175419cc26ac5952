"""What the wheel contains."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import ZipFile

import pytest

import acnn

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("acnn", "ase_calculator", "lammps_plugin")

# One process builds the wheel for all tests of this file (pytest -n 2 --dist loadgroup).
pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    for tool in ("build", "scikit-build-core"):
        try:
            version(tool)
        except PackageNotFoundError:
            pytest.skip(f"building the wheel needs {tool}: pip install 'acnn[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    # Away from the checkout, where a build/ folder would hide the module of that name.
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as archive:
        yield archive


def test_top_level_is_the_three_packages(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    (information,) = (name for name in top if name.endswith(".dist-info"))
    assert top - {information} == set(PACKAGES)


def test_every_module_is_in_the_wheel(wheel):
    modules = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules - set(wheel.namelist()) == set()


def test_no_caches_in_the_wheel(wheel):
    assert [name for name in wheel.namelist() if "__pycache__" in name] == []


def test_the_command_is_installed(wheel):
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel.read(path).decode())
    assert dict(entry_points["console_scripts"]) == {"acnn": "acnn.cli.main:app"}


@pytest.mark.skipif("ACNN_TEST_INSTALLED" not in os.environ, reason="only .ci/run tests an installed wheel")
def test_the_installed_package_is_tested():
    assert ROOT not in Path(acnn.__file__).resolve().parents
