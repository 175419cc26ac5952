"""The result of ``acnn fit``: what it found, and what it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from acnn.data.dataset import Dataset
from acnn.data.weights import WeightTable
from acnn.evaluation.metrics import ErrorTable
from acnn.files import write_atomically
from acnn.fit.candidates import Candidate
from acnn.fit.doubts import overfitting_warnings
from acnn.fit.linear import LinearFit, make_prior
from acnn.fit.memory import peak_bytes
from acnn.fit.summary import errors_by_set, fit_blocks
from acnn.html.rendering import fragment
from acnn.io.model_file import save_model
from acnn.plots import learning_figure, selection_figure, shown_axes
from acnn.settings.fit import FitSettings
from acnn.wording import HELD_OUT, counted


@dataclass(repr=False)
class FitReport:
    """A finished fit: the model, the source of E0, error tables, cost.

    Attributes:
        warnings: those reported before the fit starts.
        doubts: warnings that the model file keeps.
        held_out_note: why nothing was held out, if a user may expect it.
    """

    settings: FitSettings
    weights: WeightTable
    datasets: dict[str, Dataset]
    reference_energies: dict[str, float]
    e0_source: str
    fit: LinearFit
    errors: dict[str, ErrorTable] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    held_out_note: str = ""
    candidates: list[Candidate] = field(default_factory=list)
    learning_curve: list[dict[str, Any]] = field(default_factory=list)
    coverage: dict[str, dict[str, float]] = field(default_factory=dict)
    """Shares of errors that calibrated standard deviations and bounds cover, see `cross_coverage`."""
    peak: int = 0
    """Largest memory of a rank, bytes."""

    def __repr__(self) -> str:
        return f"<FitReport: {'; '.join([*errors_by_set(self.errors), repr(self.fit.model)])}>"

    def _repr_html_(self) -> str:
        """Return errors, warnings and facts, for notebooks."""
        return fragment(fit_blocks(self.provenance(), self.fit.model, self.errors, self.all_warnings))

    def plot(self, name: str | None = None) -> Any:
        """Draw the errors on the data of this name; return matplotlib's axes.

        By default those on test data, otherwise on what was held out, otherwise on training data.
        """
        name = name or next(name for name in ("test", HELD_OUT, "train") if name in self.errors)
        if name not in self.errors:
            raise ValueError(f"this fit has no errors on {name!r}: choose from {', '.join(self.errors)}")
        return self.errors[name].plot()

    def plot_selection(self) -> Any:
        """Draw criterion and residual of every candidate basis against its cost; return matplotlib's axes [2]."""
        if not self.candidates or not self.settings.select:
            raise ValueError("this fit compared no costs of bases: give it the setting select, such as evidence")
        return shown_axes(lambda: selection_figure(self.candidates, self.settings.criterion or ""))

    def plot_learning_curve(self) -> Any:
        """Draw the errors against the number of training structures; return matplotlib's axes [n_quantities]."""
        if not self.learning_curve:
            raise ValueError("this fit has no learning curve: give it the setting learning_curve")
        return shown_axes(lambda: learning_figure(self.learning_curve))

    @property
    def late_warnings(self) -> list[str]:
        """Those that are known only after the fit."""
        n_functions = self.fit.model.basis.n_functions
        found = [*self.fit.solution.warnings, *self.doubts]
        found += overfitting_warnings(self.errors, n_functions, self.fit.n_rows)
        return [warning for warning in dict.fromkeys(found) if warning not in self.warnings]

    @property
    def all_warnings(self) -> list[str]:
        """Those from before and after the fit, each once."""
        return list(dict.fromkeys([*self.warnings, *self.late_warnings]))

    @property
    def basis_choice(self) -> str | None:
        """How the basis was chosen; None if the user gave it."""
        if not self.candidates:
            return None
        return f"{self.settings.criterion} of {counted(len(self.candidates), 'candidate')}"

    def metrics(self) -> dict[str, Any]:
        """Return what ``--json`` writes: meV/atom, eV/Å, seconds, bytes."""
        return {
            **self.fit.metrics(),
            "peak_bytes": self.peak or peak_bytes() or None,
            "reference_energies": self.reference_energies,
            "e0_source": self.e0_source,
            "basis_choice": self.basis_choice,
            **({"selection": [c.as_dict() for c in self.candidates]} if self.candidates else {}),
            **({"learning_curve": self.learning_curve} if self.learning_curve else {}),
            **({"coverage": self.coverage} if self.coverage else {}),
            **{name: table.as_dict() for name, table in self.errors.items()},
        }

    def provenance(self) -> dict[str, Any]:
        """Return the facts about the fit that the model file keeps."""
        settings = self.settings
        return {
            "acnn_version": version("acnn"),
            "data": {name: dataset.provenance() for name, dataset in self.datasets.items()},
            "prior": make_prior(settings).describe(),
            "repulsion": settings.repulsion,
            "settings": settings.model_dump(mode="json", by_alias=True, exclude={"output", "overwrite"}),
            "weights": {name: {"E": w.energy, "F": w.forces, "V": w.virial} for name, w in self.weights.items()},
            "warnings": self.doubts,
            **self.metrics(),
        }

    def write(self) -> None:
        """Write the model file and, where the settings name one, the metrics as JSON."""
        save_model(self.fit.model, self.settings.output, self.provenance())
        if self.settings.json_file:
            write_atomically(self.settings.json_file, (json.dumps(self.metrics(), indent=2) + "\n").encode())
