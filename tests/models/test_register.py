"""A new type of model is one class: files, commands, ASE, ensembles and LAMMPS need to know nothing of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from torch import Tensor
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.graph import AtomicGraph
from acnn.io.model_file import ModelFileError, load_model, save_model
from acnn.models import MODEL_TYPES, Model
from acnn.models.ensemble import Ensemble
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.model import Header, Tensors, register
from acnn.potential import Description
from acnn.testing import random_crystal
from acnn.workflows.check import check_model
from ase_calculator import ACNNCalculator


class Soft(Model):
    """e_i = E0(z_i) + Σ_j k (r_ij - r_cut)²: springs that only push."""

    model_type = "soft"
    header_keys = ("reference_energies", "cutoff")

    def __init__(self, energies: Mapping[str, float], cutoff: float, strength: Tensor) -> None:
        super().__init__()
        self.elements, self.cutoff = tuple(energies), cutoff
        self._e0 = ReferenceEnergies(self.elements, energies)
        self.strength = torch.nn.Parameter(strength, requires_grad=False)

    @property
    def e0(self) -> ReferenceEnergies:
        return self._e0

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        below = (self.cutoff - graph.pair_vectors.norm(dim=1)).clamp(min=0)
        return self.e0(graph).index_add(0, graph.pair_i, (self.strength * below**3).double())

    def to_parts(self) -> tuple[Header, Tensors]:
        return {"reference_energies": self.e0.energies, "cutoff": self.cutoff}, {"strength": self.strength}

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> Soft:
        return cls(header["reference_energies"], header["cutoff"], tensors["strength"])

    def describe(self) -> list[Description]:
        return [Description("soft springs", [("strength", f"{float(self.strength):g}")])]


def soft(strength: float = 0.5) -> Soft:
    return Soft({"C": -2.0, "Si": -1.0}, 3.5, torch.tensor(strength, dtype=torch.float64))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register("soft")(Soft)
    yield
    MODEL_TYPES.pop("soft", None)


def test_its_file_gives_the_same_model(tmp_path: Path) -> None:
    path, atoms = tmp_path / "m.acnn", random_crystal(["Si", "C"])
    save_model(soft(), path)
    again = load_model(path)
    assert isinstance(again, Soft)
    before, after = (ACNNCalculator(model).get_property("forces", atoms) for model in (soft(), again))
    assert np.abs(before).max() > 1
    np.testing.assert_array_equal(after, before)
    MODEL_TYPES.pop("soft")
    with pytest.raises(ModelFileError, match="a model of type 'soft', but this version of acnn reads"):
        load_model(path)


def test_ase_commands_and_checks_know_what_to_do(tmp_path: Path) -> None:
    save_model(soft(), tmp_path / "m.acnn")
    atoms = random_crystal(["Si", "C"])
    atoms.calc = ACNNCalculator(soft())
    atoms.info["REF_energy"], atoms.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
    ase.io.write(tmp_path / "x.xyz", atoms, columns=["symbols", "positions", "REF_forces"])
    for command in (
        "info m.acnn",
        "evaluate m.acnn x.xyz",
        "report m.acnn x.xyz -o r.html",
        "export m.acnn --to mliap",
    ):
        words = [str(tmp_path / word) if "." in word else word for word in command.split()]
        given = ["-o", str(tmp_path / "m.mliap.pt")] if words[0] == "export" else []
        done = CliRunner().invoke(app, [*words, *given], env={"COLUMNS": "200"})
        assert done.exit_code == 0, done.output
    told = CliRunner().invoke(app, ["info", str(tmp_path / "m.acnn")]).output
    assert "strength" in told
    assert "0.5" in told
    failed = [result.name for result in check_model(soft(), [atoms]) if not result.passed]
    assert failed == []


def test_a_committee_of_them_has_a_spread() -> None:
    ensemble = Ensemble([soft(0.4), soft(0.6)])
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    calculator = ACNNCalculator(ensemble)
    forces = [ACNNCalculator(member).get_property("forces", atoms) for member in ensemble.members()]
    np.testing.assert_allclose(calculator.get_property("forces", atoms), np.mean(forces, axis=0), atol=1e-12)
    np.testing.assert_allclose(calculator.get_property("forces_std", atoms), np.std(forces, axis=0), atol=1e-12)
