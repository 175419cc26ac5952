"""Writing of structures under names that tell their format: .res of AIRSS, extended XYZ, or others that ASE writes."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.formats import filetype, ioformats

from acnn.data.airss_res import write_airss_res
from acnn.data.errors import DatasetError
from acnn.data.frames import XYZ_SUFFIXES, error_sentence, extended_xyz
from acnn.files import write_atomically


def require_structure_format(path: Path) -> None:
    """Require a name whose format takes many structures.

    Raises:
        DatasetError: it has none.
    """
    if path.suffix.lower() in (".res", *XYZ_SUFFIXES):
        return
    name = filetype(str(path), read=False, guess=False)
    if name not in ioformats:
        raise DatasetError(f"{path} has a format that ASE does not know: name it {path.with_suffix('.res')}")
    if not ioformats[name].can_write or ioformats[name].single:
        raise DatasetError(
            f"{path} would be {name!r}, which does not take several structures: name it {path.with_suffix('.res')} or "
            f"{path.with_suffix('.xyz')}"
        )


def write_structures(path: Path, structures: Sequence[Atoms]) -> None:
    """Write structures, completely or not at all."""
    write_atomically(path, structures_content(path, structures))


def structures_content(path: Path, structures: Sequence[Atoms]) -> bytes:
    """Return the content of a file of this name."""
    if path.suffix.lower() == ".res":
        text = io.StringIO()
        write_airss_res(text, structures)
        return text.getvalue().encode()
    if path.suffix.lower() in XYZ_SUFFIXES:
        return extended_xyz(structures)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path.name
        try:
            ase.io.write(file, list(structures))
        except Exception as error:
            raise DatasetError(f"ASE cannot write {path} ({error_sentence(error)})") from error
        return file.read_bytes()
