"""What one does with a finished potential."""

from __future__ import annotations

from acnn.workflows.check import CheckResult, check_model

__all__ = ["CheckResult", "check_model"]
