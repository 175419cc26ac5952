"""The beginning of hyperactive learning: structures, the largest basis, and whether a folder holds the same run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from acnn.basis.specification import BasisSpecification
from acnn.data.frames import read_frames, require_sound_geometry
from acnn.data.structures import unlabeled
from acnn.files import sha256_of, write_atomically
from acnn.settings.base import SettingsError
from acnn.settings.hal import HALFitSettings, HALSettings
from acnn.settings.messages import brief

HIGHEST_DEGREE = 20
"""Of the largest basis, where its degree is left open."""
MAY_CHANGE = ("stop", "output", "walkers")
"""Settings with which a run may be continued although they differ."""


def starting_structures(settings: HALSettings) -> list[Atoms]:
    """Read the structures to start from; isolated atoms are left out."""
    found = []
    for frame in read_frames(settings.structures):
        require_sound_geometry(frame.atoms, f"{settings.structures.name} #{frame.place}")
        if len(frame.atoms) > 1 or frame.atoms.pbc.any():
            found.append(unlabeled(frame.atoms))
    if not found:
        raise SettingsError(f"{settings.structures} holds isolated atoms only: give molecules or crystals")
    return found


def largest_basis(settings: HALFitSettings, elements: tuple[str, ...], most: int) -> BasisSpecification:
    """Return the largest basis: of the degree of the settings, or of the largest within the number of functions."""
    if settings.degree is not None:
        return settings.specification(elements)
    found = settings.specification(elements, degree=float(max(settings.with_defaults("order"), 3)))
    for degree in range(4, HIGHEST_DEGREE + 1):
        larger = settings.specification(elements, degree=float(degree))
        if larger.n_functions > most:
            break
        found = larger
    return found


def by_number(symbols: set[str]) -> tuple[str, ...]:
    """Sort chemical symbols by atomic number."""
    return tuple(sorted(symbols, key=atomic_numbers.__getitem__))


def require_same(settings: HALSettings) -> None:
    """Require that the folder is new, or holds a run with the same settings.

    Raises:
        SettingsError: it does not.
    """
    path = settings.output / "settings.json"
    if not path.is_file() and {found.name for found in settings.output.iterdir()} - {"settings.json.lock"}:
        raise SettingsError(
            f"{settings.output} is not empty, and what is in it is not from acnn hal: choose another output"
        )
    own = {**settings.model_dump(mode="json"), "structures of the file": _fingerprint(settings)}
    if path.is_file():
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SettingsError(f"{path} is damaged: remove the folder to start anew") from error
        changed = [
            line for name in own if name not in MAY_CHANGE for line in _differences(name, before.get(name), own[name])
        ]
        if changed:
            raise SettingsError(
                f"{settings.output} holds a run with other settings, {', '.join(changed)}: choose another output, or "
                "add --overwrite to start anew"
            )
    write_atomically(path, (json.dumps(own, indent=1) + "\n").encode())


def _differences(name: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in now:
            yield from _differences(f"{name}.{key}", before.get(key), now[key])
    elif before != now:
        yield f"{name} ({brief(before)} instead of {brief(now)})"


def _fingerprint(settings: HALSettings) -> str:
    return "".join(sha256_of(path) for path in (settings.structures, settings.data) if path is not None)
