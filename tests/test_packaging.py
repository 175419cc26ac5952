"""What the wheel contains, with and without the compiled kernel."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from zipfile import ZipFile

import pytest

import acnn

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("acnn", "ase_calculator", "lammps_plugin")
PURE = (".py", ".pyi", ".html", ".css")
BUILD_TOOLS = ("build", "scikit-build-core", "nanobind")


def build_wheel(folder, **environment):
    for tool in BUILD_TOOLS:
        try:
            version(tool)
        except PackageNotFoundError:
            pytest.skip(f"building the wheel needs {tool}: pip install 'acnn[dev]'")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    # Away from the checkout, where a build/ folder would hide the module of that name.
    run = subprocess.run(command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return only_wheel(folder)


def only_wheel(folder):
    (path,) = Path(folder).glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The one in the folder ``ACNN_TEST_WHEEL``, or a new one: that takes minutes."""
    made = os.environ.get("ACNN_TEST_WHEEL")
    with ZipFile(only_wheel(made) if made else build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def pure_wheel(tmp_path_factory):
    """Built as where no C++ compiler is."""
    return build_wheel(tmp_path_factory.mktemp("pure"), CXX="no-such-compiler", ACNN_REQUIRE_KERNEL="0")


def extensions(archive):
    return [name for name in archive.namelist() if name.endswith(".so")]


def test_top_level_is_the_three_packages(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    (information,) = (name for name in top if name.endswith(".dist-info"))
    assert top - {information} == set(PACKAGES)


def test_every_module_is_in_the_wheel(wheel):
    """With the templates of pages."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.*"))
    modules = {path.relative_to(ROOT).as_posix() for path in files if path.suffix in PURE}
    assert "acnn/html/templates/page.html" in modules
    assert modules - set(wheel.namelist()) == set()


def test_no_caches_in_the_wheel(wheel):
    assert [name for name in wheel.namelist() if "__pycache__" in name] == []


def test_the_kernel_is_in_the_wheel(wheel):
    if not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])):  # as CMake searches
        pytest.skip("compiling the kernel needs a C++ compiler")
    (kernel,) = extensions(wheel)
    assert kernel.startswith("acnn/kernels/_kernel.")


def test_no_sources_of_the_kernel_in_the_wheel(wheel):
    """Those of the LAMMPS plugin are, which is compiled where it is used."""
    endings = (".cpp", ".h", ".cmake", ".o", ".a", "CMakeLists.txt")
    folder = ROOT / "lammps_plugin" / "plugin"
    plugin = {path.relative_to(ROOT).as_posix() for path in folder.iterdir() if path.name != ".clang-format"}
    assert {name for name in wheel.namelist() if name.endswith(endings)} == plugin


def test_without_a_compiler_the_wheel_is_pure(wheel, pure_wheel):
    assert pure_wheel.name.endswith("-py3-none-any.whl")
    with ZipFile(pure_wheel) as archive:
        assert extensions(archive) == []
        assert set(archive.namelist()) >= {name for name in wheel.namelist() if name.endswith(PURE)}


def test_without_the_kernel_the_package_imports(pure_wheel, tmp_path):
    with ZipFile(pure_wheel) as archive:
        archive.extractall(tmp_path)
    # -S: an editable installation would put the checkout, and its kernel, before the search path.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    code = "import acnn, acnn.kernels; print(acnn.__file__); import acnn.kernels._kernel"
    command = [sys.executable, "-S", "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.stdout.strip() == str(tmp_path / "acnn" / "__init__.py"), run.stderr
    assert "ModuleNotFoundError: No module named 'acnn.kernels._kernel'" in run.stderr


def test_the_command_is_installed(wheel):
    (path,) = (name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
    entry_points = configparser.ConfigParser()
    entry_points.read_string(wheel.read(path).decode())
    assert dict(entry_points["console_scripts"]) == {"acnn": "acnn.cli.main:run"}


@pytest.mark.skipif("ACNN_TEST_INSTALLED" not in os.environ, reason="only .ci/run tests an installed wheel")
def test_the_installed_package_is_tested():
    assert ROOT not in Path(acnn.__file__).resolve().parents
