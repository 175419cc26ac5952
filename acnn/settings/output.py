"""Files that a training writes."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from acnn.settings.base import Section
from acnn.strict import shown


class OutputSettings(Section):
    """Files to write; by default they are beside the model, under its name."""

    model: Path = Field(
        examples=["model.acnn"],
        description="Model file to write, MODEL.acnn.",
        json_schema_extra=shown(panel="Options", flag="output"),
    )
    log: Path | None = Field(
        None, description="Losses and errors of every epoch.", json_schema_extra=shown("MODEL.csv")
    )
    checkpoint: Path | None = Field(
        None, description="State after every epoch, for --resume.", json_schema_extra=shown("MODEL.checkpoint")
    )
    plot: Path | None = Field(None, description="The learning curve.", json_schema_extra=shown("MODEL.training.png"))
    json_file: Path | None = Field(
        None,
        alias="json",
        description="Write sizes, seconds and errors as JSON.",
        json_schema_extra=shown(panel="Options"),
    )

    @property
    def log_file(self) -> Path:
        """The log, by default MODEL.csv."""
        return self.log or self.model.with_suffix(".csv")

    @property
    def checkpoint_file(self) -> Path:
        """The checkpoint, by default MODEL.checkpoint."""
        return self.checkpoint or self.model.with_suffix(".checkpoint")

    @property
    def plot_file(self) -> Path:
        """The plot of the learning curve, by default MODEL.training.png."""
        return self.plot or self.model.with_suffix(".training.png")
