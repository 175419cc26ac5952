"""Structures of several files, in groups whose labels are found together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from acnn.data.errors import DatasetError
from acnn.data.frames import Frame, read_frames
from acnn.data.sources import COMPRESSED, common_names, is_output
from acnn.wording import counted

OF_ONE_ORIGIN = (".xyz", ".extxyz", ".traj", ".db", ".json")
"""Suffixes of files that may come from anywhere: the labels of each are found on their own."""


class Place(NamedTuple):
    """A structure and the name of its file."""

    file: str
    frame: Frame


@dataclass(frozen=True)
class Group:
    """Files of one kind, such as outputs of a program.

    Attributes:
        name: that of the file, or of the kind with the number of files.
        places: the structures, without steps that are no data.
        notes: what was left out, one sentence each.
    """

    name: str
    places: tuple[Place, ...]
    notes: tuple[str, ...]


def read_groups(files: Sequence[Path], index: str | int | slice, format: str | None, trust_pickle: bool) -> list[Group]:
    """Read files; of several, outputs that cannot be read are left out.

    Args:
        index: of the structures of each file.

    Raises:
        DatasetError: a file cannot be read, or no step of a group is finished.
    """
    kinds: dict[str, list[tuple[Path, str]]] = {}
    for file, name in zip(files, common_names(files), strict=True):
        kinds.setdefault(_kind(file), []).append((file, name))
    return [_read(of_kind, index, format, trust_pickle) for of_kind in kinds.values()]


def _read(files: Sequence[tuple[Path, str]], index: str | int | slice, format: str | None, trust_pickle: bool) -> Group:
    name = files[0][1] if len(files) == 1 else f"{_label(files[0][0])} ({len(files)} files)"
    places, unread = [], []
    for file, of_file in files:
        try:
            places += [Place(of_file, f) for f in read_frames(file, index, format=format, trust_pickle=trust_pickle)]
        except DatasetError as error:
            if len(files) == 1 or not is_output(file):
                raise
            unread.append(str(error))
    sound = tuple(place for place in places if not place.frame.flaw)
    flaws = Counter(place.frame.flaw for place in places if place.frame.flaw)
    notes = tuple(_notes(name, flaws, unread))
    if not sound:
        raise DatasetError(f"no structure is left: {'; '.join(notes)}")
    return Group(name, sound, notes)


def _notes(name: str, flaws: Counter[str], unread: Sequence[str]) -> Iterator[str]:
    for flaw, n in flaws.items():
        yield f"{name}: {counted(n, 'structure')} left out: {flaw}"
    if unread:
        yield f"{name}: {counted(len(unread), 'file')} left out, the first because {unread[0]}"


def _kind(file: Path) -> str:
    label = _label(file)
    return str(file) if label.lower() in OF_ONE_ORIGIN else label


def _label(file: Path) -> str:
    """Return what files of one kind share: the suffix, or the name of a file without one."""
    stem = file.with_suffix("") if file.suffix in COMPRESSED else file
    return stem.suffix or stem.name
