"""What a user's script does with `import acnn` alone: fit, train, check, label and predict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ase
import ase.build
import ase.io
import numpy as np
import pytest

import acnn
from acnn.settings import SettingsError

TINY = {"cutoff": 4.0, "channels": 2, "l_max": 1, "radial_functions": 3, "heads": 2, "hidden": [4]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With structures that a model of known coefficients labels."""
    folder = tmp_path_factory.mktemp("script")
    specification = acnn.BasisSpecification(elements=("Si",), order=1, degree=4, cutoff=4.0)
    truth = acnn.LinearACE(specification, {"Si": -1.0})
    truth.coefficients.detach().copy_(truth.coefficients.new_tensor(np.linspace(1.0, 0.1, len(truth.coefficients))))
    frames = [ase.Atoms("Si")]
    for seed in range(6):
        frames.append(ase.build.bulk("Si", cubic=True))
        frames[-1].rattle(0.1, seed=seed)
    for atoms in frames:
        found = truth.pair_gradients(acnn.atomic_graph(atoms, truth.cutoff))
        atoms.info["REF_energy"], atoms.arrays["REF_forces"] = float(found.energies[0]), found.forces.numpy()
    ase.io.write(folder / "train.xyz", frames)
    return folder


@pytest.fixture(scope="module")
def fitted(folder: Path) -> acnn.LinearACE:
    """With the settings of the model that made the labels."""
    settings = {"train": folder / "train.xyz", "output": folder / "si.acnn", "order": 1, "degree": 4, "cutoff": 4.0}
    report = acnn.run_fit({**settings, "repulsion": 0})
    assert report.errors["train"].as_dict()["total"]["forces_rmse"] < 1e-2
    assert report.settings.output == folder / "si.acnn"
    return report.fit.model


def test_a_fit_is_in_its_file(folder: Path, fitted: acnn.LinearACE) -> None:
    again = acnn.load_model(folder / "si.acnn")
    assert isinstance(again, acnn.LinearACE)
    np.testing.assert_array_equal(again.coefficients, fitted.coefficients)


def test_training(folder: Path) -> None:
    settings = {
        "data": {"train": folder / "train.xyz", "validation": None},
        "model": TINY,
        "linear": {"order": 1, "degree": 2, "cutoff": 4.0, "repulsion": 0},
        "training": {"epochs": 2},
        "output": folder / "network.acnn",
    }
    report = acnn.run_training(settings)
    assert report.metrics()["epochs"] == 2
    again = acnn.load_model(folder / "network.acnn")
    assert isinstance(again, acnn.NetworkACE)
    assert sorted(again.weights()) == sorted(report.model.weights())
    acnn.save_model(report.model.linear, folder / "linear.acnn")
    with pytest.raises(FileExistsError, match="overwrite"):
        acnn.run_training({**settings, "output": folder / "linear.acnn"})


@pytest.mark.parametrize("run", [acnn.run_fit, acnn.run_training])
def test_settings_that_are_none_are_told(folder: Path, run: Callable[..., object]) -> None:
    with pytest.raises(SettingsError, match="cutof"):
        run({"train": folder / "train.xyz", "output": folder / "x.acnn", "cutof": 4.0})
    assert not (folder / "x.acnn").exists()


def test_checking(fitted: acnn.LinearACE) -> None:
    results = acnn.check_model(fitted, [ase.build.bulk("Si", cubic=True)])
    assert {result.name for result in results if not result.passed} <= {"dimer Si-Si repulsive"}
    assert {"forces = -dE/dx", "isolated atom = E0"} <= {result.name for result in results}


def test_predictions(folder: Path, fitted: acnn.LinearACE) -> None:
    data = acnn.read_dataset(folder / "train.xyz")
    frames = acnn.predicted_structures(fitted, data, ["energy", "forces"])
    errors = acnn.evaluate(fitted, data).as_dict()["total"]
    deviations = np.concatenate([(of.arrays["acnn_forces"] - of.arrays["REF_forces"]).ravel() for of in frames])
    assert np.sqrt(np.mean(deviations**2)) == pytest.approx(errors["forces_rmse"], rel=1e-6)


def test_predictions_keep_the_weights_of_their_structures(folder: Path, fitted: acnn.LinearACE) -> None:
    atoms = ase.io.read(folder / "train.xyz", 0)
    atoms.info |= {"energy_weight": 3.0, "config_weight": 0.5}
    ase.io.write(folder / "weighted.xyz", atoms)
    before = acnn.read_dataset(folder / "weighted.xyz")
    ase.io.write(folder / "predicted.xyz", acnn.predicted_structures(fitted, before))
    assert acnn.read_dataset(folder / "predicted.xyz")[0].weights == before[0].weights != acnn.Weights()
