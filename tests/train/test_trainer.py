"""The training loop: it learns, it is deterministic, it averages, it stops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import read_dataset
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.settings.train import TrainSettings, train_settings
from acnn.train.average import MovingAverage, replaced
from acnn.train.batches import structure_store
from acnn.train.initialization import standardize
from acnn.train.schedule import learning_rate
from acnn.train.trainer import Course, Trainer, TrainingError
from acnn.train.validation import network_errors, score

MakeTrainer = Callable[..., Trainer]


@pytest.fixture
def make_trainer(copper: Path, make_settings: Callable[..., TrainSettings]) -> MakeTrainer:
    """A trainer of a network on no linear part but E0; keywords are those of the training."""
    structures = read_dataset(copper).structures

    def make(n: int = 6, dtype: torch.dtype = torch.float64, **training: Any) -> Trainer:
        settings = make_settings(training=training)
        basis = BasisSpecification(elements=("Cu",), order=1, degree=1, cutoff=3.0)
        model = NetworkACE(settings.model.specification(("Cu",)), LinearACE(basis, {"Cu": 0.0}), seed=1)
        train = structure_store(model, structures[:n], dtype)
        validation = structure_store(model, structures[n : n + 3], dtype)
        standardize(model, train, seed=0)
        return Trainer(model, train, validation, settings.training, learning_rate(settings.training, fine_tuning=False))

    return make


@pytest.mark.slow
def test_a_small_set_is_learned_by_heart(make_trainer: MakeTrainer) -> None:
    weights = {"energy": 10, "forces": 1, "virial": 10}
    trainer = make_trainer(
        n=3, epochs=250, batch_atoms=8, learning_rate=0.03, weight_decay=0, ema=0.5, loss=weights, validate_every=1000
    )
    before = network_errors(trainer.model, trainer.train)
    for _ in range(250):
        trainer.run_epoch()
    after = network_errors(trainer.model, trainer.train)
    for quantity in ("energy", "forces", "virial"):
        assert after[f"{quantity}_rmse"] < 0.05 * before[f"{quantity}_rmse"]  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_seed_gives_the_same_bits(make_trainer: MakeTrainer, dtype: torch.dtype) -> None:
    one, other = make_trainer(dtype=dtype), make_trainer(dtype=dtype)
    records = [[trainer.run_epoch() for _ in range(3)] for trainer in (one, other)]
    assert [r.loss for r in records[0]] == [r.loss for r in records[1]]
    for a, b in zip(one.parameters, other.parameters, strict=True):
        assert a.dtype == dtype
        assert torch.equal(a, b)


def test_another_seed_gives_other_batches(make_trainer: MakeTrainer) -> None:
    assert make_trainer(seed=0).run_epoch().loss != make_trainer(seed=1).run_epoch().loss


def test_loss_of_an_epoch_is_that_of_the_data(make_trainer: MakeTrainer) -> None:
    """At a learning rate of almost nothing, and whatever the batches: Σ w ⟨Δ²⟩."""
    weights = {"energy": 3, "forces": 2, "virial": 0.5}
    for batch_atoms in (4, 8, 100):
        trainer = make_trainer(batch_atoms=batch_atoms, learning_rate=1e-30, loss=weights)
        errors = network_errors(trainer.model, trainer.train)
        record = trainer.run_epoch()
        energy, forces = (1e-6 * errors[f"{q}_rmse"] ** 2 for q in ("energy", "forces"))  # type: ignore[operator]
        assert record.parts[:2] == pytest.approx((3 * energy, 2 * forces), rel=1e-9)
        assert record.loss == pytest.approx(sum(record.parts))


def test_moving_average_is_its_recursion() -> None:
    parameter = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    average = MovingAverage([parameter], decay=0.3)
    expected = 1.0
    for step in range(1, 6):
        parameter.data = torch.tensor([float(step**2)], dtype=torch.float64)
        average.update([parameter], step)
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step**2
        assert average.tensors[0].item() == pytest.approx(expected)
    with replaced([parameter], average.tensors):
        assert parameter.item() == pytest.approx(expected)
    assert parameter.item() == 25


def test_validation_and_best_are_of_the_average(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(ema=0.99)
    record = trainer.run_epoch()
    assert trainer.validation is not None
    with replaced(trainer.parameters, trainer.average.tensors):
        assert network_errors(trainer.model, trainer.validation) == record.errors
    assert network_errors(trainer.model, trainer.validation) != record.errors
    assert all(torch.equal(a, b) for a, b in zip(trainer.best, trainer.average.tensors, strict=True))


@pytest.mark.parametrize("measure", ["rmse", "mae"])
def test_score_is_a_weighted_sum_of_errors(make_trainer: MakeTrainer, measure: str) -> None:
    record = make_trainer(selection={"energy": 3, "forces": 2, "virial": 0.5, "measure": measure}).run_epoch()
    errors = record.errors
    assert errors is not None
    assert all(value is not None for value in errors.values())
    energy, forces, virial = (errors[f"{q}_{measure}"] or 0 for q in ("energy", "forces", "virial"))
    assert record.score == pytest.approx(3 * energy + 2 * forces + 0.5 * virial)


def test_a_few_bad_labels_do_not_decide() -> None:
    """Of one force in a thousand far off, and all off a little, the default score prefers the first; RMSE do not."""
    selection = train_settings({"data": "train.xyz", "output": "m.acnn"}).training.selection
    weights = selection.model_dump(exclude={"measure"})

    def scored(errors: torch.Tensor, measure: str) -> float:
        of_forces = {"forces_mae": float(errors.abs().mean()), "forces_rmse": float(errors.square().mean().sqrt())}
        return score({**dict.fromkeys(f"{q}_{measure}" for q in ("energy", "virial")), **of_forces}, weights, measure)

    one_far = torch.nn.functional.one_hot(torch.tensor(0), 1000) * 1000.0
    all_a_little = torch.full((1000,), 10.0)
    assert scored(one_far, selection.measure) < scored(all_a_little, selection.measure)
    assert scored(one_far, "rmse") > scored(all_a_little, "rmse")


def test_training_ends_when_nothing_gets_better(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(epochs=50, patience=4, learning_rate=1e-30, ema=0)
    while not trainer.is_over:
        trainer.run_epoch()
    assert (trainer.course.best_epoch, trainer.course.epoch) == (1, 5)


def test_the_best_epoch_is_that_of_the_smallest_score() -> None:
    course = Course(epoch=4, scores=[3.0, None, 1.0, 2.0])
    assert (course.best, course.best_epoch) == (1.0, 3)
    assert Course(epoch=2, scores=[None, None]).best_epoch == 2


def test_long_gradients_are_shortened_and_count_little(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(clip=2.0)
    trainer.run_epoch()
    usual = float(trainer.norm)
    for parameter in trainer.parameters:
        parameter.grad = 1e3 * torch.ones_like(parameter)
    trainer._clip()
    norm = sum(float(p.grad.square().sum()) for p in trainer.parameters if p.grad is not None) ** 0.5
    assert norm == pytest.approx(2 * usual)
    assert float(trainer.norm) == pytest.approx(0.95 * usual + 0.05 * 3 * usual)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_weights_decay_in_matrices_of_the_fitting_network_alone(make_trainer: MakeTrainer, optimizer: str) -> None:
    trainer = make_trainer(weight_decay=0.1, optimizer=optimizer)
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    names = {name: decay[id(p)] for name, p in zip(trainer.names, trainer.parameters, strict=True)}
    assert names.keys() == set(trainer.names)
    assert {name for name, value in names.items() if value == 0.1} == {"readout.weights.0", "readout.skip"}
    assert set(names.values()) == {0.1, 0.0}


def test_optimizers_share_the_parameters(make_trainer: MakeTrainer) -> None:
    """Each parameter has one, which has its learning rate; adamw takes all."""
    for optimizer in ("muon", "adamw"):
        trainer = make_trainer(optimizer=optimizer)
        trainer.run_epoch()
        taken = [[p for group in o.param_groups for p in group["params"]] for o in trainer.optimizers]
        assert sorted(id(p) for of in taken for p in of) == sorted(id(p) for p in trainer.parameters)
        assert bool(taken[0]) == (optimizer == "muon")
        rates = {group["lr"] for o in trainer.optimizers for group in o.param_groups}
        assert len(rates) == 1


def test_a_loss_that_is_not_finite_is_said(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train.energies[0] = float("nan")
    with pytest.raises(TrainingError, match="not finite after epoch 1"):
        trainer.run_epoch()


def test_weights_that_are_not_finite_after_the_last_step_are_an_error(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(batch_atoms=10**6)
    trainer.parameters[-1].register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(TrainingError, match=r"weights are not finite after epoch 1: lower training\.learning_rate"):
        trainer.run_epoch()


def forces_of_the_network(trainer: Trainer) -> float:
    trainer.train.forces[:] = 0
    return float(network_errors(trainer.model, trainer.train)["forces_rmse"] or 0.0)


def test_training_starts_from_the_linear_part(make_trainer: MakeTrainer) -> None:
    assert forces_of_the_network(make_trainer()) == 0


def test_the_scale_gives_a_random_output_the_size_of_what_is_to_learn(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    learned = 1000 * float(trainer.train.forces.square().mean().sqrt())
    fresh = NetworkACE(trainer.model.specification, trainer.model.linear, seed=1)
    with torch.no_grad():
        trainer.model.readout.out.copy_(fresh.readout.out)
    assert learned > 0
    assert forces_of_the_network(trainer) == pytest.approx(learned, rel=1e-5)
