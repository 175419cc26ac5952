"""Packages of the extras in pyproject.toml, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any


def optional(module: str, users: str, extra: str = "workflows") -> Any:
    """Import a module of an optional package, ``optional("phonopy", "phonons")``.

    Args:
        users: what needs it, a plural noun.

    Raises:
        ImportError: it is missing; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f'{users} need {package}: pip install "acnn[{extra}]"') from error
