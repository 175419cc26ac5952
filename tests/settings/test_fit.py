"""Settings of a fit: YAML and flags say the same things, and what is wrong is told in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from acnn.data.weights import Weights
from acnn.fit.linear import make_prior, make_solver
from acnn.settings.base import SettingsError
from acnn.settings.data import explicit_energies
from acnn.settings.fit import KEYS, FitSettings, read_settings
from acnn.solvers import ARD, BLR, LSQR, QR, RRQR, AlgebraicPrior, ExponentialPrior, GaussianPrior, IdentityPrior

FILES = {"train": "train.xyz", "output": "model.acnn"}


def read(given: dict[str, Any], yaml: str | None = None, folder: Path | None = None) -> FitSettings:
    if yaml is None or folder is None:
        return read_settings(None, {**FILES, **given})
    path = folder / "fit.yaml"
    path.write_text(yaml, encoding="utf-8")
    return read_settings(path, given)


def test_the_defaults_are_those_of_the_specification():
    settings = read({})
    specification = settings.specification(("Si",))
    assert specification == type(specification)(elements=("Si",))
    assert make_solver(settings) == BLR()
    assert make_prior(settings) == AlgebraicPrior(4.0, 1.5)
    assert settings.weight_table().weights_of("anything") == Weights(30.0, 1.0, 1.0)


def test_every_setting_of_the_basis_arrives(tmp_path):
    settings = read(
        FILES,
        """
        order: 2
        degree: [9, 7]
        wl: 1.2
        cutoff: 6.0
        pair-cutoff: 7.0
        pair_degree: 5
        formulation: self_interacting
        bond-lengths: {Al-Ti: 2.7}
        overrides: {Ti: {order: 1, degree: [5]}}
        """,
        tmp_path,
    )
    specification = settings.specification(("Al", "Ti"))
    assert specification.order == 2
    assert specification.degree == (9.0, 7.0)
    assert (specification.wl, specification.cutoff, specification.pair_cutoff) == (1.2, 6.0, 7.0)
    assert (specification.pair_degree, specification.formulation) == (5, "self_interacting")
    assert specification.bond_lengths == {"Al-Ti": 2.7}
    assert specification.degrees("Ti") == (5.0,)


@pytest.mark.parametrize("text", ["12,10,8", "12 10 8", "12, 10, 8", [12, 10, 8]])
def test_degrees_are_read_from_a_list(text):
    assert read({"degree": text, "order": 3}).degree == (12.0, 10.0, 8.0)


@pytest.mark.parametrize("text", ["14", "14.0", 14, 14.0])
def test_one_degree_is_one_number(text):
    assert read({"degree": text}).degree == 14.0


@pytest.mark.parametrize("text", ["5", "5.0", 5, 5.0, [5]])
def test_one_cutoff_to_try_is_a_list_of_one(text):
    assert read({"select": "bic", "select_cutoffs": text}).select_cutoffs == (5.0,)
    assert read({"select": "bic", "select_cutoffs": "4.5, 5.5"}).select_cutoffs == (4.5, 5.5)


@pytest.mark.parametrize("text", ["8,6,5", [8, 6, 5]])
def test_degrees_of_an_element_are_read_as_those_of_all(text):
    settings = read({"overrides": {"Ti": {"degree": text}, "Al": {"degree": "7"}}})
    assert (settings.overrides["Ti"].degree, settings.overrides["Al"].degree) == ((8.0, 6.0, 5.0), 7.0)


@pytest.mark.parametrize("text", ["Ti,Al", "Ti Al", ["Ti", "Al"]])
def test_elements_are_read_from_a_list(text):
    settings = read({"elements": text})
    assert settings.elements == ("Ti", "Al")
    assert settings.specification(settings.elements).elements == ("Al", "Ti")


def test_one_element_is_a_list_of_one():
    assert read({"elements": "Si"}).elements == ("Si",)


@pytest.mark.parametrize(
    ("e0", "expected"),
    [
        ("Si=-0.8", {"Si": -0.8}),
        ("Si=-0.8,O=-1.2e2", {"Si": -0.8, "O": -120.0}),
        ("Si=-0.8 O=1", {"Si": -0.8, "O": 1.0}),
        ({"Si": -0.8, "O": 1}, {"Si": -0.8, "O": 1.0}),
        ("isolated", None),
        ("lstsq", None),
    ],
)
def test_e0_is_read(e0, expected):
    assert explicit_energies(e0) == expected
    assert read({"e0": e0}).e0 == e0


@pytest.mark.parametrize("e0", ["Si", "Si=", "Si=x", "Si=-0.8,O", "average", "Si:-0.8"])
def test_a_wrong_e0_is_told(e0):
    with pytest.raises(SettingsError, match=r"e0 must be isolated, lstsq, or energies in eV such as Si=-0.8,O=-1.2"):
        read({"e0": e0})


def test_flags_win_over_the_file(tmp_path):
    yaml = "train: a.xyz\noutput: a.acnn\ncutoff: 4.0\norder: 2\nsolver: qr\n"
    settings = read({"cutoff": 6.0, "train": "b.xyz", "order": None}, yaml, tmp_path)
    assert (settings.cutoff, settings.order, settings.solver) == (6.0, 2, "qr")
    assert (settings.train, settings.output) == ((Path("b.xyz"),), Path("a.acnn"))


def test_a_flag_of_zero_or_false_wins_too(tmp_path):
    yaml = "train: a.xyz\noutput: a.acnn\nzbl: true\nrepulsion: 0.5\n"
    settings = read({"zbl": False, "repulsion": 0.0}, yaml, tmp_path)
    assert (settings.zbl, settings.repulsion) == (False, 0.0)


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("cutof", "cutoff"), ("degre", "degree"), ("soler", "solver"), ("energy-keys", "energy_key"), ("jsn", "json")],
)
def test_an_unknown_key_names_the_nearest(tmp_path, key, nearest):
    with pytest.raises(SettingsError, match=f"unknown key '{key.replace('-', '_')}': did you mean '{nearest}'"):
        read(FILES, f"{key}: 5\n", tmp_path)


def test_dashes_and_underscores_are_the_same(tmp_path):
    assert read(FILES, "pair-degree: 5\nenergy-key: E\n", tmp_path).pair_degree == 5


def test_every_key_is_a_setting():
    assert len(set(KEYS)) == len(FitSettings.model_fields)
    assert "json" in KEYS
    assert read({"json": "out.json"}).json_file == Path("out.json")


@pytest.mark.parametrize("missing", ["train", "output"])
def test_train_and_output_are_required(missing):
    given = {key: value for key, value in FILES.items() if key != missing}
    with pytest.raises(SettingsError, match=f"'{missing}' is missing: acnn fit TRAIN.xyz -o MODEL.acnn"):
        read_settings(None, given)


def test_solvers_and_priors_are_made():
    settings = read({"solver": "qr", "tikhonov": 0.1, "prior": "identity"})
    assert make_solver(settings) == QR(0.1)
    assert make_prior(settings) == IdentityPrior()
    assert make_prior(read({"prior": "algebraic:2", "wl": 1.1})) == AlgebraicPrior(2.0, 1.1)
    assert make_prior(read({"prior": "exponential:0.5"})) == ExponentialPrior(0.5, 1.5)
    assert make_prior(read({"prior": "gaussian:0.2"})) == GaussianPrior(0.2, 1.5)


@pytest.mark.parametrize(
    ("given", "solver"),
    [
        ({"solver": "blr"}, BLR()),
        ({"slack": 2}, BLR(2.0)),
        ({"solver": "qr"}, QR(0.0)),
        ({"solver": "rrqr"}, RRQR()),
        ({"solver": "rrqr", "rtol": 1e-3}, RRQR(1e-3)),
        ({"solver": "lsqr"}, LSQR()),
        ({"solver": "lsqr", "damp": "0.01", "atol": 1e-9}, LSQR(damp=0.01, atol=1e-9)),
        ({"solver": "ard"}, ARD("bic")),
        ({"solver": "ard", "ard_threshold": "relevance"}, ARD(2.0)),
        ({"solver": "ard", "ard_threshold": "3"}, ARD(3.0)),
        ({"solver": "ard", "ard_threshold": 0}, ARD(0.0)),
    ],
)
def test_every_solver_takes_its_options(given, solver):
    assert make_solver(read(given)) == solver


def test_weights_come_from_a_table_or_a_file(tmp_path):
    settings = read(FILES, "weights: {default: {E: 5}, liquid: {F: 0.5}}\n", tmp_path)
    assert settings.weight_table().weights_of("solid") == Weights(5.0, 1.0, 1.0)
    assert settings.weight_table().weights_of("liquid") == Weights(5.0, 0.5, 1.0)
    file = tmp_path / "weights.yaml"
    file.write_text("default: {E: 7, V: 0}\n", encoding="utf-8")
    assert read({"weights": file}).weight_table().weights_of("solid") == Weights(7.0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tikhonov": 0.1}, "tikhonov belongs to solver qr"),
        ({"slack": 2, "solver": "ard"}, "slack belongs to solver blr, but the solver is ard"),
        ({"slack": 0.5}, "slack = 0.5: .*greater than or equal to 1"),
        ({"tikhonov": 0.1, "solver": "blr"}, "tikhonov belongs to solver qr"),
        ({"tikhonov": -0.1, "solver": "qr"}, "tikhonov = -0.1: .*greater than or equal to 0"),
        ({"solver": "svd"}, "solver = 'svd': .*'blr', 'qr', 'rrqr', 'lsqr' or 'ard'"),
        ({"rtol": 0.1}, "rtol belongs to solver rrqr, but the solver is blr"),
        ({"rtol": 2.0, "solver": "rrqr"}, "rtol = 2.0: .*less than 1"),
        ({"damp": 0.1, "solver": "qr"}, "damp belongs to solver lsqr, but the solver is qr"),
        ({"atol": 0.1, "solver": "rrqr"}, "atol belongs to solver lsqr"),
        ({"ard_threshold": "bic"}, "ard_threshold belongs to solver ard"),
        ({"ard_threshold": "aic", "solver": "ard"}, "threshold of ard must be bic, relevance .*not 'aic'"),
        ({"prior": "gauss"}, "unknown prior 'gauss'"),
        ({"virial_key": "a", "stress_key": "b"}, "virial_key or stress_key, not both"),
        ({"order": 6}, "order = 6: .*less than or equal to 5"),
        ({"order": "many"}, "order = 'many': "),
        ({"cutoff": 0}, r"cutoff = 0: .*greater than or equal to 0.5 \(cutoff radius in Å\)"),
        ({"cutoff": True}, "cutoff must not be true or false"),
        ({"degree": [[1, 2]]}, r"degree = \[\[1, 2\]\]: Input should be a valid number"),
        (
            {"e0": [1]},
            r"e0 = \[1\]: Input should be a valid string, a mapping or null \(energies of isolated atoms\)",
        ),
        ({"overrides": {"Cu": {"ordr": 2}}}, "unknown key 'overrides.Cu.ordr': did you mean 'order'"),
        ({"overrides": {"Cu": {"wl": 0}}}, "overrides.Cu.wl = 0: .* 0.1"),
        ({"prior": "x" * 100_000}, "prior has 100000 characters, but at most 4096 are allowed"),
        ({"forces_key": ["f"] * 100_000}, r"forces_key = \['f', 'f', .*\.\.\.\]: Input should be a valid string"),
        ({"max_force": -1}, "max_force = -1"),
        ({"repulsion": -1}, "repulsion = -1"),
        ({"formulation": "pure"}, "formulation = 'pure'"),
        ({"degree": "12,x"}, "degree"),
        ({"nonsense": 3}, "unknown key 'nonsense'"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(given, says):
    with pytest.raises(SettingsError, match=says) as caught:
        read(given)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("cutoff: 5\ncutoff: 6\n", "'cutoff' is given twice"),
        ("cutoff: " + "[" * 100_000, "nested too deeply"),
        ("seed: " + "9" * 5000, "is not readable YAML: .*4300 digits"),
        ("cutoff: [1\n", "is not readable YAML"),
        ("- cutoff\n", "must map settings to values"),
        ("5\n", "must map settings"),
    ],
)
def test_a_broken_file_is_told_in_one_line(tmp_path, content, says):
    with pytest.raises(SettingsError, match=says) as caught:
        read(FILES, content, tmp_path)
    assert "\n" not in str(caught.value)


def test_yaml_is_taken_as_it_is_meant(tmp_path):
    """YAML 1.1 takes 1:30 for 90, 010 for 8, 1e3 for a word, and No for false."""
    settings = read(FILES, "elements: [No]\ndegree: 1e1\nseed: 010\ne0: {No: -1e-1}\n", tmp_path)
    assert (settings.degree, settings.seed, settings.e0) == (10.0, 10, {"No": -0.1})
    with pytest.raises(SettingsError, match="cutoff = '5:30': Input should be a valid number"):
        read(FILES, "cutoff: 5:30\n", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"there is no settings file .*absent.yaml"):
        read_settings(tmp_path / "absent.yaml", FILES)


def test_short_bonds_stretch_the_transform_unless_bond_lengths_are_given():
    water = ("H", "O")
    assert read({"cutoff": 6.0}).specification(water).bond_lengths == pytest.approx({"H": 2.1, "O": 2.1})
    given = read({"cutoff": 6.0, "bond_lengths": {"H": 0.74}}).specification(water)
    assert given.bond_lengths == pytest.approx({"H": 0.74, "O": 2.1})
    assert read({"cutoff": 6.0}).specification(("Cu",)).bond_lengths == {}
