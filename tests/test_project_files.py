"""Facts that several files of the project state are the same in each: version, dependencies, supported Pythons."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONDA_NAMES = {"torch": "pytorch"}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def conda_requirement(requirement: str) -> str:
    """pytorch >=2.2 of torch>=2.2."""
    name, bound = re.fullmatch(r"([\w.-]+)(.*)", requirement).groups()
    return f"{CONDA_NAMES.get(name.lower(), name.lower())} {bound}"


def pythons() -> list[str]:
    found = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    return sorted(found, key=lambda version: int(version[2:]))


def test_the_version_is_the_same_everywhere():
    stated = (read("CITATION.cff")["version"], read(".conda/recipe.yaml")["context"]["version"])
    assert set(stated) == {PROJECT["project"]["version"]}


def test_the_recipe_requires_what_the_package_requires():
    stated = [line for line in PROJECT["project"]["dependencies"] if ";" not in line]
    expected = {f"python {PROJECT['project']['requires-python']}", *map(conda_requirement, stated)}
    assert set(read(".conda/recipe.yaml")["requirements"]["run"]) == expected


def test_the_recipe_is_built_with_what_the_package_is_built_with():
    assert {*map(conda_requirement, PROJECT["build-system"]["requires"])} <= {
        *read(".conda/recipe.yaml")["requirements"]["host"]
    }


def test_every_supported_python_is_tested():
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == pythons()
    assert PROJECT["project"]["requires-python"] == f">={pythons()[0]}"


def test_every_supported_python_has_a_wheel():
    """One wheel serves the last that is built and all later ones."""
    wheels = PROJECT["tool"]["cibuildwheel"]
    built = [name.removesuffix("-*") for name in wheels["build"]]
    assert built == [f"cp{version.replace('.', '')}" for version in pythons()][: len(built)]
    assert wheels["config-settings"]["wheel.py-api"] == built[-1]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_run_scripts_that_exist(path):
    scripts = re.findall(r"run: (\.ci/\w+)", path.read_text(encoding="utf-8"))
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_install_extras_that_exist(path):
    named = re.findall(r'pip install "\.\[([\w,]+)\]"', path.read_text(encoding="utf-8"))
    assert {extra for names in named for extra in names.split(",")} <= {*PROJECT["project"]["optional-dependencies"]}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_limit_time_and_rights(path):
    """A job that hangs would otherwise run for six hours, and have the rights of its repository's default."""
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "timeout-minutes" not in job] == []
