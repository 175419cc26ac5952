"""Structures written under names that tell their format."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from acnn.data.frames import read_frames
from acnn.data.structure_files import require_structure_format, write_structures


@pytest.mark.parametrize("name", ["a.res", "a.xyz", "a.extxyz", "a.traj", "a.cif"])
def test_they_are_read_as_they_were_written(name: str, tmp_path: Path) -> None:
    structures = [bulk("Cu", cubic=True), bulk("NaCl", "rocksalt", a=5.6)]
    require_structure_format(tmp_path / name)
    write_structures(tmp_path / name, structures)
    found = (
        [frame.atoms for frame in read_frames(tmp_path / name)]
        if "cif" not in name
        else ase.io.read(tmp_path / name, ":")
    )
    for one, other in zip(found, structures, strict=True):
        assert str(one.symbols) == str(other.symbols)
        np.testing.assert_allclose(one.get_scaled_positions(), other.get_scaled_positions(), atol=1e-8)
        np.testing.assert_allclose(one.cell.cellpar(), other.cell.cellpar(), atol=1e-6)


def test_formats_of_one_structure_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"would be 'vasp', which does not take several structures: name it .*a\.res"):
        require_structure_format(tmp_path / "a.poscar")
    with pytest.raises(ValueError, match="has a format that ASE does not know"):
        require_structure_format(tmp_path / "a.something")
    with pytest.raises(ValueError, match="not periodic in three directions"):
        write_structures(tmp_path / "a.res", [Atoms("H")])
    assert not list(tmp_path.iterdir())
