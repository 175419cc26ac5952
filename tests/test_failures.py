"""Errors that are meant, told from bugs; what is told of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import BaseModel

import acnn
from acnn.data.frames import DatasetError
from acnn.failures import BUG, MISTAKE, Failure, print_traceback, versions

PLACE = Path(acnn.__file__).parent / "fit" / "made_up.py"


def raised(body: str, place: Path = PLACE) -> Exception:
    """What a function with this body, in a file of acnn, raises."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    names = {"np": np, "torch": torch, "DatasetError": DatasetError, "BaseModel": BaseModel, "os": os}
    exec(compile(f"def function():\n{lines}", str(place), "exec"), names)
    function: Callable[[], None] = names["function"]  # type: ignore[assignment]
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


MEANT = {
    "raise ValueError('degree = 0: it must\\n be positive')": "degree = 0: it must be positive",
    "raise TypeError('a dict is no model')": "a dict is no model",
    "raise DatasetError('a.xyz #3 has no atoms')": "a.xyz #3 has no atoms",
    "raise (\n    ValueError(\n        'long'\n    )\n)": "long",
    "try:\n    int('x')\nexcept ValueError as e:\n    raise ValueError('no number') from e": "no number",
    "open('/nowhere/a.xyz')": "/nowhere/a.xyz: No such file or directory",
    "raise FileExistsError('a.acnn is there already')": "a.acnn is there already",
    "import no_such_module": "No module named 'no_such_module'",
    "class S(BaseModel):\n    n: int\nS(n=1.5)": "Input should be a valid integer, got a number with a fractional part",
    "raise MemoryError('3 GiB')": "out of memory (3 GiB)",
    "np.zeros(1 << 50)": "out of memory (Unable to allocate",
    "np.zeros(1 << 60)": "out of memory (array is too big",
    "torch.empty(1 << 58)": "out of memory (",
}
BUGS = {
    "int('x')": "ValueError: invalid literal",
    "{}['x']": "KeyError: 'x'",
    "[][3]": "IndexError: list index out of range",
    "None.cutoff": "AttributeError: 'NoneType' object has no attribute 'cutoff'",
    "len(3)": "TypeError: object of type 'int' has no len()",
    "np.zeros(3) + np.zeros(4)": "ValueError: operands could not be broadcast",
    "torch.zeros(3) @ torch.zeros(4)": "RuntimeError: inconsistent tensor size",
    "raise AssertionError('M do not cancel')": "AssertionError: M do not cancel",
    "assert 1 > 2": "AssertionError (in",
    "1 / 0": "ZeroDivisionError: division by zero",
    "from acnn.fit import no_such_name": "ImportError: cannot import name 'no_such_name'",
    "try:\n    int('x')\nexcept ValueError:\n    raise": "ValueError: invalid literal",
}


@pytest.mark.parametrize("body", MEANT)
def test_what_is_meant_is_its_sentence(body):
    failure = Failure.of(raised(body))
    assert failure.status == MISTAKE
    assert failure.sentence.startswith(MEANT[body])
    assert "bug" not in failure.sentence
    assert "\n" not in failure.sentence


@pytest.mark.parametrize("body", BUGS)
def test_what_nobody_meant_is_a_bug_with_its_place(body):
    error = raised(body)
    failure = Failure.of(error)
    assert failure.status == BUG
    assert failure.sentence.startswith(f"this is a bug in acnn: {BUGS[body]}")
    assert "(in acnn/fit/made_up.py:" in failure.sentence
    assert versions() in failure.sentence
    assert "\n" not in failure.sentence


def test_a_value_error_that_a_library_raised_on_purpose_is_a_bug_of_who_called_it(tmp_path):
    error = raised("raise ValueError('shapes do not match')", tmp_path / "library.py")
    failure = Failure.of(error)
    assert failure.status == BUG
    assert "(in a library)" in failure.sentence


def test_the_line_to_paste():
    for name in ("acnn ", "Python ", "torch ", "numpy ", "ase ", "kernel "):
        assert name in versions()
    assert "?" not in versions()


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_the_traceback_is_shown_where_it_is_asked_for(value, shown, monkeypatch, capsys):
    monkeypatch.setenv("ACNN_TRACEBACK", value)
    print_traceback(raised("{}['x']"))
    assert ("Traceback (most recent call last)" in capsys.readouterr().err) == shown
