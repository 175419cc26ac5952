from .job import FitReport, run_fit
from .linear import LinearFit, fit_linear

__all__ = ["FitReport", "LinearFit", "fit_linear", "run_fit"]
