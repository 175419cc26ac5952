"""Packages that are not there are named, with the command that installs them."""

from __future__ import annotations

import sys

import pytest

from acnn.extras import optional
from acnn.failures import is_meant


def test_what_is_there_is_imported() -> None:
    assert optional("xml.dom", "pages") is sys.modules["xml.dom"]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "phonopy", None)
    monkeypatch.delitem(sys.modules, "phonopy.structure", raising=False)  # of an earlier test
    with pytest.raises(ImportError, match=r'^phonons need phonopy: pip install "acnn\[workflows\]"$') as caught:
        optional("phonopy.structure", "phonons")
    assert is_meant(caught.value)
