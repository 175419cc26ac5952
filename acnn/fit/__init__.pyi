from .job import run_fit
from .linear import LinearFit, fit_linear
from .pruning_job import PruneReport, PruneSettings, run_pruning
from .report import FitReport

__all__ = ["FitReport", "LinearFit", "PruneReport", "PruneSettings", "fit_linear", "run_fit", "run_pruning"]
