"""Labeled structures for fits: energies, forces and virials read through ASE, checked, typed and weighted.

Units are ASE's: Å, eV for the energy of a whole cell, eV/Å for forces. Virials W = -Vσ = -dE/dε are in eV;
a stress σ in the data (ASE's sign, eV/Å³) is converted once, here, through :mod:`acnn.conventions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ase.data import chemical_symbols

from acnn.arrays import FloatArray
from acnn.data.errors import DatasetError
from acnn.data.groups import Group, read_groups
from acnn.data.label_keys import choose_keys, other_levels
from acnn.data.labeled_structure import HUGE_LABEL, LabeledStructure, is_kept, labeled
from acnn.data.sources import files_of
from acnn.data.virial_symmetry import symmetry_notes
from acnn.data.weights import DEFAULT_WEIGHTS, Weights, WeightTable
from acnn.files import sha256_of_all
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
    """Structures of one file, or of several.

    ``sha256`` is that of the file, or of the hashes of all; ``left_out`` counts structures dropped because of
    ``max_force``; ``virials_ignored`` those whose virial or stress was ignored because they are not periodic in three
    directions; ``keys`` holds the keys used for energy, forces, virial and stress, and the number of structures for
    each; ``notes`` describes what was not used and what is doubtful, one sentence each; ``dropped`` counts the
    energies, forces and virials left out because of ``drop_nan``.
    """

    structures: tuple[LabeledStructure, ...]
    source: str
    sha256: str
    left_out: int
    keys: dict[str, dict[str, int]]
    virials_ignored: int = 0
    notes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)

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

    @property
    def name(self) -> str:
        """The name of the file, or of the first with the number of the others."""
        return Path(self.source).name

    def provenance(self) -> dict[str, object]:
        """Return the facts about the data that a model file keeps."""
        return {
            "file": self.name,
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
    path: str | Path | Iterable[str | Path],
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
    format: str | None = None,
    trust_pickle: bool = False,
) -> Dataset:
    """Read labeled structures from files of any format that ASE reads without unpickling.

    Several files, folders and patterns such as ``runs/*/OUTCAR`` make one data set. Steps of outputs of programs whose
    electrons did not converge, or that have no energy, are left out and counted in ``Dataset.notes``.

    A key may be a list, "REF_energy,energy": the first one that a structure has is used. Keys that are not given are
    ``usual_keys`` ("energy": …), such as those of other data, where there are such labels, and otherwise found (see
    :func:`acnn.data.label_keys.choose_keys`). ``Dataset.keys`` records the ones used. Labels may be missing.
    The virial of a structure that is not periodic in three directions is ignored and counted in
    ``Dataset.virials_ignored``. With ``max_force`` (eV/Å) a structure with a larger force, or with a NaN among its
    labels, is left out and counted in ``Dataset.left_out``; without it, NaN and forces beyond 1000 eV/Å are errors.
    With ``drop_nan`` only such labels are left out, and counted in ``Dataset.notes``. The structures' info keys
    ``energy_weight``, ``forces_weight``, ``virial_weight`` and ``config_weight`` multiply the weights of their
    config type. ``index`` selects structures of each file; ``format`` and ``trust_pickle`` as in
    :func:`acnn.data.frames.read_frames`.
    """
    if max_force is not None and not max_force > 0:
        raise DatasetError(f"max_force must be larger than 0 eV/Å, not {max_force}")
    files = files_of(path)
    explicit = {"energy": energy_key, "forces": forces_key, "virial": virial_key, "stress": stress_key}
    groups = read_groups(files, index, format, trust_pickle)
    parts = [_labeled(group, explicit, usual_keys, weights, max_force, drop_nan) for group in groups]
    source = str(files[0]) if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"
    whole = Dataset(
        structures=tuple(structure for part in parts for structure in part.structures),
        source=source,
        sha256=sha256_of_all(files),
        left_out=sum(part.left_out for part in parts),
        keys=_together([part.keys for part in parts]),
        virials_ignored=sum(part.virials_ignored for part in parts),
        notes=(*(n for part in parts for n in part.notes), *other_levels({part.source: part.keys for part in parts})),
        dropped=sum((Counter(part.dropped) for part in parts), Counter()),
    )
    if not whole.structures:
        raise DatasetError(f"all {whole.left_out} structures of {source} are left out by max_force = {max_force} eV/Å")
    return whole


def _labeled(
    group: Group,
    explicit: Mapping[str, str | None],
    usual: Mapping[str, str] | None,
    weights: WeightTable,
    max_force: float | None,
    drop_nan: bool,
) -> Dataset:
    """Return the data of files whose labels are found together."""
    atoms = [place.frame.atoms for place in group.places]
    keys = choose_keys(atoms, explicit, group.name, usual)
    structures = [labeled(place.frame, keys, weights, place.file) for place in group.places]
    bad = Counter(what for structure in structures for what in structure.meaningless()) if drop_nan else Counter()
    structures = [structure.with_sound_labels() for structure in structures] if bad else structures
    kept = [structure for structure in structures if is_kept(structure, max_force)]
    notes = (*group.notes, *keys.notes, *_dropped(bad, group.name), *symmetry_notes(_virials(kept), group.name))
    ignored = sum(map(keys.has_useless_virial, atoms))
    return Dataset(tuple(kept), group.name, "", len(structures) - len(kept), keys.used, ignored, notes, dict(bad))


def _together(used: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Add numbers of structures by kind and key."""
    total: dict[str, Counter[str]] = {}
    for of_part in used:
        for kind, counts in of_part.items():
            total.setdefault(kind, Counter()).update(counts)
    return {kind: dict(counts) for kind, counts in total.items()}


def _dropped(bad: Counter[str], source: str) -> list[str]:
    labels = ", ".join(f"{what} of {counted(n, 'structure')}" for what, n in bad.items())
    return [f"{source}: left out because NaN, infinite or beyond {HUGE_LABEL:g}: {labels}"] if bad else []


def _virials(structures: Iterable[LabeledStructure]) -> Iterator[tuple[str, FloatArray]]:
    return ((s.name, s.virial) for s in structures if s.virial is not None)
