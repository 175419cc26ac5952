"""Every example runs, at its smallest size; every setting of the example file is one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from acnn.data.examples import COPPER_ALUMINUM
from acnn.settings.fit import read_settings
from acnn.wording import TOTAL

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


ELSEWHERE = {"liquid.py": "tests/cli/test_demo.py"}
"""What needs a model, and where it is run."""


@pytest.mark.parametrize(
    "script", [path for path in sorted(EXAMPLES.glob("*.py")) if path.name not in ELSEWHERE], ids=lambda path: path.name
)
def test_example_runs(script: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), "--quick"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    expected = (EXAMPLES / "expected" / script.with_suffix(".txt").name).read_text()
    assert words(done.stdout) == words(expected)


def words(text: str) -> list[str]:
    """Return all words, without numbers."""
    return re.findall(r"[^\W\d]+(?:/[^\W\d]+)?", text)


def test_the_expected_output_of_a_fit_has_the_rows_of_its_data() -> None:
    expected = (EXAMPLES / "expected" / "fit.txt").read_text()
    rows = [line.split("│")[1].strip() for line in expected.splitlines() if line.startswith("│")]
    assert rows == [*sorted({recipe.config_type for recipe in COPPER_ALUMINUM} - {"isolated_atom"}), TOTAL]
    assert "solver blr" in expected


def test_example_settings_are_valid() -> None:
    settings = read_settings(EXAMPLES / "fit.yaml", {})
    written = yaml.safe_load((EXAMPLES / "fit.yaml").read_text())
    specification = settings.specification(settings.elements or ())
    assert specification.degrees("Cu") == tuple(map(float, written["degree"]))
    assert specification.degrees("Al") == (18.0, 12.0, 9.0, 8.0, 8.0)
    assert specification.bond_length_matrix()[1][1] == written["bond_lengths"]["Cu"]
