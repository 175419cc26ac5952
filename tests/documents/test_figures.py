"""Figures in README and on the first page of the documentation are those of benchmarks/results."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NUMBERS = {"ten": 10, "forty": 40}


def rows(name: str) -> list[dict]:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))["rows"]


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_how_many_times_faster(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    low, high = re.search(r"(\w+) to (\w+) times\s+faster than the reference ACE code", text).groups()
    low, high = (NUMBERS.get(number) or int(number) for number in (low, high))
    ratios = [row["python_ace"] / row[f"{isa}_double"] for row in rows("evaluator") for isa in ("avx512", "avx2")]
    assert low <= round(min(ratios))
    assert round(max(ratios)) <= high


def test_every_result_names_its_script_and_machine():
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        assert (ROOT / "benchmarks" / found["script"]).is_file(), path.name
        assert all(found[key] for key in ("date", "machine", "rows")), path.name
