"""The page of ``acnn report``: what it says, what it needs, and what it does with odd data."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.combinations import Combinations
from acnn.conventions import QUANTITIES, full_from_voigt
from acnn.data.dataset import read_dataset
from acnn.data.distances import Distances
from acnn.data.energies import energy_points
from acnn.evaluation.metrics import evaluate
from acnn.io.model_file import save_model
from acnn.models.dimers import dimer_curves
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph, brute_force_pairs, pair_vectors
from acnn.plots.drawing import MOST_VECTOR_POINTS
from acnn.report import N_SECTIONS, Measurement, dataset_names, measure, report_page
from acnn.testing import random_crystal, random_model

pytest.importorskip("matplotlib", reason="reports draw with matplotlib")

SECTIONS = ["overview", "errors", "residuals", "worst", "dimers", "distances", "energies", "cost", "data", "model"]
ODD = 'a<b>&"c" $x_1$ #é'
SMALL_PAGE = 1_000_000
"""Bytes: a page on a few structures."""


def rattled(elements: list[str], seed: int) -> ase.Atoms:
    atoms = random_crystal(elements, seed)
    atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def labeled(
    model: LinearACE,
    atoms: ase.Atoms,
    config_type: str,
    noise: float = 0.01,
    labels: tuple[str, ...] = ("energy", "forces", "stress"),
) -> ase.Atoms:
    """With the labels of the model itself, a little wrong."""
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    rng = np.random.default_rng(len(atoms))
    forces = found.forces.numpy() + noise * rng.normal(size=(len(atoms), 3))
    stress = -found.virials[0].numpy() + full_from_voigt(noise * rng.normal(size=6))
    atoms = atoms.copy()
    atoms.info["config_type"] = config_type
    if "energy" in labels:
        atoms.info["REF_energy"] = float(found.energies[0]) + noise * len(atoms)
    if "forces" in labels:
        atoms.arrays["REF_forces"] = forces
    if "stress" in labels and atoms.pbc.all():
        atoms.info["REF_stress"] = stress / atoms.get_volume()
    return atoms


class Parsed(HTMLParser):
    """Tables, ids and open tags of a page; fails on a closing tag that closes nothing."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            self.open.append(tag)
        self._note(attributes)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attributes):
        self._note(attributes)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def _note(self, attributes):
        self.ids += [value for name, value in attributes if name == "id"]
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href")]

    def rows(self, heading: str) -> list[list[str]]:
        """Rows of all tables with a column of this name."""
        return [row for table in self.tables if heading in table[0] for row in table[1:]]


@pytest.fixture(scope="module")
def silicon() -> LinearACE:
    return random_model(["Si"], order=2)


@pytest.fixture(scope="module")
def carbide() -> LinearACE:
    return random_model(["Si", "C"], order=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, carbide: LinearACE) -> Path:
    """train.xyz and test.xyz of two elements and several config types, and a model with a provenance."""
    path = tmp_path_factory.mktemp("report")
    train = [labeled(carbide, rattled(["Si", "C"], seed), ("bulk", "liquid")[seed % 2]) for seed in range(6)]
    train.append(labeled(carbide, ase.Atoms("Si", pbc=False), "isolated_atom"))
    ase.io.write(path / "train.xyz", train)
    ase.io.write(path / "test.xyz", [labeled(carbide, rattled(["Si", "C"], seed), "bulk", 0.1) for seed in (7, 8)])
    provenance = {
        "solver": "blr",
        "e0_source": "least squares",
        "data": {"train": {"file": "train.xyz", "sha256": read_dataset(path / "train.xyz").sha256, "structures": 7}},
        "weights": {"default": {"E": 30.0, "F": 1.0, "V": 1.0}},
    }
    save_model(carbide, path / "sic.acnn", provenance)
    return path


def page_of(model: LinearACE, path: Path, frames: list[ase.Atoms], **options) -> str:
    ase.io.write(path, frames)
    return report_page(model, measured(model, path), "model", **options)


def measured(model: LinearACE, *paths: Path) -> list[Measurement]:
    datasets = [read_dataset(path) for path in paths]
    named = dict(zip(dataset_names(datasets), datasets, strict=True))
    return measure(model, named)


def run(*arguments: str | Path):
    return CliRunner().invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    done = run(folder / "sic.acnn", folder / "train.xyz", folder / "test.xyz", "-o", folder / "sic.html")
    assert done.exit_code == 0, done.output
    assert "wrote" in done.output
    return (folder / "sic.html").read_text(encoding="utf-8")


def test_all_sections_are_there_and_linked(page):
    parsed = Parsed(page)
    assert parsed.open == []
    assert [link[1:] for link in parsed.links if link[1:] in SECTIONS] == SECTIONS
    assert set(SECTIONS) <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))


def test_every_figure_has_a_caption_and_a_description(page):
    figures = re.findall(r"<figure>.*?</figure>", page, flags=re.DOTALL)
    assert len(figures) == 2 * 3 + 3  # parity, config types and elements of two sets; dimers, distances, energies
    for figure in figures:
        assert re.search(r"<figcaption>.*[Ll]ook.*</figcaption>|<figcaption>Two atoms", figure)
        assert 'role="img" aria-label="' in figure


def test_the_page_needs_nothing_from_outside(page):
    parsed = Parsed(page)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in parsed.links)
    for reference in ("http", "src=", "@import", "<script", "url(data", "xmlns"):
        assert reference not in page
    assert len(page.encode()) < SMALL_PAGE


def test_links_of_figures_lead_somewhere(page):
    parsed = Parsed(page)
    targets = set(re.findall(r"url\(#(\w+)\)", page)) | {link[1:] for link in parsed.links if link.startswith("#")}
    assert targets <= set(parsed.ids)


def test_errors_are_those_of_evaluate(page, carbide, folder):
    digits = {"energy": 3, "forces": 4, "virial": 3}
    expected = []
    for name in ("train.xyz", "test.xyz"):
        table = evaluate(carbide, read_dataset(folder / name))
        for config_type, row in (table.as_dict() | table.by_components()).items():
            values = [(row[f"{q}_{m}"], digits[q]) for q in QUANTITIES for m in ("mae", "rmse")]
            expected.append([config_type, *("–" if v is None else f"{v:.{d}f}" for v, d in values)])
    found = Parsed(page).rows("energy MAE\nmeV/atom")
    assert [[row[0], *row[2:]] for row in found] == expected


def test_combinations_that_the_fit_lacked_are_named(carbide, folder, monkeypatch):
    measurements = measure(carbide, {"train.xyz": read_dataset(folder / "train.xyz")})
    monkeypatch.setattr(carbide, "combinations", Combinations.none(carbide.elements, 2.5), raising=False)
    text = Parsed(report_page(carbide, measurements, "m", {"warnings": ["the data are doubtful"]})).text
    assert "train.xyz has C–C, C–Si, Si–Si within 2.5 Å, which the training data of the model lack" in text
    assert "0 of 6 in the data (an atom and two elements within 2.5 Å); never C–C, C–Si, Si–Si" in text
    assert "the data are doubtful" in text


def test_units_stand_beside_the_numbers(page):
    for unit in ("meV/atom", "eV/Å", "Å³/atom", "µs/atom"):
        assert unit in page


def test_the_worst_structures_lead_their_list(page, carbide, folder):
    dataset = read_dataset(folder / "train.xyz")
    errors = []
    for structure in dataset:
        found = carbide.pair_gradients(atomic_graph(structure.atoms, carbide.cutoff))
        errors.append(abs(float(found.energies[0]) - structure.energy) / len(structure))
    first, *_ = Parsed(page).rows("energy error\nmeV/atom")
    assert first[0] == dataset[int(np.argmax(errors))].name
    assert abs(float(first[4])) == pytest.approx(1000 * max(errors), abs=1e-3)


def test_force_errors_by_element_add_up(carbide, folder):
    (measurement,) = measured(carbide, folder / "train.xyz")
    total = measurement.table.as_dict()["total"]
    errors = [np.subtract(*parity.arrays) for parity in measurement.by_element.values()]
    assert set(measurement.by_element) == {"Si", "C"}
    assert sum(map(len, errors)) == total["forces_count"]
    assert np.sqrt(np.mean(np.concatenate(errors) ** 2)) == pytest.approx(total["forces_rmse"], rel=1e-12)


def test_energies_of_a_parity_plot_are_relative_to_isolated_atoms(carbide, folder):
    (measurement,) = measured(carbide, folder / "train.xyz")
    for config_type, energies in measurement.table.binding_energies.items():
        points = energy_points(measurement.dataset, carbide.reference_energies)
        records = [point.energy for point in points if point.config_type == config_type]
        assert energies == records
        assert len(energies) == len(measurement.table.parity[config_type]["energy"].labels)
    assert measurement.table.binding_energies["isolated_atom"] == pytest.approx([0.01], abs=1e-9)


def test_the_header_tells_what_the_fit_used(page, folder):
    sha = read_dataset(folder / "train.xyz").sha256
    parsed = Parsed(page)
    overview = parsed.rows("in the fit")
    assert [row[:2] for row in overview] == [["train.xyz", "train"], ["test.xyz", "no"]]
    assert sha in page
    assert "blr" in parsed.text
    assert "comes from least squares" in parsed.text


def test_distances_are_those_between_atoms(carbide):
    atoms = rattled(["Si", "C"], 3)
    distances = Distances(carbide.elements, carbide.cutoff)
    distances.add("one", atomic_graph(atoms, carbide.cutoff))
    i, j, shifts = brute_force_pairs(atoms, carbide.cutoff)
    lengths = np.linalg.norm(pair_vectors(atoms, i, j, shifts), axis=1)
    assert distances.counts.sum() == len(lengths)
    symbols = np.array(atoms.symbols)
    for a, b in (("C", "C"), ("C", "Si"), ("Si", "Si")):
        mine = lengths[(symbols[i] == a) & (symbols[j] == b)]
        assert distances.shortest[a, b].distance == pytest.approx(mine.min(), rel=1e-12)
        counts = distances.counts[carbide.elements.index(a), carbide.elements.index(b)]
        assert (counts == np.histogram(mine, distances.edges)[0]).all()
    assert distances.density([("C", "Si")]).max() == pytest.approx(1.0)


def test_dimer_curves_end_in_zero_and_repel(carbide):
    curves = dimer_curves(carbide)
    assert [curve.pair for curve in curves] == [("C", "C"), ("C", "Si"), ("Si", "Si")]
    for curve in curves:
        slope = np.gradient(curve.energies, curve.distances)
        inside = (curve.distances > curve.core[0]) & (curve.distances < curve.core[1])
        assert np.abs(curve.energies[curve.distances >= carbide.cutoff]).max() == pytest.approx(0.0, abs=1e-9)
        assert (curve.weakest_core_repulsion > 0) == bool((slope[inside] < 0).all())
        assert slope[inside] == pytest.approx(-curve.repulsion[inside], rel=0.05, abs=0.05 * np.abs(slope).max())


def test_an_attractive_core_is_told(silicon, tmp_path):
    model = random_model(["Si"], order=2)
    with torch.no_grad():
        for columns in model.basis.pair_columns.values():
            model.coefficients[columns] *= -1
    page = page_of(model, tmp_path / "data.xyz", [labeled(model, rattled(["Si"], 0), "bulk")])
    assert "The dimer Si–Si attracts between" in page
    good = page_of(silicon, tmp_path / "data.xyz", [labeled(silicon, rattled(["Si"], 0), "bulk")])
    assert "attracts between" not in good


def test_many_elements_share_panels(tmp_path):
    elements = ["Al", "Si", "Ti", "Fe", "Cu", "Au"]
    model = random_model(elements, order=1, degree=3.0)
    parsed = Parsed(page_of(model, tmp_path / "data.xyz", [labeled(model, rattled(elements, 0), "bulk")]))
    for element in elements:
        assert parsed.text.count(f"{element} with …") == 2  # dimers and distances
    assert len(parsed.rows("weakest core repulsion −dE/dr\neV/Å")) == 21


def test_one_element_without_provenance(silicon, tmp_path):
    page = page_of(silicon, tmp_path / "data.xyz", [labeled(silicon, rattled(["Si"], 0), "bulk")])
    parsed = Parsed(page)
    assert set(SECTIONS) <= set(parsed.ids)
    assert "does not record how the model was fitted" in parsed.text
    assert parsed.rows("in the fit")[0][1] == "unknown"


def test_a_provenance_of_another_kind_is_no_error(silicon, tmp_path):
    odd = {"data": ["train.xyz"], "weights": 3, "solver": {"name": "<own>"}}
    page = page_of(silicon, tmp_path / "data.xyz", [labeled(silicon, rattled(["Si"], 0), "bulk")], provenance=odd)
    assert Parsed(page).open == []
    assert "<own>" not in page


@pytest.mark.parametrize("labels", [("energy",), ("forces",), ("energy", "forces"), ("stress",)])
def test_missing_labels_are_dashes_and_no_figures(silicon, tmp_path, labels):
    frames = [labeled(silicon, rattled(["Si"], seed), "bulk", labels=labels) for seed in range(2)]
    parsed = Parsed(page_of(silicon, tmp_path / "data.xyz", frames))
    (row, _) = parsed.rows("energy MAE\nmeV/atom")
    kinds = [name in labels for name in ("energy", "forces", "stress")]
    assert [cell != "–" for cell in row[2:]] == [kind for kind in kinds for _ in range(2)]
    assert ("energies" in parsed.ids) == ("energy" in labels)


def test_data_without_a_usable_label_are_no_error(silicon, tmp_path):
    atoms = rattled(["Si"], 0)
    atoms.info["REF_stress"] = np.zeros(9)
    atoms.pbc = (True, True, False)  # such a stress is ignored
    parsed = Parsed(page_of(silicon, tmp_path / "data.xyz", [atoms]))
    assert "have no labels to compare with" in parsed.text
    assert "1 virials ignored" in parsed.text


def test_molecules_have_no_volume(silicon, tmp_path):
    atoms = rattled(["Si"], 0)
    atoms.pbc = False
    page = page_of(silicon, tmp_path / "data.xyz", [labeled(silicon, atoms, "cluster")])
    assert "atoms in the structure" in page
    assert "Å³/atom" not in page


def test_special_characters_are_escaped(silicon, tmp_path):
    """Those of config types, of files, and of what a model file says of its fit."""
    ase.io.write(tmp_path / "a<i>&.xyz", [labeled(silicon, rattled(["Si"], seed), ODD) for seed in range(2)])
    odd = "<script>alert(1)</script>"
    provenance = {"solver": odd, "data": {odd: {"file": odd, "keys": {odd: odd}}}, "weights": {odd: {"E": odd}}}
    page = report_page(silicon, measured(silicon, tmp_path / "a<i>&.xyz"), "<b>&amp;.acnn", provenance)
    parsed = Parsed(page)
    assert parsed.open == []
    assert ODD in {row[0] for row in parsed.rows("energy MAE\nmeV/atom")}
    assert parsed.rows("in the fit")[0][0] == "a<i>&.xyz"
    assert "<title>&lt;b&gt;&amp;amp;.acnn</title>" in page
    assert "<h3>a&lt;i&gt;&amp;.xyz</h3>" in page
    assert parsed.text.count(odd) >= 7
    assert "<i>" not in page
    assert "<b>&" not in page
    assert "<script" not in page
    assert parsed.text.count("$x_1$") > 3  # also in a figure, and not as a formula


def test_many_points_become_a_picture(silicon, tmp_path):
    frames = [labeled(silicon, rattled(["Si"], seed), "bulk") for seed in range(MOST_VECTOR_POINTS // 48 + 2)]
    page = page_of(silicon, tmp_path / "data.xyz", frames)
    assert page.count("data:image/png;base64,") >= 2
    assert len(page.encode()) < SMALL_PAGE


def test_names_of_data_tell_them_apart(folder, tmp_path):
    (tmp_path / "train.xyz").write_bytes((folder / "train.xyz").read_bytes())
    paths = [folder / "train.xyz", tmp_path / "train.xyz", folder / "test.xyz"]
    assert dataset_names(map(read_dataset, paths)) == [*map(str, paths[:2]), "test.xyz"]


def test_the_same_data_twice_is_told(carbide, folder, tmp_path):
    (tmp_path / "copy.xyz").write_bytes((folder / "test.xyz").read_bytes())
    page = report_page(carbide, measured(carbide, folder / "test.xyz", tmp_path / "copy.xyz"), "model")
    assert "copy.xyz and test.xyz are the same data" in page


def test_a_committee_brings_its_section(tmp_path):
    model = random_model(["Si"], order=2)
    random = torch.from_numpy(np.random.default_rng(0).normal(size=(4, len(model.coefficients))))
    model.set_committee(model.coefficients * (1 + 0.01 * random))
    frames = [labeled(model, rattled(["Si"], seed), "bulk") for seed in range(2)]
    parsed = Parsed(page_of(model, tmp_path / "data.xyz", frames))
    assert "uncertainty" in parsed.ids
    rows = parsed.rows("miscalibration")
    assert [row[0].split(",")[0] for row in rows] == list(QUANTITIES)
    assert all(0 <= float(row[3]) <= 0.5 for row in rows)


def test_progress_reaches_its_total(silicon, tmp_path):
    calls: list[None] = []
    frames = [labeled(silicon, rattled(["Si"], 0), "bulk")]
    page_of(silicon, tmp_path / "data.xyz", frames, advance=lambda: calls.append(None))
    assert len(calls) == N_SECTIONS


def test_an_element_the_model_lacks_is_one_sentence(silicon, folder, tmp_path):
    save_model(silicon, tmp_path / "si.acnn")
    done = run(tmp_path / "si.acnn", folder / "train.xyz")
    assert done.exit_code == 2
    assert "train.xyz contains C, which is not among the model's elements (Si)" in done.output
    assert not (tmp_path / "si.html").exists()


def test_no_input_is_overwritten(folder):
    before = (folder / "train.xyz").read_bytes()
    done = run(folder / "sic.acnn", folder / "train.xyz", "-o", folder / "train.xyz")
    assert done.exit_code == 2
    assert "would overwrite" in done.output
    assert (folder / "train.xyz").read_bytes() == before


def test_without_matplotlib_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run(folder / "sic.acnn", folder / "train.xyz", "-o", folder / "other.html")
    assert done.exit_code == 2
    assert 'pip install "acnn[plot]"' in done.output
    assert not (folder / "other.html").exists()


def test_the_page_has_the_name_of_the_model_by_default(folder):
    done = run(folder / "sic.acnn", folder / "test.xyz", "--kernel", "torch", "--overwrite")
    assert done.exit_code == 0, done.output
    assert "torch, double precision" in (folder / "sic.html").read_text(encoding="utf-8")
