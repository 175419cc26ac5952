"""The training loop: batches, gradients of a loss of forces, Muon and AdamW, moving average, validation."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from acnn.conventions import QUANTITIES
from acnn.models.network import NetworkACE
from acnn.parallel import ALONE, Ranks
from acnn.settings.training import TrainingSettings
from acnn.train.alike import Alike
from acnn.train.average import MovingAverage, replaced
from acnn.train.batches import Batch, StructureStore, cut, n_batches, shuffled_batches
from acnn.train.loss import Deltas, deltas_of, penalties
from acnn.train.optimizers import make_optimizers
from acnn.train.schedule import LearningRate, reductions
from acnn.train.validation import Errors, network_errors, network_gradients, score

MEMORY_OF_NORMS = 0.05
"""Weight of the newest gradient in the running mean of norms."""
LARGEST_NORM = 3.0
"""Outliers enter the running mean with at most this multiple of it."""


class TrainingError(ValueError):
    """A training that cannot continue; the message is one sentence."""


class StepLoss(nn.Module):
    """The loss of a batch as a module, so that `DistributedDataParallel` sees the double backward in its forward."""

    def __init__(self, model: NetworkACE, deltas: Deltas, with_virials: bool, ranks: Ranks) -> None:
        super().__init__()
        self.model, self.deltas, self.with_virials, self.ranks = model, deltas, with_virials, ranks

    def forward(self, batch: Batch, factors: Tensor) -> tuple[Tensor, Tensor]:
        """Return L and its three parts, detached.

        Args:
            factors: w_q / n̄_q [3].
        """
        if batch.graph.n_pairs == 0:  # the share of a process may be empty
            nothing = torch.zeros_like(factors)
            return self._of_all_parameters(nothing.sum()), nothing
        found = network_gradients(self.model, batch, create_graph=True)
        parts = factors * penalties(found, batch.labels, self.deltas, self.with_virials)
        return self._of_all_parameters(parts.sum()), parts.detach()

    def _of_all_parameters(self, loss: Tensor) -> Tensor:
        """Make the loss depend on every parameter, and scale it by the number of ranks.

        Gradients are averaged over ranks, and each rank must use every parameter.
        """
        if self.ranks.size == 1:
            return loss
        return loss * self.ranks.size + sum(0.0 * p.sum() for p in self.model.parameters() if p.requires_grad)


@dataclass
class Course:
    """Progress of a training: epochs done, validation scores (None: not validated), seconds."""

    epoch: int = 0
    scores: list[float | None] = field(default_factory=list)
    seconds: float = 0.0
    finished: bool = False

    @property
    def validated(self) -> list[float]:
        """The scores of the epochs that were validated."""
        return [value for value in self.scores if value is not None]

    @property
    def best(self) -> float | None:
        """The smallest score, None without validation."""
        return min(self.validated, default=None)

    @property
    def best_epoch(self) -> int:
        """The epoch of the smallest score, counted from 1; without validation the last one."""
        return self.epoch if self.best is None else 1 + self.scores.index(self.best)


@dataclass(frozen=True)
class EpochRecord:
    """One line of the log.

    Attributes:
        epochs: number of all.
        loss, parts: mean over batches, and the contributions of energies, forces and virials.
        weights: w_q of this epoch.
        errors: validation errors with averaged weights, None if there was no validation after this epoch.
        gradient_norm: running mean.
    """

    epoch: int
    epochs: int
    loss: float
    parts: tuple[float, float, float]
    weights: tuple[float, float, float]
    errors: Errors | None
    score: float | None
    is_best: bool
    learning_rate: float
    gradient_norm: float
    seconds: float


class Trainer:
    """Trains the network of a model epoch by epoch.

    Args:
        model: on its device; its trainable parameters take the dtype of the stores.
        train, validation: the prepared structures.
        rate: learning rate.
    """

    def __init__(
        self,
        model: NetworkACE,
        train: StructureStore,
        validation: StructureStore | None,
        settings: TrainingSettings,
        rate: LearningRate,
        ranks: Ranks = ALONE,
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.settings, self.rate, self.ranks = settings, rate, ranks
        _require_labels(train, validation, settings)
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names, self.parameters = [name for name, _ in named], [p for _, p in named]
        for parameter in self.parameters:
            parameter.data = parameter.data.to(train.pair_vectors.dtype)
            parameter.grad = torch.zeros_like(parameter)
        self.alike = Alike.of(model, settings.element_correlation)
        self.optimizers = self.muon, self.adamw = make_optimizers(self.names, self.parameters, settings, rate.start)
        self.average = MovingAverage(self.parameters, settings.decay(self.n_batches))
        self.best = [tensor.clone() for tensor in self.average.tensors]
        self.norm = torch.zeros((), dtype=train.pair_vectors.dtype, device=train.pair_vectors.device)
        self.steps, self.course = 0, Course()
        self.mean_counts = [max(count, 1) / self.n_batches for count in train.label_counts]
        loss = StepLoss(model, deltas_of(settings.loss), train.label_counts[2] > 0, ranks)
        self.loss: nn.Module = DistributedDataParallel(loss, broadcast_buffers=False) if ranks.size > 1 else loss
        self._atoms, self._pairs = train.atoms.cpu(), train.pairs.cpu()

    def _require_finite(self, parts: Sequence[float]) -> None:
        """Require a loss and weights that are numbers; those of the last step enter no loss of the epoch."""
        wrong = "" if all(map(math.isfinite, parts)) else "the loss is"
        if not wrong and not all(bool(tensor.isfinite().all()) for tensor in self.average.tensors):
            wrong = "weights are"
        if wrong:
            raise TrainingError(
                f"{wrong} not finite after epoch {self.course.epoch + 1}: lower training.learning_rate, "
                f"now {self.rate.start:g}"
            )

    @property
    def n_batches(self) -> int:
        """Number of steps of an epoch."""
        return n_batches(self.train.atoms, self.settings.batch_atoms)

    def run_epoch(self) -> EpochRecord:
        """Run one pass over the data, and validate if it is due."""
        start = time.perf_counter()
        epoch, settings = self.course.epoch, self.settings
        weights = [getattr(settings.loss, q).at(epoch, settings.epochs) for q in ("energy", "forces", "virial")]
        parts = self._pass(epoch, weights)
        self._require_finite(parts)
        self.course.epoch += 1
        errors, found, is_best = self._validate()
        seconds = time.perf_counter() - start
        self.course.seconds += seconds
        return EpochRecord(
            epoch=self.course.epoch,
            epochs=settings.epochs,
            loss=sum(parts),
            parts=(parts[0], parts[1], parts[2]),
            weights=(weights[0], weights[1], weights[2]),
            errors=errors,
            score=found,
            is_best=is_best,
            learning_rate=self.adamw.param_groups[0]["lr"],
            gradient_norm=float(self.norm),
            seconds=seconds,
        )

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or the score has not improved for too long."""
        patience = self.settings.patience
        waited = self.course.epoch - self.course.best_epoch
        return self.course.epoch >= self.settings.epochs or (patience is not None and waited >= patience)

    def _pass(self, epoch: int, weights: Sequence[float]) -> list[float]:
        """Take a step for every batch; return the mean parts of the loss."""
        scaled = [weight / count for weight, count in zip(weights, self.mean_counts, strict=True)]
        factors = torch.tensor(scaled, dtype=torch.float64, device=self.train.species.device)
        batches = shuffled_batches(self._atoms, self.settings.batch_atoms, self.settings.seed, epoch)
        sums = torch.zeros_like(factors)
        lowered = reductions(self.course.scores, self.rate.wait) if self.rate.shape == "plateau" else 0
        for position, batch in enumerate(batches):
            rate = self.rate.at(epoch + position / len(batches), self.settings.epochs, lowered)
            sums += self._step(self._share(batch), factors, rate)
        return (self.ranks.total(sums) / self.n_batches).tolist()

    def _share(self, batch: Tensor) -> Tensor:
        """Return the structures of a batch that this process takes."""
        share = cut(batch, self._pairs, self.ranks.size)[self.ranks.rank] if self.ranks.size > 1 else batch
        return share.to(self.train.species.device)

    def _step(self, structures: Tensor, factors: Tensor, rate: float) -> Tensor:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=False)
        loss, parts = self.loss(self.train.batch(structures), factors)
        loss.backward(inputs=self.parameters)  # the kernel has no second derivatives of positions
        self.alike.turn_gradients()
        self._clip()
        with self.alike.steps_in_c():
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
        self.steps += 1
        self.average.update(self.parameters, self.steps)
        return parts

    def _clip(self) -> None:
        """Shorten a gradient longer than ``clip`` times the running mean of norms, in which outliers count little."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self.norm.copy_(torch.where(self.norm > 0, self.norm, norm))  # the first that is not zero
        if self.settings.clip is not None:
            torch._foreach_mul_(gradients, torch.clamp(self.settings.clip * self.norm / (norm + 1e-30), max=1.0))
        self.norm.lerp_(torch.minimum(norm, LARGEST_NORM * self.norm), MEMORY_OF_NORMS)

    def _validate(self) -> tuple[Errors | None, float | None, bool]:
        """Return errors and score with the averaged weights, and whether these are the best so far; keep the best."""
        epoch, every = self.course.epoch, self.settings.validate_every
        if self.validation is None:
            self.course.scores.append(None)
            self._keep()
            return None, None, True
        if epoch % every and epoch < self.settings.epochs:
            self.course.scores.append(None)
            return None, None, False
        with replaced(self.parameters, self.average.tensors):
            errors = network_errors(self.model, self.validation, self.ranks, self.settings.batch_atoms)
        selection = self.settings.selection
        found = score(errors, selection.model_dump(exclude={"measure"}), selection.measure)
        is_best = self.course.best is None or found < self.course.best
        self.course.scores.append(found)
        if is_best:
            self._keep()
        return errors, found, is_best

    def _keep(self) -> None:
        for kept, tensor in zip(self.best, self.average.tensors, strict=True):
            kept.copy_(tensor)


def _require_labels(train: StructureStore, validation: StructureStore | None, settings: TrainingSettings) -> None:
    """Require labels that loss and score use: otherwise these would always be zero."""
    loss, selection = settings.loss, settings.selection
    if not any(getattr(loss, q).largest for q in _labeled(train)):
        raise TrainingError("the training data have no labels with a weight in training.loss")
    if validation is not None and not any(getattr(selection, q) for q in _labeled(validation)):
        raise TrainingError("the validation data have no labels with a weight in training.selection")


def _labeled(store: StructureStore) -> list[str]:
    return [q for q, count in zip(QUANTITIES, store.label_counts, strict=True) if count]
