"""ACNNCalculator: energies, forces and stresses of a potential for ASE, from one evaluation of the model.

    E = Σ_i e_i         F_i = Σ_j (g_ij - g_ji)         σ_i = -W_i / V         σ = Σ_i σ_i

Units are ASE's: eV, eV/Å, eV/Å³ (Voigt order xx yy zz yz xz xy, positive under tension).

The table of `acnn.properties` lists further properties: standard deviations of models with a committee.
"""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Sequence
from typing import Any

import ase
import torch
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError, all_changes
from ase.data import chemical_symbols

from acnn.combinations import named
from acnn.conventions import CLOSEST_APPROACH
from acnn.evaluation.properties import Evaluation, volume_of
from acnn.graph import AtomicGraph, dtype_of
from acnn.io.model_file import load_model, model_from_bytes, model_to_bytes
from acnn.kernels.loading import uses_compiled_kernel
from acnn.parallel.launchers import mpi_place
from acnn.potential import Potential
from acnn.properties import PROPERTIES, group_of, results
from acnn.uncertainty.committee import require_committee
from acnn.verlet import VerletList, _equal


class ACNNCalculator(BaseCalculator):
    """An ASE calculator of a strictly local potential.

    Results are NumPy float64 whatever ``dtype`` is. Stress and stresses exist where the cell has a volume: three cell
    vectors, periodic or not. They are σ = (1/V) dE/dε under a strain of cell and atoms, as in ASE's calculators. For a
    slab, V is the volume of the whole cell: σ times its height is the in-plane tension in eV/Å², and a filter with
    ``mask=[1, 1, 0, 0, 0, 1]`` relaxes the plane.

    Args:
        model: path of a ``.acnn`` file, or a potential; a potential on this device is used as it is, not copied.
        device: where torch evaluates the model, "cpu", "cuda", "cuda:1", …
        dtype: "float64" or "float32", for the pair vectors and thereby the evaluation. Line searches compare energies
            that differ by less than float32 resolves: relax with "float64", or without a line search.
        skin: pairs are searched within cutoff + skin (Å), and again only when a pair may be missing; 0 searches
            whenever something moved.
        kernel: "cpu", the compiled kernel; "torch"; "auto", the kernel where it can run. None takes the environment
            variable ``ACNN_KERNEL``, and without it means "auto".
        committee: put the results of the committee into ``results`` after every evaluation. That costs about one extra
            evaluation per member; without it, request them with ``calc.get_property("forces_std", atoms)``.
        label: any name; it is not used. Scripts for ASE's file-writing calculators give one.
    """

    # ASE's SumCalculator and LinearCombinationCalculator add these.
    implemented_properties = [name for name, of in PROPERTIES.items() if of.adds]

    def __init__(
        self,
        model: str | os.PathLike[str] | Potential,
        device: torch.device | str = "cpu",
        dtype: str = "float64",
        skin: float = 0.5,
        kernel: str | None = None,
        committee: bool = False,
        label: str | None = None,
    ) -> None:
        super().__init__()
        dtype_of(dtype)  # reject a bad dtype early, and a bad kernel too
        self.device, self.dtype, self.kernel = _usable_device(device), dtype, kernel
        uses_compiled_kernel(kernel)
        _warn_of_copies()
        self.potential = _potential(model)
        self.committee, self.label = committee, label
        if committee:
            require_committee(self.potential)
        self._model = _on_device(self.potential, self.device)
        self._neighbors = VerletList(self.potential.cutoff, skin, self.device, self.potential.takes_longer_pairs)
        self._evaluation: Evaluation | None = None
        self._warned_of: set[frozenset[int]] = set()

    @property
    def skin(self) -> float:
        """Skin in Å."""
        return self._neighbors.skin

    @property
    def neighbor_searches(self) -> int:
        """Number of neighbor searches since the calculator was made, copied or unpickled."""
        return self._neighbors.searches

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that `set` can change: the arguments of the class except ``model``."""
        names = ("dtype", "skin", "kernel", "committee", "label")
        return {"device": str(self.device)} | {name: getattr(self, name) for name in names}

    def set(self, **changes: Any) -> dict[str, Any]:
        """Change settings, ``calc.set(skin=1.0)``; return those that differ from before.

        After a change the next calculation evaluates the model again.
        """
        unknown = sorted(set(changes) - set(self.settings))
        if unknown:
            raise TypeError(f"unknown setting {', '.join(unknown)}: set() takes {', '.join(self.settings)}")
        changed = {name: value for name, value in changes.items() if self.settings[name] != value}
        if changed:
            self.__init__(self.potential, **self.settings | changed)  # type: ignore[misc]
        return changed

    def reset(self) -> None:
        """Forget the last calculation: the next one evaluates the model again."""
        self.atoms, self.results, self._evaluation = None, {}, None

    def get_property(self, name: str, atoms: ase.Atoms | None = None, allow_calculation: bool = True) -> Any:
        """Return a property like ASE's method, including the other `acnn.properties.PROPERTIES` of the model."""
        other = PROPERTIES.get(name)
        if other is None or other.adds or not other.exists(self.potential):
            return super().get_property(name, atoms, allow_calculation)
        known = super().get_property("energy", atoms, allow_calculation) is not None
        if name not in self.results and not (known and allow_calculation):
            return None
        if name not in self.results:
            self.calculate(None, [name], [])
        return copy.copy(self.results[name])

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: Sequence[str] | None = None,
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the model once and fill ``results`` with everything it gives.

        Only more expensive groups of properties are computed on request; most need no second evaluation.
        """
        if system_changes:
            self.results, self._evaluation = {}, None
        atoms = self.atoms if atoms is None else atoms
        if atoms is None:
            raise ValueError("there is no structure yet: pass atoms to calculate()")
        asked = set(properties or ())
        if atoms.cell.rank < 3 and any(PROPERTIES[name].of_volume for name in asked & PROPERTIES.keys()):
            raise PropertyNotImplementedError(
                f"stress needs a cell with a volume, but this structure has {atoms.cell.rank} cell vectors: set the "
                "others"
            )
        if self._evaluation is None or not self.results:
            self._evaluation = self._evaluate(atoms)
            self.results = results(self._evaluation, {"mechanics"})
        missing = {*group_of(asked), *(["committee"] if self.committee else [])} - group_of(self.results)
        if missing:
            self.results |= results(self._evaluation, missing)

    def _evaluate(self, atoms: ase.Atoms) -> Evaluation:
        if self.check_state(atoms):  # get_property() has already made this copy
            self.atoms = atoms.copy()
        searches = self.neighbor_searches
        graph = self._neighbors.graph(atoms)
        _reject_overlap(graph)
        found = self._model.pair_gradients(graph.to(dtype=dtype_of(self.dtype)), self.kernel)
        if self.neighbor_searches > searches:
            self._warn_of_unseen(graph)
        return Evaluation(self._model, found, volume_of(atoms), self.kernel)

    def _warn_of_unseen(self, graph: AtomicGraph) -> None:
        """Warn, once for structures of the same elements, of neighborhoods that the training data never showed."""
        combinations = self.potential.combinations
        if combinations is None or combinations.seen.all():
            return
        numbers = frozenset(torch.unique(graph.species).tolist())
        if numbers in self._warned_of or combinations.has_all(chemical_symbols[z] for z in numbers):
            return
        unseen = combinations.unseen_in(graph)
        if unseen:
            self._warned_of.add(numbers)
            warnings.warn(
                f"this structure has {named(unseen)} within {combinations.cutoff:g} Å, which the training data lack: "
                "what the model predicts for them comes from other combinations of elements; test it on some",
                UserWarning,
                stacklevel=2,
            )

    def check_state(self, atoms: ase.Atoms, tol: float = 0.0) -> list[str]:
        """List which of positions, numbers, cell and pbc changed since the last calculation by more than ``tol``.

        Charges and magnetic moments do not enter the model, and ASE's own comparison is ten times slower.
        """
        last = self.atoms
        if last is None or len(last) != len(atoms):
            return list(all_changes)
        pairs = {
            "positions": (last.positions, atoms.positions),
            "numbers": (last.numbers, atoms.numbers),
            "cell": (last.cell.array, atoms.cell.array),
            "pbc": (last.pbc, atoms.pbc),
        }
        return [name for name, (before, now) in pairs.items() if not _equal(before, now, tol)]

    def __deepcopy__(self, memo: dict[int, Any]) -> ACNNCalculator:
        duplicate = type(self)(copy.deepcopy(self.potential, memo), **self.settings)
        duplicate.atoms, duplicate.results = copy.deepcopy((self.atoms, self.results), memo)
        return duplicate

    def __getstate__(self) -> dict[str, Any]:
        model = model_to_bytes(self.potential)
        return {"model": model, "settings": self.settings, "atoms": self.atoms, "results": self.results}

    def __setstate__(self, state: dict[str, Any]) -> None:
        model = model_from_bytes(state["model"], "pickled calculator")
        self.__init__(model, **state["settings"])  # type: ignore[misc]
        self.atoms, self.results = state["atoms"], state["results"]


def _warn_of_copies() -> None:
    """Warn, on the first of several processes of one parallel job, that each runs the whole calculation."""
    rank, size, _ = mpi_place()
    if size > 1 and rank == 0:
        warnings.warn(
            f"{size} processes were started together, and each of them runs this whole calculation separately: to run "
            "it in parallel use lammps_plugin.run_md, or LAMMPS",
            RuntimeWarning,
            stacklevel=3,
        )


def _reject_overlap(graph: AtomicGraph) -> None:
    if graph.n_pairs == 0:
        return
    squared, pair = graph.squared_lengths().min(dim=0)
    if float(squared) < CLOSEST_APPROACH**2:
        i, j, distance = int(graph.pair_i[pair]), int(graph.pair_j[pair]), float(squared) ** 0.5
        raise ValueError(
            f"atoms {i} and {j} are {distance:.1e} Å apart, closer than {CLOSEST_APPROACH} Å: move or remove one"
        )


def _usable_device(device: torch.device | str) -> torch.device:
    """Return the device with its index, after trying float64 on it."""
    try:
        trial = torch.zeros(1, dtype=torch.float64, device=device)
        trial.item()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        unknown = "device type at start of device string" in str(error)
        reason = "torch knows no device of this name" if unknown else str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"the device {str(device)!r} cannot be used here ({reason}): use 'cpu'") from error
    return trial.device


def _potential(model: str | os.PathLike[str] | Potential) -> Potential:
    if isinstance(model, Potential):
        return model
    if isinstance(model, str | os.PathLike):
        return load_model(model)
    raise TypeError(f"model must be the path of a model file or a Potential, not a {type(model).__name__}")


def _on_device(potential: Potential, device: torch.device) -> Potential:
    """Return the potential itself if it is on this device, otherwise a copy on it."""
    if all(tensor.device == device for tensor in (*potential.parameters(), *potential.buffers())):
        return potential
    return copy.deepcopy(potential).to(device)
