"""Files of structures that paths, folders and patterns name."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

from ase.io.formats import filetype

from acnn.data.errors import DatasetError
from acnn.wording import counted

STRUCTURES = (".xyz", ".extxyz", ".res", ".xsf", ".traj", ".db", ".pwo", ".castep")
"""Suffixes of the files that are taken from a folder."""
COMPRESSED = (".gz", ".bz2", ".xz")
MAYBE = (".out", ".log", ".txt")
"""Suffixes of files that are taken from a folder if they are the output of a program."""
VASP = ("OUTCAR", "vasprun.xml")
"""Both describe the same calculation: the first that is there is taken."""
PROGRAMS = {
    "abinit-out": "ABINIT",
    "aims-output": "FHI-aims",
    "castep-castep": "CASTEP",
    "espresso-out": "Quantum ESPRESSO",
    "gamess-us-out": "GAMESS",
    "gaussian-out": "Gaussian",
    "gpaw-out": "GPAW",
    "nwchem-out": "NWChem",
    "onetep-out": "ONETEP",
    "orca-output": "ORCA",
    "qbox": "Qbox",
    "turbomole-gradient": "TURBOMOLE",
    "vasp-out": "VASP",
    "vasp-xml": "VASP",
}
"""Formats of ASE that are outputs of a program, step by step."""


def files_of(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files of paths, in their order; those of a folder or a pattern such as runs/*/OUTCAR are sorted.

    Folders of DeePMD-kit's arrays stand for themselves.

    Raises:
        DatasetError: a path, pattern or folder names no files.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise DatasetError("no file of structures is given")
    return list(dict.fromkeys(file for path in given for file in _files(Path(path))))


def inputs_of(*paths: Iterable[Path] | Path | None) -> list[Path]:
    """Return the files, which must not be overwritten, of paths that may be missing."""
    given = [path for some in paths for path in ([some] if isinstance(some, Path) else some or ())]
    return [file for path in given for file in (_matches(path) if is_pattern(path) else [path])]


def is_pattern(path: Path) -> bool:
    """Return whether a path is a pattern, not the name of a file."""
    return not path.exists() and glob.has_magic(str(path))


def is_deepmd_folder(path: Path) -> bool:
    """Return whether a folder holds DeePMD-kit's arrays of one system."""
    return (path / "type.raw").is_file()


def _files(path: Path) -> list[Path]:
    if is_pattern(path):
        found = [file for match in _matches(path) for file in _files(match)]
        if not found:
            raise DatasetError(f"no file matches {path}")
        return found
    return _in_folder(path) if path.is_dir() and not is_deepmd_folder(path) else [path]


def _matches(pattern: Path) -> list[Path]:
    return sorted(map(Path, glob.glob(str(pattern), recursive=True)))


def _in_folder(folder: Path) -> list[Path]:
    inside = sorted(path for path in folder.rglob("*") if not path.name.startswith("."))
    systems = [path for path in inside if is_deepmd_folder(path)]
    found = [*systems, *(path for path in inside if path.is_file() and _is_structures(path))]
    if not found:
        raise DatasetError(
            f"{folder} is a folder with {counted(len(inside), 'entry', 'entries')}, none of which looks like a file of "
            "structures: name the files, or give a pattern in quotes"
        )
    return sorted(found)


def _is_structures(path: Path) -> bool:
    stem = path.with_suffix("") if path.suffix in COMPRESSED else path
    if stem.name in VASP:
        return not any(_beside(path, name) for name in VASP[: VASP.index(stem.name)])
    return stem.suffix.lower() in STRUCTURES or (stem.suffix.lower() in MAYBE and is_output(path))


def _beside(path: Path, name: str) -> bool:
    return any((path.parent / (name + suffix)).is_file() for suffix in ("", *COMPRESSED))


def is_output(path: Path) -> bool:
    """Return whether ASE takes a file for the output of a program (`PROGRAMS`)."""
    try:
        return filetype(str(path)) in PROGRAMS
    except Exception:  # whatever ASE meets in a file of another kind
        return False


def common_names(files: Sequence[Path]) -> list[str]:
    """Return names that tell files apart: file names, or paths from the folder that all are in."""
    names = [file.name for file in files]
    if len(set(names)) == len(names):
        return names
    parts = [file.resolve().parts for file in files]
    shared = next((i for i, here in enumerate(zip(*parts, strict=False)) if len(set(here)) > 1), 0)
    return ["/".join(own[shared:]) for own in parts]
