"""A kernel that was built from other sources is an error, not numbers."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from acnn.kernels import loading

pytestmark = pytest.mark.skipif(loading._kernel is None, reason="acnn was installed without its compiled kernel")


@pytest.fixture
def sources(tmp_path):
    return shutil.copytree(Path(__file__).parents[2] / "acnn" / "kernels" / "src", tmp_path / "src")


def test_the_kernel_was_built_from_the_sources_of_this_checkout(sources):
    loading.require_built_from(loading._kernel, sources)


def test_other_sources_are_an_error(sources):
    with open(sources / "threads.h", "a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(ImportError, match=r"was built from other sources than .*: build it again"):
        loading.require_built_from(loading._kernel, sources)


def test_a_kernel_that_does_not_say_what_it_was_built_from_is_an_error(sources):
    with pytest.raises(ImportError, match="was built from other sources"):
        loading.require_built_from(SimpleNamespace(__file__="old.so"), sources)


def test_a_package_without_sources_needs_none(tmp_path):
    loading.require_built_from(SimpleNamespace(__file__="old.so"), tmp_path / "src")
