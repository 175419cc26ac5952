"""``run_fit`` from files to files: what it writes, and what it refuses before the long work starts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.conventions import virial_from_stress
from acnn.data.dataset import read_dataset
from acnn.evaluation.metrics import evaluate
from acnn.fit import memory
from acnn.fit.contacts import MOST_HOSTS
from acnn.fit.job import run_fit
from acnn.fit.memory import BasisTooLargeError
from acnn.fit.report import FitReport
from acnn.fit.repulsion import N_DIMERS
from acnn.io.model_file import load_model, read_header
from acnn.neighbors import atomic_graph
from acnn.settings.fit import read_settings

SMALL = {"order": 2, "degree": 4, "cutoff": 4.0}
QUANTITIES = ("energy", "forces", "virial")


def restraints(n_atoms: int) -> int:
    """Equations of the restraint to nuclear repulsion: dimers, and two for every inserted atom."""
    return N_DIMERS + 2 * min(n_atoms, MOST_HOSTS)


def labeled(atoms: ase.Atoms, config_type: str | None = None) -> ase.Atoms:
    """A copy with EMT's energy, forces and virial."""
    computed = atoms.copy()
    computed.calc = EMT()
    copy = atoms.copy()
    copy.info["REF_energy"] = computed.get_potential_energy()
    copy.arrays["REF_forces"] = computed.get_forces()
    if atoms.pbc.all():
        stress = computed.get_stress(voigt=False)
        copy.info["REF_virial"] = virial_from_stress(stress, computed.cell.volume).ravel()
    if config_type is not None:
        copy.info["config_type"] = config_type
    return copy


def copper(n: int, seed: int, config_type: str | None = None) -> list[ase.Atoms]:
    found = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True, a=3.55 + 0.03 * k)
        atoms.rattle(0.1, seed=seed + k)
        found.append(labeled(atoms, config_type))
    return found


def alloy(n: int, seed: int) -> list[ase.Atoms]:
    found = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True, a=3.7 + 0.03 * k)
        atoms.symbols[k % 4] = "Al"
        atoms.rattle(0.1, seed=seed + k)
        found.append(labeled(atoms))
    return found


def isolated(symbol: str, energy: float, config_type: str | None = "isolated_atom") -> ase.Atoms:
    atoms = ase.Atoms(symbol, info={"REF_energy": energy})
    if config_type is not None:
        atoms.info["config_type"] = config_type
    return atoms


def write(path: Path, structures: list[ase.Atoms]) -> Path:
    ase.io.write(path, structures, format="extxyz")
    return path


@pytest.fixture(scope="module")
def report_and_folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[FitReport, Path]:
    folder = tmp_path_factory.mktemp("fit")
    train = copper(4, 0, "bulk") + copper(3, 10, "hot") + [isolated("Cu", 0.5)]
    settings = {
        "train": write(folder / "train.xyz", train),
        "test": write(folder / "test.xyz", copper(2, 20, "hot")),
        "output": folder / "copper.acnn",
        "json": folder / "metrics.json",
        "weights": {"default": {"E": 20}, "hot": {"F": 0.5}},
        **SMALL,
    }
    return run_fit(read_settings(None, settings)), folder


def fit(folder: Path, structures: list[ase.Atoms], **settings: Any) -> FitReport:
    files = {"train": write(folder / "train.xyz", structures), "output": folder / "m.acnn", "overwrite": True}
    return run_fit(read_settings(None, {**files, **SMALL, **settings}))


def refuses(folder: Path, structures: list[ase.Atoms], says: str, **settings: Any) -> None:
    """The fit is refused in one line, before any work: nothing is assembled and nothing written."""
    stages: list[str] = []

    def stage(name: str, total: int) -> Any:
        stages.append(name)
        return lambda: None

    given = {"train": write(folder / "train.xyz", structures), "output": folder / "m.acnn", **SMALL, **settings}
    with pytest.raises(ValueError, match=says) as caught:
        run_fit(read_settings(None, given), stage)
    assert "\n" not in str(caught.value)
    assert stages == []
    assert not Path(given["output"]).exists()


def test_metrics_hold_what_scripts_ask_for(report_and_folder):
    report, folder = report_and_folder
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["n_basis"] == report.fit.model.basis.n_functions
    assert metrics["fit_seconds"] > 0
    assert metrics["peak_bytes"] > 2**20
    assert metrics["n_equations"] == 7 * (1 + 12 + 6) + restraints(7 * 4)  # the isolated atom tells nothing
    assert set(metrics["train"]) == {"bulk", "hot", "isolated_atom", "total"}
    assert set(metrics["test"]) == {"hot", "total"}
    keys = {f"{quantity}_{what}" for quantity in QUANTITIES for what in ("mae", "rmse", "count")}
    for table in (metrics["train"], metrics["test"]):
        for row in table.values():
            assert set(row) == keys
    assert metrics["train"]["total"]["forces_count"] == 7 * 12
    assert metrics["train"]["total"]["energy_count"] == 8
    assert metrics["train"]["isolated_atom"]["forces_rmse"] is None
    assert metrics["train"]["isolated_atom"]["energy_mae"] == pytest.approx(0.0, abs=1e-6)


def test_the_written_model_has_the_errors_that_were_reported(report_and_folder):
    report, folder = report_and_folder
    model = load_model(folder / "copper.acnn")
    for name in ("train", "test"):
        errors = evaluate(model, read_dataset(folder / f"{name}.xyz")).as_dict()
        assert errors == report.errors[name].as_dict()
    assert 0 < errors["total"]["forces_rmse"] < 0.5


def test_the_model_file_remembers_its_data(report_and_folder):
    report, folder = report_and_folder
    provenance = read_header(folder / "copper.acnn")["provenance"]
    for name, n_structures, n_atoms, n_crystals in [("train", 8, 29, 7), ("test", 2, 8, 2)]:
        data = provenance["data"][name]
        assert data["file"] == f"{name}.xyz"
        assert data["sha256"] == hashlib.sha256((folder / f"{name}.xyz").read_bytes()).hexdigest()
        assert (data["structures"], data["atoms"], data["left_out"]) == (n_structures, n_atoms, 0)
        assert data["keys"] == {
            "energy": {"REF_energy": n_structures},
            "forces": {"REF_forces": n_crystals},
            "virial": {"REF_virial": n_crystals},
            "stress": {},
        }
    assert provenance["weights"]["hot"] == {"E": 20.0, "F": 0.5, "V": 1.0}
    assert provenance["prior"] == "algebraic:4"
    assert provenance["solver"] == "blr"
    assert provenance["reference_energies"] == {"Cu": 0.5}
    assert provenance["acnn_version"]
    assert provenance["test"] == report.errors["test"].as_dict()


def test_a_fit_is_reproducible(tmp_path):
    structures = copper(4, 0)
    first, second = fit(tmp_path, structures), fit(tmp_path, structures)
    np.testing.assert_array_equal(first.fit.model.coefficients, second.fit.model.coefficients)


def test_progress_is_announced_stage_by_stage(tmp_path):
    calls: dict[str, int] = {}

    def stage(name: str, total: int) -> Any:
        calls[f"{name} of {total}"] = 0

        def advance() -> None:
            calls[f"{name} of {total}"] += 1

        return advance

    train, test = write(tmp_path / "train.xyz", copper(3, 0)), write(tmp_path / "test.xyz", copper(2, 5))
    given = {"train": train, "test": test, "output": tmp_path / "m.acnn", **SMALL}
    run_fit(read_settings(None, given), stage)
    assert calls == {"equations of 8 functions of 3": 3, "errors on train of 3": 3, "errors on test of 2": 2}


# --- E0 ---------------------------------------------------------------------------------------------------------------


def test_isolated_atoms_in_the_data_are_the_reference(report_and_folder):
    report, _ = report_and_folder
    assert report.reference_energies == {"Cu": 0.5}
    assert report.e0_source == "isolated atoms"
    assert report.warnings == []


def test_without_isolated_atoms_least_squares_with_a_warning(tmp_path):
    structures = copper(4, 0)
    report = fit(tmp_path, structures)
    expected = np.mean([atoms.info["REF_energy"] / 4 for atoms in structures])
    assert report.reference_energies["Cu"] == pytest.approx(expected)
    assert report.e0_source == "least squares"
    (warning,) = report.warnings
    assert "comes from least squares" in warning
    assert "--e0" in warning


def test_isolated_atoms_that_are_not_used_are_named(tmp_path):
    report = fit(tmp_path, [*alloy(4, 0), *copper(2, 0), isolated("Cu", 0.25)])
    assert report.e0_source == "least squares"
    warning = next(text for text in report.warnings if "least squares" in text)
    assert "no isolated atom of Al" in warning
    assert "(those of Cu (0.25 eV) are not used)" in warning


def test_least_squares_finds_the_energies_of_two_elements(tmp_path):
    structures = alloy(4, 0) + copper(2, 0)
    for atoms in structures:
        atoms.info["REF_energy"] = -3.0 * sum(atoms.symbols == "Al") - 4.0 * sum(atoms.symbols == "Cu")
    report = fit(tmp_path, structures)
    assert report.reference_energies == pytest.approx({"Al": -3.0, "Cu": -4.0})


def test_least_squares_is_used_when_asked_for_despite_isolated_atoms(tmp_path):
    report = fit(tmp_path, [*copper(4, 0), isolated("Cu", 0.5)], e0="lstsq")
    assert report.e0_source == "least squares"
    assert report.reference_energies["Cu"] != 0.5
    assert len(report.warnings) == 1


@pytest.mark.parametrize("e0", ["Cu=-1.25", {"Cu": -1.25}])
def test_given_energies_win(tmp_path, e0):
    report = fit(tmp_path, [*copper(3, 0), isolated("Cu", 0.5)], e0=e0)
    assert (report.reference_energies, report.e0_source, report.warnings) == ({"Cu": -1.25}, "given", [])
    atom = report.fit.model.pair_gradients(atomic_graph(ase.Atoms("Cu"), 4.0))
    assert float(atom.energies[0]) == -1.25


def test_an_atom_that_sees_its_images_is_not_isolated(tmp_path):
    box = ase.Atoms("Cu", cell=[6.0] * 3, pbc=True, info={"REF_energy": 0.5})
    assert fit(tmp_path, [*copper(3, 0), box]).e0_source == "isolated atoms"
    assert fit(tmp_path, [*copper(3, 0), box], cutoff=6.5).e0_source == "least squares"


def test_the_pair_cutoff_counts_when_atoms_are_called_isolated(tmp_path):
    box = ase.Atoms("Cu", cell=[6.0] * 3, pbc=True, info={"REF_energy": 0.5})
    assert fit(tmp_path, [*copper(3, 0), box], pair_cutoff=6.5).e0_source == "least squares"


def test_an_energy_must_be_known_for_every_element(tmp_path):
    data = alloy(3, 0)
    refuses(tmp_path, data, "e0 gives no energy for Al: give --e0", e0="Cu=-1")
    refuses(tmp_path, [*data, isolated("Cu", 0.1)], "contain no isolated atom of Al: give --e0", e0="isolated")


def test_an_element_missing_from_the_data_needs_its_energy(tmp_path):
    refuses(tmp_path, copper(3, 0), "no energy to find E0 of Al", elements="Al,Cu")


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_weights_of_an_unknown_config_type_are_refused(tmp_path):
    data = copper(2, 0, "bulk") + copper(1, 5, "hot")
    refuses(tmp_path, data, "weights are given for liquid, .* config types are bulk, hot", weights={"liquid": {"E": 1}})


def test_a_foreign_element_is_named_with_its_structure(tmp_path):
    data = copper(2, 0) + alloy(1, 0)
    refuses(
        tmp_path, data, r"train.xyz #2 .*contains Al, which is not among the model's elements \(Cu\)", elements="Cu"
    )


def test_a_foreign_element_in_the_test_set_is_named_too(tmp_path):
    test = write(tmp_path / "test.xyz", alloy(1, 0))
    refuses(tmp_path, copper(2, 0), r"test.xyz #0 .*contains Al", test=test)


@pytest.mark.parametrize("key", ["output", "json"])
def test_a_missing_output_folder_is_told_before_any_work(tmp_path, key):
    given = {"train": tmp_path / "does-not-exist-either.xyz", "output": tmp_path / "m.acnn", **SMALL}
    given[key] = tmp_path / "absent" / "file"
    with pytest.raises(ValueError, match=r"the folder .*absent of file does not exist: create it first"):
        run_fit(read_settings(None, given))


def test_structures_left_out_are_reported(tmp_path):
    data = copper(4, 0)
    data[1].arrays["REF_forces"][0] = [50.0, 0.0, 0.0]
    report = fit(tmp_path, data, max_force=20.0, e0="Cu=0")
    assert report.warnings == ["train.xyz: 1 structure left out by max_force"]
    assert read_header(tmp_path / "m.acnn")["provenance"]["data"]["train"]["left_out"] == 1
    assert report.fit.n_rows == 3 * 19 + restraints(3 * 4)


def test_datasets_and_warnings_are_shown_before_the_fit(tmp_path):
    shown: list[Any] = []
    train = write(tmp_path / "train.xyz", copper(2, 0))
    settings = read_settings(None, {"train": train, "output": tmp_path / "m.acnn", **SMALL})
    run_fit(settings, on_data=lambda datasets, warnings: shown.append((list(datasets), list(warnings))))
    ((names, warnings),) = shown
    assert names == ["train"]
    assert len(warnings) == 1


def test_a_fit_that_cannot_fit_in_memory_is_refused_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    given = {"train": write(tmp_path / "train.xyz", copper(2, seed=1)), "output": tmp_path / "m.acnn"}
    for more in ({}, {"select": "evidence"}):
        with pytest.raises(BasisTooLargeError, match=r"functions, .* a fit needs about .* lower the degree"):
            run_fit(read_settings(None, {**SMALL, **given, **more}))


def test_an_isolated_atom_that_disagrees_with_e0_does_not_look_like_noise(tmp_path):
    """Its equation has no unknowns; counted, it made the evidence believe in noise and flatten the fit."""
    fits = []
    for name, more in (("without", []), ("with", [isolated("Cu", 3.0)])):
        train = write(tmp_path / f"{name}.xyz", [*copper(4, seed=1), *more])
        given = {"train": train, "output": tmp_path / f"{name}.acnn", "e0": "Cu=-5.0"}
        fits.append(run_fit(read_settings(None, {**SMALL, **given})).fit.model.coefficients)
    assert (fits[0] == fits[1]).all()


def test_no_output_is_written_over_another_file(tmp_path):
    train = write(tmp_path / "train.xyz", copper(2, seed=1))
    before = train.read_bytes()
    for given in ({"output": train}, {"output": tmp_path / "m.acnn", "json": tmp_path / "m.acnn"}):
        with pytest.raises(ValueError, match="overwrite another file of this command"):
            run_fit(read_settings(None, {"train": train, **SMALL, **given}))
    assert train.read_bytes() == before


def test_weights_that_vanish_during_a_fit_do_not_lose_it(tmp_path):
    weights = tmp_path / "weights.yaml"
    weights.write_text("default: {E: 10, F: 2, V: 1}\n")
    given = {"train": write(tmp_path / "t.xyz", copper(2, seed=1)), "output": tmp_path / "m.acnn", "weights": weights}
    run_fit(read_settings(None, {**SMALL, **given}), on_data=lambda datasets, warnings: weights.unlink())
    assert read_header(tmp_path / "m.acnn")["provenance"]["weights"]["default"] == {"E": 10.0, "F": 2.0, "V": 1.0}


def test_a_cutoff_below_every_bond_is_an_error(tmp_path):
    given = {"train": write(tmp_path / "t.xyz", copper(2, seed=1)), "output": tmp_path / "m.acnn", "cutoff": 1.0}
    with pytest.raises(ValueError, match=r"neighbor inside the cutoff of 1\.0 Å"):
        run_fit(read_settings(None, {"order": 1, "degree": 3, **given}))


def test_compositions_that_do_not_determine_e0_are_said(tmp_path):
    given = {"train": write(tmp_path / "t.xyz", [a for a in alloy(2, seed=3)]), "output": tmp_path / "m.acnn"}
    report = run_fit(read_settings(None, {**SMALL, **given}))
    assert any("arbitrary" in warning for warning in report.warnings)
