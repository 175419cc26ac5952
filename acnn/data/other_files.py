"""Structures that ASE does not read: what dpdata reads, and the pickled tables of pacemaker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.data.errors import DatasetError, error_sentence
from acnn.extras import optional

DEEPMD, DIGITS = "deepmd/npy", "0123456789_"
PICKLES = (".pckl", ".pickle", ".pkl", ".pckl.gzip", ".pkl.gz", ".pickle.gz")


def read_with_dpdata(path: Path, name: str) -> list[Atoms]:
    """Read a file or folder in one of dpdata's formats ("deepmd/npy", "cp2k/output").

    Raises:
        DatasetError: dpdata cannot read it.
        ImportError: dpdata is not installed.
    """
    dpdata = optional("dpdata", "formats such as deepmd/npy", "formats")
    try:
        system = dpdata.LabeledSystem(str(path), fmt=name)
        names = [kind.rstrip(DIGITS) for kind in system.data["atom_names"]]  # CP2K's Fe1 is Fe
        system.data.update(atom_names=names)
        images: list[Atoms] = system.to("ase/structure") if len(system) else []
    except Exception as error:
        raise DatasetError(f"dpdata cannot read {path} as {name!r} ({error_sentence(error)})") from error
    if not images:
        raise DatasetError(f"dpdata finds no finished step in {path}, read as {name!r}")
    return images


def read_pickled_table(path: Path) -> list[Atoms]:
    """Read a table of pacemaker: columns ase_atoms, energy or energy_corrected (eV per cell), forces (eV/Å).

    Unpickling runs whatever code the file has.

    Raises:
        DatasetError: it is no such table.
    """
    pandas = optional("pandas", "pickled tables", "formats")
    compression = "gzip" if path.read_bytes()[:2] == b"\x1f\x8b" else None
    try:
        table = pandas.read_pickle(path, compression=compression)
    except Exception as error:
        raise DatasetError(f"{path} cannot be unpickled ({error_sentence(error)})") from error
    columns = list(getattr(table, "columns", ()))
    if "ase_atoms" not in columns:
        raise DatasetError(f"{path} is no table of pacemaker: it lacks the column ase_atoms")
    return list(_structures(table.to_dict("records")))


def _structures(rows: list[dict[str, Any]]) -> Iterator[Atoms]:
    for row in rows:
        atoms = row["ase_atoms"].copy()
        energy = row.get("energy", row.get("energy_corrected"))
        labels = {"energy": energy, "forces": row.get("forces")}
        known = {name: np.asarray(value, dtype=float) for name, value in labels.items() if value is not None}
        atoms.calc = SinglePointCalculator(atoms, **known)
        if "energy" in row and "energy_corrected" in row:
            atoms.info["energy_corrected"] = row["energy_corrected"]
        yield atoms
