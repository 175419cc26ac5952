"""A structure with its labels and weights, checked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.data.errors import DatasetError
from acnn.data.frames import Frame, require_sound_geometry
from acnn.data.label_keys import LabelKeys
from acnn.data.weights import DEFAULT, Weights, WeightsError, WeightTable, weight_from

HUGE_LABEL = 1e8
"""eV per atom, and eV/Å; no calculation gives a larger number: uranium, with all electrons, has 0.8 million eV."""
CHARGES = ("charge", "total_charge", "charge_state")
HUGE_FORCE = 1000.0
"""eV/Å; a larger force is taken for a failed calculation unless ``max_force`` allows it."""


@dataclass(frozen=True)
class LabeledStructure:
    """A structure, its labels (None where missing) and their weights.

    ``atoms`` carries numbers, positions, cell and periodicity only; ``energy`` in eV for the whole cell,
    ``forces`` (n, 3) in eV/Å, ``virial`` (3, 3) in eV; ``name`` is for messages: ``train.xyz #12 (liquid)``;
    ``charge`` is what the data say of the charge of the whole, in e.
    """

    atoms: Atoms
    energy: float | None
    forces: FloatArray | None
    virial: FloatArray | None
    config_type: str
    weights: Weights
    name: str
    charge: float | None = None

    def __len__(self) -> int:
        return len(self.atoms)

    @property
    def is_labeled(self) -> bool:
        """Whether the structure has any label."""
        return self.energy is not None or self.forces is not None or self.virial is not None

    @property
    def max_force(self) -> float:
        """Largest norm of a force in eV/Å; 0 without forces, NaN if a force is NaN."""
        return 0.0 if self.forces is None else float(np.linalg.norm(self.forces, axis=1).max())

    def meaningless(self) -> list[str]:
        """Name the labels that contain a NaN, an infinity, or a number beyond `HUGE_LABEL`."""
        n = len(self)
        labels = {"energy": (self.energy, n), "forces": (self.forces, 1), "virial": (self.virial, n)}
        return [
            what for what, (x, size) in labels.items() if x is not None and not np.all(np.abs(x) < HUGE_LABEL * size)
        ]

    def with_sound_labels(self) -> LabeledStructure:
        """Return the structure without its meaningless labels."""
        bad = self.meaningless()
        energy, forces = None if "energy" in bad else self.energy, None if "forces" in bad else self.forces
        return replace(self, energy=energy, forces=forces, virial=None if "virial" in bad else self.virial)


def labeled(frame: Frame, keys: LabelKeys, table: WeightTable, source: str) -> LabeledStructure:
    """Take labels and weights from a structure as it was read; ``source`` is the file, for its name."""
    atoms = frame.atoms
    config_type = str(atoms.info.get("config_type", DEFAULT))
    name = f"{source} #{frame.place} ({config_type})"
    require_sound_geometry(atoms, name)
    return LabeledStructure(
        atoms=Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
        energy=keys.energy_of(atoms, name),
        forces=keys.forces_of(atoms, name),
        virial=keys.virial_of(atoms, name),
        config_type=config_type,
        weights=_scaled_weights(table.weights_of(config_type), atoms, name),
        name=name,
        charge=_charge(atoms),
    )


def _charge(atoms: Atoms) -> float | None:
    """Return the total charge, or None if nothing is said of it."""
    for key in CHARGES:
        if isinstance(value := atoms.info.get(key), int | float | np.number):
            return float(value)
    return float(atoms.get_initial_charges().sum()) if atoms.has("initial_charges") else None


def _scaled_weights(weights: Weights, atoms: Atoms, name: str) -> Weights:
    factors = {key: _weight_factor(atoms, f"{key}_weight", name) for key in ("energy", "forces", "virial")}
    common = _weight_factor(atoms, "config_weight", name)
    return weights.scaled(**{key: factor * common for key, factor in factors.items()})


def _weight_factor(atoms: Atoms, key: str, name: str) -> float:
    try:
        return weight_from(atoms.info.get(key, 1.0), f"the {key} of {name}")
    except WeightsError as error:
        raise DatasetError(str(error)) from error


def is_kept(structure: LabeledStructure, max_force: float | None) -> bool:
    """Return whether a structure is used; without ``max_force`` (eV/Å), unsound labels are errors."""
    bad = structure.meaningless()
    if max_force is not None:
        return not bad and structure.max_force <= max_force
    if bad:
        raise DatasetError(
            f"{structure.name} has a NaN, an infinity or a number beyond {HUGE_LABEL:g} in its {' and '.join(bad)}: "
            "fix it, or leave out such labels with --drop-nan, or such structures with --max-force (drop_nan, "
            "max_force in a YAML file)"
        )
    if structure.max_force > HUGE_FORCE:
        raise DatasetError(
            f"{structure.name} has a force of {structure.max_force:.6g} eV/Å, over {HUGE_FORCE:g}: "
            "leave such structures out, or allow them, with --max-force (max_force in a YAML file)"
        )
    return True
