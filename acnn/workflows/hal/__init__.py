"""Hyperactive learning: a potential from a handful of reference calculations."""

from __future__ import annotations

from acnn.workflows.hal.learning import Finished, Watcher, run_hal

__all__ = ["Finished", "Watcher", "run_hal"]
