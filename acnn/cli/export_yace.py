"""The table that `acnn export --to yace` prints."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from acnn.io.yace import YaceReport


def yace_table(output: Path, report: YaceReport) -> Table:
    """Make a table of the size and accuracy of an export."""
    table = Table(title=escape(f"wrote {output}"), title_justify="left")
    for heading, justify in (("", "left"), ("figure", "right"), ("unit", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    fit, spline = report.fit_error, report.spline_error
    table.add_row("functions of two or more neighbors", str(report.n_functions))
    table.add_row("  products of densities", str(report.n_products))
    table.add_row("radial functions g_k", str(report.n_radial_functions))
    table.add_row("exact at distances above", _range([bond.shortest for bond in report.bonds.values()]), "Å")
    table.add_row("largest error of pair forces", f"{2 * fit.pair:.1g}", "eV/Å")
    table.add_row("  from LAMMPS' splines", f"{2 * spline.pair:.1g}", "eV/Å")
    table.add_row("largest error of slopes of R_n", f"{fit.radial:.1g}", "of the largest slope")
    table.add_row("  from LAMMPS' splines", f"{spline.radial:.1g}", "of the largest slope")
    table.add_row("LAMMPS' tables, per process", f"{report.table_bytes / 2**20:.0f}", "MiB")
    return table


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} – {high}"
