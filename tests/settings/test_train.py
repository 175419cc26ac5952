"""Settings: few are needed, wrong ones are a sentence, the command line wins."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from acnn.fit.linear import make_prior, make_solver
from acnn.models.network_specification import NetworkSpecification
from acnn.settings.base import SettingsError
from acnn.settings.train import read_train_settings, train_settings
from acnn.solvers import BLR, QR, AlgebraicPrior, IdentityPrior, Prior, Solver
from acnn.train.schedule import learning_rate

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "train.yaml"
LEAST = {"data": "train.xyz", "output": "m.acnn"}


def test_two_lines_are_enough() -> None:
    settings = train_settings(LEAST)
    assert settings.data.train == (Path("train.xyz"),)
    assert settings.output.checkpoint_file == Path("m.checkpoint")
    assert settings.output.log_file == Path("m.csv")
    specification = settings.model.specification(("Si",))
    assert specification == NetworkSpecification(elements=("Si",))  # type: ignore[call-arg]


def test_model_types() -> None:
    network = train_settings({**LEAST, "model": {"type": "network"}}).model.specification(("Si",))
    assert network.layers == 0
    with pytest.raises(SettingsError, match="'network' cannot have 2 attention layers"):
        train_settings({**LEAST, "model": {"type": "network", "layers": 2}})
    with pytest.raises(SettingsError, match="'attention' cannot have 0 attention layers"):
        train_settings({**LEAST, "model": {"layers": 0}})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"modle": {}}, "unknown key 'modle': did you mean 'model'?"),
        ({"model": {"level": "network"}}, "unknown key 'model.level': the keys of model are elements, .*, type$"),
        ({"linear": 5}, r"linear = 5: Input should be a path, a mapping of settings or null \(the fixed part\)"),
        ({"training": {"patience": [1]}}, "training.patience = .*: Input should be a valid integer or null"),
        ({"training": {"loss": {"energy": "x"}}}, "training.loss.energy = 'x': a schedule must be a number, {steps"),
        ({"frm": "x"}, "unknown key 'frm': did you mean 'from'?"),
        ({"patience": 20}, "unknown key 'patience': patience belongs into section training"),
        ({"loss": {"energy": 1}}, "unknown key 'loss': loss belongs into section training"),
        ({"deltas": {}}, "unknown key 'deltas': deltas belongs into section training.loss"),
        ({"measure": "rmse"}, "unknown key 'measure': measure belongs into section training.selection"),
        ({"cutoff": 5.0}, "unknown key 'cutoff': cutoff belongs into section model or into section linear"),
        ({"slack": 1}, "unknown key 'slack': slack belongs into section linear"),
        ({"model": {"epochs": 5}}, "unknown key 'model.epochs': epochs belongs into section training"),
        ({"training": {"linear": None}}, "unknown key 'training.linear': linear belongs to no section, but at the top"),
        (
            {"optimiser": "adamw"},
            "unknown key 'optimiser': did you mean 'optimizer', which belongs into section training",
        ),
        ({"training": {"warmup": 1e300}}, "training.warmup = 1e\\+300: Input should be less than or equal to 1000000"),
        ({"training": {"warmup": 300}}, "warmup = 300 is longer than the training, 200 epochs"),
        ({"training": {"epochs": True}}, "training: epochs must not be true or false"),
        ({"training": {"final_learning_rate": 0.01}}, "final_learning_rate = 0.01 is above .*learning_rate = 0.005"),
        ({"training": {"betas": [0.9, 1.5]}}, "training.betas = 1.5: Input should be less than 1"),
        ({"training": {"selection": {"energy": 0, "forces": 0}}}, "must have a weight in the selection"),
        ({"training": {"loss": {"energy": float("nan")}}}, "training.loss.energy"),
        ({"model": {"hidden": [10**9]}}, "model.hidden = 1000000000: Input should be less than or equal to 4096"),
        ({"data": {"train": "a", "validaton": 0.1}}, "unknown key 'data.validaton': did you mean 'validation'?"),
        ({"model": {"chanels": 3}}, "unknown key 'model.chanels': did you mean 'channels'?"),
        ({"training": {"loss": {"enrgy": 1}}}, "unknown key 'training.loss.enrgy': did you mean 'energy'?"),
        ({"training": {"loss": {"energy": {"step": [[0, 1]]}}}}, "unknown key 'training.loss.energy.step': .*'steps'"),
        ({"linear": {"ordr": 2}}, "unknown key 'linear.ordr': did you mean 'order'?"),
        ({"linear": {"order": 12}}, "linear.order = 12: Input should be less"),
        ({"training": {"epochs": 0}}, "training.epochs = 0: Input should be greater"),
        ({"training": {"loss": {"deltas": {"forces": 1}}}}, "deltas apply only to kind: huber"),
        ({"training": {"loss": {"energy": 0, "forces": 0, "virial": 0}}}, "must have a weight in the loss"),
        ({"data": {"train": "a", "validation": 2.0}}, "data.validation = 2.0: .* a share between 0 and 1"),
        ({"model": {"elements": ["Si"], "bond_lengths": {"Xx": 2.0}}}, "bond_lengths 'Xx': 2.0"),
        (
            {"model": {"elements": ["Si"], "inner_cutoffs": {"Si": 2.0}}},
            "inner_cutoffs 'Si': 2.0: give a pair",
        ),
        ({"model": {"inner_cutoffs": {"H-O": 9.0}}}, "below the cutoff"),
        ({"training": {"plateau_wait": 4}}, "plateau_wait applies only to schedule: plateau"),
        ({"training": {"schedule": "constant", "final_learning_rate": 1e-4}}, "has no final_learning_rate"),
        ({"from": "a.acnn", "linear": "b.acnn"}, "keeps its linear part"),
    ],
)
def test_wrong_settings_are_a_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        train_settings({**LEAST, **changes})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("selection", {"selection": {"energy": 1}}),
        ("validate_every", {"validate_every": 2}),
        ("patience", {"patience": 3}),
        ("schedule: plateau", {"schedule": "plateau"}),
    ],
)
def test_what_looks_at_validation_errors_needs_validation_data(name: str, given: dict) -> None:
    without = {"train": "a.xyz", "validation": None}
    with pytest.raises(SettingsError, match=f"training.{name} needs validation errors: give data.validation"):
        train_settings({**LEAST, "data": without, "training": given})
    train_settings({**LEAST, "training": given})
    train_settings({**LEAST, "data": without, "training": {"epochs": 3, "patience": None}})


def test_one_width_and_a_text_of_elements_are_lists() -> None:
    model = train_settings({**LEAST, "model": {"hidden": 32, "elements": "Cu, Al"}}).model
    assert (model.hidden, model.elements) == ((32,), ("Al", "Cu"))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="'data' is missing; 'output' is missing"):
        train_settings({})


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("data: t.xyz\noutput: m.acnn\ntraining: {epochs: 7, seed: 3}\n")
    given = {"training.epochs": 9, "output.json": Path("j.json"), "data.test": Path("x.xyz"), "model.channels": 2}
    settings = read_train_settings(tmp_path / "c.yaml", given)
    assert (settings.training.epochs, settings.training.seed, settings.model.channels) == (9, 3, 2)
    assert (settings.output.model, settings.output.json_file) == (Path("m.acnn"), Path("j.json"))
    assert (settings.data.train, settings.data.test) == ((Path("t.xyz"),), (Path("x.xyz"),))


@pytest.mark.parametrize(
    ("linear", "solver", "prior"),
    [
        ({}, BLR(2.0), AlgebraicPrior(3, 1.5)),
        ({"order": 2, "slack": 1, "prior": "identity"}, BLR(1.0), IdentityPrior()),
        ({"solver": "qr", "tikhonov": 0.1}, QR(0.1), AlgebraicPrior(4, 1.5)),
    ],
    ids=["default", "blr", "qr"],
)
def test_linear_parts_are_stiff_unless_others_are_asked_for(linear: dict, solver: Solver, prior: Prior) -> None:
    fit = train_settings({**LEAST, "linear": linear}).linear_part
    assert make_solver(fit) == solver
    assert make_prior(fit) == prior


def test_learning_rates_of_new_and_further_training() -> None:
    training = train_settings(LEAST).training
    assert learning_rate(training, fine_tuning=False).start == 0.005
    assert learning_rate(training, fine_tuning=True).start == 0.001
    assert learning_rate(training, fine_tuning=True).final == pytest.approx(1e-5)


def test_the_average_remembers_a_fiftieth_of_the_steps() -> None:
    assert train_settings({**LEAST, "training": {"epochs": 100}}).training.decay(10) == pytest.approx(1 - 1 / 20)
    assert train_settings({**LEAST, "training": {"epochs": 1}}).training.decay(10) == 0
    assert train_settings({**LEAST, "training": {"ema": 0.9}}).training.decay(10) == 0.9


def test_the_example_is_valid() -> None:
    settings = read_train_settings(EXAMPLE, {})
    written = yaml.safe_load(EXAMPLE.read_text())
    assert settings.training.epochs == written["training"]["epochs"]
    assert settings.model.specification(("Cu",)).hidden == tuple(written["model"]["hidden"])
