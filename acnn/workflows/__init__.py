"""Workflows with a finished potential: checks, labels and predictions."""

from __future__ import annotations

from acnn.workflows.check import CheckResult, check_model
from acnn.workflows.labeling import Labeled, Labeling, label_structures

__all__ = ["CheckResult", "Labeled", "Labeling", "check_model", "label_structures"]
