"""The result of ``acnn train``."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from acnn.data.dataset import Dataset
from acnn.evaluation.metrics import ErrorTable
from acnn.fit.summary import errors_by_set, fit_blocks
from acnn.html.rendering import fragment
from acnn.models.network import NetworkACE
from acnn.plots import shown_axes, training_figure
from acnn.settings.train import TrainSettings
from acnn.train.log import curves, rows
from acnn.train.trainer import Course
from acnn.wording import counted


@dataclass(repr=False)
class TrainReport:
    """A finished training.

    Attributes:
        known: elements of the model that training continued from.
        doubts: warnings that the model file keeps.
    """

    settings: TrainSettings
    datasets: dict[str, Dataset]
    model: NetworkACE
    course: Course
    notes: list[str]
    known: tuple[str, ...] = ()
    doubts: list[str] = field(default_factory=list)
    errors: dict[str, ErrorTable] = field(default_factory=dict)

    def __repr__(self) -> str:
        best = f"best of {counted(self.course.epoch, 'epoch')}: {self.course.best_epoch}"
        return f"<TrainReport: {'; '.join([best, *errors_by_set(self.errors), repr(self.model)])}>"

    def _repr_html_(self) -> str:
        """Return errors, warnings and facts, for notebooks."""
        return fragment(fit_blocks(self.provenance(), self.model, self.errors, self.doubts))

    def plot(self) -> Any:
        """Draw loss and validation errors against the epoch, from the log; return matplotlib's axes."""
        log = list(rows(self.settings.output.log_file))
        if not log:
            raise ValueError(f"{self.settings.output.log_file} has no epochs to draw")
        return shown_axes(lambda: training_figure(log, curves(log)))

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    def metrics(self) -> dict[str, Any]:
        """Return what ``--json`` writes: meV/atom, eV/Å, seconds."""
        return {
            "model_type": self.model.model_type,
            "n_parameters": self.n_parameters,
            "n_basis": self.model.linear.basis.n_functions,
            "n_kept": int(self.model.linear.kept.sum()),
            "epochs": self.course.epoch,
            "best_epoch": self.course.best_epoch,
            "best_score": self.course.best,
            "train_seconds": self.course.seconds,
            "seconds_per_epoch": self.course.seconds / max(self.course.epoch, 1),
            "reference_energies": self.model.e0.energies,
            **{name: table.as_dict() for name, table in self.errors.items()},
        }

    def provenance(self) -> dict[str, Any]:
        """Return the facts about the training that the model file keeps."""
        return {
            "acnn_version": version("acnn"),
            "data": {name: dataset.provenance() for name, dataset in self.datasets.items()},
            "settings": self.settings.model_dump(mode="json", by_alias=True, exclude={"output"}),
            "notes": self.notes,
            "warnings": self.doubts,
            **self.metrics(),
        }
