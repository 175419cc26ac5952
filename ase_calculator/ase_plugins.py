"""What ASE 3.29 and later finds through its entry points ``ase.plugins``: the calculator."""

from __future__ import annotations

from ase._4.plugins.plugin import CalculatorPlugin

__ase_plugins__ = {
    CalculatorPlugin(
        "acnn",
        citation="arXiv:2505.08159",
        implementation="ase_calculator.ACNNCalculator",
    )
}
