"""What ASE finds of acnn: formats by their names, and the calculator as a plugin."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io.formats import define_external_io_format, filetype, ioformats

from ase_calculator import ACNNCalculator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
FORMATS = PROJECT["project"]["entry-points"]["ase.ioformats"]


@pytest.fixture(scope="module")
def formats():
    """The formats, registered as ASE does where the installation has not."""
    for name, value in FORMATS.items():
        if name not in ioformats:
            define_external_io_format(EntryPoint(name, value, "ase.ioformats"))
    return list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_ase_reads_and_writes_many_structures(formats, name, tmp_path):
    images = [bulk("Cu", a=a) for a in (3.5, 3.6, 3.7)]
    for atoms in images:
        atoms.calc = EMT()
        atoms.get_stress()
    path = tmp_path / "images.dat"
    ase.io.write(path, images, format=name)
    again = ase.io.read(path, index="1:", format=name)
    assert [atoms.get_potential_energy() for atoms in again] == pytest.approx(
        [atoms.get_potential_energy() for atoms in images[1:]], abs=1e-9
    )
    assert ase.io.read(path, format=name).get_volume() == pytest.approx(images[2].get_volume())
    if name == "acnn-xsf":
        np.testing.assert_allclose(again[1].get_stress(), images[2].get_stress(), atol=1e-9)


def test_files_of_ase_keep_their_meaning(formats, tmp_path):
    atoms = bulk("Cu")
    ase.io.write(tmp_path / "cu.res", atoms, format="res")
    ase.io.write(tmp_path / "cu.xsf", atoms)
    assert filetype(str(tmp_path / "cu.res")) == "res"
    assert filetype(str(tmp_path / "cu.xsf")) == "xsf"
    assert filetype("all.packed.res", read=False) == "airss-res"


def test_the_calculator_is_a_plugin():
    pytest.importorskip("ase._4.plugins", reason="plugins came with ASE 3.29")
    from ase_calculator import ase_plugins

    (plugin,) = ase_plugins.__ase_plugins__
    assert plugin.name == "acnn"
    assert plugin() is ACNNCalculator
    assert PROJECT["project"]["entry-points"]["ase.plugins"] == {"acnn": "ase_calculator.ase_plugins"}
