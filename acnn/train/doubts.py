"""Doubtful data of a training."""

from __future__ import annotations

from collections.abc import Mapping

from acnn.data.dataset import Dataset
from acnn.fit.coverage import coverage_warnings
from acnn.fit.doubts import coverage, label_warnings
from acnn.io.model_file import read_header
from acnn.models.network import NetworkACE
from acnn.pairs import Pair
from acnn.settings.train import TrainSettings
from acnn.train.initialization import E0_OPTION


def doubts_of(
    settings: TrainSettings, datasets: Mapping[str, Dataset], model: NetworkACE
) -> tuple[list[str], list[Pair]]:
    """Return the warnings that the model file keeps, and the pairs of elements that no training data cover."""
    warnings = label_warnings(datasets, model.e0.energies, model.cutoff, E0_OPTION)
    unseen, of_coverage = coverage(model.elements, datasets["train"].structures, model.cutoff)
    if settings.start is not None:
        header = read_header(settings.start)
        unseen = [pair for pair in unseen if not _was_seen(pair, header)]
        of_coverage = coverage_warnings(model.elements, unseen, model.cutoff)
    return warnings + of_coverage, unseen


def _was_seen(pair: Pair, header: Mapping) -> bool:
    """Return whether the data of the model that training continues from covered a pair."""
    known = set(pair) <= set(header["specification"]["elements"])
    return known and list(pair) not in header["provenance"].get("unseen_pairs", [])
