"""Labeled structures for fits: energies, forces and virials read through ASE, checked, typed and weighted.

Units are ASE's: Å, eV for the energy of a whole cell, eV/Å for forces. Virials W = -Vσ = -dE/dε are in eV;
a stress σ in the data (ASE's sign, eV/Å³) is converted once, here, through :mod:`acnn.conventions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ase.data import chemical_symbols

from acnn.arrays import FloatArray
from acnn.data.errors import DatasetError
from acnn.data.frames import read_frames
from acnn.data.label_keys import choose_keys
from acnn.data.labeled_structure import HUGE_LABEL, LabeledStructure, is_kept, labeled
from acnn.data.virial_symmetry import symmetry_notes
from acnn.data.weights import DEFAULT_WEIGHTS, Weights, WeightTable
from acnn.files import sha256_of
from acnn.html.rendering import fragment
from acnn.wording import counted

__all__ = [
    "Dataset",
    "DatasetError",
    "LabeledStructure",
    "SummaryRow",
    "WeightTable",
    "Weights",
    "read_dataset",
]


class SummaryRow(NamedTuple):
    """Numbers of structures, of their atoms, and of structures with each label, of one configuration type."""

    config_type: str
    structures: int
    atoms: int
    energies: int
    forces: int
    virials: int


@dataclass(frozen=True, repr=False)
class Dataset:
    """Structures of one file.

    ``sha256`` is that of the file; ``left_out`` counts structures dropped because of ``max_force``;
    ``virials_ignored`` those whose virial or stress was ignored because they are not periodic in three
    directions; ``keys`` holds the keys used for energy, forces, virial and stress, and the number of structures for
    each; ``notes`` describes what was not used and what is doubtful, one sentence each.
    """

    structures: tuple[LabeledStructure, ...]
    source: str
    sha256: str
    left_out: int
    keys: dict[str, dict[str, int]]
    virials_ignored: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.structures)

    def __repr__(self) -> str:
        counts = f"{counted(len(self), 'structure')}, {counted(self.n_atoms, 'atom')}"
        return f"<Dataset {self.source}: {counts}, {', '.join(self.elements)}>"

    def _repr_html_(self) -> str:
        """Return the table of the data, for notebooks."""
        from acnn.data.tables import data_blocks

        return fragment(data_blocks(self))

    def __iter__(self) -> Iterator[LabeledStructure]:
        return iter(self.structures)

    def __getitem__(self, index: int) -> LabeledStructure:
        return self.structures[index]

    def plot(self, reference_energies: Mapping[str, float] | None = None) -> Any:
        """Draw the energies against the volume, by config type; return matplotlib's axes [1].

        Args:
            reference_energies: E0 in eV by element, subtracted from the energies. By default those of isolated atoms in
                the data, or else the energies per atom that fit the compositions best.
        """
        from acnn.data.figures import energy_axes

        return energy_axes(self, reference_energies)

    def plot_distances(self, cutoff: float = 6.0) -> Any:
        """Draw the density of pairs of atoms over distances below the cutoff (Å); return matplotlib's axes."""
        from acnn.data.figures import distance_axes

        return distance_axes(self, cutoff)

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols in the data, by atomic number."""
        numbers = {int(z) for structure in self for z in structure.atoms.numbers}
        return tuple(chemical_symbols[z] for z in sorted(numbers))

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures together."""
        return sum(map(len, self.structures))

    @property
    def config_types(self) -> tuple[str, ...]:
        """Configuration types, sorted, as all tables list them."""
        return tuple(sorted({structure.config_type for structure in self}))

    def provenance(self) -> dict[str, object]:
        """Return the facts about the data that a model file keeps."""
        return {
            "file": Path(self.source).name,
            "sha256": self.sha256,
            "structures": len(self),
            "atoms": self.n_atoms,
            "left_out": self.left_out,
            "keys": self.keys,
        }

    def summary(self) -> list[SummaryRow]:
        """Return one row per configuration type, to be printed as a table."""
        return [self._summary_row(config_type) for config_type in self.config_types]

    def _summary_row(self, config_type: str) -> SummaryRow:
        chosen = [structure for structure in self if structure.config_type == config_type]
        return SummaryRow(
            config_type,
            len(chosen),
            sum(map(len, chosen)),
            sum(structure.energy is not None for structure in chosen),
            sum(structure.forces is not None for structure in chosen),
            sum(structure.virial is not None for structure in chosen),
        )


def read_dataset(
    path: str | Path,
    *,
    energy_key: str | None = None,
    forces_key: str | None = None,
    virial_key: str | None = None,
    stress_key: str | None = None,
    usual_keys: Mapping[str, str] | None = None,
    weights: WeightTable = DEFAULT_WEIGHTS,
    max_force: float | None = None,
    drop_nan: bool = False,
    index: str | int | slice = ":",
) -> Dataset:
    """Read labeled structures from extended XYZ or any other file ASE reads without unpickling.

    A key may be a list, "REF_energy,energy": the first one that a structure has is used. Keys that are not given are
    ``usual_keys`` ("energy": …), such as those of other data, where there are such labels, and otherwise found (see
    :func:`acnn.data.label_keys.choose_keys`). ``Dataset.keys`` records the ones used. Labels may be missing.
    The virial of a structure that is not periodic in three directions is ignored and counted in
    ``Dataset.virials_ignored``. With ``max_force`` (eV/Å) a structure with a larger force, or with a NaN among its
    labels, is left out and counted in ``Dataset.left_out``; without it, NaN and forces beyond 1000 eV/Å are errors.
    With ``drop_nan`` only such labels are left out, and counted in ``Dataset.notes``. The structures' info keys
    ``energy_weight``, ``forces_weight``, ``virial_weight`` and ``config_weight`` multiply the weights of their
    config type.
    """
    if max_force is not None and not max_force > 0:
        raise DatasetError(f"max_force must be larger than 0 eV/Å, not {max_force}")
    file = Path(path)
    frames = read_frames(file, index)
    explicit = {"energy": energy_key, "forces": forces_key, "virial": virial_key, "stress": stress_key}
    keys = choose_keys([frame.atoms for frame in frames], explicit, file.name, usual_keys)
    structures = [labeled(frame, keys, weights, file.name) for frame in frames]
    bad = Counter(what for structure in structures for what in structure.meaningless()) if drop_nan else Counter()
    structures = [structure.with_sound_labels() for structure in structures] if bad else structures
    kept = [structure for structure in structures if is_kept(structure, max_force)]
    if not kept:
        raise DatasetError(f"all {len(structures)} structures of {file} are left out by max_force = {max_force} eV/Å")
    return Dataset(
        structures=tuple(kept),
        source=str(file),
        sha256=sha256_of(file),
        left_out=len(structures) - len(kept),
        keys=keys.used,
        virials_ignored=sum(keys.has_useless_virial(frame.atoms) for frame in frames),
        notes=(*keys.notes, *_dropped(bad, file.name), *symmetry_notes(_virials(kept), file.name)),
    )


def _dropped(bad: Counter[str], source: str) -> list[str]:
    labels = ", ".join(f"{what} of {counted(n, 'structure')}" for what, n in bad.items())
    return [f"{source}: left out because NaN, infinite or beyond {HUGE_LABEL:g}: {labels}"] if bad else []


def _virials(structures: Iterable[LabeledStructure]) -> Iterator[tuple[str, FloatArray]]:
    return ((s.name, s.virial) for s in structures if s.virial is not None)
