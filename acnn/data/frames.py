"""Reading the structures of a file through ASE, with errors that name the structure at fault."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import ase.db
import ase.io
import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from ase.io.formats import filetype, ioformats

from acnn.conventions import FARTHEST
from acnn.data.aenet_xsf import has_total_energy, read_acnn_xsf
from acnn.data.airss_res import read_airss_res
from acnn.data.errors import DatasetError, error_sentence
from acnn.data.other_files import DEEPMD, PICKLES, read_pickled_table, read_with_dpdata
from acnn.data.output_files import add_free_energies, flaws
from acnn.data.sources import PROGRAMS, is_deepmd_folder
from acnn.data.xyz_text import parse_xyz, split_xyz
from acnn.files import destination, is_stream
from acnn.recognition import recognized

XYZ_SUFFIXES = (".xyz", ".extxyz")
XYZ_FORMATS = ("xyz", "extxyz")
DATABASES = ("db", "json")
OPENERS: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

OF_DPDATA = {"vasp-out": "vasp/outcar", "vasp-xml": "vasp/xml"}
"""Other readers of formats of ASE."""
UNSAFE_FORMATS = {
    "bundletrajectory": "is unpickled by ASE, which can run any code",
    "py": "is run by ASE as a program",
    "mysql": "is a database on another machine",
    "postgresql": "is a database on another machine",
}
LEAST_PERIOD = 0.1
"""Å; no structure has a shorter period."""
BEGINNING = 1 << 24
"""Bytes from which the kind of a file is recognized."""
OWN_FORMATS = {".res": "airss-res", ".xsf": "acnn-xsf"}
"""By suffix: formats that acnn reads itself."""


class Frame(NamedTuple):
    """One structure as it was read.

    Attributes:
        place: its 0-based index in the file.
        flaw: why it is no data, as the end of a sentence: a step that did not converge; "" if it is.
    """

    place: int
    atoms: Atoms
    flaw: str = ""


def read_frames(
    path: Path, index: str | int | slice = ":", *, format: str | None = None, trust_pickle: bool = False
) -> list[Frame]:
    """Read the structures of ``path`` selected by ``index`` (``":"``, ``"0::5"``, ``-1`` …), in file order.

    Extended XYZ is split here and each structure handed to ASE, .res and .xsf with energies are read by acnn, and any
    other format by ASE as a whole. Formats that ASE reads by unpickling or running them are refused.

    Args:
        format: ASE's name of the format, or dpdata's ("deepmd/npy"), instead of what the file seems to be.
        trust_pickle: whether pickled tables of pacemaker may be unpickled, which can run any code.
    """
    is_trusted = trust_pickle and path.name.endswith(PICKLES)
    _require_readable(path, is_trusted)
    selection = _selection(index)
    if is_trusted:
        frames = _selected(read_pickled_table(path), selection)
    elif format is None and is_deepmd_folder(path):
        frames = _selected(read_with_dpdata(path, DEEPMD), selection)
    elif format is not None and "/" in format:
        frames = _selected(read_with_dpdata(path, format), selection)
    else:
        frames = _read_format(path, format, selection)
    if not frames:
        raise DatasetError(f"the selection {index!r} of {path.name} contains no structures")
    return frames


def _read_format(path: Path, format: str | None, selection: slice) -> list[Frame]:
    frames = _read_own(path, format, selection)
    if frames is not None:
        return frames
    is_xyz = _is_xyz(path) if format is None else format in XYZ_FORMATS
    return _read_xyz(path, selection) if is_xyz else _read_with_ase(path, format or _ase_format(path), selection)


def _selected(images: Sequence[Atoms], selection: slice) -> list[Frame]:
    return [Frame(i, images[i]) for i in range(len(images))[selection]]


def _require_readable(path: Path, is_trusted: bool) -> None:
    if path.name.endswith((*PICKLES, ".bundle")) and not is_trusted:
        how = "" if path.suffix == ".bundle" else "; --trust-pickle reads pacemaker's tables from people you trust"
        raise DatasetError(f"{path} is refused: reading it unpickles, which can run any code{how}")
    if not path.exists():
        raise DatasetError(f"there is no file {path}")
    if path.is_dir():
        if not is_deepmd_folder(path):
            raise DatasetError(f"{path} is a folder: give a file of structures")
    elif not path.is_file():
        raise DatasetError(f"{path} is not a file")
    elif path.stat().st_size == 0:
        raise DatasetError(f"the file {path} is empty")


def _selection(index: str | int | slice) -> slice:
    if isinstance(index, slice):
        return index
    try:
        parts = [int(part) if part.strip() else None for part in str(index).split(":")]
    except ValueError as error:
        raise DatasetError(f"an index is written like '3', ':100' or '0::5', not {index!r}") from error
    if len(parts) > 3 or parts == [None] or parts[2:] == [0]:
        raise DatasetError(f"an index is written like '3', ':100' or '0::5', not {index!r}")
    if len(parts) > 1:
        return slice(*parts)
    start = parts[0]
    assert start is not None
    return slice(start, start + 1 or None)


def _suffix(path: Path) -> str:
    return (path.with_suffix("") if path.suffix in OPENERS else path).suffix.lower()


def _is_xyz(path: Path) -> bool:
    return _suffix(path) in XYZ_SUFFIXES or _ase_format(path) in XYZ_FORMATS


def _read_own(path: Path, format: str | None, selection: slice) -> list[Frame] | None:
    """Read .res of AIRSS and .xsf of aenet, which ASE reads without what makes them data; None for other files."""
    name = OWN_FORMATS.get(_suffix(path)) if format is None else format
    if name not in OWN_FORMATS.values():
        return None
    with _opened(path) as file:
        text = file.read()
    if format is None and name == "acnn-xsf" and not has_total_energy(text):
        return None
    try:
        images = read_airss_res(text) if name == "airss-res" else read_acnn_xsf(text)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error
    return _selected(images, selection)


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    """Open a text, perhaps a compressed one."""
    try:
        with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8-sig") as file:
            yield file
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as text ({error_sentence(error)})") from error


def _ase_format(path: Path) -> str:
    try:
        return filetype(str(path))
    except Exception as error:
        raise DatasetError(f"ASE does not recognize the format of {path} ({error_sentence(error)})") from error


def _read_with_ase(path: Path, name: str, selection: slice) -> list[Frame]:
    if name not in ioformats:
        raise DatasetError(f"{path} is {_recognized(path)}, not structures in a format that ASE knows by this name")
    if name in UNSAFE_FORMATS:
        raise DatasetError(f"{path} is refused: the format {name!r} {UNSAFE_FORMATS[name]}")
    try:
        images = _read_database(path, name) if name in DATABASES else _read_images(path, name)
    except Exception as error:
        raise DatasetError(f"ASE cannot read {path} as {name!r} ({error_sentence(error)}){_hint(name)}") from error
    if not images:
        raise DatasetError(f"ASE finds no structures in {path}, read as {name!r}")
    return [Frame(i, images[i], flaw) for i, flaw in list(enumerate(_flaws(path, name, images)))[selection]]


def _hint(name: str) -> str:
    return f"; perhaps dpdata can: --format {OF_DPDATA[name]}" if name in OF_DPDATA else ""


def _flaws(path: Path, name: str, images: Sequence[Atoms]) -> list[str]:
    if name not in PROGRAMS:
        return [""] * len(images)
    with _opened(path) as file:
        lines = list(file)
    add_free_energies(name, lines, images)
    return flaws(name, lines, images)


def _recognized(path: Path) -> str:
    with path.open("rb") as file:
        return recognized(file.read(BEGINNING)) or "a file of another kind"


def _read_images(path: Path, name: str) -> list[Atoms]:
    images = ase.io.read(path, index=":", format=name, do_not_split_by_at_sign=True)
    return images if isinstance(images, list) else [images]


def _read_database(path: Path, name: str) -> list[Atoms]:
    """Read all rows of an ASE database; key-value pairs and data become ``info``, unlike in ``ase.io.read``."""
    images = []
    for row in ase.db.connect(path, type=name, serial=True).select():
        atoms = row.toatoms()
        atoms.info = {**row.data, **row.key_value_pairs}
        images.append(atoms)
    return images


def _read_xyz(path: Path, selection: slice) -> list[Frame]:
    with _opened(path) as file:
        texts = list(split_xyz(file, path.name))
    if not texts:
        raise DatasetError(f"the file {path} contains no structures")
    return [Frame(i, parse_xyz(texts[i], f"{path.name} #{i}")) for i in range(len(texts))[selection]]


def require_sound_geometry(atoms: Atoms, name: str) -> None:
    """Require atoms of elements at finite positions, and cell vectors wherever the structure is periodic."""
    if len(atoms) == 0:
        raise DatasetError(f"{name} has no atoms: delete this structure")
    if not (atoms.numbers > 0).all():
        raise DatasetError(f"{name} has the species 'X', which is not an element: delete these atoms")
    if not np.all(np.isfinite(atoms.positions)):
        bad = int(np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))[0])
        raise DatasetError(f"{name} has a NaN or infinity in the position of atom {bad}")
    if not np.all(np.isfinite(atoms.cell.array)):
        raise DatasetError(f"{name} has a NaN or infinity in its cell")
    if len(far := np.flatnonzero(np.abs(atoms.positions).max(axis=1) > FARTHEST)):
        where = ", ".join(f"{x:.6g}" for x in atoms.positions[far[0]])
        raise DatasetError(f"{name} has atom {far[0]} at ({where}) Å, farther out than {FARTHEST:.0e} Å")
    periodic = atoms.cell.array[atoms.pbc]
    for axis in np.flatnonzero(atoms.pbc):
        if not atoms.cell.array[axis].any():
            raise DatasetError(
                f"{name} is periodic along cell vector {axis + 1} of 3, which is zero: give the cell or set pbc to F"
            )
    if len(periodic) and np.linalg.matrix_rank(periodic) < len(periodic):
        raise DatasetError(f"{name} has linearly dependent cell vectors {periodic.tolist()}")
    _require_room(atoms, name)


def _require_room(atoms: Atoms, name: str) -> None:
    """Require that no atom nearly coincides with its own images."""
    periodic = atoms.cell.array[atoms.pbc]
    if not len(periodic) or np.linalg.svd(periodic, compute_uv=False)[-1] >= LEAST_PERIOD:
        return
    shortest = shortest_period(atoms)
    if shortest < LEAST_PERIOD:
        raise DatasetError(f"{name} repeats every {shortest:.3g} Å, which no crystal does: check that its cell is in Å")


def shortest_period(atoms: Atoms) -> float:
    """Return the distance in Å from an atom to its nearest periodic image, infinite without periodicity."""
    if not atoms.pbc.any():
        return np.inf
    reduced, _ = minkowski_reduce(atoms.cell.array, atoms.pbc)
    return float(np.linalg.norm(reduced[atoms.pbc], axis=1).min())


def require_xyz(path: Path) -> None:
    """Require a name by which the file is recognized as extended XYZ when it is read."""
    if path.suffix not in XYZ_SUFFIXES and not is_stream(destination(path)):
        raise DatasetError(f"{path} would be extended XYZ: name it {path.with_suffix('.xyz')}")


def extended_xyz(frames: Atoms | Sequence[Atoms]) -> bytes:
    """Return the content of an extended XYZ file of these structures."""
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    return text.getvalue().encode()
