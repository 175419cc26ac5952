"""Potentials of acnn in ASE."""

from __future__ import annotations

from ase_calculator.calculator import ACNNCalculator

__all__ = ["ACNNCalculator"]
