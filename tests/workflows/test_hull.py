"""Hulls of enthalpies by hand and by acnn hull."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.structure_files import write_structures
from acnn.workflows.hull import hull_of


def crystal(formula: str, energy: float, volume: float = 10.0, pressure: float = 0.0, name: str = "") -> Atoms:
    """A structure with energy and volume per atom."""
    atoms = Atoms(formula, pbc=True)
    n = len(atoms)
    atoms.set_cell(np.eye(3) * (volume * n) ** (1 / 3))
    atoms.set_scaled_positions(np.random.default_rng(n).random((n, 3)))
    atoms.calc = SinglePointCalculator(atoms, energy=energy * n)
    atoms.info |= {"name": name or formula, "pressure": pressure, "spacegroup": "P1"}
    return atoms


BINARY = [
    crystal("Cu2", -3.0),
    crystal("Al", -2.0),
    crystal("CuAl", -2.7),  # 0.2 below the elements
    crystal("Cu3Al", -2.80),  # 0.05 below the elements, and 0.05 above CuAl and Cu
    crystal("Al", -1.9, name="worse"),
]


def test_distances_and_enthalpies_of_formation_are_those_found_by_hand() -> None:
    found = {phase.name: phase for phase in hull_of(BINARY).phases}
    assert found["CuAl"].formation == pytest.approx(-0.2)
    assert found["Cu3Al"].formation == pytest.approx(-0.05)
    assert found["Cu3Al"].above == pytest.approx(0.05)
    assert found["worse"].above == pytest.approx(0.1)
    assert [phase.name for phase in hull_of(BINARY).stable] == ["CuAl", "Al", "Cu2"]
    assert found["Cu2"].formula == "Cu"
    assert found["CuAl"].volume == pytest.approx(10.0)


def test_pressure_favors_what_is_dense() -> None:
    """P ΔV of 2 Å³ at 10 GPa is 0.125 eV per atom: more than what Cu3Al lacks."""
    pressed = [crystal(str(a.symbols), a.get_potential_energy() / len(a), 10.0, 10.0, a.info["name"]) for a in BINARY]
    pressed[3] = crystal("Cu3Al", -2.80, 8.0, 10.0)
    found = {phase.name: phase for phase in hull_of(pressed).phases}
    assert found["Cu3Al"].above == 0
    assert found["Cu3Al"].formation == pytest.approx(-0.05 - 2.0 * 10 * GPa)
    assert found["Cu3Al"].enthalpy == pytest.approx(-2.80 + 8.0 * 10 * GPa)
    with pytest.raises(ValueError, match="have pressures from 0 to 10 GPa: choose one with --pressure"):
        hull_of([*pressed, *BINARY])
    assert len(hull_of([*pressed, *BINARY], 10.0).phases) == 5
    assert hull_of([*pressed, *BINARY], 10.0).left_out == {"another pressure": 5}


def test_what_cannot_be_used_is_said() -> None:
    with pytest.raises(ValueError, match="there is none of pure Al"):
        hull_of([BINARY[0], BINARY[2]])
    with pytest.raises(ValueError, match="none of 1 structure can be used for a hull: 1 with no energy or no cell"):
        hull_of([Atoms("Cu")])
    assert hull_of([*BINARY, Atoms("Cu")]).left_out == {"no energy or no cell": 1}
    assert [phase.above for phase in hull_of([BINARY[1], BINARY[4]]).phases] == pytest.approx([0.0, 0.1])
    with pytest.raises(ValueError, match="a plot shows hulls of 2 to 4 elements, and these structures have 1"):
        hull_of([BINARY[1], BINARY[4]]).html()


@pytest.mark.parametrize("elements", [2, 3, 4])
def test_pages_need_no_other_file(elements: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    symbols = ["Cu", "Al", "Mg", "Si"][:elements]
    write_structures(
        Path("all.res"),
        [*(crystal(symbol, 0.0) for symbol in symbols), crystal("".join(symbols), -0.1, name="compound")],
    )
    done = CliRunner().invoke(app, ["hull", "all.res", "--html", "hull.html", "--json", "hull.json"])
    assert done.exit_code == 0, done.output
    assert f"{elements + 1} on the hull of {elements + 1} structures" in done.output
    page = Path("hull.html").read_text(encoding="utf-8")
    assert "plotly" in page
    assert not re.search(r"<script[^>]+src=", page)
    assert "-".join(sorted(symbols)) in page
    found = json.loads(Path("hull.json").read_text(encoding="utf-8"))
    assert found["phases"][0]["name"] == "compound"
    assert found["phases"][0]["formation"] == pytest.approx(-0.1)
