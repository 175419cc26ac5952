"""One pass over labeled structures: errors by config type and by element, structure by structure, and distances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.distances import Distances
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.metrics import ErrorTable, Parity
from acnn.graph import AtomicGraph
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential
from acnn.progress import Stage, silent
from acnn.uncertainty.prediction import predict


@dataclass(frozen=True)
class StructureRecord:
    """The errors on one structure; None where a label is missing.

    Attributes:
        name: file, index in it and config type.
        formula: chemical formula.
        n_atoms: number of atoms.
        energy_error: model minus label, meV/atom.
        force_rmse: over the components, eV/Å.
        largest_force_error: largest |ΔF| of an atom, eV/Å.
        worst_atom: that atom, such as "Si 12" (0-based); "" without forces.
    """

    name: str
    config_type: str
    formula: str
    n_atoms: int
    energy_error: float | None
    force_rmse: float | None
    largest_force_error: float | None
    worst_atom: str


@dataclass
class Measurement:
    """A potential on one set of data.

    Attributes:
        name: title of the data in the report.
        dataset: the data.
        table: the errors, as `acnn.evaluation.metrics.evaluate` finds them.
        records: one per structure, in the order of the data.
        by_element: force components (eV/Å) by element of the atom.
        distances: between neighbors inside the cutoff.
        predicted: errors with their standard deviations, by quantity; empty for a model without a committee.
    """

    name: str
    dataset: Dataset
    distances: Distances
    table: ErrorTable
    records: list[StructureRecord] = field(default_factory=list)
    by_element: dict[str, Parity] = field(default_factory=dict)
    predicted: dict[str, Predicted] = field(default_factory=dict)


def measure(
    potential: Potential,
    datasets: Mapping[str, Dataset],
    kernel: str | None = None,
    stage: Stage = silent,
) -> list[Measurement]:
    """Evaluate a potential (on the CPU in float64) on all data.

    Args:
        datasets: by their names in the report.
        kernel: as in `Potential.pair_gradients`.
        stage: called with each set and its number of structures; what it returns is called after each structure.

    Raises:
        ValueError: the data contain an element that the potential does not.
    """
    for name, dataset in datasets.items():
        _require_elements(name, dataset, potential)
    return [
        _measured(_unmeasured(name, dataset, potential), potential, kernel, stage) for name, dataset in datasets.items()
    ]


def dataset_names(datasets: Iterable[Dataset]) -> list[str]:
    """Return file names, or paths as they were given where two file names are equal."""
    sources = [Path(dataset.source) for dataset in datasets]
    names = [source.name for source in sources]
    return [name if names.count(name) == 1 else str(source) for name, source in zip(names, sources, strict=True)]


def _require_elements(name: str, dataset: Dataset, potential: Potential) -> None:
    foreign = [element for element in dataset.elements if element not in potential.elements]
    if foreign:
        raise ValueError(
            f"{name} contains {', '.join(foreign)}, which is not among the model's elements "
            f"({', '.join(potential.elements)}): leave these structures out"
        )


def _unmeasured(name: str, dataset: Dataset, potential: Potential) -> Measurement:
    table = ErrorTable(potential.reference_energies)
    return Measurement(name, dataset, Distances(potential.elements, potential.cutoff), table)


def _measured(measurement: Measurement, potential: Potential, kernel: str | None, stage: Stage) -> Measurement:
    advance = stage(f"evaluating {measurement.name}", len(measurement.dataset))
    for structure in measurement.dataset:
        graph = atomic_graph(structure.atoms, potential.cutoff)
        _add(measurement, potential, structure, graph, potential.pair_gradients(graph, kernel))
        advance()
    if potential.has_committee:
        advance = stage(f"committee on {measurement.name}", len(measurement.dataset))
        measurement.predicted = predict(potential, measurement.dataset, advance, kernel)
    return measurement


def _add(
    measurement: Measurement,
    potential: Potential,
    structure: LabeledStructure,
    graph: AtomicGraph,
    found: PairGradients,
) -> None:
    energy, forces = float(found.energies[0]), found.forces.numpy()
    measurement.table.add(structure, energy, forces, found.virials[0].numpy())
    measurement.distances.add(structure.name, graph)
    measurement.records.append(_record(structure, energy, forces))
    if structure.forces is not None:
        symbols = np.array(structure.atoms.symbols)
        for element in np.unique(symbols):
            parity = measurement.by_element.setdefault(str(element), Parity())
            parity.add(structure.forces[symbols == element].reshape(-1), forces[symbols == element].reshape(-1))


def _record(structure: LabeledStructure, energy: float, forces: FloatArray) -> StructureRecord:
    atoms, n_atoms = structure.atoms, len(structure)
    errors = None if structure.forces is None else forces - structure.forces
    norms = np.zeros(1) if errors is None else np.linalg.norm(errors, axis=1)
    worst = int(np.argmax(norms))
    return StructureRecord(
        name=structure.name,
        config_type=structure.config_type,
        formula=atoms.get_chemical_formula(),
        n_atoms=n_atoms,
        energy_error=None if structure.energy is None else MEV_PER_EV * (energy - structure.energy) / n_atoms,
        force_rmse=None if errors is None else float(np.sqrt((errors**2).mean())),
        largest_force_error=None if errors is None else float(norms[worst]),
        worst_atom="" if errors is None else f"{atoms.symbols[worst]} {worst}",
    )
