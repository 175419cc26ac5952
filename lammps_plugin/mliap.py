"""A potential for LAMMPS' ``pair_style mliap unified``: plain and KOKKOS couplings, exact domain decomposition.

    units metal
    newton on
    pair_style mliap unified si.mliap.pt 0
    pair_coeff * * Si

LAMMPS passes the vectors r_ij = x_j - x_i (Å) from the atoms of a rank to all neighbors, ghosts included, and receives
e_i (eV) and g_ij = dE/dr_ij (eV/Å), which it adds to the force of i, subtracts from that of j, and tallies; with
``units real`` the same in kcal/mol.

Each rank uses one thread, or ``ACNN_NUM_THREADS``; ``ACNN_KERNEL`` chooses the evaluation as everywhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import torch
from ase.data import atomic_numbers
from torch import Tensor

from acnn.arrays import BoolArray, FloatArray
from acnn.combinations import named
from acnn.evaluation.properties import Evaluation
from acnn.failures import print_traceback
from acnn.graph import AtomicGraph, dtype_of
from acnn.io.model_file import ModelFileError, model_from_bytes, model_to_bytes
from acnn.kernels.loading import uses_compiled_kernel
from acnn.parallel.launchers import end_job, mpi_place
from acnn.potential import Potential
from lammps_plugin.direct import DirectEvaluation, threads_per_rank
from lammps_plugin.host import Host
from lammps_plugin.site_properties import properties_of_sites, write_site_properties

SHELL_VERSION = 1
VIRIAL_ATOM = 4
"""Bit of LAMMPS' vflag: virials of atoms are needed at this step."""


class UnifiedPotential:
    """The object that LAMMPS calls at every step, with the attributes and methods of LAMMPS' ``MLIAPUnified``.

    Args:
        potential: used directly on the CPU; copied if LAMMPS keeps its arrays on a GPU.
        dtype: "float64" or "float32" for the evaluation; LAMMPS always gets float64.
        n_ranks: number of MPI ranks that an error must stop; None determines it.
    """

    ndescriptors = 1  # LAMMPS allocates this many numbers per atom and requires at least one
    nparams = 1

    def __init__(self, potential: Potential, dtype: str = "float64", n_ranks: int | None = None) -> None:
        dtype_of(dtype)  # reject a bad dtype early
        self.potential, self.dtype, self.n_ranks = potential, dtype, n_ranks
        self.interface: Any = None  # LAMMPS puts its own object here
        self.element_types = list(potential.elements)
        self.rcutfac = 0.5 * potential.cutoff  # LAMMPS' cutoff of all pairs is twice this
        # Index -1, a NULL type, takes the last number: its atoms never reach the model.
        self._numbers = torch.tensor([atomic_numbers[e] for e in (*potential.elements, potential.elements[0])])
        self._copies: dict[torch.device, tuple[Potential, Tensor]] = {}
        self._direct: DirectEvaluation | None = None
        self._warned_of_halves = False
        self._host = Host(None)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (model_to_bytes(self.potential), {"dtype": self.dtype}, SHELL_VERSION)

    @property
    def site_properties(self) -> list[str]:
        """The properties of single atoms that an input may ask for."""
        return list(properties_of_sites(self.potential))

    def notice(self, elements: Iterable[str]) -> str:
        """Return a line for the log where the training data lack combinations of these elements, otherwise nothing."""
        combinations = self.potential.combinations
        unseen = [] if combinations is None else combinations.unseen(elements)
        if combinations is None or not unseen:
            return ""
        return (
            f"acnn: the training data lack {named(unseen)} within {combinations.cutoff:g} Å: the model predicts such "
            "neighborhoods from other combinations of elements, test it on some"
        )

    def compute_descriptors(self, data: Any) -> None:
        """Do nothing: the model needs none of LAMMPS' descriptors."""

    def compute_gradients(self, data: Any) -> None:
        """Do nothing: `compute_forces` does everything."""

    def compute_forces(self, data: Any) -> None:
        """Compute energies and pair gradients of the atoms of this rank; an error stops all ranks."""
        try:
            if not self._warned_of_halves:
                self._warn_of_halves(data)
            if self._host.interface is not self.interface:
                self._host = Host(self.interface)
                self._host.require_bonded_neighbors(data)
                self._print_notice(data)
            unit, counted = self._host.energy_unit(data), self._host.counted(data)
            rooms = self._host.rooms(data)
            if rooms or not self._evaluate_directly(data, unit, counted):
                with _torch_threads(threads_per_rank()):
                    self._evaluate(data, unit, counted, rooms)
        except Exception as error:
            if (self.n_ranks or count_ranks()) == 1:
                raise
            stop_all_ranks(error)

    def _print_notice(self, data: Any) -> None:
        """Print the notice for the atoms around rank 0; acnn's plugin, which knows all types, writes it to the log."""
        world = _world()
        is_first = world is None or world.Get_rank() == 0
        if data.nlistatoms == 0 or hasattr(data, "centroid_virials") or not is_first:
            return
        kinds = torch.unique(torch.as_tensor(data.elems)).tolist()
        line = self.notice([self.element_types[kind] for kind in kinds if kind >= 0])
        if line:
            print(line, file=sys.stderr, flush=True)

    def _warn_of_halves(self, data: Any) -> None:
        """Warn once if atomic virials are requested from a coupling that splits those of pairs into halves."""
        if not getattr(data, "vflag", 0) & VIRIAL_ATOM or hasattr(data, "centroid_virials"):
            return
        self._warned_of_halves = True
        world = _world()
        if world is None or world.Get_rank() == 0:
            sentence = "compute heat/flux with compute stress/atom is wrong for a many-body potential, but this LAMMPS"
            print(f"acnn: {sentence} has no alternative: see README, thermal conductivity", file=sys.stderr, flush=True)

    def _evaluate_directly(self, data: Any, unit: float = 1.0, counted: BoolArray | None = None) -> bool:
        """Evaluate with the compiled kernel on LAMMPS' own arrays in simple cases; compile the model on first use."""
        kernel = self.potential.energy_kernel() if self._direct is None and uses_compiled_kernel() else None
        if kernel is not None:
            self._direct = DirectEvaluation(kernel, self._numbers.numpy(), self.dtype)
        return self._direct is not None and self._direct(data, unit, counted)

    def _evaluate(self, data: Any, unit: float, counted: BoolArray | None, rooms: Mapping[str, FloatArray]) -> None:
        if data.nlistatoms == 0:
            data.energy = 0.0  # LAMMPS does not reset it
            for room in rooms.values():
                room[:] = 0.0
            return
        device = torch.as_tensor(data.elems).device
        potential, numbers = self._on(device)
        with _finished(device):
            local = local_graph(data, numbers, dtype_of(self.dtype)).counting(counted)
            found = potential.pair_gradients(local.graph)
            energies = local.energies(found.site_energies)
            if rooms:
                centers, known = data.iatoms[: data.nlistatoms], local.counted
                evaluation = Evaluation(potential, found)
                write_site_properties(rooms, evaluation, centers, None if known is None else known.numpy(), unit)
            deliver(data, unit * energies, unit * local.gradients(found.pair_gradients))

    def _on(self, device: torch.device) -> tuple[Potential, Tensor]:
        """Return the potential and the table of atomic numbers on the device of LAMMPS' arrays."""
        if device.type == "cpu":
            return self.potential, self._numbers
        if device not in self._copies:
            self._copies[device] = deepcopy(self.potential).to(device), self._numbers.to(device)
        return self._copies[device]


@dataclass(frozen=True)
class LocalGraph:
    """The graph of a rank; its centers are the atoms of LAMMPS' neighbor list in order.

    Attributes:
        n_pairs: number of LAMMPS' pairs.
        kept: which of LAMMPS' pairs the graph contains; None: all.
        counted: which centers have an energy [n_centers]; None: all.
    """

    graph: AtomicGraph
    n_pairs: int
    kept: Tensor | None = None
    counted: Tensor | None = None

    def energies(self, site_energies: Tensor) -> Tensor:
        """Return e_i in the order of LAMMPS' list, eV [n_centers]."""
        return site_energies if self.counted is None else site_energies * self.counted

    def counting(self, counted: BoolArray | None) -> LocalGraph:
        """Return the graph with energies of these centers only [n_centers]; None: no others are left out."""
        if counted is None:
            return self
        chosen = torch.from_numpy(counted)
        return replace(self, counted=chosen if self.counted is None else self.counted & chosen)

    def gradients(self, pair_gradients: Tensor) -> Tensor:
        """Return g_ij of all of LAMMPS' pairs, eV/Å [n_pairs, 3] float64."""
        if self.kept is None:
            return pair_gradients.double()
        return pair_gradients.new_zeros(self.n_pairs, 3, dtype=torch.float64).index_copy_(
            0, self.kept, pair_gradients.double()
        )


def local_graph(data: Any, numbers: Tensor, dtype: torch.dtype) -> LocalGraph:
    """Make the graph of LAMMPS' data object.

    Args:
        numbers: atomic number of each of LAMMPS' element indices; the last one is for NULL types, with index -1.
    """
    elements = torch.as_tensor(data.elems).long()
    pair_i, pair_j, vectors = _pairs(data, elements.device)
    species = numbers[elements]
    listed = torch.as_tensor(data.iatoms)[: data.nlistatoms].long()
    in_order = torch.equal(listed, torch.arange(len(listed), device=listed.device))
    if in_order and data.natomneigh == data.nlistatoms and int(elements.min()) >= 0:
        return LocalGraph(_graph(species, pair_i, pair_j, vectors.to(dtype), len(listed)), data.npairs)
    center = torch.full_like(elements, -1)
    center[listed] = torch.arange(len(listed), device=listed.device)
    known = elements >= 0
    kept = torch.nonzero((center[pair_i] >= 0) & known[pair_i] & known[pair_j])[:, 0]
    # The centers come first, followed by all atoms as their neighbors.
    graph = _graph(
        torch.cat([species[listed], species]),
        center[pair_i[kept]],
        pair_j[kept] + len(listed),
        vectors[kept].to(dtype),
        len(listed),
    )
    return LocalGraph(graph, data.npairs, kept, known[listed])


def _pairs(data: Any, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    if data.npairs == 0:  # then LAMMPS has no arrays
        none = torch.zeros(0, dtype=torch.int64, device=device)
        return none, none, torch.zeros(0, 3, dtype=torch.float64, device=device)
    i, j, vectors = (torch.as_tensor(a) for a in (data.pair_i, data.pair_j, data.rij))
    return i.long(), j.long(), vectors


def _graph(species: Tensor, pair_i: Tensor, pair_j: Tensor, vectors: Tensor, n_centers: int) -> AtomicGraph:
    return AtomicGraph(species, pair_i, pair_j, vectors, torch.zeros_like(species), 1, n_centers)


def deliver(data: Any, energies: Tensor, gradients: Tensor) -> None:
    """Pass e_i (in the order of LAMMPS' list) and g_ij, in LAMMPS' units, to the data object of either coupling."""
    data.energy = float(energies.sum())
    has_views = hasattr(data, "update_pair_forces_gpu")  # the KOKKOS coupling
    if has_views:
        torch.as_tensor(data.eatoms).copy_(energies)
    else:
        data.eatoms = energies.numpy()
    if len(gradients) == 0:  # LAMMPS takes the address of the first one
        return
    if gradients.device.type == "cpu":
        data.update_pair_forces(gradients.contiguous().numpy())
    else:
        data.update_pair_forces_gpu(gradients.contiguous())  # assumes float64 without checking


@contextmanager
def _finished(device: torch.device) -> Iterator[None]:
    """Synchronize LAMMPS and torch, which may use different streams of a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def _torch_threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def count_ranks() -> int:
    """Return the number of MPI ranks of this job, from mpi4py or the launcher's environment variables."""
    world = _world()
    return max(1 if world is None else world.Get_size(), mpi_place().size)


def stop_all_ranks(error: Exception) -> NoReturn:
    """Print the error and end the job: after an exception on one rank, the others would wait for it forever."""
    print_traceback(error)
    world = _world()
    where = "" if world is None else f" on rank {world.Get_rank()}"
    sentence = " ".join(str(error).split())
    end_job(f"acnn stops LAMMPS: {type(error).__name__}{where}: {sentence}", world, 1)


def _world() -> Any:
    """Return mpi4py's world, if LAMMPS has initialized the MPI library that mpi4py uses."""
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:
            mpi4py.rc.initialize = False  # LAMMPS does that
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        return None
    return MPI.COMM_WORLD if MPI.Is_initialized() and not MPI.Is_finalized() else None


def rebuild(
    content: bytes, options: Mapping[str, Any], version: int, name: str = "the model in the LAMMPS model file"
) -> UnifiedPotential:
    """Make the potential from a file of `shell`; the model's own format is checked as for any model file."""
    if version != SHELL_VERSION or set(options) != {"dtype"}:
        raise ModelFileError(
            f"this LAMMPS model file has version {version}, but the acnn of LAMMPS' Python reads {SHELL_VERSION}: "
            "upgrade acnn there, or export the model again with that version"
        )
    return UnifiedPotential(model_from_bytes(content, name), **options)
