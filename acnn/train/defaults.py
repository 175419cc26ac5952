"""Settings that were not given, chosen from the training data.

Molecules, where no structure is periodic, get the model `MOLECULES`, smaller batches, and a lower learning rate for
more steps. The number of epochs follows from that of steps, within limits. The weights of elements are correlated
(`acnn.train.alike`) for crystals that lack combinations of three elements, which are then predicted better; molecules,
in which elements differ in all that matters, are learned more slowly with it. The linear part is chosen, too: see
`acnn.train.linear_part`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from acnn.data.dataset import Dataset
from acnn.data.isolated_atoms import defines_e0
from acnn.fit.coverage import combinations_of
from acnn.settings.train import TrainSettings, train_settings

MOLECULES: dict[str, Any] = {"cutoff": 7.0, "channels": 24, "heads": 32, "layers": 2, "hidden": (16,)}
OF_ATTENTION = ("heads", "layers")
MOLECULES_R0 = 1.75
"""Å, of all elements of molecules."""
RATE_OF_MOLECULES = 0.002
MOLECULES_OF_A_BATCH = 5
SMALLEST_BATCH, LARGEST_BATCH = 40, 256
"""Atoms."""
CORRELATION = 0.9
STEPS, STEPS_OF_MOLECULES = 5000, 10_000
FEWEST_EPOCHS, MOST_EPOCHS = 40, 200

Chosen = dict[str, Any]
"""Values by section and key: "training.epochs"."""


def is_molecular(train: Dataset) -> bool:
    """Return whether no structure, apart from isolated atoms, is periodic."""
    return not any(structure.atoms.pbc.any() for structure in train if not defines_e0(structure))


def with_defaults(settings: TrainSettings, train: Dataset) -> tuple[TrainSettings, list[str]]:
    """Choose what was not given; return the settings, and what was chosen in a sentence.

    A model that is trained further keeps its shape and has its own learning rate.
    """
    molecular, is_new = is_molecular(train), settings.start is None
    atoms = [len(structure) for structure in train if not defines_e0(structure)] or [1]
    several = MOLECULES_OF_A_BATCH * np.mean(atoms) if molecular else LARGEST_BATCH
    batch = float(np.clip(several, SMALLEST_BATCH, LARGEST_BATCH))
    given = settings.training.batch_atoms if "batch_atoms" in settings.training.model_fields_set else batch
    steps = STEPS_OF_MOLECULES if molecular else STEPS
    epochs = int(np.clip(np.ceil(steps * given / sum(atoms)), FEWEST_EPOCHS, MOST_EPOCHS))
    chosen: Chosen = {"training.batch_atoms": round(batch), "training.epochs": epochs}
    if molecular and is_new:
        idle = OF_ATTENTION if settings.model.type == "network" else ()
        chosen |= {f"model.{key}": value for key, value in MOLECULES.items() if key not in idle}
        chosen["model.bond_lengths"] = dict.fromkeys(settings.model.elements or train.elements, MOLECULES_R0)
        chosen["training.learning_rate"] = RATE_OF_MOLECULES
    elif is_new and combinations_of(train.elements, train, settings.model.cutoff).lack_mixtures:
        chosen["training.element_correlation"] = CORRELATION
    kind = "molecules" if molecular else "structures, not molecules,"
    return _completed(settings, chosen, f"{len(atoms)} {kind} of {np.mean(atoms):.0f} atoms on average")


def _completed(settings: TrainSettings, chosen: Chosen, about: str) -> tuple[TrainSettings, list[str]]:
    """Add what was chosen to what was given; return the settings, and a sentence on what was added."""
    values, used = settings.model_dump(exclude_unset=True, by_alias=True), []
    for name, value in chosen.items():
        *sections, key = name.split(".")
        section = values
        for inner in sections:
            section = section.setdefault(inner, {})
        if key not in section:
            section[key] = value
            used.append(f"{name} {_text(value)}")
    return train_settings(values), [f"chosen from the data ({about}): {', '.join(used)}"] if used else []


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value).replace("'", "")
