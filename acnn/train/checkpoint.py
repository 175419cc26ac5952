"""The state of a training on disk after every epoch: a killed training goes on with the same numbers.

On a GPU they are the same up to rounding. Safetensors with a JSON header and a checksum, as model files; the file
appears whole or not at all. It holds the model the training started from (linear part, standardization) with what was
said of it, weights, their moving average and the best so far, and the moments of the optimizers. The order of the
batches of an epoch follows from the seed alone.
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
from acnn.sealed import SealError, sealed, unsealed
from acnn.train.initialization import Start
from acnn.train.trainer import Course, Trainer

FORMAT_VERSION = 3


class TrainingCheckpointError(ValueError):
    """A checkpoint that cannot be used, said in one sentence."""


@dataclass(frozen=True)
class TrainingCheckpoint:
    """What a checkpoint holds.

    Attributes:
        model: content of the model file of the model before its first step.
        fingerprint: of settings and data that the numbers depend on, by name.
        course: epochs done and their scores.
        steps: of the optimizer.
        notes, warnings: of the start of the training, a sentence each.
        tensors: see `tensors_of`.
    """

    model: bytes
    fingerprint: dict[str, Any]
    course: Course
    steps: int
    notes: list[str]
    warnings: list[str]
    tensors: dict[str, Tensor]

    def write(self, path: Path) -> None:
        header = {
            "format_version": FORMAT_VERSION,
            "fingerprint": self.fingerprint,
            "course": asdict(self.course),
            "steps": self.steps,
            "notes": self.notes,
            "warnings": self.warnings,
        }
        tensors = {**self.tensors, "model": torch.frombuffer(bytearray(self.model), dtype=torch.uint8)}
        write_atomically(path, *sealed(save, tensors, "acnn_training", header))

    @classmethod
    def read(cls, path: Path) -> TrainingCheckpoint:
        try:
            header, tensors = unsealed(load, path.read_bytes(), "acnn_training")
            if header["format_version"] != FORMAT_VERSION:
                raise TrainingCheckpointError(
                    f"{path}: a checkpoint in format {header['format_version']}, this acnn reads {FORMAT_VERSION}"
                )
            model = tensors.pop("model").numpy().tobytes()
            course, told = Course(**header["course"]), (header["notes"], header["warnings"])
            return cls(model, header["fingerprint"], course, header["steps"], *told, tensors)
        except (KeyError, TypeError) as error:
            raise TrainingCheckpointError(f"{path}: not a checkpoint of acnn train") from error
        except SealError as error:
            raise TrainingCheckpointError(
                f"{path}: not a checkpoint of acnn train, or a damaged one: {error}"
            ) from error

    def require(self, fingerprint: Mapping[str, Any], path: Path) -> None:
        """It belongs to a training of these settings and data."""
        mine, other = dict(_flat(self.fingerprint)), dict(_flat(json.loads(json.dumps(fingerprint))))
        different = sorted(key for key in mine.keys() | other.keys() if mine.get(key) != other.get(key))
        if different:
            raise TrainingCheckpointError(
                f"{path} belongs to a training with another {', '.join(different[:4])}: set it back, or start anew "
                "with --overwrite (and go on from a trained model with --from)"
            )


def _flat(mapping: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def checkpoint_of(trainer: Trainer, model: bytes, fingerprint: Mapping[str, Any], start: Start) -> TrainingCheckpoint:
    """The state of a trainer between two epochs."""
    told, tensors = (start.notes, start.warnings), tensors_of(trainer)
    return TrainingCheckpoint(model, dict(fingerprint), trainer.course, trainer.steps, *told, tensors)


def tensors_of(trainer: Trainer) -> dict[str, Tensor]:
    """ "weights.NAME", "average.NAME", "best.NAME", "norm", and of the optimizer "momentum.NAME", or "exp_avg.NAME" and
    "exp_avg_sq.NAME"; on the CPU."""
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
    """Put a trainer where the checkpoint was written."""

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
