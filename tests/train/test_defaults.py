"""Settings from the data: what is chosen, and that it never replaces what is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import molecule

from acnn.data.dataset import Dataset, read_dataset
from acnn.io.model_file import read_header
from acnn.settings.base import SettingsError
from acnn.settings.train import train_settings
from acnn.train.defaults import MOLECULES_R0, is_molecular, with_defaults
from acnn.train.job import run_training
from acnn.train.linear_part import large, linear_part

from .conftest import MakeSettings, crystals, labeled

LEAST = {"data": "train.xyz", "output": "m.acnn"}


@pytest.fixture(scope="module")
def water(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twenty molecules, and isolated atoms."""
    path = tmp_path_factory.mktemp("water") / "water.xyz"
    molecules = [molecule("H2O") for _ in range(20)]
    for seed, atoms in enumerate(molecules):
        atoms.rattle(0.05, seed=seed)
    ase.io.write(path, [labeled(ase.Atoms("H")), labeled(ase.Atoms("O")), *map(labeled, molecules)])
    return read_dataset(path)


def test_molecules_have_another_model_and_rate(water: Dataset, copper: Path) -> None:
    assert is_molecular(water)
    assert not is_molecular(read_dataset(copper))
    settings, (note,) = with_defaults(train_settings(LEAST), water)
    model, training = settings.model, settings.training
    assert (model.cutoff, model.layers, model.heads, model.channels) == (7.0, 2, 32, 24)
    assert model.bond_lengths == {"H": MOLECULES_R0, "O": MOLECULES_R0}
    assert training.learning_rate == 0.002
    assert training.element_correlation == 0
    assert "20 molecules of 3 atoms" in note
    assert "model.layers 2" in note
    network, _ = with_defaults(train_settings({**LEAST, "model": {"type": "network"}}), water)
    assert network.model.specification(("H", "O")).layers == 0


def test_molecules_have_a_stiff_linear_part_with_their_r0(water: Dataset) -> None:
    settings, _ = with_defaults(train_settings(LEAST), water)
    part = linear_part(settings, water, ("H", "O"))
    basis = part.model.basis.specification
    assert basis.bond_lengths == {"H": MOLECULES_R0, "O": MOLECULES_R0}
    assert (basis.order, basis.cutoff) == (3, 7.0)
    assert part.notes[0].endswith("; stiff")


def test_epochs_and_batches_follow_the_number_of_atoms(copper: Path) -> None:
    crystal = read_dataset(copper)
    few, _ = with_defaults(train_settings(LEAST), crystal)  # 12 structures of four atoms
    assert (few.training.batch_atoms, few.training.epochs) == (256, 200)
    many = replace(crystal, structures=crystal.structures * 400)
    more, _ = with_defaults(train_settings(LEAST), many)
    assert (more.training.batch_atoms, more.training.epochs) == (256, 67)  # of 75 steps
    small, _ = with_defaults(train_settings({**LEAST, "training": {"batch_atoms": 12}}), many)
    assert small.training.epochs == 40


@pytest.mark.parametrize(("mixed", "rho"), [(False, 0.9), (True, 0.0)])
def test_elements_are_alike_where_combinations_are_missing(mixed: bool, rho: float, tmp_path: Path) -> None:
    elements = ("Cu", "Ag", "Au")
    pairs = [(a, b) for a in elements for b in elements]
    structures = [crystals(1, seed=seed, elements=pair)[0] for seed, pair in enumerate(pairs)]
    for center in elements if mixed else ():
        atoms = crystals(1, seed=5)[0]
        atoms.symbols = [center, *elements]
        structures.append(labeled(atoms))
    ase.io.write(tmp_path / "train.xyz", structures)
    data = read_dataset(tmp_path / "train.xyz")
    settings, _ = with_defaults(train_settings(LEAST), data)
    assert settings.training.element_correlation == rho
    given, _ = with_defaults(train_settings({**LEAST, "training": {"element_correlation": 0.5}}), data)
    assert given.training.element_correlation == 0.5


def test_what_is_given_stays(water: Dataset) -> None:
    given = {
        "model": {"cutoff": 4.0, "layers": 1, "heads": 2, "channels": 3, "hidden": [8], "bond_lengths": {"H": 1.0}},
        "training": {"epochs": 7, "batch_atoms": 9, "learning_rate": 0.01},
    }
    settings = train_settings({**LEAST, **given})
    same, notes = with_defaults(settings, water)
    assert same == settings
    assert notes == []


def test_a_model_that_is_trained_further_keeps_its_shape(water: Dataset) -> None:
    settings, _ = with_defaults(train_settings({**LEAST, "from": "old.acnn"}), water)
    assert "model" not in settings.model_fields_set
    assert settings.training.rates(fine_tuning=True)[0] == 0.001


def test_what_was_chosen_must_agree_with_what_was_given(water: Dataset) -> None:
    settings = train_settings({**LEAST, "training": {"final_learning_rate": 0.004}})
    with pytest.raises(SettingsError, match=r"final_learning_rate = 0.004 is above training.learning_rate = 0.002"):
        with_defaults(settings, water)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_linear_part_is_accurate_where_it_leaves_little(noise: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    structures = crystals(60, seed=3)
    for atoms in structures:
        atoms.arrays["REF_forces"] += noise * rng.normal(size=(4, 3)) * atoms.arrays["REF_forces"].std()
    ase.io.write(tmp_path / "train.xyz", structures)
    settings = train_settings({**LEAST, "model": {"cutoff": 4.0}})
    part = linear_part(settings, read_dataset(tmp_path / "train.xyz"), ("Cu",))
    assert ("; accurate, since" if noise == 0 else "; stiff, since") in part.notes[0]
    assert part.model.basis.specification.order == (4 if noise == 0 else 2)


def test_the_file_says_what_was_chosen(make_settings: MakeSettings) -> None:
    settings = make_settings(training={"epochs": 1})
    values = settings.model_dump(exclude_unset=True, by_alias=True)
    del values["training"]["batch_atoms"]
    report = run_training(values)
    provenance = read_header(report.settings.output.model)["provenance"]
    assert any("training.batch_atoms 256" in note for note in provenance["notes"])
    assert provenance["settings"]["training"]["batch_atoms"] == 256


@pytest.mark.parametrize(("n", "order"), [(1, 4), (2, 4), (3, 3), (4, 2), (5, 2), (6, 2), (7, 2)])
def test_an_accurate_linear_part_has_a_size_for_alloys_of_up_to_seven_elements(n: int, order: int) -> None:
    elements = ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")[:n]
    fit = train_settings(LEAST).linear_part
    found = large(fit, elements, equations=100_000)
    assert found is not None
    assert found.order == order
    n_functions = found.specification(elements).n_functions
    assert 500 < n_functions <= 2500
    fewer = large(fit, elements, equations=4 * n_functions)
    assert fewer is None or fewer.specification(elements).n_functions < n_functions
