"""Every kind of model, for one, four, five and six elements, in both precisions: from data to ASE and LAMMPS.

Beyond four elements radial functions and the readout are shared (`acnn.models.network_specification`). A linear
model is fitted in float64 always: its precision is that of its evaluation.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.data.labeling import labeled
from acnn.fit import checkpoint
from acnn.fit.job import run_fit
from acnn.io.model_file import load_model
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients
from acnn.settings.fit import FitSettings
from acnn.settings.train import TrainSettings, train_settings
from acnn.testing import pairwise, relative_deviation
from acnn.train.job import Watcher, run_training
from ase_calculator import ACNNCalculator
from lammps_plugin import save_unified

sys.path.insert(0, str(Path(__file__).parent / "lammps_plugin"))
try:
    import cases
finally:
    sys.path.pop(0)

ELEMENTS = ("Cu", "Al", "Ni", "Pd", "Ag", "Au")
MODEL_TYPES = {
    "linear": None,
    "network": {"type": "network"},
    "one layer": {"type": "attention", "layers": 1},
    "two layers": {"type": "attention", "layers": 2},
}
SIZE = {"cutoff": 4.0, "channels": 2, "l_max": 1, "radial_functions": 4, "heads": 2, "hidden": [4]}
TOLERANCES = {"float64": 1e-10, "float32": 2e-4}
"""Deviations from the definition in float64, of the largest force (at least 1 eV/Å)."""


class Killed(Exception):
    """What a kill is to a test."""


@dataclass(frozen=True)
class Kind:
    """A model to make.

    Attributes:
        model_type: a key of `MODEL_TYPES`.
        n_elements: how many of `ELEMENTS`.
        precision: of the training.
        channels: element channels that were asked for.
    """

    model_type: str
    n_elements: int
    precision: str
    channels: int | None = None

    @property
    def elements(self) -> tuple[str, ...]:
        return ELEMENTS[: self.n_elements]

    def __str__(self) -> str:
        asked = f"-{self.channels} channels" if self.channels is not None else ""
        return f"{self.model_type}-{self.n_elements}-{self.precision}{asked}"


# Every type of model with every number of elements; precision, which is that of arrays alone, with each of both.
KINDS = [Kind(*of) for of in pairwise(MODEL_TYPES, (1, 4, 5, 6), TOLERANCES)]
KINDS += [Kind("one layer", 2, "float32", 3), Kind("network", 1, "float32", 1), Kind("one layer", 5, "float32", 0)]


def crystal(elements: tuple[str, ...], seed: int) -> ase.Atoms:
    """Eight atoms of all elements."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=3.8) * (2, 1, 1)
    atoms.symbols[:] = rng.permutation(np.resize(elements, 8))
    atoms.positions += rng.normal(scale=0.1, size=(8, 3))
    return atoms


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """The training data of a kind."""
    folder = tmp_path_factory.mktemp("data")
    for n in {kind.n_elements for kind in KINDS}:
        elements = ELEMENTS[:n]
        frames = [ase.Atoms(e) for e in elements] + [crystal(elements, seed) for seed in range(3)]
        ase.io.write(folder / f"{n}.xyz", [labeled(atoms, "default", EMT()) for atoms in frames])
    return lambda kind: folder / f"{kind.n_elements}.xyz"


def trained(kind: Kind, data: Path, path: Path, interrupted: bool = False) -> None:
    """Write the model; if it is interrupted, after half of the work and once more."""
    if kind.model_type == "linear":
        made = _fitted(kind, data, path, path.with_suffix(".factor") if interrupted else None)
    else:
        made = _trained(kind, data, path, interrupted)
    if interrupted:
        with pytest.raises(Killed):
            made(True)
    made(False)


def _fitted(kind: Kind, data: Path, path: Path, factor: Path | None) -> Callable[[bool], None]:
    basis = {"order": 2, "degree": 3, "pair_degree": 3, "cutoff": 4.0, "e0": "isolated", "repulsion": 0}
    settings = FitSettings.model_validate({**basis, "train": data, "output": path, "checkpoint": factor})
    return lambda kill: _run_fit(settings, kill)


def _run_fit(settings: FitSettings, kill: bool) -> None:
    def stage(name: str, n: int) -> Callable[[], None]:
        return _kill if kill and n > 1 else lambda: None

    run_fit(settings, stage)


def _kill(*_: object) -> None:
    raise Killed


def _trained(kind: Kind, data: Path, path: Path, resume: bool) -> Callable[[bool], None]:
    # Beyond four elements there is no linear part by default.
    linear = {"linear": {"order": 1, "pair_degree": 3, "repulsion": 0}} if kind.n_elements <= 4 else {}
    settings = train_settings(
        {
            "data": {"train": data, "validation": None, "e0": "isolated"},
            "model": {**SIZE, **(MODEL_TYPES[kind.model_type] or {}), "element_channels": kind.channels},
            "training": {"epochs": 2, "batch_atoms": 16, "precision": kind.precision},
            "output": path,
            **linear,
        }
    )
    return lambda kill: _run_training(settings, kill, resume)


def _run_training(settings: TrainSettings, kill: bool, resume: bool) -> None:
    run_training(settings, Watcher(on_epoch=_kill) if kill else Watcher(), resume=resume and not kill)


@pytest.fixture(scope="module")
def model_file(data, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Path]:
    """The file of a kind, made once."""
    folder, made = tmp_path_factory.mktemp("models"), {}

    def of(kind: Kind) -> Path:
        if kind not in made:
            made[kind] = folder / f"{kind}.acnn"
            trained(kind, data(kind), made[kind])
        return made[kind]

    return of


def by_definition(path: Path, atoms: ase.Atoms) -> PairGradients:
    """In torch and float64."""
    model = load_model(path)
    return model.pair_gradients(atomic_graph(atoms, model.cutoff), "torch")


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_trains_and_is_the_same_in_ase(kind, model_file):
    path, atoms = model_file(kind), crystal(kind.elements, seed=9)
    assert load_model(path).elements == tuple(sorted(kind.elements, key=ase.data.atomic_numbers.get))
    expected = by_definition(path, atoms)
    assert float(expected.forces.abs().max()) > 0.1
    calculator = ACNNCalculator(path, dtype=kind.precision)
    forces = calculator.get_property("forces", atoms)
    assert relative_deviation(forces, expected.forces.numpy(), 1.0) < TOLERANCES[kind.precision]
    energies = calculator.get_property("energies", atoms)
    np.testing.assert_allclose(energies, expected.site_energies.numpy(), atol=10 * TOLERANCES[kind.precision])


@pytest.mark.parametrize("kind", [k for k in KINDS if k.precision == "float32" or k.n_elements == 5], ids=str)
def test_an_interruption_changes_no_number(kind, data, model_file, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    trained(kind, data(kind), tmp_path / "m.acnn", interrupted=True)
    whole, resumed = load_model(model_file(kind)).state_dict(), load_model(tmp_path / "m.acnn").state_dict()
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        if kind.model_type == "linear":  # the equations are added in another order
            torch.testing.assert_close(resumed[name], value, rtol=1e-6, atol=1e-9)
        else:
            assert torch.equal(resumed[name], value), name


@pytest.fixture(scope="module")
def in_lammps(model_file, tmp_path_factory: pytest.TempPathFactory) -> dict[Kind, cases.Values]:
    """What LAMMPS says of a crystal by the model of each kind, all in one run."""
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    folder = tmp_path_factory.mktemp("lammps")
    named = {kind: cases.Case(str(kind), crystal(kind.elements, seed=9), kind.elements) for kind in KINDS}
    deck = folder / "in.lammps"
    deck.write_text("clear\n".join(_decks(named, model_file, folder)))
    done = launcher.run(deck)
    assert done.returncode == 0, done.stdout[-3000:]
    return {kind: cases.found(case, folder / case.name) for kind, case in named.items()}


def _decks(named: dict[Kind, cases.Case], model_file: Callable[[Kind], Path], folder: Path) -> Iterator[str]:
    for kind, case in named.items():
        data, exported = folder / f"{case.name}.data", folder / f"{case.name}.mliap.pt"
        data.write_text(cases.data_file(case))
        save_unified(load_model(model_file(kind)), exported, kind.precision)
        yield cases.setup(case, str(data)) + cases.style(case, str(exported)) + cases.measure(str(folder / case.name))


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_is_the_same_in_lammps(kind, model_file, in_lammps):
    expected = by_definition(model_file(kind), crystal(kind.elements, seed=9))
    forces = in_lammps[kind].forces
    assert relative_deviation(forces, expected.forces.numpy(), 1.0) < TOLERANCES[kind.precision]
    energies = in_lammps[kind].energies
    np.testing.assert_allclose(energies, expected.site_energies.numpy(), atol=10 * TOLERANCES[kind.precision])


@pytest.mark.parametrize(
    ("n_elements", "precision", "tolerance"), [(1, "float64", 1e-7), (5, "float64", 1e-7), (5, "float32", 1e-2)]
)
def test_kernel_and_torch_train_alike(n_elements, precision, tolerance, data, tmp_path, monkeypatch):
    """By what the models say of a crystal after some steps, which amplify rounding."""
    kind, found = Kind("one layer", n_elements, precision), []
    for kernel in ("auto", "torch"):
        monkeypatch.setenv("ACNN_KERNEL", kernel)
        trained(kind, data(kind), tmp_path / f"{kernel}.acnn")
        found.append(by_definition(tmp_path / f"{kernel}.acnn", crystal(kind.elements, seed=9)).forces.numpy())
    assert relative_deviation(found[0], found[1], 1.0) < tolerance
