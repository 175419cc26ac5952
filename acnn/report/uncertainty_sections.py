"""What the page says of predicted standard deviations, for models with a committee."""

from __future__ import annotations

from acnn.evaluation.tables import CALIBRATION_HEADINGS, calibration_rows
from acnn.plots import SOURCES, calibration_figure, svg
from acnn.report.measurement import Measurement
from acnn.report.page import Block, Drawing, Legend, Paragraph, Section, Subheading, Table

CAPTION = (
    "Above: the share of errors inside the interval that should hold the given share; below the line the model is too "
    "sure, above it too cautious. Below: errors against predicted standard deviation, root mean squares over bins of "
    "equally many predictions: points on the line say that errors are as large as predicted, and a rise that large "
    "errors are foreseen. Look at data the fit has not seen: on its training data a model looks better than it is."
)
INTRODUCTION = (
    "The committee are samples of the coefficients that the data allow, or the members of an ensemble; their spread is "
    "what more data would reduce. The noise is the misfit that stays however many data there are. Miscalibration is 0 "
    "at best and 0.5 at worst; the sharpness, the size of σ, is best as large as the RMSE; a Spearman correlation of 1 "
    "ranks all errors right."
)


def uncertainty_section(measurements: list[Measurement]) -> Section | None:
    """Calibration of each set of data; None for a model without a committee."""
    predicted = [measurement for measurement in measurements if measurement.predicted]
    if not predicted:
        return None
    blocks: list[Block] = [Paragraph(INTRODUCTION), Legend(SOURCES)]
    for index, measurement in enumerate(predicted):
        drawn = calibration_figure(measurement.predicted)
        blocks += [
            Subheading(measurement.name),
            Table(CALIBRATION_HEADINGS, calibration_rows(measurement.predicted), left=2),
            Drawing(svg(drawn, f"uncertainty{index}", f"Predicted and true errors on {measurement.name}"), CAPTION),
        ]
    return Section("uncertainty", "Uncertainty", blocks)
