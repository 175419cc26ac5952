"""All structures of files, each with a name of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from acnn.data.frames import read_frames
from acnn.data.sources import COMPRESSED, common_names, files_of


def named_structures(paths: Sequence[Path]) -> list[Atoms]:
    """Read all structures of files, and give each a name of its own: ``info["name"]``, or that of its file."""
    files = files_of(paths)
    found = []
    for file, name in zip(files, common_names(files), strict=True):
        frames = read_frames(file)
        for frame in frames:
            atoms = frame.atoms
            stem = _stem(name)
            given = str(atoms.info.get("name", stem if len(frames) == 1 else f"{stem}-{frame.place}"))
            atoms.info["name"] = "_".join(given.replace("/", "_").split())
            found.append(atoms)
    _make_unique(found)
    return found


def _stem(name: str) -> str:
    """Return the name of a file without its suffixes."""
    path = Path(name)
    return str((path.with_suffix("") if path.suffix in COMPRESSED else path).with_suffix("")) or name


def _make_unique(structures: Sequence[Atoms]) -> None:
    seen: Counter[str] = Counter()
    taken = {atoms.info["name"] for atoms in structures}
    for atoms in structures:
        name = atoms.info["name"]
        seen[name] += 1
        while seen[name] > 1 and (new := f"{name}-{seen[name]}") in taken:
            seen[name] += 1
        if seen[name] > 1:
            atoms.info["name"] = new
            taken.add(new)
