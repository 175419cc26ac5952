"""The state of a training on disk after every epoch: a killed training continues with the same numbers.

On a GPU they are the same up to rounding. Like model files, checkpoints are safetensors with a JSON header and a
checksum, written completely or not at all. They hold the model the training started from (linear part, standardization)
with its notes and warnings; the weights, their moving average and the best so far; and the moments of the optimizers.
The order of the batches of an epoch follows from the seed alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from acnn.files import write_atomically
from acnn.sealed import reading_checkpoint, require_version, sealed, unsealed
from acnn.train.initialization import Start
from acnn.train.trainer import Course, Trainer

FORMAT_VERSION = 3


class TrainingCheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class TrainingCheckpoint:
    """The content of a checkpoint.

    Attributes:
        model: content of the model file of the model before its first step.
        fingerprint: that of the settings and data that the numbers depend on, by name.
        course: epochs done and their scores.
        steps: number of steps of the optimizer.
        notes, warnings: those from the start of the training, one sentence each.
        virial_offset: see `Start`.
        tensors: see `tensors_of`.
    """

    model: bytes
    fingerprint: dict[str, Any]
    course: Course
    steps: int
    notes: list[str]
    warnings: list[str]
    virial_offset: dict[str, float]
    tensors: dict[str, Tensor]

    def write(self, path: Path) -> None:
        """Write the checkpoint to a file."""
        header = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "course": asdict(self.course),
            "steps": self.steps,
            "notes": self.notes,
            "warnings": self.warnings,
            "virial_offset": self.virial_offset,
        }
        tensors = {**self.tensors, "model": torch.frombuffer(bytearray(self.model), dtype=torch.uint8)}
        write_atomically(path, *sealed(save, tensors, "acnn_training", header))

    @classmethod
    def read(cls, path: Path) -> TrainingCheckpoint:
        """Read a checkpoint.

        Raises:
            TrainingCheckpointError: the file is not a checkpoint, or damaged.
        """
        with reading_checkpoint(path, "acnn train", TrainingCheckpointError):
            header, tensors = unsealed(load, path.read_bytes(), "acnn_training")
            require_version(header, FORMAT_VERSION)
            model = tensors.pop("model").numpy().tobytes()
            of_start = {key: header[key] for key in ("fingerprint", "steps", "notes", "warnings", "virial_offset")}
            return cls(model=model, course=Course(**header["course"]), tensors=tensors, **of_start)

    def require(self, fingerprint: Mapping[str, Any], path: Path) -> None:
        """Require that the checkpoint belongs to a training with these settings and data."""
        mine, other = dict(_flat(self.fingerprint)), dict(_flat(json.loads(json.dumps(fingerprint))))
        different = sorted(key for key in mine.keys() | other.keys() if mine.get(key) != other.get(key))
        if different:
            raise TrainingCheckpointError(
                f"{path} belongs to a training with another {', '.join(different[:4])}: restore it, or start again "
                "with --overwrite (and continue from a trained model with --from)"
            )


def _flat(mapping: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def checkpoint_of(trainer: Trainer, model: bytes, fingerprint: Mapping[str, Any], start: Start) -> TrainingCheckpoint:
    """Capture the state of a trainer between two epochs."""
    of_start, tensors = (start.notes, start.warnings, dict(start.virial_offset)), tensors_of(trainer)
    return TrainingCheckpoint(model, dict(fingerprint), trainer.course, trainer.steps, *of_start, tensors)


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    """Return the tensors of a trainer by name, on the CPU.

    They are "weights.NAME", "average.NAME", "best.NAME", "norm", and those of the optimizer, "momentum.NAME" or
    "exp_avg.NAME" and "exp_avg_sq.NAME".
    """
    groups: dict[str, Sequence[Tensor]] = {
        "weights": trainer.parameters,
        "average": trainer.average.tensors,
        "best": trainer.best,
    }
    named = {
        f"{group}.{name}": tensor
        for group, tensors in groups.items()
        for name, tensor in zip(trainer.names, tensors, strict=True)
    }
    for name, parameter in zip(trainer.names, trainer.parameters, strict=True):
        state = trainer.muon.state.get(parameter) or trainer.adamw.state[parameter]
        named |= {f"{moment}.{name}": tensor for moment, tensor in state.items() if moment != "step"}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in (named | {"norm": trainer.norm}).items()}


def restore(trainer: Trainer, checkpoint: TrainingCheckpoint) -> None:
    """Restore the state of a trainer from a checkpoint."""

    def take(tensor: Tensor, name: str) -> None:
        tensor.copy_(checkpoint.tensors[name])

    with torch.no_grad():
        take(trainer.norm, "norm")
        own = zip(trainer.names, trainer.parameters, trainer.average.tensors, trainer.best, strict=True)
        for name, parameter, average, best in own:
            take(parameter, f"weights.{name}")
            take(average, f"average.{name}")
            take(best, f"best.{name}")
            if f"momentum.{name}" in checkpoint.tensors:
                state = trainer.muon.state[parameter] = {"momentum": torch.empty_like(parameter)}
            else:
                state = {key: torch.empty_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
                trainer.adamw.state[parameter] = {"step": torch.tensor(float(checkpoint.steps)), **state}
            for key, tensor in state.items():
                take(tensor, f"{key}.{name}")
    trainer.steps, trainer.course = checkpoint.steps, checkpoint.course
