"""Fine-tuning, and further elements for a trained model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import pytest
import torch
from ase.neighborlist import neighbor_list

from acnn.basis.radial import bond_length
from acnn.data.dataset import read_dataset
from acnn.evaluation.metrics import evaluate
from acnn.io.model_file import load_model, save_model
from acnn.models.ensemble import Ensemble
from acnn.models.network import NetworkACE, NetworkPart
from acnn.models.network_specification import NetworkSpecification
from acnn.models.readout import unbounded
from acnn.neighbors import atomic_graph
from acnn.settings.base import SettingsError
from acnn.settings.train import TrainSettings
from acnn.testing import evaluate as predict
from acnn.testing import random_crystal, random_model, random_network
from acnn.train.doubts import doubts_of
from acnn.train.initialization import inner_cutoffs
from acnn.train.job import run_training
from acnn.train.transfer import (
    continued_model,
    extended_linear,
    extended_model,
    nearest_element,
    periodic_place,
)

MakeSettings = Callable[..., TrainSettings]


def further(make_settings: MakeSettings, start: Path, **changes: object) -> TrainSettings:
    return make_settings(**{"from": start, "linear": None, "model": None, **changes})


def test_fine_tuning_starts_where_training_ended(make_settings: MakeSettings, trained: Path) -> None:
    first = load_model(trained)
    report = run_training(further(make_settings, trained, training={"learning_rate": 1e-30, "epochs": 1}))
    assert isinstance(first, NetworkACE)
    for name, value in first.weights().items():
        assert report.model.weights()[name].numpy() == pytest.approx(value.numpy(), rel=1e-6)
    assert torch.equal(report.model.linear.coefficients, first.linear.coefficients)
    assert "continues from" in report.notes[0]


def test_fine_tuning_learns(make_settings: MakeSettings, trained: Path, copper: Path) -> None:
    structures = read_dataset(copper).structures
    before = evaluate(load_model(trained), structures).as_dict()["total"]["forces_rmse"]
    report = run_training(further(make_settings, trained, training={"epochs": 10}, data={"validation": None}))
    after = report.errors["train"].as_dict()["total"]["forces_rmse"]
    assert after < before  # type: ignore[operator]


def test_another_shape_than_the_trained_one_is_refused(make_settings: MakeSettings, trained: Path) -> None:
    with pytest.raises(SettingsError, match="was made with another channels: leave it out"):
        run_training(make_settings(**{"from": trained, "linear": None, "model": {"channels": 4}}))
    with pytest.raises(SettingsError, match=r"leave out data\.e0"):
        run_training(further(make_settings, trained, data={"e0": "Cu=1.0"}))


def test_other_kinds_are_not_trained_further(make_settings: MakeSettings, tmp_path: Path) -> None:
    save_model(random_model(("Cu",)), tmp_path / "linear.acnn")
    with pytest.raises(ValueError, match=r"is a model of type linear, .*: give a linear model as 'linear'"):
        run_training(further(make_settings, tmp_path / "linear.acnn"))
    for make in (random_model, random_network):
        save_model(Ensemble([make(("Cu",), seed) for seed in range(2)]), tmp_path / "ensemble.acnn")
        with pytest.raises(ValueError, match=r"is a model of type ensemble, .*of an ensemble, give one member"):
            run_training(further(make_settings, tmp_path / "ensemble.acnn"))


@pytest.mark.parametrize("formulation", ["pure2b", "canonical", "self_interacting"])
def test_known_functions_are_found_again(formulation: str) -> None:
    """The extended linear part gives structures of known elements the same energies, forces and virials."""
    linear = random_model(("Si", "Cu"), order=3, degree=5.0, formulation=formulation)
    extended = extended_linear(linear, ("Al", "Si", "Cu"), {"Al": -1.0})
    known, more = linear.basis.specification.functions(), extended.basis.specification.functions()
    assert len(set(more)) == len(more) == extended.basis.n_functions
    assert set(known) < set(more)
    crystal = random_crystal(("Si", "Cu"))
    before, after = predict(linear, [crystal]), predict(extended, [crystal])
    assert after.site_energies.numpy() == pytest.approx(before.site_energies.numpy(), abs=1e-10)
    assert after.forces.numpy() == pytest.approx(before.forces.numpy(), abs=1e-10)


@pytest.mark.parametrize("element_channels", [None, 2])
@pytest.mark.parametrize("twins", [{"Al": "Cu"}, {"Al": "Cu", "Ni": "Cu", "Ge": "Si"}], ids=["three", "five elements"])
def test_a_new_element_starts_as_its_twin(
    make_settings: MakeSettings, element_channels: int | None, twins: dict[str, str]
) -> None:
    """Structures of known elements keep their energies, and a twin has those of its source, but for the linear part."""
    model = make_settings(model={"element_channels": element_channels}).model
    old = NetworkACE(model.specification(("Si", "Cu")), random_model(("Si", "Cu"), order=2), seed=4)
    torch.manual_seed(0)
    old.readout.skip.detach().normal_()
    new = extended_model(old, twins, dict.fromkeys(twins, -1.0))
    crystal = random_crystal(("Si", "Cu"))
    before, after = predict(old, [crystal]), predict(new, [crystal])
    assert after.site_energies.numpy() == pytest.approx(before.site_energies.numpy(), abs=1e-9)
    assert after.forces.numpy() == pytest.approx(before.forces.numpy(), abs=1e-9)
    exchanged = crystal.copy()
    for twin, source in twins.items():
        exchanged.symbols[crystal.symbols == source] = twin
    lengths = {twin: bond_length(source) for twin, source in twins.items()}
    alike = NetworkACE(new.specification.model_copy(update={"bond_lengths": lengths}), new.linear)
    alike.set_weights(new.weights())
    found, expected = (predict(NetworkPart(m), [a]).site_energies for m, a in ((alike, exchanged), (old, crystal)))
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-9)


def test_from_two_elements_to_five(
    make_settings: MakeSettings, alloys: Path, five_elements: Path, tmp_path: Path
) -> None:
    """From files to a file; before the first step old structures are as they were."""
    first = make_settings(data={"train": alloys}, training={"epochs": 1}, output={"model": tmp_path / "first.acnn"})
    run_training(first)
    old, data = load_model(first.output.model), read_dataset(five_elements)
    changes = {"data": {"train": five_elements, "validation": None}, "training": {"epochs": 1}}
    settings = further(make_settings, first.output.model, **changes)
    start = continued_model(settings, data, data.elements)
    crystal = read_dataset(alloys)[2].atoms
    before, after = predict(old, [crystal]), predict(start.model, [crystal])
    assert after.forces.numpy() == pytest.approx(before.forces.numpy(), abs=1e-6)
    run_training(settings)
    again = load_model(settings.output.model)
    assert isinstance(again, NetworkACE)
    assert again.elements == ("Ni", "Cu", "Pd", "Ag", "Au")
    assert again.specification.mixed_elements is None


@pytest.mark.parametrize(
    ("element", "place"),
    [("H", (1, 1)), ("He", (1, 18)), ("C", (2, 14)), ("Ti", (4, 4)), ("Nd", (6, 3)), ("Au", (6, 11)), ("I", (5, 17))],
)
def test_periodic_places(element: str, place: tuple[int, int]) -> None:
    assert periodic_place(element) == place


def test_nearest_elements() -> None:
    assert nearest_element("N", ("H", "C", "Cu")) == "C"
    assert nearest_element("Ge", ("Si", "Ti", "O")) == "Si"
    assert nearest_element("Au", ("Cu", "Al")) == "Cu"


def test_transfer_to_a_new_element(make_settings: MakeSettings, trained: Path, alloys: Path) -> None:
    settings = further(make_settings, trained, data={"train": alloys, "validation": None}, training={"epochs": 3})
    report = run_training(settings)
    assert report.model.elements == ("Cu", "Au")
    assert "Au starts as Cu" in report.notes[0]
    first, energies = load_model(trained), report.model.e0.energies
    assert energies["Cu"] == pytest.approx(first.e0.energies["Cu"])
    isolated = read_dataset(alloys).structures[1]
    assert energies["Au"] == pytest.approx(isolated.energy)
    keys = report.model.linear.basis.specification.functions()
    values = dict(zip(keys, report.model.linear.coefficients.tolist(), strict=True))
    old = dict(zip(first.linear.basis.specification.functions(), first.linear.coefficients.tolist(), strict=True))  # type: ignore[union-attr]
    assert {key: values[key] for key in old} == old
    assert any(values[key] for key in keys if key not in old)


def test_the_fit_of_new_functions_helps(make_settings: MakeSettings, trained: Path, alloys: Path) -> None:
    """Against the twin without it, before any training."""
    from acnn.train.transfer import fit_new_functions

    data = read_dataset(alloys)
    settings = further(make_settings, trained, data={"train": alloys})
    first = load_model(trained)
    assert isinstance(first, NetworkACE)
    model = extended_model(first, {"Au": "Cu"}, {"Au": float(data[1].energy or 0)})
    before = evaluate(model, data).as_dict()["total"]["forces_rmse"]
    fit_new_functions(settings, model, ("Cu",), data)
    after = evaluate(model, data).as_dict()["total"]["forces_rmse"]
    assert after < 0.5 * before  # type: ignore[operator]


def test_energies_of_new_elements_by_least_squares_or_given(
    make_settings: MakeSettings, trained: Path, alloys: Path, tmp_path: Path
) -> None:
    ase.io.write(tmp_path / "bound.xyz", ase.io.read(alloys, index="2:"))
    data = {"train": tmp_path / "bound.xyz", "validation": None}
    one = {"epochs": 1}
    found = run_training(further(make_settings, trained, data=data, training=one)).model.e0.energies["Au"]
    assert abs(found) < 4.0  # eV; crystals of EMT are near 0
    more = further(make_settings, trained, data={**data, "e0": "Au=1.25"}, training=one)
    given = run_training(more, overwrite=True)
    assert given.model.e0.energies["Au"] == 1.25
    with pytest.raises(SettingsError, match="must give the new elements, Au"):
        run_training(further(make_settings, trained, data={**data, "e0": "Cu=1,Au=2"}, training=one), overwrite=True)


def shortest_distance(path: Path, elements: tuple[str, str] = ("Cu", "Cu")) -> float:
    found = []
    for atoms in ase.io.read(path, ":"):
        i, j, r = neighbor_list("ijd", atoms, 6.0)
        pairs = zip(atoms.symbols[i], atoms.symbols[j], r, strict=True)
        found += [distance for a, b, distance in pairs if {a, b} == set(elements)]
    return float(min(found))


def test_a_network_sees_no_shorter_distance_than_its_data_hold(make_settings: MakeSettings, copper: Path) -> None:
    report = run_training(make_settings(data={"validation": None}))
    assert isinstance(report.model, NetworkACE)
    inner = report.model.specification.inner_cutoffs["Cu-Cu"]
    assert inner == pytest.approx(shortest_distance(copper))
    network = NetworkPart(report.model)

    dimers = [
        float(predict(network, [ase.Atoms("Cu2", positions=[[0, 0, 0], [r, 0, 0]])]).energies[0])
        for r in (0.5, 0.85 * inner, inner, 1.02 * inner)
    ]
    assert dimers[0] == pytest.approx(dimers[1], abs=1e-9)
    assert abs(dimers[2] - dimers[3]) > 1e-6
    free = run_training(make_settings(data={"validation": None}, model={"inner_cutoffs": {}}), overwrite=True)
    assert isinstance(free.model, NetworkACE)
    assert free.model.specification.inner_cutoffs == {}


def test_closer_data_lower_the_inner_cutoffs(make_settings: MakeSettings, trained: Path, tmp_path: Path) -> None:
    first = load_model(trained)
    assert isinstance(first, NetworkACE)
    known = first.specification.inner_cutoffs["Cu-Cu"]
    for scale in (0.8, 1.2):
        atoms = random_crystal(("Cu",))
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        atoms.info["REF_energy"] = 1.0
        ase.io.write(tmp_path / "other.xyz", atoms)
        changes = {"data": {"train": tmp_path / "other.xyz", "validation": None}, "training": {"epochs": 1}}
        report = run_training(further(make_settings, trained, **changes), overwrite=True)
        assert isinstance(report.model, NetworkACE)
        expected = min(known, shortest_distance(tmp_path / "other.xyz"))
        assert report.model.specification.inner_cutoffs["Cu-Cu"] == pytest.approx(expected)


def energies_of(model: NetworkACE, path: Path) -> torch.Tensor:
    """What the network says of copper atoms, before it levels off; with its floor it says the same."""
    graphs = [atomic_graph(s.atoms, model.specification.cutoff) for s in read_dataset(path)]
    with torch.no_grad():
        free = torch.cat([model.network_energies(graph).double() for graph in graphs])
        torch.testing.assert_close(
            torch.cat([NetworkPart(model).site_energies(g) for g in graphs]), free, rtol=1e-6, atol=1e-9
        )
    return free


def test_what_a_network_says_of_its_training_data_is_its_floor(make_settings: MakeSettings, copper: Path) -> None:
    report = run_training(make_settings(data={"validation": None}))
    assert isinstance(report.model, NetworkACE)
    low, high = report.model.readout.bounds[0].tolist()
    found = energies_of(report.model, copper)
    assert [low, high] == pytest.approx([min(float(found.min()), 0.0), max(float(found.max()), 0.0)], rel=1e-5)

    crowds = [random_crystal(("Cu",), seed) for seed in range(20)]
    for k, atoms in enumerate(crowds):
        atoms.set_cell(atoms.cell * (0.4 + 0.02 * k), scale_atoms=True)
    report.model.readout.scale.mul_(-100)  # it would fall deep enough
    least = min(float(predict(NetworkPart(report.model), [a]).site_energies.min()) for a in crowds)
    assert low - (high - low) / 2 <= least < low - 0.4 * (high - low)


def test_the_floor_keeps_what_earlier_data_had(make_settings: MakeSettings, trained: Path, tmp_path: Path) -> None:
    first = load_model(trained)
    assert isinstance(first, NetworkACE)
    atoms = random_crystal(("Cu",))
    atoms.set_cell(0.8 * atoms.cell, scale_atoms=True)
    atoms.info["REF_energy"] = 1.0
    ase.io.write(tmp_path / "other.xyz", atoms)
    changes = {"data": {"train": tmp_path / "other.xyz", "validation": None}, "training": {"epochs": 3}}
    report = run_training(further(make_settings, trained, **changes))
    assert isinstance(report.model, NetworkACE)
    low, high = report.model.readout.bounds[0].tolist()
    found = energies_of(report.model, tmp_path / "other.xyz")
    known = first.readout.bounds[0].tolist()
    expected = [min(known[0], float(found.min())), max(known[1], float(found.max()))]
    assert [low, high] == pytest.approx(expected, rel=1e-5)
    assert expected != known


def test_where_nobody_knows_what_earlier_data_had_there_is_no_floor(
    make_settings: MakeSettings, trained: Path, copper: Path, tmp_path: Path
) -> None:
    older = load_model(trained)
    assert isinstance(older, NetworkACE)
    older.readout.bounds.copy_(unbounded(1))
    save_model(older, tmp_path / "older.acnn")
    report = run_training(further(make_settings, tmp_path / "older.acnn", training={"epochs": 1}))
    assert torch.equal(report.model.readout.bounds, unbounded(1))


def test_a_new_element_has_the_floor_of_its_own_data(make_settings: MakeSettings, trained: Path, alloys: Path) -> None:
    changes = {"data": {"train": alloys, "validation": None}, "training": {"epochs": 2}}
    report = run_training(further(make_settings, trained, **changes))
    assert isinstance(report.model, NetworkACE)
    assert report.model.elements == ("Cu", "Au")
    graphs = [atomic_graph(s.atoms, report.model.specification.cutoff) for s in read_dataset(alloys)]
    with torch.no_grad():
        energies = torch.cat(
            [report.model.network_energies(g).double()[g.species[: g.n_centers] == 79] for g in graphs]
        )
    expected = [min(float(energies.min()), 0.0), max(float(energies.max()), 0.0)]
    assert report.model.readout.bounds[1].tolist() == pytest.approx(expected, rel=1e-5)


def test_pairs_without_an_inner_cutoff_keep_none(alloys: Path) -> None:
    """Nobody knows what other data held; pairs with a new element get one."""
    specification = NetworkSpecification(elements=("Cu", "Au"), cutoff=4.0, inner_cutoffs={})
    train = read_dataset(alloys)
    assert inner_cutoffs(specification, train, ()) == {}
    found = inner_cutoffs(specification, train, ("Au",))
    assert set(found) == {"Cu-Au", "Au-Au"}
    assert found["Cu-Au"] == pytest.approx(shortest_distance(alloys, ("Cu", "Au")))


def test_new_elements_get_the_transform_of_a_new_model() -> None:
    """r0 of hydrogen is 0.35 of the cutoff, in the linear part as in the network; known elements keep theirs."""
    first = random_network(("Si",), bond_lengths={"Si": 2.2})
    extended = extended_model(first, {"H": "Si"}, {"H": 0.0})
    assert extended.specification.bond_lengths == pytest.approx({"H": 0.35 * first.specification.cutoff, "Si": 2.2})
    linear = first.linear.basis.specification
    lengths = extended.linear.basis.specification.bond_lengths
    assert lengths == pytest.approx({**linear.bond_lengths, "H": 0.35 * linear.cutoff})


def test_pairs_that_either_data_hold_are_known(
    make_settings: MakeSettings, trained: Path, tmp_path: Path, alloys: Path
) -> None:
    """The model of copper goes on with gold, which is first there as an atom alone, and then in crystals."""
    assert load_model(trained).combinations.unseen() == []
    alone = tmp_path / "alone.xyz"
    ase.io.write(alone, [frame for frame in ase.io.read(alloys, ":") if len(frame) == 1])
    settings = further(make_settings, trained, data={"train": alone, "validation": None})
    second = two_elements(make_settings, trained)
    told, second.combinations = doubts_of(settings, {"train": read_dataset(alone)}, second)
    unseen = [("Cu", ("Au", "Au")), ("Au", ("Au", "Au"))]
    assert second.combinations.unseen() == unseen
    assert "no atom of Au has a neighbor within" in told[-1]
    save_model(second, tmp_path / "second.acnn")
    settings = further(make_settings, tmp_path / "second.acnn", data={"train": alloys, "validation": None})
    told, combinations = doubts_of(settings, {"train": read_dataset(alloys)}, second)
    assert (told, combinations.unseen()) == ([], [])
    settings = further(make_settings, tmp_path / "second.acnn", data={"train": alone, "validation": None})
    assert doubts_of(settings, {"train": read_dataset(alone)}, second)[1].unseen() == unseen


def two_elements(make_settings: MakeSettings, trained: Path) -> NetworkACE:
    model = load_model(trained)
    assert isinstance(model, NetworkACE)
    return extended_model(model, {"Au": "Cu"}, {"Au": 3.8})
