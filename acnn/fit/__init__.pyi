from .job import run_fit
from .linear import LinearFit, fit_linear
from .report import FitReport

__all__ = ["FitReport", "LinearFit", "fit_linear", "run_fit"]
