"""What ``acnn demo`` shows: small errors of every kind of structure, and a liquid that stays together."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.copper_aluminum import COPPER_ALUMINUM
from acnn.kernels.loading import uses_compiled_kernel

ROOT = Path(__file__).parents[2]
LARGEST_ERROR = 5.0  # meV/atom, mean of a config type
VOLUME = 18.0  # Å³/atom; liquid Cu54Al54 in EMT at 1500 K and 1 bar: python examples/liquid.py EMT
WITHIN = 0.03


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("demo") / "first"
    done = CliRunner().invoke(app, ["demo", str(folder)], env={"COLUMNS": "300", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_every_kind_of_structure_is_predicted_well(demo: tuple[Path, str]) -> None:
    errors = json.loads((demo[0] / "metrics.json").read_text())["test"]
    assert set(errors) == {recipe.config_type for recipe in COPPER_ALUMINUM if recipe.counts[1]} | {"total"}
    assert {name: row["energy_mae"] for name, row in errors.items() if row["energy_mae"] > LARGEST_ERROR} == {}


def test_what_is_printed_last_can_be_typed(demo: tuple[Path, str]) -> None:
    _, printed = demo
    assert re.search(r"took \d+ s\.\n$", printed)
    commands = re.findall(r"^  (acnn [a-z].*?)(?:  .*)?$", printed, re.MULTILINE)
    assert len(commands) == 4
    checked = next(command for command in commands if command.startswith("acnn check"))
    done = CliRunner().invoke(app, checked.split()[1:])
    assert done.exit_code == 0, done.output


def test_the_liquid_has_the_volume_of_emt(demo: tuple[Path, str]) -> None:
    if not uses_compiled_kernel():
        pytest.skip("thousands of steps need the compiled kernel")
    command = [sys.executable, str(ROOT / "examples" / "liquid.py"), str(demo[0] / "cual.acnn"), "--picoseconds", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    volume = re.search(r"of 4 ps: ([\d.]+) ", done.stdout)
    assert volume is not None
    assert float(volume[1]) == pytest.approx(VOLUME, rel=WITHIN)
