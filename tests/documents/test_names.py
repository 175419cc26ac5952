"""Names in the documents exist: options, variables of the environment, files, functions, settings."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import ValidationError

from acnn.cli.main import COMMANDS, app, loaded
from acnn.settings.base import SettingsError
from acnn.settings.fit import FitSettings
from acnn.settings.hal import HALSettings, hal_settings
from acnn.settings.train import train_settings

ROOT = Path(__file__).parents[2]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "examples/README.md", "examples/lammps/README.md"),
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))),
]
PAGES = [page for page in PAGES if page not in ("docs/reference/commands.md", "docs/reference/settings.md")]
"""Without those that are generated when the documentation is built."""
OF_OTHERS = {"--no-build-isolation", "--no-deps", "--nproc-per-node", "--kokkos", "--index-url"}
"""Options of pip, torchrun and the scripts in .ci."""
CODE = re.compile(r"```\w*\n(.*?)```|`([^`]+)`", re.DOTALL)
SETTING = re.compile(r"[a-z_]+: .*", re.DOTALL)


def code_of(page: str) -> list[str]:
    """All that is set as code."""
    text = re.sub(r"^#(SBATCH|PBS) .*$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    if page == "docs/coming_from.md":
        text = re.sub(r"^\|[^|]*\|", "|", text, flags=re.MULTILINE)  # how others call it
    return [block or inline for block, inline in CODE.findall(text)]


def options(command: Any) -> Iterator[str]:
    """Of a command and those below it."""
    for parameter in command.params:
        yield from (*parameter.opts, *parameter.secondary_opts)
    for inner in getattr(command, "commands", {}).values():
        yield from options(inner)


@pytest.mark.parametrize("page", PAGES)
def test_options(page):
    known = {
        *options(typer.main.get_command(app)),
        *(o for name in COMMANDS for o in options(loaded(name))),
        "--help",
        *OF_OTHERS,
    }
    written = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", " ".join(code_of(page))))
    assert sorted(written - known) == []


@pytest.mark.parametrize("page", PAGES)
def test_options_are_those_of_the_command_beside_them(page):
    for name, rest in re.findall(r"acnn ([a-z-]+)((?: [^\n`|&#]*)?)", "\n".join(code_of(page))):
        if name in COMMANDS and name != "lammps":  # those after -- are LAMMPS' own
            written = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", rest))
            assert sorted(written - {*options(loaded(name)), "--help"}) == [], (name, rest)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in link]
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_variables_of_the_environment():
    written = {name for page in PAGES for name in re.findall(r"\bACNN_[A-Z_]+", " ".join(code_of(page)))}
    places = [ROOT / "CMakeLists.txt", ROOT / "docs" / "conf.py", *(ROOT / ".ci").iterdir()]
    places += [
        path
        for top in ("acnn", "lammps_plugin", "tests/lammps_plugin", "tests/fuzz")
        for path in (ROOT / top).rglob("*.py")
    ]
    source = "".join(path.read_text(encoding="utf-8") for path in places if path.is_file())
    assert [name for name in sorted(written) if name not in source] == []


def test_functions():
    code = " ".join(part for page in PAGES for part in code_of(page))
    for package, name in set(re.findall(r"\b(acnn|lammps_plugin|ase_calculator)\.([A-Za-z_]\w+)", code)):
        found = importlib.import_module(package)
        assert hasattr(found, name) or find_spec(f"{package}.{name}"), f"{package}.{name}"


def settings_in(page: str) -> Iterator[str]:
    """Code such as ``model: {layers: 2}``, as it would stand in a file of settings; weights begin with ``default:``."""
    for code in code_of(page):
        if SETTING.fullmatch(code) and "…" not in code and "\n" not in code and not code.startswith("default:"):
            yield code


@pytest.mark.parametrize("code", [code for page in PAGES for code in settings_in(page)])
def test_settings(code):
    """Of a training, a fit, or hyperactive learning."""
    given = yaml.safe_load(code)
    try:
        train_settings({"data": "train.xyz", "output": "m.acnn", **given})
    except SettingsError as of_training:
        try:
            FitSettings.model_validate({"train": "train.xyz", "output": "m.acnn", **given})
        except ValidationError:
            if not set(given) <= set(HALSettings.model_fields):
                raise of_training from None
            hal_settings({"structures": "a.xyz", "output": "hal", "reference": {"calculator": "a:B"}, **given})
