"""Structures with the predictions of a model, as extended XYZ stores them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ase import Atoms

from acnn.data.dataset import LabeledStructure
from acnn.data.label_names import PREDICTED
from acnn.data.labeling import labeled_atoms
from acnn.evaluation.properties import Evaluation, Property, volume_of
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.properties import PROPERTIES

USUAL = ("energy", "energies", "forces", "stress")


def chosen_properties(potential: Potential, names: Iterable[str]) -> list[Property]:
    """Return properties by their names.

    Raises:
        ValueError: there is none of this name, a file of structures cannot store it, or the potential lacks it.
    """
    usable = {name: of for name, of in PROPERTIES.items() if "members" not in of.axes and of.exists(potential)}
    chosen = []
    for name in names:
        if name not in usable:
            raise ValueError(f"this model has no property {name!r} for a file: choose from {', '.join(usable)}")
        chosen.append(usable[name])
    return chosen


def predicted_structures(
    potential: Potential,
    structures: Iterable[LabeledStructure],
    names: Sequence[str] = USUAL,
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> list[Atoms]:
    """Return the structures with labels and properties: "acnn_energy" in ``info``, "acnn_forces" in ``arrays``.

    Args:
        names: of `acnn.properties.PROPERTIES`. Those that need a volume are left out where the cell has none.
        advance: called after each structure.
        kernel: as in `Potential.pair_gradients`.
    """
    properties, frames = chosen_properties(potential, names), []
    for structure in structures:
        frames.append(labeled_atoms(structure))
        _predict(frames[-1], potential, properties, kernel)
        advance()
    return frames


def _predict(atoms: Atoms, potential: Potential, properties: Sequence[Property], kernel: str | None) -> None:
    volume = volume_of(atoms)
    found = potential.pair_gradients(atomic_graph(atoms, potential.cutoff), kernel)
    evaluation = Evaluation(potential, found, volume, kernel)
    for of in properties:
        if volume is not None or not of.of_volume:
            place = atoms.arrays if of.is_per_atom else atoms.info
            place[f"{PREDICTED}{of.name}"] = of.of(evaluation)
