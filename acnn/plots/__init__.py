"""Figures of errors, calibration, data, dimers and training: of reports, of files, and of ``plot()`` in Python.

A figure is made by a function named after it, written by `save_figure`, put into a page by `svg`, and shown in Python
by `shown_axes`.
"""

from __future__ import annotations

from acnn.plots.calibration import SOURCES, calibration_figure
from acnn.plots.crystals import decohesion_figure, eos_figure, young_figure
from acnn.plots.curves import learning_figure, pruning_figure, selection_figure, training_figure
from acnn.plots.drawing import Look, has_matplotlib, require_matplotlib, require_pictures
from acnn.plots.dynamics import dynamics_figure
from acnn.plots.energies import energy_volume_figure
from acnn.plots.errors import config_type_figure, element_figure, parity_figure
from acnn.plots.learning import DimerHistory, hal_figure
from acnn.plots.output import save_figure, shown_axes, svg
from acnn.plots.overview import Dimer, Run, overview_figure
from acnn.plots.pairs import dimer_figure, distance_figure
from acnn.plots.phonons import bands_figure, conductivity_figure, expansion_figure, thermodynamics_figure
from acnn.plots.statistics import data_figure
from acnn.plots.thermo import thermo_figure

__all__ = [
    "SOURCES",
    "Dimer",
    "DimerHistory",
    "Look",
    "Run",
    "bands_figure",
    "calibration_figure",
    "conductivity_figure",
    "config_type_figure",
    "data_figure",
    "decohesion_figure",
    "dimer_figure",
    "distance_figure",
    "dynamics_figure",
    "element_figure",
    "energy_volume_figure",
    "eos_figure",
    "expansion_figure",
    "hal_figure",
    "has_matplotlib",
    "learning_figure",
    "overview_figure",
    "parity_figure",
    "pruning_figure",
    "require_matplotlib",
    "require_pictures",
    "save_figure",
    "selection_figure",
    "shown_axes",
    "svg",
    "thermo_figure",
    "thermodynamics_figure",
    "training_figure",
    "young_figure",
]
