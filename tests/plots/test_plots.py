"""What figures show, and in which files and pages they can be written."""

from __future__ import annotations

import sys

import ase
import numpy as np
import pytest

from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.metrics import ErrorTable
from acnn.plots import (
    SOURCES,
    Dimer,
    Look,
    Run,
    calibration_figure,
    config_type_figure,
    element_figure,
    learning_figure,
    overview_figure,
    parity_figure,
    require_pictures,
    save_figure,
    svg,
    training_figure,
)

pytest.importorskip("matplotlib", reason="figures need matplotlib")

E0 = -100.0
ODD = "a<b> & $x_1$"


@pytest.fixture(scope="module")
def table() -> ErrorTable:
    """Two config types, energies 1 eV/atom below the atoms, predicted 2 meV/atom too high, forces 0.1 eV/Å off."""
    errors = ErrorTable({"Si": E0})
    for config_type, n_atoms in (("bulk", 4), (ODD, 2)):
        atoms = ase.Atoms("Si" * n_atoms, np.zeros((n_atoms, 3)))
        energy, forces = n_atoms * (E0 - 1.0), np.linspace(-1, 1, 3 * n_atoms).reshape(-1, 3)
        label = LabeledStructure(atoms, energy, forces, None, config_type, Weights(), "test")
        errors.add(label, energy + 0.002 * n_atoms, forces + 0.1, np.zeros((3, 3)))
    return errors


def points(axes) -> np.ndarray:
    """What is scattered [n, 2]."""
    return np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])


def test_parity_has_a_column_for_each_quantity_with_labels(table):
    figure = parity_figure(table, Look(sorted(table.parity)))
    energy, forces, energy_error, forces_error = figure.axes
    assert points(energy) == pytest.approx(np.array([[-1.0, -0.998]] * 2))
    assert points(energy_error) == pytest.approx(np.array([[-1.0, 2.0]] * 2))
    assert np.diff(points(forces)) == pytest.approx(0.1)
    assert points(forces_error)[:, 1] == pytest.approx(0.1)
    assert energy.get_title() == "RMSE 2, MAE 2 meV/atom"
    assert (energy.get_ylabel(), forces_error.get_xlabel()) == (
        "model energy − ΣE0 (eV/atom)",
        "label force component (eV/Å)",
    )


def test_an_overview_shows_parity_dimers_and_a_run(table):
    x = np.linspace(2, 5, 4)
    run = Run(x, 100 * x, -x, np.zeros(4))
    figure = overview_figure(table, Look(sorted(table.parity)), {"Si–Si": Dimer(x, x - 4, x - 3)}, "EMT", run)
    energy, temperature, forces, energies, dimers = figure.axes
    assert points(energy) == pytest.approx(np.array([[-1.0, -0.998]] * 2))
    assert np.diff(points(forces)) == pytest.approx(0.1)
    assert temperature.lines[0].get_ydata() == pytest.approx(100 * x)
    assert [line.get_ydata()[0] for line in energies.lines] == [-2, 0]
    assert [line.get_ydata()[0] for line in dimers.lines[:2]] == [-2, -1]
    assert [text.get_text() for text in dimers.get_legend().get_texts()] == ["Si–Si", "EMT"]


def test_a_config_type_has_its_color_in_every_figure(table):
    types = Look([ODD, "bulk"])
    energy = parity_figure(table, types).axes[0]
    colors = [collection.get_facecolor()[0][:3] for collection in energy.collections]
    from matplotlib.colors import to_rgb

    assert sorted(map(tuple, colors)) == sorted(to_rgb(types.color(name)) for name in types.names)


def test_the_largest_errors_come_first(table):
    parity = {element: table.parity[name]["forces"] for element, name in (("C", "bulk"), ("Si", ODD))}
    (axes,) = element_figure(parity).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C", "Si"]
    assert len(config_type_figure(table).axes) == 2


@pytest.mark.parametrize(("ending", "signature"), [(".png", b"\x89PNG"), (".PDF", b"%PDF"), ("", b"\x89PNG")])
def test_the_ending_is_the_format(table, tmp_path, ending, signature):
    types = Look(sorted(table.parity))
    path = tmp_path / f"parity{ending}"
    save_figure(parity_figure(table, types), path, ODD, types)
    assert path.read_bytes().startswith(signature)


def test_a_file_has_a_title_and_a_legend(table, tmp_path):
    types = Look(sorted(table.parity))
    figure = parity_figure(table, types)
    save_figure(figure, tmp_path / "parity.svg", ODD, types)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == types.names
    assert (tmp_path / "parity.svg").read_text(encoding="utf-8").count("a&lt;b&gt; &amp; $x_1$") >= 2


def test_a_page_gets_the_element_alone(table):
    types = Look(sorted(table.parity))
    found = svg(parity_figure(table, types), "one", 'of "a" & <b>')
    assert found.startswith('<svg role="img" aria-label="of &quot;a&quot; &amp; &lt;b&gt;" viewBox="0 0 ')
    assert found.endswith("</svg>")
    assert "currentColor" in found
    assert found == svg(parity_figure(table, types), "one", 'of "a" & <b>')


def test_calibration_leaves_out_what_every_member_predicts_alike():
    rng = np.random.default_rng(0)
    std = np.append(rng.uniform(0.5, 2.0, 30), np.zeros(50))
    errors = np.append(std[:30] * rng.normal(size=30), np.zeros(50))
    figure = calibration_figure({"forces": Predicted(errors, std, np.full(80, 0.5), np.full(80, np.inf))})
    above, below = figure.axes
    curves = [line for line in above.lines if line.get_color() in map(SOURCES.color, SOURCES.names)]
    assert len(curves) == 2
    assert len(below.lines[0].get_xdata()) == 30
    assert below.get_xlabel() == "predicted σ (eV/Å)"


def test_learning_curves_have_points_for_every_size():
    rows = [{"structures": n, "energy_rmse": 1 / n, "forces_rmse": 0.1, "virial_rmse": None} for n in (10, 20, 40)]
    energy, _ = learning_figure(rows).axes
    assert np.asarray(energy.lines[0].get_xydata()) == pytest.approx(np.array([[n, 1 / n] for n in (10, 20, 40)]))
    assert energy.get_ylabel() == "energy RMSE (meV/atom)"


def test_epochs_without_a_value_are_no_points():
    log = [{"epoch": "1", "loss": "2", "error": ""}, {"epoch": "2", "loss": "1", "error": "0.5"}]
    loss, error = training_figure(log, {"loss": ["loss"], "error (meV)": ["error"]}).axes
    assert len(loss.lines[0].get_xdata()) == 2
    assert list(error.lines[0].get_xdata()) == [2.0]


def test_logarithmic_axes_have_plain_numbers():
    """Text is shown as it stands, since names may hold any character; powers of ten are no mathematical text either."""
    log = [{"epoch": str(epoch), "loss": f"{10.0**-epoch:g}", "error": f"{3 + epoch:g}"} for epoch in range(1, 5)]
    page = svg(training_figure(log, {"loss": ["loss"], "error (meV)": ["error"]}), "log", "log")
    assert "mathdefault" not in page
    for number in ("0.01", "0.001", "4", "6"):
        assert f">{number}<" in page


def test_other_endings_are_told_before_the_work(tmp_path):
    require_pictures(None, tmp_path / "a.png", tmp_path / "a")
    with pytest.raises(ValueError, match=r"a\.docx must be a picture, with one of the extensions .*\.eps"):
        require_pictures(tmp_path / "a.docx")


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "acnn\[plot\]"'):
        require_pictures(tmp_path / "a.png")
