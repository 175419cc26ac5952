"""What objects show in a notebook, and in one line elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

import acnn
from acnn.cli.main import app
from acnn.testing import random_model

from .conftest import HOSTILE


class Cells(HTMLParser):
    """Rows of the tables, and all tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[str] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.inside = tag in ("td", "th")
        if tag == "tr":
            self.rows.append([])
        if self.inside:
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


@pytest.fixture(params=["data", "report", "fit", "errors", "model", "trained", "network"])
def shown(request):
    """Everything that a notebook shows."""
    if request.param in ("data", "report", "trained"):
        return request.getfixturevalue(request.param)
    if request.param == "network":
        return request.getfixturevalue("trained").model
    report = request.getfixturevalue("report")
    return {"fit": report.fit, "errors": report.errors["train"], "model": report.fit.model}[request.param]


def test_it_is_one_line_elsewhere(shown):
    line = repr(shown)
    assert line.startswith(f"<{type(shown).__name__}")
    assert "\n" not in line
    assert "Cu" in line or "forces" in line
    assert len(line) < 300


def test_tags_close_and_nothing_from_the_data_is_one(shown):
    html = shown._repr_html_()
    assert set(Cells(html).tags) <= {"div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td"} | {
        *("p", "details", "summary", "ul", "li")
    }
    assert html.count("<div") == html.count("</div")
    assert "<img" not in html


def test_a_config_type_is_shown_as_it_is(data, report):
    assert [row[:3] for row in Cells(data._repr_html_()).rows[1:]] == [
        [HOSTILE, "4", "16"],
        ["bulk", "4", "16"],
        ["isolated_atom", "1", "1"],
        ["total", "9", "33"],
    ]
    assert HOSTILE in {row[0] for row in Cells(report._repr_html_()).rows}


def test_the_errors_are_those_of_the_table(report):
    expected = report.errors["train"].as_dict()
    (row,) = [row for row in Cells(report.errors["train"]._repr_html_()).rows if row[0] == "total"]
    assert row[1:5] == [
        *(f"{expected['total'][f'energy_{measure}']:.3f}" for measure in ("mae", "rmse")),
        *(f"{expected['total'][f'forces_{measure}']:.4f}" for measure in ("mae", "rmse")),
    ]
    assert f"forces {expected['total']['forces_rmse']:.4f} eV/Å" in repr(report.errors["train"])


def info(path) -> str:
    done = CliRunner().invoke(app, ["info", str(path)], env={"COLUMNS": "300", "TERM": "dumb"})
    assert done.exit_code == 0, done.output
    return " ".join(done.output.replace("│", " ").split())


def test_facts_are_those_of_acnn_info(report, trained):
    for one in (report, trained):
        output = one.settings.output
        printed = info(getattr(output, "model", output))
        facts = [row for row in Cells(one._repr_html_()).rows if len(row) == 2]
        assert len(facts) > 15
        for name, value in facts:
            assert " ".join(f"{name} {value}".split()) in printed


def test_warnings_are_shown_once(report):
    from dataclasses import replace

    doubtful = replace(report, warnings=["a < b", "c"], doubts=["c"])
    assert doubtful._repr_html_().count("<li>") == 2
    assert "<li>a &lt; b</li>" in doubtful._repr_html_()


def test_an_unfitted_model_and_a_table_without_labels():
    assert repr(random_model(["Si", "C"], order=1, degree=3.0)).startswith("<LinearACE: C, Si; cutoff ")
    empty = acnn.evaluate(random_model(["Si"], order=1, degree=3.0), [])
    assert repr(empty) == "<ErrorTable of 0 config types: no labels>"
    assert "total" in empty._repr_html_()
