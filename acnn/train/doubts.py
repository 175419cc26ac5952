"""Doubtful data of a training."""

from __future__ import annotations

from collections.abc import Mapping

from acnn.combinations import Combinations
from acnn.data.dataset import Dataset
from acnn.fit.coverage import combinations_of, coverage_warnings
from acnn.fit.doubts import label_warnings
from acnn.io.model_file import load_model
from acnn.models.network import NetworkACE
from acnn.settings.train import TrainSettings
from acnn.train.linear_part import E0_OPTION


def doubts_of(
    settings: TrainSettings, datasets: Mapping[str, Dataset], model: NetworkACE
) -> tuple[list[str], Combinations]:
    """Return the warnings that the model file keeps, and the combinations of elements that training data have shown.

    Those that the data of the model showed from which training continues are among them.
    """
    warnings = label_warnings(datasets, model.e0.energies, model.cutoff, E0_OPTION)
    combinations = combinations_of(model.elements, datasets["train"].structures, model.cutoff)
    if settings.start is not None:
        before = load_model(settings.start).combinations
        combinations = combinations.together_with(*[] if before is None else [before])
    return warnings + coverage_warnings(combinations), combinations
