"""`UnifiedPotential` gives the data objects of both couplings what the potential says, in every odd situation."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import ase.parallel
import numpy as np
import pytest
import torch
from ase import Atoms
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.combinations import Combinations
from acnn.io import model_file
from acnn.io.model_file import ModelFileError, model_to_bytes, save_model
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.loading import instruction_sets, uses_compiled_kernel
from acnn.models.linear import LinearACE
from acnn.potential import Potential
from acnn.testing import (
    FLOAT32_ENERGY_TOLERANCE,
    FLOAT32_FORCE_TOLERANCE,
    REDUCTION_TOLERANCE,
    evaluate,
    example_structures,
    pairwise,
    random_model,
    relative_deviation,
)
from lammps_plugin import attach, mliap
from lammps_plugin.mliap import SHELL_VERSION, UnifiedPotential, rebuild
from lammps_plugin.shell import save_unified

sys.path.insert(0, str(Path(__file__).parent))
try:
    from fake import KokkosData, PlainData
finally:
    sys.path.pop(0)

STRUCTURES = example_structures()
COUPLINGS = [PlainData, KokkosData]


@pytest.fixture(scope="module", autouse=True)
def ase_has_looked_for_mpi():
    """Later it would use mpi4py as these tests leave it: imported, but not initialized, which is for LAMMPS to do."""
    assert ase.parallel.world.size == 1


@pytest.fixture(scope="module")
def model() -> LinearACE:
    return random_model(["Si", "C", "Al"], pair_cutoff=5.0)


def energies_of(data: PlainData) -> np.ndarray:
    return data.eatoms if isinstance(data, KokkosData) else data.written["eatoms"]


def computed(unified: UnifiedPotential, data: PlainData) -> PlainData:
    unified.compute_descriptors(data)
    unified.compute_gradients(data)
    unified.compute_forces(data)
    return data


def assembled(parts: list[PlainData], n_atoms: int) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Energy, energies, forces and virials of all ranks, ghosts sent home."""
    energy = sum(part.written["energy"] for part in parts)
    energies, forces, virials = np.zeros(n_atoms), np.zeros((n_atoms, 3)), np.zeros((n_atoms, 3, 3))
    for part in parts:
        origin = np.array(part.origin, dtype=int)
        np.add.at(forces, origin, part.f)
        np.add.at(virials, origin, part.virials)
        if part.nlistatoms:
            energies[origin[part.iatoms[: part.nlistatoms]]] += energies_of(part)
    return energy, energies, forces, virials


def assert_as_the_potential(parts: list[PlainData], model: Potential, atoms: Atoms) -> None:
    found, expected = assembled(parts, len(atoms)), evaluate(model, [atoms])
    assert found[0] == pytest.approx(float(expected.energies[0]), abs=REDUCTION_TOLERANCE, rel=REDUCTION_TOLERANCE)
    for name, values in zip(("site_energies", "forces", "atomic_virials"), found[1:], strict=True):
        assert relative_deviation(values, getattr(expected, name).numpy(), 1.0) < REDUCTION_TOLERANCE, name


# Structures and kernel belong to the model, which is tested alone; the coupling hands arrays on.
@pytest.mark.parametrize(("name", "coupling", "kernel"), pairwise(STRUCTURES, COUPLINGS, ["auto", "torch"]))
def test_one_rank(model, name, coupling, kernel, monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", kernel)
    unified, atoms = UnifiedPotential(model), STRUCTURES[name]
    data = coupling(atoms, 2 * unified.rcutfac, unified.element_types)
    assert_as_the_potential([computed(unified, data)], model, atoms)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("name", ["alloy", "slab", "molecule"])
def test_ranks_with_ghosts_and_without_atoms(model, name, coupling):
    unified, atoms = UnifiedPotential(model), STRUCTURES[name]
    owners = [list(range(0, len(atoms), 2)), list(range(1, len(atoms), 2)), []]
    parts = [coupling(atoms, model.cutoff, unified.element_types, local=local) for local in owners]
    for part in parts:
        computed(unified, part)
    assert parts[2].written == {"energy": 0.0}
    assert_as_the_potential(parts, model, atoms)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_isolated_atoms_keep_their_reference_energy(model, coupling):
    atoms = Atoms("SiAl", [[0, 0, 0], [20, 0, 0]])
    unified = UnifiedPotential(model)
    data = computed(unified, coupling(atoms, model.cutoff, unified.element_types))
    e0 = model.e0.energies
    assert energies_of(data).tolist() == [e0["Si"], e0["Al"]]
    assert data.written["energy"] == e0["Si"] + e0["Al"]
    assert not data.f.any()


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_null_types_in_and_out_of_the_list(model, coupling):
    """LAMMPS keeps them out of the list and of the pairs; were they there, they would not be seen either."""
    atoms, unified = STRUCTURES["alloy"], UnifiedPotential(model)
    seen = np.flatnonzero(atoms.numbers != 6)
    expected = evaluate(model, [atoms[seen]])
    for listed in (None, seen.tolist(), seen.tolist()[::-1]):
        data = coupling(atoms, model.cutoff, unified.element_types, listed=listed, null=["C"])
        found = assembled([computed(unified, data)], len(atoms))
        assert found[0] == pytest.approx(float(expected.energies[0]), rel=REDUCTION_TOLERANCE)
        for name, values in zip(("site_energies", "forces", "atomic_virials"), found[1:], strict=True):
            assert relative_deviation(values[seen], getattr(expected, name).numpy(), 1.0) < REDUCTION_TOLERANCE
            assert not np.delete(values, seen, axis=0).any()


def test_neighbors_of_ghosts_are_ignored(model):
    atoms, unified = STRUCTURES["alloy"], UnifiedPotential(model)
    data = PlainData(atoms, model.cutoff, unified.element_types, ghost_centers=True)
    assert_as_the_potential([computed(unified, data)], model, atoms)


@pytest.mark.parametrize("pair_cutoff", [3.5, 4.5, 6.0])
def test_lammps_has_one_cutoff_and_a_model_several(pair_cutoff):
    model = random_model(["Si", "C"], cutoff=4.5, pair_cutoff=pair_cutoff)
    unified = UnifiedPotential(model)
    assert 2 * unified.rcutfac == max(4.5, pair_cutoff)
    for atoms in STRUCTURES.values():
        assert_as_the_potential([computed(unified, PlainData(atoms, model.cutoff, ["C", "Si"]))], model, atoms)


def test_single_precision_is_handed_over_in_double(model):
    atoms, unified = STRUCTURES["alloy"], UnifiedPotential(model, "float32")
    data = computed(unified, PlainData(atoms, model.cutoff, unified.element_types))
    energy, _, forces, _ = assembled([data], len(atoms))
    expected = evaluate(model, [atoms])
    bound = float(expected.energies[0]) - sum(model.e0.energies[s] for s in atoms.symbols)
    assert 0 < abs(energy - float(expected.energies[0])) < FLOAT32_ENERGY_TOLERANCE * max(1.0, abs(bound))
    assert relative_deviation(forces, expected.forces.numpy(), 1.0) < FLOAT32_FORCE_TOLERANCE


@pytest.mark.parametrize("kernel", ["torch", "cpu"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("coupling", COUPLINGS)
def test_units_real_are_kcal_per_mol(model, coupling, dtype, kernel, monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", kernel)
    ev, kcal = (coupling(STRUCTURES["alloy"], model.cutoff, model.elements) for _ in range(2))
    kcal.units = "real"
    for data in (ev, kcal):
        computed(UnifiedPotential(model, dtype), data)
    assert kcal.written["energy"] == pytest.approx(23.060549 * ev.written["energy"], rel=1e-6)
    for got, wanted in ((energies_of(kcal), energies_of(ev)), (kcal.f, ev.f), (kcal.virials, ev.virials)):
        np.testing.assert_allclose(got, 23.060549 * np.asarray(wanted), 1e-6, 1e-6)


def test_a_potential_without_a_program_runs_on_torch(model):
    class Spring(Potential):
        elements, cutoff = ("C", "Si"), 3.0

        def site_energies(self, graph):
            energies = 0.5 * ((graph.pair_vectors.square().sum(dim=1) - 9.0) ** 2)
            return energies.new_zeros(graph.n_centers).index_add(0, graph.pair_i, energies)

    atoms = STRUCTURES["alloy"]
    data = PlainData(atoms, 3.0, Spring.elements)
    assert_as_the_potential([computed(UnifiedPotential(Spring()), data)], Spring(), atoms)


def test_a_coupling_without_centroid_virials_is_told_once_of_the_heat_flux(model, capsys):
    data = PlainData(STRUCTURES["alloy"], model.cutoff, model.elements)
    unified = UnifiedPotential(model, n_ranks=1)
    for vflag in (0, 2, 2 | 4, 1 | 4):
        data.vflag = vflag
        unified.compute_forces(data)
    assert capsys.readouterr().err.count("compute heat/flux with compute stress/atom is wrong") == 1
    data.centroid_virials = True  # the plugin's
    UnifiedPotential(model, n_ranks=1).compute_forces(data)
    assert not capsys.readouterr().err


def test_twice_the_same_bits(model):
    atoms, unified = STRUCTURES["alloy"], UnifiedPotential(model)
    first, second = (computed(unified, PlainData(atoms, model.cutoff, unified.element_types)) for _ in range(2))
    assert first.written["energy"] == second.written["energy"]
    assert np.array_equal(first.f, second.f)


# --- threads and errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "expected"), [(None, 1), ("3", 3)])
def test_threads_of_a_rank(model, monkeypatch, told, expected):
    monkeypatch.delenv("ACNN_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("ACNN_NUM_THREADS", told)
    counts, before = [], torch.get_num_threads()
    inner = model.pair_gradients
    monkeypatch.setattr(
        model, "pair_gradients", lambda graph: counts.append(torch.get_num_threads()) or inner(graph), raising=False
    )
    unified = UnifiedPotential(model)
    computed(unified, KokkosData(STRUCTURES["bulk"], model.cutoff, unified.element_types))
    assert counts == [expected]
    assert mliap.threads_per_rank() == expected
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("told", "expected"), [(None, 1), ("3", 3)])
def test_threads_of_the_direct_way(model, monkeypatch, told, expected):
    monkeypatch.delenv("ACNN_NUM_THREADS", raising=False)
    if told:
        monkeypatch.setenv("ACNN_NUM_THREADS", told)
    counts, inner = [], EnergyKernel.write
    monkeypatch.setattr(EnergyKernel, "write", lambda *a: counts.append(a[4]) or inner(*a))
    unified = UnifiedPotential(model)
    computed(unified, PlainData(STRUCTURES["bulk"], model.cutoff, unified.element_types))
    assert counts == ([expected] if uses_compiled_kernel() else [])


@pytest.mark.parametrize(("kernel", "direct"), [("cpu", True), ("torch", False)])
def test_the_kernel_takes_the_arrays_of_lammps_as_they_are(model, monkeypatch, kernel, direct):
    if kernel == "cpu" and not instruction_sets():
        pytest.skip("acnn was installed without its compiled kernel")
    monkeypatch.setenv("ACNN_KERNEL", kernel)
    unified = UnifiedPotential(model)
    data = PlainData(STRUCTURES["alloy"], model.cutoff, unified.element_types)
    assert unified._evaluate_directly(data) == direct
    data.elems[0] = -1  # a NULL type
    assert not unified._evaluate_directly(data)


def overlapping(unified: UnifiedPotential) -> PlainData:
    data = PlainData(STRUCTURES["bulk"], 4.5, unified.element_types)
    data.rij[0] = 0.0
    return data


def test_an_error_in_serial_is_an_exception(model):
    unified = UnifiedPotential(model, n_ranks=1)
    with pytest.raises(ValueError, match="zero, infinite or not a number"):
        unified.compute_forces(overlapping(unified))


class World:
    def __init__(self, size: int) -> None:
        self.size, self.aborted = size, False

    def Get_size(self) -> int:
        return self.size

    def Get_rank(self) -> int:
        return 2

    def Abort(self, status: int) -> None:
        raise SystemExit(f"aborted with status {status}")


def test_an_error_on_one_of_several_ranks_aborts_all(model, monkeypatch, capsys):
    monkeypatch.setattr(mliap, "_world", lambda: World(4))
    unified = UnifiedPotential(model)
    with pytest.raises(SystemExit, match="aborted with status 1"):
        unified.compute_forces(overlapping(unified))
    message = capsys.readouterr().err
    assert "acnn stops LAMMPS: ValueError on rank 2: the vector from atom 0" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("world", [None, World(1)])
def test_ranks_that_mpi4py_does_not_know_leave_the_job(model, monkeypatch, world):
    """mpi4py is missing, or belongs to another MPI library: the launcher ends the job of a rank that exits."""
    monkeypatch.setattr(mliap, "_world", lambda: world)
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setattr("os._exit", lambda status: (_ for _ in ()).throw(SystemExit(f"left with {status}")))
    unified = UnifiedPotential(model)
    with pytest.raises(SystemExit, match="left with 1"):
        unified.compute_forces(overlapping(unified))


# --- files ------------------------------------------------------------------------------------------------------------


def load_as_lammps_does(path: Path) -> UnifiedPotential:
    if path.suffix in (".pt", ".pth"):
        return torch.load(path, weights_only=False)
    with path.open("rb") as file:
        return pickle.load(file)


@pytest.mark.parametrize("name", ["m.mliap.pt", "m.pth", "m.pkl", "m"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_file_gives_back_the_potential(model, tmp_path, name, dtype):
    save_unified(model, tmp_path / name, dtype)
    loaded = load_as_lammps_does(tmp_path / name)
    assert isinstance(loaded, UnifiedPotential)
    assert (loaded.dtype, loaded.ndescriptors, loaded.nparams) == (dtype, 1, 1)
    assert loaded.element_types == list(model.elements)
    assert loaded.rcutfac == 0.5 * model.cutoff
    assert torch.equal(loaded.potential.coefficients, model.coefficients)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_object_that_lammps_has_used_can_be_pickled(model):
    unified = UnifiedPotential(model, "float32")
    unified.interface = lambda: None  # as little picklable as what LAMMPS puts there
    assert pickle.loads(pickle.dumps(unified)).dtype == "float32"


@pytest.mark.parametrize("name", ["m.pt", "m.pkl"])
def test_a_missing_acnn_is_named(model, tmp_path, name):
    save_unified(model, tmp_path / name)
    load = "torch.load({!r}, weights_only=False)" if name.endswith("pt") else "pickle.load(open({!r}, 'rb'))"
    code = f"import pickle, sys, torch\nsys.modules['acnn'] = None\n{load.format(str(tmp_path / name))}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of acnn ")


def test_files_of_other_versions_say_so(model, monkeypatch):
    content = model_to_bytes(model)
    with pytest.raises(ModelFileError, match=rf"version {SHELL_VERSION + 1}.*upgrade acnn there"):
        rebuild(content, {"dtype": "float64"}, SHELL_VERSION + 1)
    with pytest.raises(ModelFileError, match="upgrade"):
        rebuild(content, {"dtype": "float64", "charges": True}, SHELL_VERSION)
    with monkeypatch.context() as patch:
        patch.setattr(model_file, "FORMAT_VERSION", 9)
        newer = model_to_bytes(model)
    with pytest.raises(ModelFileError, match=r"written in format 9.*upgrade acnn"):
        rebuild(newer, {"dtype": "float64"}, SHELL_VERSION)


# --- LAMMPS from Python -----------------------------------------------------------------------------------------------


class FakeLammps:
    """Answers what `attach` asks, and keeps the commands."""

    def __init__(self, units: str = "metal", newton: int = 1, types: int = 2) -> None:
        self.units, self.settings = units, {"newton_pair": newton, "ntypes": types, "world_size": 2}
        self.commands: list[str] = []

    def extract_global(self, name: str) -> str:
        assert name == "units"
        return self.units

    def extract_setting(self, name: str) -> int:
        return self.settings[name]

    def has_package(self, name: str) -> bool:
        assert name == "PYTHON"
        return True

    def command(self, text: str) -> None:
        self.commands.append(text)


def fake_module(monkeypatch: pytest.MonkeyPatch, couplings: list[str]) -> dict[str, object]:
    """A module `lammps` with these couplings; the models they got."""
    loaded: dict[str, object] = {}

    def activate(lmp: object) -> None:
        raise ImportError("Could not load ML-IAP python coupling module.")

    module = ModuleType("lammps.mliap")
    for kind in ("", "_kokkos"):
        known = kind in couplings
        setattr(module, f"activate_mliappy{kind}", (lambda lmp: None) if known else activate)
        setattr(module, f"load_unified{kind}", lambda model, kind=kind: loaded.update({kind: model}))
    package = ModuleType("lammps")
    package.mliap = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lammps", package)
    monkeypatch.setitem(sys.modules, "lammps.mliap", module)
    return loaded


@pytest.mark.parametrize("couplings", [[""], ["_kokkos"], ["", "_kokkos"]])
def test_attach_hands_the_model_to_every_coupling(model, monkeypatch, couplings):
    loaded, lmp = fake_module(monkeypatch, couplings), FakeLammps()
    unified = attach(lmp, model, ["NULL", "Si"], "float32", beside=["zero 5.0"])
    assert loaded == dict.fromkeys(couplings, unified)
    assert (unified.dtype, unified.n_ranks) == ("float32", 2)
    style = "pair_style hybrid/overlay mliap unified EXISTS 0 zero 5.0"
    assert lmp.commands == [style, "pair_coeff * * mliap NULL Si"]


@pytest.mark.parametrize(
    ("lmp", "elements", "message"),
    [
        (FakeLammps(units="lj"), ["Si", "C"], "'units metal' or 'units real', but this LAMMPS has 'units lj'"),
        (FakeLammps(newton=0), ["Si", "C"], "needs 'newton on'"),
        (FakeLammps(types=3), ["Si", "NULL", "NULL"], "atom type 2, 3 is NULL, so it needs another pair style"),
        (FakeLammps(types=3), ["Si", "C"], "has 3 atom types, but 2 elements are given"),
        (FakeLammps(), ["Si", "Ge"], "the model has C, Al, Si, not Ge"),
    ],
)
def test_attach_refuses(model, monkeypatch, lmp, elements, message):
    fake_module(monkeypatch, [""])
    with pytest.raises(ValueError, match=message):
        attach(lmp, model, elements)
    assert lmp.commands == []


# --- the command ------------------------------------------------------------------------------------------------------


def export(*arguments: object):
    return CliRunner().invoke(app, ["export", *map(str, arguments)], env={"COLUMNS": "300", "TERM": "dumb"})


def test_the_command_writes_a_file_and_teaches_its_use(model, tmp_path):
    save_model(model, tmp_path / "m.acnn", {"solver": "qr"})
    done = export(tmp_path / "m.acnn", "--to", "mliap", "-o", tmp_path / "m.mliap.pt", "--dtype", "float32")
    assert done.exit_code == 0, done.output
    assert (
        f"pair_style mliap unified {tmp_path / 'm.mliap.pt'} 0\npair_coeff * * {' '.join(model.elements)}"
        in done.output
    )
    assert load_as_lammps_does(tmp_path / "m.mliap.pt").dtype == "float32"
    assert b"solver" in (tmp_path / "m.mliap.pt").read_bytes()
    again = export(tmp_path / "m.acnn", "--to", "mliap", "-o", tmp_path / "m.mliap.pt")
    assert again.exit_code == 2
    assert "--overwrite" in again.output


def test_the_command_names_the_file_after_the_model(model, tmp_path, monkeypatch):
    save_model(model, tmp_path / "m.acnn")
    monkeypatch.chdir(tmp_path)
    assert export("m.acnn", "--to", "mliap").exit_code == 0
    assert (tmp_path / "m.mliap.pt").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "mliap", "--tolerance", "1e-5"], "--tolerance is for --to yace"),
        (["--to", "yace", "--dtype", "float32"], "--dtype is for --to mliap"),
        (["--to", "mliap", "--dtype", "float16"], "float16"),
        (["--to", "mliap", "-o", "m.acnn"], "ends in .acnn"),
        (["--to", "mliap", "-o", "nowhere/m.pt"], "does not exist"),
        ([], "--to"),
    ],
)
def test_the_command_refuses(model, tmp_path, monkeypatch, arguments, message):
    save_model(model, tmp_path / "m.acnn")
    monkeypatch.chdir(tmp_path)
    refused = export("m.acnn", *arguments)
    assert refused.exit_code == 2
    assert message in refused.output
    assert [path.name for path in tmp_path.iterdir()] == ["m.acnn"]


def test_what_the_data_lack_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """By LAMMPS' own coupling, of the elements that there are; acnn's plugin, whose data have more, does it itself."""
    model = random_model(["Si", "C", "Al"])
    seen = np.ones((3, 3, 3), dtype=bool)
    seen[1, 0, 2] = seen[1, 2, 0] = seen[2, 2, 2] = False
    model.combinations = Combinations(model.elements, 4.0, seen)
    atoms = Atoms("SiAlC", [[0, 0, 0], [0, 0, 2.0], [0, 0, 4.0]])
    for symbols, expected in (("SiAlC", "lack Si–Si, Al with C and Si within 4 Å"), ("C3", "")):
        atoms.symbols = symbols
        for coupling in COUPLINGS:
            unified = UnifiedPotential(model)
            for _ in range(2):
                unified.interface = unified.interface or object()
                computed(unified, coupling(atoms, model.cutoff, unified.element_types))
            said = capsys.readouterr().err
            assert expected in said
            assert said.count("acnn: ") == bool(expected)
    plugin_data = PlainData(atoms, model.cutoff, unified.element_types)
    plugin_data.centroid_virials = None
    unified.interface = object()
    computed(unified, plugin_data)
    assert capsys.readouterr().err == ""
