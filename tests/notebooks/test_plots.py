"""What ``plot()`` draws."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import acnn
from acnn.models.dimers import dimer_curves
from acnn.neighbors import atomic_graph
from acnn.testing import random_model
from acnn.train.log import rows

from .conftest import HOSTILE


@pytest.fixture
def pyplot(monkeypatch):
    """Without windows, and closed in the end."""
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    monkeypatch.setenv("MPLBACKEND", "agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def points(axes) -> np.ndarray:
    return np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])


def test_pyplot_has_the_figure_and_its_legend(pyplot, report):
    axes = report.errors["train"].plot()
    (number,) = pyplot.get_fignums()
    figure = pyplot.figure(number)
    assert {one.figure for one in axes} == {figure}
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"bulk", "isolated_atom", HOSTILE}
    figure.canvas.draw()


def test_figures_of_pages_are_none_of_pyplot(pyplot, report):
    from acnn.plots import Look, parity_figure

    table = report.errors["train"]
    parity_figure(table, Look(sorted(table.parity)))
    assert pyplot.get_fignums() == []


def test_errors_of_a_fit(pyplot, report):
    energy, forces, _, *errors = report.plot()
    assert len(errors) == 3
    assert f"RMSE {report.errors['train'].total('forces').rmse:.3g}" in forces.get_title()
    assert len(points(energy)) == 9
    with pytest.raises(ValueError, match="no errors on 'test': choose from train"):
        report.plot("test")


def test_candidates_of_a_fit(pyplot, report):
    criterion, _ = report.plot_selection()
    drawn = points(criterion)[: len(report.candidates)]
    assert sorted(drawn[:, 1]) == pytest.approx(sorted(c.evidence for c in report.candidates))
    with pytest.raises(ValueError, match="give it the setting select"):
        replace(report, candidates=[]).plot_selection()


def test_a_learning_curve(pyplot, report):
    errors = {"energy_rmse": 2.0, "forces_rmse": None, "virial_rmse": None}
    curve = [{"structures": n, **errors} for n in (4, 8)]
    (axes,) = replace(report, learning_curve=curve).plot_learning_curve()
    assert list(axes.lines[0].get_xdata()) == [4, 8]
    with pytest.raises(ValueError, match="give it the setting learning_curve"):
        report.plot_learning_curve()


def test_the_epochs_of_a_training(pyplot, trained):
    log = list(rows(trained.settings.output.log_file))
    loss, *_ = trained.plot()
    assert list(loss.lines[0].get_xdata()) == [1, 2, 3]
    assert loss.lines[0].get_ydata() == pytest.approx([float(row["loss"]) for row in log])


def test_energies_of_data_are_relative_to_their_isolated_atoms(pyplot, data):
    (axes,) = data.plot()
    alone = data[0].energy
    expected = [(s.atoms.get_volume() / 4, s.energy / 4 - alone) for s in data if len(s) == 4]
    assert np.array(sorted(map(tuple, points(axes)))) == pytest.approx(np.array(sorted(expected)))
    (axes,) = data.plot({"Cu": alone + 1.0})
    assert np.sort(points(axes)[:, 1]) == pytest.approx(np.sort([energy - 1.0 for _, energy in expected]))


def test_energies_without_isolated_atoms_are_relative_to_an_average_atom(pyplot, data):
    (axes,) = replace(data, structures=data.structures[1:]).plot()
    assert points(axes)[:, 1].mean() == pytest.approx(0.0, abs=1e-9)


def test_distances_of_data(pyplot, data):
    (axes,) = data.plot_distances(4.0)
    pairs = [atomic_graph(s.atoms, 4.0).pair_vectors.norm(dim=1).numpy() for s in data]
    assert axes.lines[0].get_xdata() == pytest.approx(np.concatenate(pairs).min())
    assert axes.get_xlim()[1] == 4.0


def test_dimers_of_a_model(pyplot, report, data):
    model = report.fit.model
    (axes,) = model.plot(data)
    (curve,) = dimer_curves(model)
    assert axes.lines[0].get_ydata() == pytest.approx(curve.energies)
    pairs = np.concatenate([atomic_graph(s.atoms, 4.0).pair_vectors.norm(dim=1).numpy() for s in data])
    assert any(np.allclose(line.get_xdata(), pairs.min()) for line in axes.lines)
    assert len(random_model(["Si", "C"], order=1, degree=3.0).plot()) == 3


def test_nothing_to_draw_is_an_error(pyplot, data, trained):
    with pytest.raises(ValueError, match="there are no labels"):
        acnn.evaluate(random_model(["Cu"], order=1, degree=3.0), []).plot()
    with pytest.raises(ValueError, match="has no energies to draw"):
        replace(data, structures=tuple(replace(s, energy=None) for s in data)).plot()
    assert pyplot.get_fignums() == []


def test_without_matplotlib_it_says_what_to_install(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for plot in (report.plot, report.plot_selection, report.fit.model.plot, report.datasets["train"].plot):
        with pytest.raises(ImportError, match=r'pip install "acnn\[plot\]"'):
            plot()


def test_matplotlib_is_imported_when_something_is_drawn():
    import subprocess

    code = "import sys, acnn, acnn.cli.main, acnn.cli.fit, acnn.cli.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_metrics_are_plain_json(report):
    assert json.loads(json.dumps(report.metrics()))["n_equations"] == report.fit.metrics()["n_equations"]
