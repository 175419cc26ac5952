"""Section of the page on predicted standard deviations, for models with a committee."""

from __future__ import annotations

from acnn.evaluation.tables import CALIBRATION_HEADINGS, calibration_rows
from acnn.html.blocks import Block, Drawing, Legend, Paragraph, Section, Subheading, Table
from acnn.plots import SOURCES, calibration_figure, svg
from acnn.report.measurement import Measurement

CAPTION = (
    "Above: the share of errors inside the interval that should hold the given share; below the line the model is "
    "overconfident, above it too cautious. Below: errors against predicted standard deviation, root mean squares over "
    "bins of equally many predictions: on the line errors are as large as predicted, and a rise means that large "
    "errors are predicted. Look at data the fit has not seen: on its training data a model looks better than it is."
)
INTRODUCTION = (
    "The committee consists of samples of the coefficients that the data allow, or of the members of an ensemble; more "
    "data would reduce its spread. The noise is the misfit that remains however much data there is. Miscalibration is "
    "0 at best and 0.5 at worst; the sharpness, the size of σ, should be as large as the RMSE; a Spearman correlation "
    "of 1 means that all errors are ranked correctly."
)


def uncertainty_section(measurements: list[Measurement]) -> Section | None:
    """Return the section on the calibration of each set of data; None for a model without a committee."""
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
