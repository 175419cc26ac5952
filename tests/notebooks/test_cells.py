"""A notebook, cell by cell, as IPython runs and shows it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import acnn
from acnn.data import Dataset
from acnn.progress import NotebookBars, in_notebook, stages_of

from .conftest import HOSTILE

SETTINGS = '{"train": "cu.xyz", "output": "cu.acnn", "order": 2, "degree": 6, "cutoff": 4.0}'
TRAINING = """{
    "data": {"train": "cu.xyz", "validation": 0.25},
    "model": {"type": "network", "cutoff": 4.0, "channels": 3, "l_max": 2, "radial_functions": 5, "hidden": [8]},
    "training": {"epochs": 3, "batch_atoms": 12},
    "output": "network.acnn",
}"""
FIT = "acnn.BasisSpecification(elements=('Cu',), order=1, degree=4.0), data.structures, {'Cu': 3.51}, acnn.QR(), "
CELLS = {
    "data": "import acnn\ndata = acnn.read_dataset('cu.xyz')\ndata",
    "plot": "data.plot()",
    "fit": f"report = acnn.run_fit({SETTINGS}, progress=True)\nreport",
    "linear": f"acnn.fit_linear({FIT} acnn.AlgebraicPrior(), progress=True)",
    "errors": "acnn.evaluate(report.fit.model, data, progress=True)",
    "model": "report.fit.model",
    "training": f"trained = acnn.run_training({TRAINING}, progress=True)\ntrained",
    "quiet": "acnn.evaluate(report.fit.model, data)",
}


@pytest.fixture(scope="module")
def shell():
    """IPython with what makes it the kernel of a notebook."""
    pytest.importorskip("IPython", reason='IPython is not installed: pip install "acnn[dev]"')
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    found = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    found.kernel = object()
    yield found
    InteractiveShell.clear_instance()


@pytest.fixture(scope="module")
def outputs(shell: Any, copper: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What each cell shows: its outputs by MIME type, the value of the cell last."""
    from IPython.utils.capture import capture_output

    folder, found = tmp_path_factory.mktemp("notebook"), {}
    (folder / "cu.xyz").write_bytes(copper.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MPLBACKEND", "agg")
        for name, source in CELLS.items():
            with capture_output() as captured:
                done = shell.run_cell(source)
            assert done.success, (name, captured.stdout)
            shown, _ = shell.display_formatter.format(done.result)
            found[name] = [*(output.data for output in captured.outputs), shown]
    return found


def bars(output: dict[str, Any]) -> bool:
    return "<progress" in output.get("text/html", "")


@pytest.mark.parametrize("name", ["data", "fit", "linear", "errors", "model", "training", "quiet"])
def test_values_are_html_and_a_line(outputs, name):
    value = outputs[name][-1]
    assert value["text/html"].lstrip().startswith('<div class="acnn">')
    assert value["text/plain"].startswith("<")
    assert "\n" not in value["text/plain"]


def test_the_facts_of_the_model_are_in_its_cell(shell, outputs):
    model = shell.user_ns["report"].fit.model
    for description in model.describe():
        for _, value in description.rows:
            assert value in outputs["model"][-1]["text/html"]


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("fit", ["equations of ", "errors on train"]),
        ("linear", ["equations"]),
        ("errors", ["evaluating"]),
        ("training", ["errors on train", "epoch 3/3", "neighbors of validation"]),
    ],
)
def test_progress_is_one_display_that_ends_complete(outputs, name, stages):
    shown = [output["text/html"] for output in outputs[name][:-1] if bars(output)]
    assert shown
    for stage in stages:
        assert stage in shown[-1]
    values = re.findall(r'<progress value="(\d+)" max="(\d+)">', shown[-1])
    assert len(values) >= len(stages)
    assert all(value == most for value, most in values)


def test_nothing_is_shown_unasked(outputs):
    assert not any(bars(output) for name in ("data", "model", "quiet") for output in outputs[name])


def test_a_plot_is_a_figure_of_pyplot(shell, outputs):
    from matplotlib import pyplot

    assert pyplot.get_fignums()
    pyplot.close("all")


def test_names_of_stages_are_text(shell):
    from IPython.utils.capture import capture_output

    with capture_output() as captured, NotebookBars() as display:
        display.stage(HOSTILE, 1)()
    assert "<img" not in captured.outputs[-1].data["text/html"]
    assert "&lt;img" in captured.outputs[-1].data["text/html"]


def test_a_notebook_is_updated_a_few_times_a_second_only(shell):
    from IPython.utils.capture import capture_output

    with capture_output() as captured, NotebookBars() as display:
        advance = display.stage("many", 10_000)
        for _ in range(10_000):
            advance()
    assert len(captured.outputs) < 100
    assert "10000/10000" in captured.outputs[-1].data["text/html"]


def test_callbacks_are_called(data: Dataset, report: Any):
    calls: list[object] = []
    acnn.evaluate(report.fit.model, data, progress=lambda: calls.append(None))
    assert len(calls) == len(data)
    with stages_of(lambda name, total: lambda: calls.append((name, total))) as stage:
        stage("one", 2)()
    assert calls[-1] == ("one", 2)


def test_elsewhere_progress_goes_to_the_terminal(data: Dataset, report: Any, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert not in_notebook()
    acnn.evaluate(report.fit.model, data, progress=True)
    assert "evaluating" in capfd.readouterr().err
    acnn.evaluate(report.fit.model, data)
    assert capfd.readouterr() == ("", "")
