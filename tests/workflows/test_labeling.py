"""Labeling from Python, as ``acnn label`` does it (tests/data/test_labeling.py has the cases of the command)."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.data.dataset import read_dataset
from acnn.progress import Stage
from acnn.workflows import Labeling, label_structures
from acnn.workflows.labeling import Watcher

EMT_NAME = "ase.calculators.emt:EMT"
OFFSET = 2.5
"""eV per atom, by which the reference energies lie above EMT's."""


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    """Three rattled cells of copper and an isolated atom, energies and forces of EMT under the keys E and F."""
    frames = []
    for seed in range(3):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.calc = EMT()
        copy = atoms.copy()
        copy.info["E"], copy.arrays["F"] = atoms.get_potential_energy() + OFFSET * len(atoms), atoms.get_forces()
        frames.append(copy)
    ase.io.write(tmp_path / "in.xyz", [*frames, Atoms("Cu")])
    return tmp_path / "in.xyz"


def test_copies_at_the_level_of_the_reference(crystals: Path, tmp_path: Path) -> None:
    labeling = Labeling(crystals, EMT_NAME, copies=2, reference=crystals, keys={"energy": "E"})
    done = label_structures(labeling, tmp_path / "out.xyz")
    assert (done.written, done.reasons) == (6, [])
    assert done.offsets is not None
    assert done.offsets.values == pytest.approx([OFFSET], abs=1e-9)
    for structure in read_dataset(tmp_path / "out.xyz"):
        atoms = structure.atoms.copy()
        atoms.calc = EMT()
        assert structure.energy == pytest.approx(atoms.get_potential_energy() + OFFSET * len(atoms), abs=1e-6)


def test_differences_of_own_labels(crystals: Path, tmp_path: Path) -> None:
    labeling = Labeling(crystals, EMT_NAME, difference=True, keys={"energy": "E", "forces": "F"})
    label_structures(labeling, tmp_path / "out.xyz")
    for structure in read_dataset(tmp_path / "out.xyz"):
        assert structure.energy == pytest.approx(OFFSET * len(structure), abs=1e-6)
        np.testing.assert_allclose(structure.forces, 0, atol=1e-6)


def test_arguments_are_those_of_the_calculator(crystals: Path, tmp_path: Path) -> None:
    label_structures(Labeling(crystals, EMT_NAME, {"asap_cutoff": True}), tmp_path / "out.xyz")
    first = read_dataset(tmp_path / "out.xyz")[0]
    atoms = first.atoms.copy()
    atoms.calc = EMT(asap_cutoff=True)
    assert first.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)


def test_whoever_watches_is_told_how_far_an_interrupted_run_had_come(crystals: Path, tmp_path: Path) -> None:
    stages: list[tuple[str, int]] = []
    resumed: list[int] = []

    def breaking(name: str, total: int):
        def advance() -> None:
            raise KeyboardInterrupt

        return advance

    def counting(name: str, total: int):
        stages.append((name, total))
        return lambda: None

    labeling = Labeling(crystals, EMT_NAME)
    for stage in (breaking, counting):
        watched(labeling, tmp_path / "out.xyz", stage, resumed)
    assert resumed == [1]
    assert stages == [("labels by EMT", 2)]
    assert len(read_dataset(tmp_path / "out.xyz")) == 3
    with pytest.raises(FileExistsError, match=r"out\.xyz"):
        label_structures(labeling, tmp_path / "out.xyz")
    assert label_structures(labeling, tmp_path / "out.xyz", overwrite=True).written == 3


def watched(labeling: Labeling, output: Path, stage: Stage, resumed: list[int]) -> None:
    try:
        label_structures(labeling, output, watcher=Watcher(stage, on_resume=resumed.append))
    except KeyboardInterrupt:
        assert not output.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"strain": 0.01}, "--strain applies only to displaced copies"),
        ({"difference": True, "copies": 1}, "--difference compares existing labels"),
        ({"keys": {"energy": "E"}}, "--energy-key applies only with --difference or --reference"),
        ({"keys": {"stress": "S"}}, "--stress-key applies only with --difference: give both"),
    ],
)
def test_what_does_nothing_is_an_error(crystals: Path, tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        label_structures(Labeling(crystals, EMT_NAME, **options), tmp_path / "out.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["in.xyz"]


def test_isolated_atoms_alone_are_not_labeled(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "in.xyz", Atoms("Cu"))
    with pytest.raises(ValueError, match="contains only isolated atoms"):
        label_structures(Labeling(tmp_path / "in.xyz", EMT_NAME), tmp_path / "out.xyz")


def test_several_processes_write_what_one_writes(crystals: Path, tmp_path: Path) -> None:
    for jobs in (1, 2):
        labeling = Labeling(crystals, EMT_NAME, copies=2, reference=crystals, keys={"energy": "E"}, jobs=jobs)
        label_structures(labeling, tmp_path / f"{jobs}.xyz")
    assert (tmp_path / "2.xyz").read_bytes() == (tmp_path / "1.xyz").read_bytes()


def test_failures_in_other_processes_are_those_of_the_calculator(crystals: Path, tmp_path: Path) -> None:
    foreign = ase.io.read(crystals, ":3")
    foreign[1].symbols[0] = "Sr"
    ase.io.write(tmp_path / "foreign.xyz", foreign)
    done = label_structures(Labeling(tmp_path / "foreign.xyz", EMT_NAME, jobs=2), tmp_path / "out.xyz")
    assert done.written == 2
    assert "Sr" in done.reasons[0]
