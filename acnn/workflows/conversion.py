"""Structures of any format in another one, with their labels under the usual names."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import filetype, ioformats
from ase.units import GPa

from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.data.aenet_xsf import write_acnn_xsf
from acnn.data.airss_res import write_airss_res
from acnn.data.errors import DatasetError, error_sentence
from acnn.data.frames import OWN_FORMATS, XYZ_SUFFIXES, extended_xyz
from acnn.data.groups import read_groups
from acnn.data.label_keys import LabelKeys, choose_keys, used_keys
from acnn.data.label_names import KNOWN, KNOWN_KEYS, QUANTITIES
from acnn.data.label_search import names_in
from acnn.data.labeled_structure import LabeledStructure, is_kept, labeled
from acnn.data.labeling import Labels
from acnn.data.other_files import DEEPMD
from acnn.data.related import related_pairs, slopes_of
from acnn.data.sources import files_of
from acnn.data.weights import WeightTable
from acnn.extras import optional
from acnn.files import write_atomically
from acnn.settings.data import LabelSettings
from acnn.wording import counted

NO_KEYS = LabelKeys(dict.fromkeys(QUANTITIES, ()), {}, ())
OWN_WRITERS = {"airss-res": write_airss_res, "acnn-xsf": write_acnn_xsf}
SAME_RATIO = 0.3
"""Largest deviation from 1, or −1, of a ratio that shows the sign."""


@dataclass(frozen=True)
class Converted:
    """Structures with the labels that were found.

    Attributes:
        structures: labels and geometry, as fits use them.
        images: the same with everything else that the files say.
        used: the keys of the labels, in words.
        notes: what was left out and what is doubtful, one sentence each.
    """

    structures: tuple[LabeledStructure, ...]
    images: tuple[Atoms, ...]
    used: str
    notes: tuple[str, ...]

    def rows(self) -> list[tuple[str, str, str]]:
        """Return each label, the number of structures that have it, and its unit and sign."""
        n = len(self.structures)
        have = {
            "energy": [s for s in self.structures if s.energy is not None],
            "forces": [s for s in self.structures if s.forces is not None],
            "virial": [s for s in self.structures if s.virial is not None],
        }
        meanings = {"energy": "eV per cell", "forces": "eV/Å", "virial": f"eV, −dE/dε{_pressures(have['virial'])}"}
        return [(label, f"{len(of)} of {n}", meanings[label]) for label, of in have.items()]

    def sign_of_virials(self) -> str | None:
        """Compare the virials with the energies of structures that differ by strain; None without such structures."""
        _, slope = slopes_of(related_pairs(self.structures), [len(s) for s in self.structures])
        if slope is None:
            return None
        compared = f"virials against energies of {counted(slope.n, 'pair')} of structures that differ by strain"
        if abs(slope.ratio - 1) < SAME_RATIO:
            return f"{compared}: the sign is right"
        if abs(slope.ratio + 1) < SAME_RATIO:
            return f"{compared}: the sign is wrong: convert with --flip-virial"
        return f"{compared}: the energies change {slope.ratio:.3g} times as much as the virials say: check their unit"


def _pressures(structures: Sequence[LabeledStructure]) -> str:
    if not structures:
        return ""
    values = [np.trace(s.virial) / 3 / s.atoms.get_volume() / GPa for s in structures if s.virial is not None]
    return f": pressures of {min(values):.3g} to {max(values):.3g} GPa"


def converted(
    paths: Sequence[Path], labels: LabelSettings, flip_virial: bool = False, need_labels: bool = True
) -> Converted:
    """Read structures and find their labels as fits do.

    Args:
        need_labels: whether structures without any labels are an error.
        flip_virial: whether virials or stresses of the files have the other sign.
    """
    explicit = {kind: getattr(labels, f"{kind}_key") for kind in ("energy", "forces", "virial", "stress")}
    found: list[tuple[LabeledStructure, Atoms]] = []
    used, notes = [], list[str]()
    for group in read_groups(files_of(paths), ":", labels.format, labels.trust_pickle):
        atoms = [place.frame.atoms for place in group.places]
        is_bare = not need_labels and not any(explicit.values()) and not any(map(_has_labels, atoms))
        keys = NO_KEYS if is_bare else choose_keys(atoms, explicit, group.name)
        names = {name.key for of_quantity in keys.names.values() for name in of_quantity}
        for place in group.places:
            structure = labeled(place.frame, keys, WeightTable(), place.file)
            structure = structure.with_sound_labels() if labels.drop_nan else structure
            structure = _flipped(structure) if flip_virial else structure
            if is_kept(structure, labels.max_force):
                found.append((structure, _bare(place.frame.atoms, names)))
        used.append(used_keys(keys.used))
        notes += [*group.notes, *keys.notes]
    structures, images = zip(*found, strict=True) if found else ((), ())
    if not structures:
        raise DatasetError(f"no structure is left by max_force = {labels.max_force} eV/Å")
    return Converted(structures, images, "; ".join(dict.fromkeys(used)), tuple(notes))


def _has_labels(atoms: Atoms) -> bool:
    return any(names_in(atoms, names) for names in KNOWN.values())


def _flipped(structure: LabeledStructure) -> LabeledStructure:
    return structure if structure.virial is None else replace(structure, virial=-structure.virial)


def _bare(atoms: Atoms, names: set[str]) -> Atoms:
    """Return a copy without labels, but with all else."""
    copy: Atoms = atoms.copy()
    copy.calc = None
    for values in (copy.info, copy.arrays):
        for key in (KNOWN_KEYS | names) & values.keys():
            del values[key]
    return copy


def write_converted(found: Converted, output: Path, format: str | None) -> list[str]:
    """Write the structures, and return what the format does not keep, one sentence each.

    Args:
        output: a file; with a number, "cu-%04d.xsf", a file for each structure.
        format: a name of ASE, deepmd/npy, or by default what the name of the file says.

    Raises:
        ValueError: they cannot be written in this format.
    """
    name = format or _format_of(output)
    if "%" in output.name:
        for place, part in enumerate(_single(found), start=1):
            _write(part, Path(str(output) % place), name)
        return []
    _write(found, output, name)
    return _lost(found, output, name) if output.is_file() else []


def outputs_of(output: Path, n: int) -> list[Path]:
    """Return the files that are written."""
    return [Path(str(output) % place) for place in range(1, n + 1)] if "%" in output.name else [output]


def _single(found: Converted) -> Iterator[Converted]:
    for structure, atoms in zip(found.structures, found.images, strict=True):
        yield replace(found, structures=(structure,), images=(atoms,))


def _format_of(output: Path) -> str:
    if output.suffix in OWN_FORMATS:
        return OWN_FORMATS[output.suffix]
    if output.suffix in XYZ_SUFFIXES:
        return "extxyz"
    try:
        return filetype(str(output), read=False)
    except Exception as error:
        raise ValueError(f"{output} does not tell its format: name one with --to") from error


def _write(found: Converted, output: Path, name: str) -> None:
    if name == "extxyz":
        write_atomically(output, extended_xyz(list(_with_references(found))))
    elif name in OWN_WRITERS:
        text = io.StringIO()
        OWN_WRITERS[name](text, list(_with_calculators(found)))
        write_atomically(output, text.getvalue().encode())
    elif name == DEEPMD:
        _write_deepmd(list(_with_calculators(found)), output)
    else:
        _write_with_ase(list(_with_calculators(found)), output, name)


def _write_with_ase(images: list[Atoms], output: Path, name: str) -> None:
    if name not in ioformats or not ioformats[name].can_write:
        raise ValueError(f"ASE writes no format {name!r}: see ase info --formats")
    if ioformats[name].single and len(images) > 1:
        raise ValueError(
            f"a file of format {name} holds one structure: write several, {output.stem}-%04d{output.suffix}"
        )
    try:
        ase.io.write(output, images[0] if ioformats[name].single else images, format=name)
    except Exception as error:
        raise ValueError(f"ASE cannot write {output} as {name!r} ({error_sentence(error)})") from error


def _write_deepmd(images: Sequence[Atoms], folder: Path) -> None:
    """Write a folder for each composition, in double precision."""
    dpdata = optional("dpdata", "formats such as deepmd/npy", "formats")
    lacking = sum(atoms.calc is None or not {"energy", "forces"} <= set(atoms.calc.results) for atoms in images)
    if lacking:
        raise ValueError(f"{DEEPMD} needs energies and forces, which {counted(lacking, 'structure')} lack")
    systems = dpdata.MultiSystems(*(dpdata.LabeledSystem(atoms, fmt="ase/structure") for atoms in images))
    systems.to(DEEPMD, str(folder), prec=np.float64)


def _with_references(found: Converted) -> Iterator[Atoms]:
    """Yield structures with labels under the names REF_…, which ASE does not change."""
    for structure, atoms in zip(found.structures, found.images, strict=True):
        copy = Labels(structure.energy, structure.forces, structure.virial).on(atoms, structure.config_type)
        copy.info = {**atoms.info, **copy.info}
        for key, values in atoms.arrays.items():
            if key not in copy.arrays:
                copy.set_array(key, values)
        yield copy


def _with_calculators(found: Converted) -> Iterator[Atoms]:
    """Yield structures with labels as results of a calculator."""
    for structure, atoms in zip(found.structures, found.images, strict=True):
        copy = atoms.copy()
        labels: dict[str, Any] = {"energy": structure.energy, "forces": structure.forces}
        if structure.virial is not None:
            stress = stress_from_virial(structure.virial, copy.get_volume())
            labels["stress"] = voigt_from_full(stress) if np.allclose(stress, stress.T) else stress
        known = {key: value for key, value in labels.items() if value is not None}
        copy.calc = SinglePointCalculator(copy, **known) if known else None
        yield copy


def _lost(found: Converted, output: Path, name: str) -> list[str]:
    """Read what was written, and describe the labels that are not in it."""
    try:
        again = converted([output], LabelSettings.model_validate({"format": name}))
    except DatasetError as error:
        return [f"{output.name} cannot be read as data: {error}"]
    before, after = found.rows(), again.rows()
    lost = [b[0] for b, a in zip(before, after, strict=True) if b[1] != a[1]]
    return [f"{output.name}: the format {name} does not hold {' and '.join(lost)}"] if lost else []
