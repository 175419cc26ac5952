"""The basis that is chosen where none is given: from the data, within bounds, and never of pairs alone."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from acnn.basis.specification import BasisSpecification
from acnn.cli.main import app
from acnn.data.dataset import LabeledStructure, Weights
from acnn.fit import default_basis as defaults
from acnn.fit.default_basis import default_basis, default_cutoffs, most_functions, sampled, shapes_within
from acnn.fit.job import run_fit
from acnn.fit.linear import LinearProblem
from acnn.fit.report import FitReport
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.settings.fit import fit_settings
from acnn.solvers import BLR, AlgebraicPrior

FILES = {"train": "train.xyz", "output": "m.acnn"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates of at most 60 functions."""
    monkeypatch.setattr(defaults, "MOST_FUNCTIONS", 60)
    monkeypatch.setattr(defaults, "FEWEST_FUNCTIONS", 40)


def copper(seed: int) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.55 + 0.02 * (seed % 8))
    atoms.rattle(0.15, seed=seed)
    return atoms


def labeled(atoms: Atoms) -> Atoms:
    computed, copy = atoms.copy(), atoms.copy()
    computed.calc = EMT()
    copy.info = {"REF_energy": computed.get_potential_energy()}
    copy.arrays["REF_forces"] = computed.get_forces()
    return copy


def basis(elements: tuple[str, ...] = ("Cu",)) -> partial[BasisSpecification]:
    return partial(fit_settings(FILES).specification, elements)


def fitted(folder: Path, structures: list[Atoms], **given: object) -> FitReport:
    ase.io.write(folder / "train.xyz", structures)
    files = {"train": folder / "train.xyz", "output": folder / "m.acnn", "overwrite": True}
    return run_fit({**files, "e0": dict.fromkeys({s for a in structures for s in a.symbols}, 0.0), **given})


@pytest.mark.parametrize("n", [1, 3, 10])
def test_a_few_structures_give_a_small_basis_with_angles(tmp_path, n):
    report = fitted(tmp_path, [labeled(copper(seed)) for seed in range(n)])
    specification = report.fit.model.basis.specification
    assert specification.order > 1
    assert 4 < specification.n_functions <= 60
    (chosen,) = [c for c in report.candidates if c.is_chosen]
    assert chosen.specification == specification
    assert chosen.evidence == max(c.evidence for c in report.candidates)
    assert min(c.specification.order for c in report.candidates) > 1


@pytest.mark.parametrize("cutoff", [5.5, 6.4])
def test_the_cutoff_is_that_of_the_data(cutoff):
    assert default_cutoffs(["Cu"]) == (5.5, 6.4)
    truth = basis()(order=2, degree=(6.0, 6.0), wl=1.0, cutoff=cutoff)
    model = LinearACE(truth, {"Cu": 0.0}, torch.as_tensor(np.random.default_rng(1).normal(size=truth.n_functions)))
    found = default_basis(
        basis(), LinearProblem(truth, {"Cu": 0.0}, BLR(), AlgebraicPrior()), (5.5, 6.4), by(model, 16), costs=False
    )
    (best,) = [c.specification for c in found if c.is_chosen]
    assert best.cutoff == cutoff
    assert {c.specification.cutoff for c in found} == {5.5, 6.4}
    assert {c.specification.wl for c in found} == {1.0, 1.5}


def by(model: LinearACE, n: int) -> list[LabeledStructure]:
    """Clusters of five atoms, many of which are farther apart than 5 Å."""
    rng, structures = np.random.default_rng(2), []
    for k in range(n):
        corners = rng.permutation(list(itertools.product([0, 3.5], repeat=3)))[:5]
        atoms = Atoms("Cu5", corners + rng.uniform(-0.7, 0.7, size=(5, 3)))
        found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
        forces = found.forces.numpy() + rng.normal(scale=1e-4, size=(5, 3))
        structures.append(LabeledStructure(atoms, float(found.energies[0]), forces, None, "a", Weights(), f"#{k}"))
    return structures


def test_long_bonds_get_long_cutoffs_unless_too_many_atoms_are_within():
    assert default_cutoffs(["H", "C", "O"]) == (5.5,)
    assert default_cutoffs(["Li"]) == (5.5, 7.6)
    water = molecule("H2O")
    water.set_cell([3.1] * 3)
    water.pbc = True
    salty = [LabeledStructure(water, 0.0, None, None, "a", Weights(), "#0")]
    assert default_cutoffs(["H", "O", "Cs"]) == (5.5, 13.1)
    assert default_cutoffs(["H", "O", "Cs"], salty) == (5.5,)


@pytest.mark.parametrize("elements", [("Cu",), ("Al", "Cu"), ("H", "C", "O", "Cu")])
def test_shapes_are_the_largest_within_the_bound(elements):
    for most in (40, 200, 700):
        found = shapes_within(basis(elements), 5.5, 1.0, most)
        assert all(spec.n_functions <= most or spec.degrees("Cu") == (3.0, 3.0) for spec in found)
        assert all(spec.order > 1 for spec in found)
        for spec in found:
            degrees = tuple(d + 1 for d in spec.degrees("Cu"))
            assert basis(elements)(order=spec.order, degree=degrees, wl=1.0, cutoff=5.5).n_functions > most


def test_there_are_fewer_functions_than_equations():
    structures = [LabeledStructure(copper(k), 0.0, np.zeros((4, 3)), None, "a", Weights(), "") for k in range(8)]
    assert most_functions(structures) == 8 * 13 / 2
    assert most_functions(structures[:1]) == 40
    assert most_functions(structures * 10) == 60


def test_a_sample_has_every_config_type(monkeypatch):
    monkeypatch.setattr(defaults, "MOST_ATOMS", 100)
    names = ["cold"] * 80 + ["hot"] * 20
    structures = [LabeledStructure(copper(k), 0.0, None, None, name, Weights(), "") for k, name in enumerate(names)]
    chosen = sampled(structures, 0)
    assert chosen.sum() == 25
    assert Counter(name for name, take in zip(names, chosen, strict=True) if take) == {"cold": 20, "hot": 5}
    assert sampled(structures[:20], 0).all()


def test_what_is_given_is_not_chosen(tmp_path):
    structures = [labeled(copper(seed)) for seed in range(4)]
    for given in ({"order": 2}, {"degree": 4}, {"wl": 3.0}, {"pair_cutoff": 4.0}):
        settings = fit_settings({**FILES, **given})
        assert settings.criterion is None
        specification = settings.specification(("Cu",))
        assert {
            "order": 3,
            "degree": 12.0,
            "wl": 1.5,
            "cutoff": 5.5,
            **given,
        }.items() <= specification.model_dump().items()
    report = fitted(tmp_path, structures, cutoff=4.5)
    assert {c.specification.cutoff for c in report.candidates} == {4.5}
    assert report.fit.model.cutoff == 4.5


@pytest.mark.slow
def test_a_checkpoint_keeps_its_basis_when_data_are_added(tmp_path):
    ase.io.write(tmp_path / "more.xyz", [labeled(copper(seed)) for seed in range(20, 32)])
    checkpoint = tmp_path / "all.factor"
    first = fitted(tmp_path, [labeled(copper(seed)) for seed in range(3)], checkpoint=checkpoint)
    second = fitted(
        tmp_path, [labeled(copper(seed)) for seed in range(3)], checkpoint=checkpoint, add=tmp_path / "more.xyz"
    )
    assert second.fit.model.basis.specification == first.fit.model.basis.specification
    assert second.fit.n_rows > first.fit.n_rows
    assert second.candidates == []


def test_the_command_says_what_it_chose(tmp_path):
    ase.io.write(tmp_path / "train.xyz", [labeled(copper(seed)) for seed in range(4)])
    arguments = ["fit", str(tmp_path / "train.xyz"), "-o", str(tmp_path / "m.acnn"), "--e0", "Cu=0", "--cutoff", "4"]
    done = CliRunner().invoke(app, [*arguments, "--json", str(tmp_path / "m.json")])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "m.json").read_text())
    (best,) = [c for c in told["selection"] if c["is_chosen"]]
    assert f"w_L {best['wl']:g}, cutoff 4 Å, {told['n_basis']} functions; chosen by evidence" in done.stdout
    shown = CliRunner().invoke(app, ["info", str(tmp_path / "m.acnn")]).stdout
    assert f"evidence of {len(told['selection'])} candidates" in " ".join(shown.split())
