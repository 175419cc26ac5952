"""The compiled kernel against the torch definition, bit by bit against itself, and against nonsense."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.data import atomic_numbers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import AtomicGraph, batch
from acnn.kernels.energy import STAGES, EnergyKernel
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import instruction_sets, runs_on
from acnn.kernels.program import Program
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients
from acnn.testing import FINITE_DIFFERENCE_TOLERANCE, check_gradients, example_structures, random_model

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

ENERGY_ACCURACY = 1e-12  # of the largest site energy
GRADIENT_ACCURACY = 1e-10  # of the largest pair gradient
SINGLE_ACCURACY = 1e-5  # in float32, of both
SMALLEST_SCALE = 1e-3  # eV, eV/Å; what is smaller cancels, and is compared as if it were of this size
SMALLEST_SINGLE_SCALE = 1e-2  # where pairs near the cutoff are all there is, float32 has few digits

STRUCTURES = example_structures()
ISAS = instruction_sets()
every_isa = pytest.mark.parametrize("isa", ISAS)
both_dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
quick = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _the_kernel_is_chosen(monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", "cpu")
    monkeypatch.delenv("ACNN_NUM_THREADS", raising=False)


@pytest.fixture(scope="module")
def model(model_of):
    return model_of(zbl=True, pair_cutoff=5.5)


@pytest.fixture(scope="module")
def graph(model, star_of):
    return star_of(model.elements, [3, 17, 0, 8, 40, 1, 12, 9, 16, 5, 31], n_ghosts=4, reach=5.5, seed=7)


def largest(values, floor):
    return max(floor, float(values.abs().max())) if values.numel() else floor


def assert_close(found, expected, accuracies=(ENERGY_ACCURACY, GRADIENT_ACCURACY), floors=(SMALLEST_SCALE,) * 2):
    """Site energies and pair gradients."""
    assert found.site_energies.dtype == torch.float64
    for name, accuracy, floor in zip(("site_energies", "pair_gradients"), accuracies, floors, strict=True):
        value, reference = getattr(found, name), getattr(expected, name)
        atol = accuracy * largest(reference, floor)
        torch.testing.assert_close(value.double(), reference, rtol=0, atol=atol, msg=lambda m, n=name: f"{n}: {m}")


def assert_single(found, expected, terms=0.0):
    assert found.pair_gradients.dtype == torch.float32
    assert_close(found, expected, (SINGLE_ACCURACY,) * 2, (max(SMALLEST_SINGLE_SCALE, terms),) * 2)


def assert_identical(found, expected):
    assert torch.equal(found.site_energies, expected.site_energies)
    assert torch.equal(found.pair_gradients, expected.pair_gradients)


def in_single(graph: AtomicGraph) -> AtomicGraph:
    return graph.to(dtype=torch.float32)


def assert_kernel_is_torch(model, graph, isas=ISAS):
    expected, program = model.pair_gradients(graph, "torch"), model.program()
    terms = size_of_terms(model, graph)
    for isa in isas:
        kernel = EnergyKernel(program, isa, threads=1)
        assert_close(kernel(graph), expected, floors=(max(SMALLEST_SCALE, terms), SMALLEST_SCALE))
        assert_single(kernel(in_single(graph)), expected, terms)


def size_of_terms(model, graph):
    """Σ_k |c_k B_k| of the site where it is largest (eV, and per Å): what has the digits, even where it cancels."""
    terms = (model.basis(graph) * model.coefficients[:, None]).abs().sum(dim=0)
    return float(terms.max()) if terms.numel() else 0.0


# --- the same as torch ------------------------------------------------------------------------------------------------


@quick
@given(data=st.data())
def test_kernel_is_torch(cases, data):
    assert_kernel_is_torch(*data.draw(cases))


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_every_order(model_of, star_of, order, formulation):
    degrees = {1: 8.0, 2: 7.0, 3: 6.0, 4: 6.0, 5: 6.5}
    model = model_of(order=order, degree=degrees[order], formulation=formulation, wl=0.8)
    assert_kernel_is_torch(model, star_of(model.elements, [7, 30, 0, 12], 2, 4.5, seed=order))


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_of_every_periodicity(name):
    model = random_model(["Si", "C"])
    assert_kernel_is_torch(model, atomic_graph(STRUCTURES[name], model.cutoff))


def test_reductions_are_those_of_torch():
    model = random_model(["Si", "C"])
    graph = batch([atomic_graph(atoms, model.cutoff) for atoms in STRUCTURES.values()])
    found, expected = model.pair_gradients(graph, "cpu"), model.pair_gradients(graph, "torch")
    for name in ("energies", "forces", "virials", "atomic_virials"):
        value, reference = getattr(found, name), getattr(expected, name)
        torch.testing.assert_close(value, reference, rtol=0, atol=GRADIENT_ACCURACY * largest(reference, 1.0))


def test_a_hundred_images_of_one_atom(model_of):
    """All neighbors are the atom itself: forces cancel, the virial does not."""
    model = model_of(elements=("Al",), cutoff=5.5, degree=6.0)
    graph = atomic_graph(bulk("Al", a=3.0), model.cutoff)
    assert graph.n_pairs > 60
    assert_kernel_is_torch(model, graph)
    found = model.pair_gradients(graph, "cpu")
    assert float(found.forces.abs().max()) < GRADIENT_ACCURACY * float(found.pair_gradients.abs().max())
    assert float(found.virials.abs().max()) > 1e-3


def test_up_to_two_hundred_neighbors(model_of, star_of):
    model = model_of(degree=4.0)
    assert_kernel_is_torch(model, star_of(model.elements, [200, 0, 1, 199, 63, 64, 65, 0, 128], 3, 4.5, seed=1))


@pytest.mark.parametrize("n_centers", [*range(1, 10), 15, 16, 17, 20])
def test_lanes_that_are_not_filled(model_of, star_of, n_centers):
    model = model_of(degree=4.0)
    counts = np.random.default_rng(n_centers).integers(0, 12, n_centers).tolist()
    assert_kernel_is_torch(model, star_of(model.elements, counts, 1, 4.5, seed=n_centers))


def test_centers_without_pairs_have_their_e0(model_of, star_of):
    model = model_of()
    graph = star_of(model.elements, [0, 5, 0, 0, 2, 0], 0, 4.5, seed=2)
    e0 = model.e0(graph)
    found = model.pair_gradients(graph).site_energies
    assert torch.equal(found[[0, 2, 3, 5]], e0[[0, 2, 3, 5]])
    assert bool((found != e0)[[1, 4]].all())


def test_pairs_beyond_the_cutoff_do_nothing(model, graph):
    far = graph.pair_vectors.norm(dim=1) >= 5.5
    assert 5 < int(far.sum()) < graph.n_pairs
    found, expected = model.pair_gradients(graph), model.pair_gradients(graph.within(5.5))
    assert torch.equal(found.site_energies, expected.site_energies)
    assert torch.equal(found.pair_gradients[~far], expected.pair_gradients)
    assert not found.pair_gradients[far].any()


@pytest.mark.parametrize("zbl", [False, True])
@both_dtypes
def test_around_the_cutoffs(model_of, zbl, dtype):
    """A pair in small steps through both cutoffs: nothing jumps, nothing is written twice or not at all."""
    model = model_of(zbl=zbl, cutoff=4.0, pair_cutoff=4.5, degree=4.0)
    r = np.concatenate([c * (1 + np.array([-1e-3, -1e-6, -1e-15, 0, 1e-15, 1e-6])) for c in (4.0, 4.5)])
    vectors = torch.as_tensor(np.concatenate([np.outer(r, [0.6, 0.0, 0.8]), np.outer(r, [0.0, 1.0, 0.0])]))
    centers, n = torch.arange(len(vectors)), len(vectors)
    species = torch.tensor([13, 22]).repeat(n // 2)
    graph = AtomicGraph(species, centers, centers.flip(0), vectors, torch.zeros(n, dtype=torch.int64), 1, n)
    expected = model.pair_gradients(graph, "torch")
    found = model.pair_gradients(graph.to(dtype=dtype), "cpu")
    (assert_close if dtype == torch.float64 else assert_single)(found, expected)


def test_nuclear_repulsion_that_reaches_beyond_the_cutoff(model_of):
    """The covalent radii of two Cs add up to 4.88 Å. Whatever is meant, both mean the same, with any list of pairs."""
    model = model_of(elements=("Cs",), zbl=True, cutoff=4.0, order=2, degree=3.0)
    assert_kernel_is_torch(model, atomic_graph(ase.Atoms("Cs2", [[0, 0, 0], [4.3, 0, 0]]), 5.0))


def test_elements_of_the_model_may_be_absent(model_of, star_of):
    model = model_of(elements=("H", "C", "Si"), degree=4.0)
    for present in (("C",), ("H", "Si"), ("Si", "C")):
        assert_kernel_is_torch(model, star_of(present, [6, 0, 9], 1, 4.5, seed=3))


def test_large_reference_energies_cost_no_digits(model_of, star_of):
    """E0 of all electrons, in double beside forces in single precision."""
    small = model_of()
    graph = in_single(star_of(small.elements, [12, 9, 20], 0, 4.5, seed=4))
    large = LinearACE(small.basis, {"Al": -1e4, "Ti": -2e4}, small.coefficients)
    found, expected = (m.pair_gradients(graph).site_energies - m.e0(graph) for m in (large, small))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_forces_and_virial_are_derivatives_of_the_energy(model_of):
    model = model_of(zbl=True, pair_cutoff=5.0)
    atoms = bulk("Al", cubic=True)
    atoms.numbers[1] = atomic_numbers["Ti"]
    atoms.rattle(0.1, seed=1)
    assert check_gradients(model, atoms).largest < FINITE_DIFFERENCE_TOLERANCE


# --- bit by bit -------------------------------------------------------------------------------------------------------


def reordered(graph: AtomicGraph, order: np.ndarray) -> tuple[AtomicGraph, np.ndarray]:
    """Centers in another order, the pairs of each as they were, and the pairs' old positions."""
    pair_i = graph.pair_i.numpy()
    pairs = np.concatenate([np.flatnonzero(pair_i == old) for old in order])
    new_index = np.arange(graph.n_atoms)
    new_index[order] = np.arange(len(order))
    moved = replace(
        graph,
        species=torch.cat([graph.species[order], graph.species[graph.n_centers :]]),
        pair_i=torch.as_tensor(new_index[pair_i[pairs]]),
        pair_j=torch.as_tensor(new_index)[graph.pair_j[pairs]],
        pair_vectors=graph.pair_vectors[pairs],
    )
    return moved, pairs


def many_atoms(model, star_of, n=700):
    counts = np.random.default_rng(5).integers(0, 14, n).tolist()
    return star_of(model.elements, counts, 5, model.cutoff, seed=6)


@both_dtypes
@every_isa
def test_an_atom_does_not_feel_its_batch(model_of, star_of, isa, dtype):
    model = model_of(zbl=True, degree=4.0)
    graph = star_of(model.elements, np.random.default_rng(5).integers(0, 30, 43).tolist(), 5, 4.5, seed=6)
    kernel = EnergyKernel(model.program(), isa, 1)
    graph = graph.to(dtype=dtype)
    expected = kernel(graph)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(graph.n_centers)
        moved, pairs = reordered(graph, order)
        found = kernel(moved)
        assert torch.equal(found.site_energies, expected.site_energies[order])
        assert torch.equal(found.pair_gradients, expected.pair_gradients[pairs])
    for i in (0, 7, 42):
        alone, pairs = reordered(graph, np.array([i, *(k for k in range(43) if k != i)]))
        n = int((alone.pair_i == 0).sum())
        found = kernel(replace(
            alone, pair_i=alone.pair_i[:n], pair_j=alone.pair_j[:n], pair_vectors=alone.pair_vectors[:n], n_centers=1
        ))  # fmt: skip
        assert torch.equal(found.site_energies, expected.site_energies[i : i + 1])
        assert torch.equal(found.pair_gradients, expected.pair_gradients[pairs[:n]])


@both_dtypes
@every_isa
def test_threads_change_nothing(model_of, star_of, isa, dtype):
    model = model_of(degree=4.0)
    graph, program = many_atoms(model, star_of).to(dtype=dtype), model.program()
    expected = EnergyKernel(program, isa, 1)(graph)
    for threads in (2, 3, 7, 64):
        assert_identical(EnergyKernel(program, isa, threads)(graph), expected)


def test_the_same_again(model, graph):
    kernel = EnergyKernel(model.program(), threads=1)
    first = kernel(graph)
    kernel(in_single(graph))
    assert_identical(kernel(graph), first)


def test_memory_is_kept_and_does_not_grow(model, graph):
    kernel = EnergyKernel(model.program(), threads=1)
    assert kernel.workspace_bytes == 0
    kernel(graph)
    kept = kernel.workspace_bytes
    assert kept > 0
    for _ in range(3):
        kernel(graph)
    assert kernel.workspace_bytes == kept


def test_one_kernel_in_several_threads_of_python(model_of, star_of):
    model = model_of(degree=4.0)
    graph = many_atoms(model, star_of, 150)
    kernel = EnergyKernel(model.program(), threads=2)
    graphs = [graph, in_single(graph)] * 6
    expected = [kernel(g) for g in graphs]
    with ThreadPoolExecutor(4) as pool:
        for found, reference in zip(pool.map(kernel, graphs), expected, strict=True):
            assert_identical(found, reference)


# --- coefficients -----------------------------------------------------------------------------------------------------


def test_without_coefficients_there_is_e0(model_of, graph):
    model = model_of(kind="zero")
    found = model.pair_gradients(graph)
    assert torch.equal(found.site_energies, model.e0(graph))
    assert not found.pair_gradients.any()


@pytest.mark.parametrize("kind", ["sparse", "one"])
def test_some_coefficients(model_of, graph, kind):
    assert_kernel_is_torch(model_of(kind=kind), graph)


@pytest.mark.parametrize("part", ["many-body part", "pair part"])
def test_one_part_alone(model_of, graph, part):
    model = copy.deepcopy(model_of(pair_cutoff=5.5))
    first = min(columns.start for columns in model.basis.pair_columns.values())
    kept = slice(0, first) if part == "many-body part" else slice(first, None)
    values = torch.zeros_like(model.coefficients)
    values[kept] = model.coefficients[kept]
    model.coefficients.data = values
    assert_kernel_is_torch(model, graph)


def test_one_element_without_coefficients(model_of, graph):
    model = copy.deepcopy(model_of())
    model.coefficients.detach()[model.basis.by_element[0].columns] = 0.0
    assert_kernel_is_torch(model, graph)


def test_changed_coefficients_are_seen(model_of, graph):
    model = copy.deepcopy(model_of())
    first = model.pair_gradients(graph)
    assert model.energy_kernel() is model.energy_kernel()
    model.coefficients.detach().mul_(2.0)
    doubled = model.pair_gradients(graph)
    torch.testing.assert_close(doubled.pair_gradients, 2 * first.pair_gradients)
    model.coefficients.detach()[3] += 0.5
    assert_close(model.pair_gradients(graph), model.pair_gradients(graph, "torch"))
    model.coefficients.data = torch.zeros_like(model.coefficients)
    assert not model.pair_gradients(graph).pair_gradients.any()
    model.load_state_dict(model_of().state_dict())
    assert_identical(model.pair_gradients(graph), first)


def test_changed_reference_energies_are_seen(model_of, graph):
    """As the torch path sees them."""
    model = copy.deepcopy(model_of())
    model.pair_gradients(graph)
    model.e0.values += 1.0
    assert_close(model.pair_gradients(graph), model.pair_gradients(graph, "torch"))


# --- shapes, strides, dtypes ------------------------------------------------------------------------------------------


def strided(values):
    """The same values, not contiguous."""
    wide = torch.stack([values, torch.zeros_like(values)], dim=-1)
    return wide[..., 0]


@both_dtypes
def test_arrays_need_not_be_contiguous(model, graph, dtype):
    graph = graph.to(dtype=dtype)
    expected = model.pair_gradients(graph)
    loose = replace(
        graph,
        species=strided(graph.species),
        pair_i=strided(graph.pair_i),
        pair_j=strided(graph.pair_j),
        pair_vectors=graph.pair_vectors.T.contiguous().T,
    )
    assert not loose.pair_i.is_contiguous()
    assert not loose.pair_vectors.is_contiguous()
    found = model.pair_gradients(loose)
    assert_identical(found, expected)
    assert torch.equal(found.forces, expected.forces)


def test_a_single_element_of_a_strided_array(model_of):
    """Arrays of length one are contiguous whatever their stride."""
    model = model_of()
    graph = AtomicGraph(
        species=torch.tensor([[13, 22], [22, 13]])[:1, 1],
        pair_i=torch.tensor([[0, 5]])[:, 0],
        pair_j=torch.tensor([[0, 5]])[:, 0],
        pair_vectors=torch.tensor([[[2.0, 1.0], [0.5, 1.0], [1.0, 1.0]]], dtype=torch.float64)[..., 0],
        structure=torch.zeros(1, dtype=torch.int64),
        n_structures=1,
        n_centers=1,
    )
    found = model.pair_gradients(graph)
    assert_close(found, model.pair_gradients(graph, "torch"))
    assert found.forces.shape == (1, 3)


def test_vectors_that_require_gradients(model, graph):
    expected = model.pair_gradients(graph)
    found = model.pair_gradients(graph.with_pair_vectors(graph.pair_vectors.clone().requires_grad_(True)))
    assert_identical(found, expected)
    assert not found.pair_gradients.requires_grad


@both_dtypes
@pytest.mark.parametrize("n_atoms", [0, 1, 9])
def test_without_pairs(model, n_atoms, dtype):
    graph = atomic_graph(
        ase.Atoms(f"Al{n_atoms}" if n_atoms else "", positions=np.arange(n_atoms)[:, None] * [30, 0, 0]), 5.5
    )
    found = model.pair_gradients(graph.to(dtype=dtype))
    assert found.site_energies.shape == (n_atoms,)
    assert torch.equal(found.site_energies, model.e0(graph))
    assert found.pair_gradients.shape == (0, 3)
    assert found.pair_gradients.dtype == dtype
    assert found.forces.shape == (n_atoms, 3)
    assert not found.forces.any()
    assert found.virials.shape == (1, 3, 3)


def test_only_ghosts(model, star_of):
    graph = star_of(model.elements, [], 3, 5.5, seed=1)
    found = model.pair_gradients(graph)
    assert found.site_energies.shape == (0,)
    assert found.forces.shape == (3, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_other_precisions_are_for_torch(model, graph, dtype):
    assert not runs_on(graph.to(dtype=dtype))
    assert model.compiled_gradients(graph.to(dtype=dtype), "auto") is None


def test_other_devices_are_for_torch(model, graph):
    assert not runs_on(graph.to("meta"))
    assert model.compiled_gradients(graph.to("meta"), "auto") is None


# --- errors -----------------------------------------------------------------------------------------------------------


@both_dtypes
@pytest.mark.parametrize("pair", [0, 60, -1])
@pytest.mark.parametrize("bad", [[np.nan, 0, 1], [1, np.inf, 0], [1, 1, -np.inf], [0, 0, 0]], ids=str)
def test_vectors_that_are_no_vectors(model, graph, bad, pair, dtype):
    expected = model.pair_gradients(graph)
    vectors = graph.pair_vectors.clone()
    vectors[pair] = torch.tensor(bad, dtype=vectors.dtype)
    atoms = rf"from atom {graph.pair_i[pair]} to its neighbor {graph.pair_j[pair]} is zero, infinite or not a number"
    with pytest.raises(ValueError, match=atoms):
        model.pair_gradients(graph.with_pair_vectors(vectors).to(dtype=dtype))
    assert_identical(model.pair_gradients(graph), expected)


def test_errors_in_threads(model_of, star_of):
    model = model_of(degree=4.0)
    graph = many_atoms(model, star_of)
    kernel = EnergyKernel(model.program(), threads=4)
    expected = kernel(graph)
    vectors = graph.pair_vectors.clone()
    vectors[::50] = np.nan
    for _ in range(5):
        with pytest.raises(ValueError, match="not a number"):
            kernel(graph.with_pair_vectors(vectors))
    assert_identical(kernel(graph), expected)


@pytest.mark.parametrize("atom", [0, 12], ids=["center", "ghost"])
@pytest.mark.parametrize("number", [29, 0, -1, 255, 256, 10**12])
def test_unknown_elements_are_named(model, graph, atom, number):
    species = graph.species.clone()
    species[atom] = number
    messages = []
    for kernel in ("cpu", "torch"):
        with pytest.raises(UnsupportedElementError, match="is not in this model, which supports Al, Ti") as caught:
            model.pair_gradients(replace(graph, species=species), kernel)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def with_entry(values, position, value):
    changed = values.clone()
    changed[position] = value
    return changed


@pytest.mark.parametrize("index", [-1, 15, 10**12])
def test_neighbors_that_are_not_there(model, graph, index):
    with pytest.raises(ValueError, match=r"pair 4 .* not in the graph"):
        model.pair_gradients(replace(graph, pair_j=with_entry(graph.pair_j, 4, index)))


@pytest.mark.parametrize(("position", "index"), [(0, -1), (-1, 11), (-1, 10**12)], ids=str)
def test_centers_that_are_none(model, graph, position, index):
    """11 is the first ghost."""
    with pytest.raises(ValueError, match=r"not in the graph|sorted by center"):
        model.pair_gradients(replace(graph, pair_i=with_entry(graph.pair_i, position, index)))


def test_pairs_out_of_order(model, graph):
    with pytest.raises(ValueError, match="sorted by center"):
        model.pair_gradients(replace(graph, pair_i=with_entry(graph.pair_i, 5, 10)))


def test_arrays_of_unequal_lengths(model, graph):
    for changed in (
        {"pair_j": graph.pair_j[:-1]},
        {"pair_i": graph.pair_i[:-1]},
        {"pair_vectors": graph.pair_vectors[:-1]},
        {"n_centers": graph.n_atoms + 1},
    ):
        with pytest.raises(ValueError, match=r"differ in length|more centers than atoms"):
            model.pair_gradients(replace(graph, **changed))


def test_instruction_sets_that_are_not_there(model):
    with pytest.raises(ValueError, match="does not run the instruction set x87"):
        EnergyKernel(model.program(), "x87")


@pytest.mark.parametrize("threads", [0, -3, 10**6])
def test_a_sensible_number_of_threads(model, graph, threads):
    with pytest.raises(ValueError, match=f"threads must be a number of threads from 1 to 1024, not {threads}"):
        EnergyKernel(model.program(), threads=threads)(graph)


def test_programs_of_the_other_kind(model, graph):
    with pytest.raises(ValueError, match="kind energy is needed, as made by compile_energy"):
        EnergyKernel(compile_basis(model.basis))(graph)


def test_programs_with_an_array_missing_or_of_another_type(model):
    program = model.program()
    for name in program.arrays:
        arrays = {key: values for key, values in program.arrays.items() if key != name}
        if name == "reference_energies":  # by which kinds of programs are told apart
            continue
        with pytest.raises(ValueError, match=f"no array {name}"):
            EnergyKernel(replace(program, arrays=arrays))
    with pytest.raises(ValueError, match=r"0\.blocks of a program is neither int32 nor float64"):
        EnergyKernel(
            replace(program, arrays=program.arrays | {"0.blocks": program.arrays["0.blocks"].astype(np.int64)})
        )


# --- storage, stages, forces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda k: pickle.loads(pickle.dumps(k))])
def test_kernels_can_be_copied(model, graph, duplicate):
    kernel = EnergyKernel(model.program(), ISAS[-1], 3)
    expected = kernel(graph)
    twin = duplicate(kernel)
    assert (twin.instruction_set, twin.threads) == (ISAS[-1], 3)
    assert_identical(twin(graph), expected)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_models_can_be_copied_after_an_evaluation(model_of, graph, duplicate):
    model = copy.deepcopy(model_of())
    expected = model.pair_gradients(graph)
    twin = duplicate(model)
    assert_identical(twin.pair_gradients(graph), expected)
    twin.coefficients.detach().mul_(2.0)
    assert not torch.equal(twin.pair_gradients(graph).site_energies, expected.site_energies)
    assert_identical(model.pair_gradients(graph), expected)


def test_a_stored_program_gives_the_same(model, graph):
    stored = Program.from_bytes(model.program().to_bytes())
    assert_identical(EnergyKernel(stored)(graph), EnergyKernel(model.program())(graph))


def test_stages_are_timed(model, graph):
    seconds = np.zeros(len(STAGES))
    kernel = EnergyKernel(model.program(), threads=1)
    timed = kernel(graph, seconds)
    assert (seconds > 0).all()
    assert seconds.sum() < 10
    assert_identical(timed, kernel(graph))
    with pytest.raises(ValueError, match="five stages"):
        kernel(graph, np.zeros(4))


@both_dtypes
def test_forces_are_the_reduction(model, graph, dtype):
    found = model.pair_gradients(graph.to(dtype=dtype))
    expected = PairGradients(graph, found.site_energies, found.pair_gradients.double()).forces
    accuracy = 1e-14 if dtype == torch.float64 else 1e-6
    assert found.forces.dtype == dtype
    assert found.forces.shape == (graph.n_atoms, 3)
    atol = accuracy * float(found.pair_gradients.abs().max())
    torch.testing.assert_close(found.forces.double(), expected, rtol=0, atol=atol)
