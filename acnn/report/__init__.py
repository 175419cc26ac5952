"""``acnn report``: one page on what a model is, how large its errors are, and where it can be trusted.

The page is HTML with embedded figures: it needs no other file, no network and no scripts.
"""

from __future__ import annotations

from acnn.report.compose import N_SECTIONS, report_page
from acnn.report.measurement import Measurement, dataset_names, measure
from acnn.report.structures import report_structures

__all__ = ["N_SECTIONS", "Measurement", "dataset_names", "measure", "report_page", "report_structures"]
