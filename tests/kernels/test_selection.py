"""Which kernel runs: by argument, by environment, and where none was compiled."""

from __future__ import annotations

import json
import pickle
import warnings

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from typer.testing import CliRunner

from acnn.basis.specification import BasisSpecification
from acnn.cli.main import app
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.metrics import evaluate
from acnn.fit import assembly
from acnn.fit.assembly import Assembler
from acnn.fit.linear import fit_linear
from acnn.io.model_file import save_model
from acnn.kernels import loading
from acnn.kernels.basis import BasisKernel
from acnn.kernels.energy import EnergyKernel, KernelGradients
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import instruction_sets, n_threads, uses_compiled_kernel
from acnn.models.linear import FixedTerms, LinearACE
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients
from acnn.solvers import QR, IdentityPrior
from ase_calculator import ACNNCalculator

AGREEMENT = 1e-9  # of kernel and torch, through whole fits relative to the largest

needs_kernel = pytest.mark.skipif(not instruction_sets(), reason="acnn was installed without its compiled kernel")
both = pytest.mark.parametrize("kernel", [pytest.param("cpu", marks=needs_kernel), "torch"])
SPECIFICATION = BasisSpecification(elements=("Al", "Ti"), order=2, degree=4.0, cutoff=4.5)
E0 = {"Al": -3.0, "Ti": -5.0}


@pytest.fixture(autouse=True)
def _nothing_in_the_environment(monkeypatch):
    monkeypatch.delenv("ACNN_KERNEL", raising=False)
    monkeypatch.delenv("ACNN_NUM_THREADS", raising=False)


@pytest.fixture
def uncompiled(monkeypatch):
    """As where no compiler was there."""
    monkeypatch.setattr(loading, "_kernel", None)
    monkeypatch.setattr(loading, "_warned", False)


@pytest.fixture
def spy(monkeypatch):
    """Counts what runs in the kernel, and what in torch."""
    runs = {"cpu": 0, "torch": 0}

    def counted(owner, name, kind):
        inner = getattr(owner, name)

        def call(*arguments, **keywords):
            runs[kind] += 1
            return inner(*arguments, **keywords)

        monkeypatch.setattr(owner, name, call)

    counted(EnergyKernel, "__call__", "cpu")
    counted(BasisKernel, "rows", "cpu")
    counted(BasisKernel, "values", "cpu")
    counted(LinearACE, "site_energies", "torch")
    counted(assembly, "structure_rows", "torch")
    return runs


def crystals(n=6, seed=0):
    rng, found = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = bulk("Al", cubic=True)
        atoms.symbols[:] = rng.choice(["Al", "Ti"], 4).tolist()
        atoms.positions += rng.normal(scale=0.1, size=(4, 3))
        found.append(atoms)
    return found


def random_linear(zbl=False):
    model = LinearACE(SPECIFICATION, E0, zbl=zbl)
    values = np.random.default_rng(1).normal(size=model.basis.n_functions)
    return LinearACE(model.basis, E0, torch.as_tensor(values), zbl)


@pytest.fixture(scope="module")
def model():
    return random_linear()


@pytest.fixture(scope="module")
def structures(model):
    found = []
    for k, atoms in enumerate(crystals()):
        result = model.pair_gradients(atomic_graph(atoms, model.cutoff), "torch")
        energy, virial = float(result.energies[0]), result.virials[0].numpy()
        found.append(
            LabeledStructure(atoms, energy, result.forces.numpy(), virial, "default", Weights(), f"crystal {k}")
        )
    return found


@pytest.fixture
def graph(model):
    return atomic_graph(crystals(1)[0], model.cutoff)


# --- argument and environment -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["auto", "cpu", None])
@needs_kernel
def test_the_kernel_is_the_default(model, graph, spy, kernel):
    assert isinstance(model.pair_gradients(graph, kernel), KernelGradients)
    assert spy == {"cpu": 1, "torch": 0}


def test_torch_on_demand(model, graph, spy):
    assert type(model.pair_gradients(graph, "torch")) is PairGradients
    assert spy["cpu"] == 0


@both
def test_the_environment_chooses(model, graph, spy, monkeypatch, kernel):
    monkeypatch.setenv("ACNN_KERNEL", kernel)
    model.pair_gradients(graph)
    assert {name for name, n in spy.items() if n} == {kernel}


@needs_kernel
def test_the_argument_goes_before_the_environment(model, graph, spy, monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", "torch")
    model.pair_gradients(graph, "cpu")
    assert spy == {"cpu": 1, "torch": 0}
    monkeypatch.setenv("ACNN_KERNEL", "nonsense")
    model.pair_gradients(graph, "torch")
    assert spy["cpu"] == 1


def test_an_empty_environment_variable_is_none(monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", "")
    assert uses_compiled_kernel() == bool(instruction_sets())


BAD_CALLS = {
    "pair_gradients": lambda model, graph, structures, kernel: model.pair_gradients(graph, kernel),
    "evaluate": lambda model, graph, structures, kernel: evaluate(model, structures, kernel=kernel),
    "Assembler": lambda model, graph, structures, kernel: Assembler(model, kernel),
    "fit_linear": lambda model, graph, structures, kernel: fit_linear(
        SPECIFICATION, structures, E0, QR(), IdentityPrior(), kernel=kernel
    ),
    "calculator": lambda model, graph, structures, kernel: ACNNCalculator(model, kernel=kernel),
}


@pytest.mark.parametrize("call", BAD_CALLS)
@pytest.mark.parametrize("name", ["gpu", "CPU", " cpu", "none"])
def test_an_unknown_name_is_a_sentence(model, graph, structures, call, name):
    with pytest.raises(ValueError, match=f"kernel must be auto, cpu or torch, not '{name}'"):
        BAD_CALLS[call](model, graph, structures, name)


@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_an_unknown_name_is_a_sentence_where_only_torch_can_run(model, graph):
    for potential, where in ((FixedTerms(model), graph), (model, graph.to(dtype=torch.float16))):
        with pytest.raises(ValueError, match="kernel must be auto, cpu or torch, not 'gpu'"):
            potential.pair_gradients(where, "gpu")


def test_an_unknown_name_in_the_environment_is_a_sentence(model, graph, structures, monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", "gpu")
    for name in ("pair_gradients", "evaluate", "fit_linear", "calculator"):
        with pytest.raises(ValueError, match="ACNN_KERNEL must be auto, cpu or torch, not 'gpu'"):
            BAD_CALLS[name](model, graph, structures, None)


def test_potentials_without_a_program_say_so(model, graph):
    with pytest.raises(ValueError, match="a FixedTerms cannot run in the compiled kernel: choose auto or torch"):
        FixedTerms(model).pair_gradients(graph, "cpu")


# --- the faces --------------------------------------------------------------------------------------------------------


@both
def test_evaluate(model, structures, spy, kernel):
    assert evaluate(model, structures, kernel=kernel).as_dict()
    assert {name for name, n in spy.items() if n} == {kernel}


@both
def test_fit_linear(model, structures, spy, kernel):
    """Labels of a model in the basis: both find its energies."""
    fit = fit_linear(SPECIFICATION, structures, E0, QR(), IdentityPrior(), kernel=kernel, repulsion_weight=1e-12)
    # Fixed terms have no program and are torch's always.
    assert (spy["cpu"] > 0) == (kernel == "cpu")
    assert (spy["torch"] > 0) == (kernel == "torch")
    graph = atomic_graph(crystals(1, seed=5)[0], model.cutoff)
    found, expected = (m.pair_gradients(graph, "torch").forces for m in (fit.model, model))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * float(expected.abs().max()))


@both
def test_calculator(model, spy, kernel):
    atoms = crystals(1)[0]
    atoms.calc = ACNNCalculator(model, kernel=kernel)
    atoms.get_forces()
    assert {name for name, n in spy.items() if n} == {kernel}


@needs_kernel
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_calculators_agree(dtype):
    model = random_linear(zbl=True)
    results = []
    for kernel in ("cpu", "torch"):
        atoms = crystals(1)[0]
        atoms.calc = ACNNCalculator(model, kernel=kernel, dtype=dtype)
        results.append([atoms.get_potential_energies(), atoms.get_forces(), atoms.get_stress()])
    accuracy = AGREEMENT if dtype == "float64" else 1e-4
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=accuracy * np.abs(expected).max())


@pytest.fixture
def files(model, structures, tmp_path):
    frames = []
    for structure in structures:
        atoms = structure.atoms.copy()
        atoms.info["REF_energy"] = structure.energy
        atoms.arrays["REF_forces"] = structure.forces
        frames.append(atoms)
    ase.io.write(tmp_path / "data.xyz", frames)
    save_model(model, tmp_path / "m.acnn", {"data": {}})
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@both
def test_command_evaluate(files, spy, kernel):
    done = run("evaluate", files / "m.acnn", files / "data.xyz", "--kernel", kernel, "--json", files / "e.json")
    assert done.exit_code == 0, done.output
    assert spy["cpu"] == (6 if kernel == "cpu" else 0)  # torch checks the file besides
    assert json.loads((files / "e.json").read_text())


@both
def test_command_fit(files, spy, kernel):
    flags = ["--order", 2, "--degree", 3, "--cutoff", 4.5, "--e0", "Al=-3,Ti=-5", "--solver", "qr"]
    done = run("fit", files / "data.xyz", "-o", files / "new.acnn", *flags, "--kernel", kernel)
    assert done.exit_code == 0, done.output
    assert (spy["cpu"] > 0) == (kernel == "cpu")
    assert (files / "new.acnn").exists()


def test_commands_say_what_a_kernel_is(files):
    fit = run("fit", files / "data.xyz", "-o", files / "new.acnn", "--kernel", "gpu")
    evaluation = run("evaluate", files / "m.acnn", files / "data.xyz", "--kernel", "gpu")
    for done in (fit, evaluation):
        assert done.exit_code == 2, done.output
        assert done.output.count("Error") == 1
        assert "Traceback" not in done.output
        assert "torch" in done.output
    assert not (files / "new.acnn").exists()


# --- threads ----------------------------------------------------------------------------------------------------------


def test_number_of_threads(monkeypatch):
    assert n_threads() == torch.get_num_threads()
    monkeypatch.setenv("ACNN_NUM_THREADS", "3")
    assert n_threads() == 3
    assert n_threads(2) == 2
    monkeypatch.setenv("ACNN_NUM_THREADS", "")
    assert n_threads() == torch.get_num_threads()


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", " ", "4 threads", "+2", "1e3", "²", "1000000"])
def test_what_is_no_number_of_threads(model, graph, monkeypatch, text):
    monkeypatch.setenv("ACNN_NUM_THREADS", text)
    with pytest.raises(ValueError, match="ACNN_NUM_THREADS must be a number of threads from 1 to 1024, not"):
        n_threads()
    if instruction_sets():
        with pytest.raises(ValueError, match="ACNN_NUM_THREADS"):
            model.pair_gradients(graph)


@needs_kernel
def test_more_threads_than_work(model, graph, monkeypatch):
    expected = model.pair_gradients(graph)
    monkeypatch.setenv("ACNN_NUM_THREADS", "1000")
    assert torch.equal(model.pair_gradients(graph).pair_gradients, expected.pair_gradients)


@needs_kernel
def test_an_absurd_number_of_threads_is_as_many_as_there_is_work_for_or_a_sentence(model, graph, monkeypatch):
    expected = model.pair_gradients(graph, "cpu")
    monkeypatch.setenv("ACNN_NUM_THREADS", str(10**12))
    try:
        found = model.pair_gradients(graph)
    except ValueError as error:
        assert "threads" in str(error)  # noqa: PT017
    else:
        assert torch.equal(found.pair_gradients, expected.pair_gradients)


# --- without the compiled module --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("uncompiled")
def test_one_warning_and_the_results_of_torch(model, graph, structures):
    expected = model.pair_gradients(graph, "torch")
    with pytest.warns(RuntimeWarning, match="installed without its compiled kernel") as caught:
        found = model.pair_gradients(graph)
    assert len(caught) == 1
    assert torch.equal(found.site_energies, expected.site_energies)
    assert torch.equal(found.pair_gradients, expected.pair_gradients)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.pair_gradients(graph, "auto")
        evaluate(model, structures[:1])
        Assembler(model)(structures[0])
        atoms = crystals(1)[0]
        atoms.calc = ACNNCalculator(model)
        atoms.get_forces()


@pytest.mark.usefixtures("uncompiled")
def test_the_warning_says_where_the_user_called(model, graph):
    with pytest.warns(RuntimeWarning) as caught:
        uses_compiled_kernel()
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("uncompiled")
def test_torch_on_demand_warns_of_nothing(model, graph, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.pair_gradients(graph, "torch")
        monkeypatch.setenv("ACNN_KERNEL", "torch")
        model.pair_gradients(graph)
        ACNNCalculator(model)


@pytest.mark.usefixtures("uncompiled")
def test_asking_for_what_is_not_there_is_a_sentence(model, graph, structures, monkeypatch):
    for name in ("pair_gradients", "evaluate", "Assembler", "fit_linear", "calculator"):
        with pytest.raises(
            ValueError, match="kernel requests the compiled kernel, but this acnn was installed without"
        ):
            BAD_CALLS[name](model, graph, structures, "cpu")
    monkeypatch.setenv("ACNN_KERNEL", "cpu")
    for name in ("pair_gradients", "evaluate", "Assembler", "fit_linear", "calculator"):
        with pytest.raises(ValueError, match="ACNN_KERNEL requests the compiled kernel"):
            BAD_CALLS[name](model, graph, structures, None)


@pytest.mark.usefixtures("uncompiled")
def test_kernels_cannot_be_made(model):
    assert instruction_sets() == []
    for make in (
        lambda: EnergyKernel(model.program()),
        lambda: BasisKernel(compile_basis(model.basis)),
    ):
        with pytest.raises(ValueError, match="installed without its compiled kernel"):
            make()


@needs_kernel
def test_a_model_evaluated_by_the_kernel_can_be_loaded_where_there_is_none(model, graph, monkeypatch):
    expected = model.pair_gradients(graph, "cpu")
    stored = pickle.dumps(model)
    monkeypatch.setattr(loading, "_kernel", None)
    found = pickle.loads(stored).pair_gradients(graph, "torch")
    torch.testing.assert_close(found.pair_gradients, expected.pair_gradients)


class OlderProcessor:
    """The compiled module on a machine that runs nothing but the generic code."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        return getattr(self.module, name)

    def instruction_sets(self):
        return ["generic"]

    def Engine(self, arrays, instruction_set):
        if instruction_set != "generic":
            raise ValueError(f"this processor does not run the instruction set {instruction_set}")
        return self.module.Engine(arrays, instruction_set)


@needs_kernel
@pytest.mark.parametrize("of_model", [True, False], ids=["model", "kernel"])
def test_what_was_pickled_can_be_loaded_on_an_older_processor(model, graph, monkeypatch, of_model):
    """The best instruction set was nobody's choice: it is chosen anew."""
    if len(instruction_sets()) == 1:
        pytest.skip("this processor runs a single instruction set")
    expected = model.pair_gradients(graph, "cpu")
    stored = pickle.dumps(model if of_model else EnergyKernel(model.program()))
    monkeypatch.setattr(loading, "_kernel", OlderProcessor(loading._kernel))
    twin = pickle.loads(stored)
    found = twin.pair_gradients(graph, "cpu") if of_model else twin(graph)
    torch.testing.assert_close(found.pair_gradients, expected.pair_gradients)
