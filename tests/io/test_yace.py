"""Exported .yace files give the model's energies: by the format's formulas, and by python-ace where it is installed."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import ase
import ase.build
import numpy as np
import pytest
import torch
import yaml
from numpy.polynomial import chebyshev
from typer.testing import CliRunner

from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.cli.main import app
from acnn.io.model_file import save_model
from acnn.io.yace import YaceReport, product_functions, save_yace
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.testing import (
    FINITE_DIFFERENCE_TOLERANCE,
    FORCE_SCALE,
    random_crystal,
    random_model,
    relative_deviation,
    scipy_harmonic,
    with_zbl,
)

ENERGY_TOLERANCE = 1e-9
"""eV: the fit of the radial functions, in what are energies of the order of an eV."""
SPLINE_FORCE_TOLERANCE = 2e-8
"""eV/Å: python-ace tabulates radial functions; slopes of its splines are this good at steps of 0.001 Å."""
ROUNDED_TOLERANCE = 1e-3
"""eV: where a derivative jumps inside the cutoff, in models whose forces are of the order of 1 eV/Å."""

CASES: dict[str, dict[str, Any]] = {
    "order 1": {"elements": ["Si"], "order": 1, "degree": 7.0},
    "order 2, no pair part": {"elements": ["Si"], "order": 2, "pair_degree": 0},
    "order 3": {"elements": ["Si"], "order": 3, "degree": 8.0},
    "order 4": {"elements": ["Si"], "order": 4, "degree": 9.0},
    "order 5": {"elements": ["Si"], "order": 5, "degree": 7.0},
    "self-interacting": {"elements": ["Si"], "order": 3, "formulation": "self_interacting"},
    "two elements": {"elements": ["Al", "Ti"], "order": 3, "bond_lengths": {"Al-Ti": 2.6}},
    "overrides": {
        "elements": ["Al", "Ti"],
        "order": 2,
        "overrides": {"Ti": ElementOverride(order=1, degree=(4.0,))},
    },
    "self-interacting alloy": {"elements": ["C", "Si"], "order": 2, "formulation": "self_interacting", "cutoff": 4.0},
    "names YAML takes for truth values": {"elements": ["N", "Y"], "order": 2, "degree": 4.0, "cutoff": 5.0},
    "Jacobi polynomials": {"elements": ["Si"], "order": 2, "jacobi": (1.0, 0.5), "transform": (1.5, 3.0)},
}
ROUNDED = {
    "longer pair cutoff": {"elements": ["Si"], "order": 3, "pair_cutoff": 5.5},
    "shorter pair cutoff": {"elements": ["Si"], "order": 3, "pair_cutoff": 4.0},
}


def site_energies(model: LinearACE, atoms: ase.Atoms) -> np.ndarray:
    with torch.no_grad():
        return model.site_energies(atomic_graph(atoms, model.cutoff)).numpy()


def structures(model: LinearACE) -> list[ase.Atoms]:
    slab = ase.build.diamond100("Si", (1, 1, 3), vacuum=3.0)
    slab.symbols = np.resize(model.elements, len(slab))
    slab.rattle(0.1, seed=3)
    return [random_crystal(model.elements, seed=5), slab, ase.Atoms(model.elements[0])]


# --- a reader of the format -------------------------------------------------------------------------------------------


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with pairs such as [0, 1] as keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        items = [(self.construct_object(k, deep=True), self.construct_object(v, deep=True)) for k, v in node.value]
        return {tuple(k) if isinstance(k, list) else k: v for k, v in items}


Loader.add_constructor("tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node))


class Reader:
    """Energies of a .yace file by the definition of the format, without splines."""

    def __init__(self, path: Path) -> None:
        self.content = yaml.load(path.read_text(), Loader)
        self.elements: list[str] = self.content["elements"]
        self.cutoff = max(bond["rcut"] for bond in self.content["bonds"].values())

    def g(self, bond: dict[str, Any], r: float) -> np.ndarray:
        """g_k(r), k = 1 … (ChebExpCos)."""
        assert bond["radbasename"] == "ChebExpCos"
        assert bond["dcut"] == bond["rcut_in"] == bond["dcut_in"] == bond["prehc"] == 0
        if r >= bond["rcut"]:
            return np.zeros(bond["nradbasemax"])
        decay = bond["radparameters"][0]
        x = 1 - 2 * (np.exp(-decay * r / bond["rcut"]) - np.exp(-decay)) / (1 - np.exp(-decay))
        polynomials = chebyshev.chebvander(np.array([x]), bond["nradbasemax"] - 1)[0]
        polynomials[1:] = (1 - polynomials[1:]) / 2
        return polynomials * (1 + np.cos(np.pi * r / bond["rcut"])) / 2

    def site_energy(self, center: int, neighbors: list[tuple[int, np.ndarray]]) -> float:
        density: dict[tuple[int, ...], complex] = defaultdict(complex)
        alone: dict[tuple[int, int], float] = defaultdict(float)
        for mu, vector in neighbors:
            bond, r = self.content["bonds"][center, mu], float(np.linalg.norm(vector))
            g = self.g(bond, r)
            radial = np.array(bond["radcoefficients"]) @ g
            for k, value in enumerate(g, start=1):
                alone[mu, k] += value
            for n, l in np.ndindex(radial.shape):
                for m in range(-l, l + 1):
                    harmonic = np.sqrt(4 * np.pi) * scipy_harmonic(l, m, vector[None])[0]
                    density[mu, n + 1, l, m] += radial[n, l] * harmonic
        rho = 0.0
        for f in self.content["functions"][center]:
            assert f["mu0"] == center
            assert len(f["ctildes"]) == f["num_ms_combs"]
            combinations = np.reshape(f["ms_combs"], (f["num_ms_combs"], f["rank"]))
            for ms, coefficient in zip(combinations.tolist(), f["ctildes"], strict=True):
                if f["rank"] == 1:
                    rho += coefficient * alone[f["mus"][0], f["ns"][0]]
                    continue
                factors = zip(f["mus"], f["ns"], f["ls"], ms, strict=True)
                rho += coefficient * float(np.real(np.prod([density[factor] for factor in factors])))
        embedding = self.content["embeddings"][center]
        assert embedding["ndensity"] == 1
        assert embedding["FS_parameters"] == [1, 1]
        return self.content["E0"][center] + rho

    def site_energies(self, atoms: ase.Atoms) -> np.ndarray:
        graph = atomic_graph(atoms, self.cutoff)
        index = [self.elements.index(symbol) for symbol in atoms.get_chemical_symbols()]
        pairs = list(zip(graph.pair_i.tolist(), graph.pair_j.tolist(), graph.pair_vectors.numpy(), strict=True))
        return np.array([
            self.site_energy(index[i], [(index[j], vector) for center, j, vector in pairs if center == i])
            for i in range(len(atoms))
        ])  # fmt: skip


# --- the physics ------------------------------------------------------------------------------------------------------


class Exported(NamedTuple):
    model: LinearACE
    report: YaceReport
    path: Path


def deviation(model: LinearACE, path: Path, chosen: list[ase.Atoms]) -> float:
    reader = Reader(path)
    return max(float(np.abs(reader.site_energies(a) - site_energies(model, a)).max()) for a in chosen)


@pytest.fixture(scope="module", params=CASES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path, model = tmp_path_factory.mktemp("yace") / "m.yace", random_model(seed=1, **CASES[request.param])
    return Exported(model, save_yace(model, path), path)


def test_the_file_has_the_energies_of_the_model(exported: Exported) -> None:
    model, report, path = exported
    assert deviation(model, path, structures(model)) < ENERGY_TOLERANCE
    assert report.fit_error.pair < 1e-8
    assert report.fit_error.radial < 1e-7


def test_second_derivatives_are_continuous_at_the_cutoff(exported: Exported) -> None:
    """½ (1 + cos πr/r_cut) alone is C¹, times ½ (1 - T_k) it is C²."""
    content = Reader(exported.path).content
    for bond in content["bonds"].values():
        assert not np.array(bond["radcoefficients"])[..., 0].any()
    for functions in content["functions"].values():
        assert not [f for f in functions if f["rank"] == 1 and f["ns"] == [1] and any(f["ctildes"])]


@pytest.mark.parametrize("name", ROUNDED)
def test_of_two_cutoffs_the_shorter_is_rounded_off_and_said(tmp_path: Path, name: str) -> None:
    model = random_model(seed=1, **ROUNDED[name])
    report = save_yace(model, tmp_path / "m.yace")
    assert deviation(model, tmp_path / "m.yace", structures(model)) < ROUNDED_TOLERANCE
    assert any("one cutoff" in limit for limit in report.limits)


def test_zbl_is_in_the_pair_functions_and_said(tmp_path: Path) -> None:
    model = with_zbl(random_model(["C", "Si"], order=2, seed=2))
    report = save_yace(model, tmp_path / "m.yace")
    close = ase.Atoms("SiCSi", [[0, 0, 0], [1.2, 0, 0], [0, 1.8, 0.1]])
    with_reach = site_energies(model, close) - site_energies(random_model(["C", "Si"], order=2, seed=2), close)
    assert with_reach.max() > 1.0
    assert deviation(model, tmp_path / "m.yace", [close, *structures(model)]) < 10 * ROUNDED_TOLERANCE
    assert any("ZBL" in limit for limit in report.limits)


def test_forces_are_the_slopes_of_the_files_energy(tmp_path: Path) -> None:
    model = random_model(["Al", "Ti"], order=3, seed=4)
    save_yace(model, tmp_path / "m.yace")
    reader, h = Reader(tmp_path / "m.yace"), 1e-4
    atoms = ase.Atoms("AlTiTiAl", [[0, 0, 0], [2.6, 0.2, 0], [0.1, 2.7, 0.4], [2.2, 2.4, 1.9]])
    forces = model.pair_gradients(atomic_graph(atoms, model.cutoff)).forces.numpy()
    found = np.zeros(3)
    for axis in range(3):
        moved = [atoms.copy(), atoms.copy()]
        for copy, sign in zip(moved, (1, -1), strict=True):
            copy.positions[1, axis] += sign * h
        found[axis] = -(reader.site_energies(moved[0]).sum() - reader.site_energies(moved[1]).sum()) / (2 * h)
    assert relative_deviation(found, forces[1], FORCE_SCALE) < FINITE_DIFFERENCE_TOLERANCE


def test_below_the_shortest_distance_repulsion_goes_on_and_stays_finite(tmp_path: Path) -> None:
    """Also where large products cancel against their purification, as they do in fitted models."""
    model = random_model(["Si"], order=3, seed=1)
    model.coefficients.detach()[: model.basis.by_element[0].n_functions] *= 1e3
    report = save_yace(model, tmp_path / "m.yace", shortest=0.6)
    shortest = report.bonds[0, 0].shortest
    assert shortest == pytest.approx(0.6 * float(model.basis.radial.r0[0, 0]))
    reader = Reader(tmp_path / "m.yace")

    def energy(r: float) -> float:
        return float(reader.site_energies(ase.Atoms("Si2", [[0, 0, 0], [0, 0, r]])).sum())

    energies = [energy(r) for r in np.linspace(shortest, 0.01, 12)]
    assert np.all(np.diff(energies) > 0)
    assert energies[-1] - 2 * model.e0.energies["Si"] == pytest.approx(2 * report.bonds[0, 0].contact, rel=0.1)
    assert any(f"Si-Si {shortest:.2f} Å" in limit for limit in report.limits)


def test_an_attractive_core_is_said(tmp_path: Path) -> None:
    model = random_model(["Si"], order=1, degree=3.0)
    model.coefficients.detach().mul_(-1)
    assert any("attracts" in limit for limit in save_yace(model, tmp_path / "m.yace").limits)


def test_a_tolerance_takes_fewer_functions_and_is_kept(tmp_path: Path) -> None:
    model = random_model(["Si"], order=2, seed=1)
    exact, loose = (save_yace(model, tmp_path / "m.yace", tolerance=t) for t in (0.0, 1e-5))
    assert loose.n_radial_functions < exact.n_radial_functions
    assert exact.fit_error.pair < loose.fit_error.pair <= 1e-5
    assert any("approximated" in limit for limit in loose.limits) == (max(vars(loose.fit_error).values()) > 1e-6)


def test_every_product_with_a_coefficient_is_written_once(tmp_path: Path) -> None:
    model = random_model(["Al", "Ti"], order=3)
    model.coefficients.detach()[::3] = 0.0
    report = save_yace(model, tmp_path / "m.yace")
    functions = Reader(tmp_path / "m.yace").content["functions"]
    kinds = [
        (mu0, *map(tuple, (f["mus"], f["ns"], f["ls"]))) for mu0, of in functions.items() for f in of if f["rank"] > 1
    ]
    assert len(kinds) == len(set(kinds)) == report.n_functions
    written = [f for of_element in product_functions(model) for f in of_element]
    assert sum(len(f.coefficients) for f in written) == report.n_products
    for f in written:
        assert len({tuple(ms) for ms in f.ms.tolist()}) == len(f.ms)
        assert not f.ms.sum(axis=1).any()
        assert np.all(f.coefficients != 0)


def test_coefficients_read_back_bit_for_bit(tmp_path: Path) -> None:
    model = random_model(["Si"], order=2)
    model.coefficients.detach()[:] = torch.tensor(10.0) ** torch.linspace(-30, 30, len(model.coefficients)).double()
    save_yace(model, tmp_path / "m.yace")
    read = [c for f in Reader(tmp_path / "m.yace").content["functions"][0] if f["rank"] > 1 for c in f["ctildes"]]
    assert read == [float(c) for f in product_functions(model)[0] for c in f.coefficients]


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"shortest": 0.0}, "between 0 and 1 bond lengths, not 0"),
        ({"shortest": 1.5}, "between 0 and 1 bond lengths, not 1.5"),
        ({"spline_step": 0.0}, "at most 0.1 Å, not 0"),
        ({"tolerance": -1.0}, "between 0 and 0.1 eV/Å, not -1"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(tmp_path: Path, arguments: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        save_yace(random_model(["Si"], order=1), tmp_path / "m.yace", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_linear_is_refused(tmp_path: Path) -> None:
    class Other(Potential):
        pass

    with pytest.raises(ValueError, match="of type Other, not a linear one: use --to mliap"):
        save_yace(Other(), tmp_path / "m.yace")  # type: ignore[arg-type]


def test_coefficients_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = random_model(["Si"], order=1)
    model.coefficients.detach()[0] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        save_yace(model, tmp_path / "m.yace")


def test_a_bond_beyond_the_cutoff_is_refused(tmp_path: Path) -> None:
    specification = BasisSpecification(elements=("Si",), order=1, cutoff=0.5)
    with pytest.raises(ValueError, match=r"beyond the cutoff 0\.5 Å"):
        save_yace(LinearACE(specification, {"Si": 0.0}), tmp_path / "m.yace")


# --- the command ------------------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


def test_the_command_writes_the_file_and_teaches_its_use(tmp_path: Path) -> None:
    def export(output: Path, *options: str) -> Any:
        return run("export", tmp_path / "m.acnn", "--to", "yace", "-o", output, *options)

    model = random_model(["Al", "Ti"], order=2, pair_cutoff=5.0)
    save_model(model, tmp_path / "m.acnn")
    done = export(tmp_path / "m.yace")
    assert done.exit_code == 0, done.output
    assert f"pair_coeff * * {tmp_path / 'm.yace'} Al Ti" in done.output
    assert "eV/Å" in done.output
    assert "Warning: the format has one cutoff" in done.output
    before = (tmp_path / "m.yace").read_bytes()
    again = export(tmp_path / "m.yace")
    assert again.exit_code == 2
    assert "--overwrite" in again.output
    assert export(tmp_path / "m.yace", "--overwrite").exit_code == 0
    assert (tmp_path / "m.yace").read_bytes() == before
    assert "must end in .yace" in export(tmp_path / "m.txt").output
    assert "pair_style pace" in run("export", "--help").output


# --- python-ace -------------------------------------------------------------------------------------------------------


def compare_with_python_ace(model: LinearACE, path: Path, evaluator: str) -> tuple[float, float, YaceReport]:
    """Largest deviations of site energies (eV) and forces (eV/Å)."""
    pyace = pytest.importorskip("pyace", reason="python-ace is not installed")
    report = save_yace(model, path)
    options = {"recursive_evaluator": evaluator != "product", "recursive": evaluator == "recursive"}
    atoms = random_crystal(model.elements, seed=5)
    atoms.calc = pyace.PyACECalculator(str(path), **options)
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    return (
        float(np.abs(atoms.get_potential_energies() - found.site_energies.numpy()).max()),
        float(np.abs(atoms.get_forces() - found.forces.numpy()).max()),
        report,
    )


@pytest.mark.parametrize("evaluator", ["product", "recursive"])
@pytest.mark.parametrize("name", CASES)
def test_python_ace_agrees(tmp_path: Path, name: str, evaluator: str) -> None:
    model = random_model(seed=1, **CASES[name])
    energy, force, _ = compare_with_python_ace(model, tmp_path / "m.yace", evaluator)
    assert energy < ENERGY_TOLERANCE
    assert force < SPLINE_FORCE_TOLERANCE


@pytest.mark.parametrize("name", ROUNDED)
def test_python_ace_agrees_as_far_as_two_cutoffs_allow(tmp_path: Path, name: str) -> None:
    model = random_model(seed=1, **ROUNDED[name])
    energy, force, report = compare_with_python_ace(model, tmp_path / "m.yace", "recursive")
    assert energy < ROUNDED_TOLERANCE
    assert force < 50 * max(report.fit_error.pair, report.fit_error.radial)
