"""acnn info"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import console, error_table, warn
from acnn.fit.doubts import remembered_warnings
from acnn.io.model_file import load_model, read_header
from acnn.kernels.loading import instruction_sets, n_threads, uses_compiled_kernel
from acnn.models.ensemble import Ensemble
from acnn.models.levels import Model
from acnn.models.linear import LinearACE
from acnn.models.linear_facts import linear_facts
from acnn.models.network import NetworkACE
from acnn.models.network_facts import network_facts
from acnn.wording import counted


def info(model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")]) -> None:
    """What a model is, what it was fitted to, and how well."""
    header = read_header(model)
    potential = load_model(model)
    for table in _model_tables(model.name, potential):
        console.print(table)
    console.print(_kernel_table(potential))
    console.print(_provenance_table(header["provenance"]))
    for name in ("train", "test"):
        if name in header["provenance"]:
            console.print(error_table(name, header["provenance"][name]))
    for doubt in remembered_warnings(header["provenance"]):
        warn(doubt)


def _model_tables(name: str, model: Model) -> list[Table]:
    if isinstance(model, Ensemble):
        table = _two_columns(escape(f"{name}: ensemble of {len(model.models)}"))
        table.add_row("prediction", "the mean of the members; their spread is the uncertainty")
        table.add_row("levels", ", ".join(member.level for member in model.models))
        return [table, *_model_tables("its first member", model.models[0])]
    if isinstance(model, NetworkACE):
        table = _two_columns(escape(f"{name}: {model.level} on linear ACE"))
        for key, value in network_facts(model):
            table.add_row(key, value)
        return [table, _linear_table("its linear part", model.linear)]
    return [_linear_table(name, model)]


def _linear_table(name: str, model: LinearACE) -> Table:
    specification = model.basis.specification
    table = _two_columns(escape(f"{name}: linear ACE"))
    table.add_row("elements", ", ".join(model.elements))
    table.add_row("E0 (eV)", ", ".join(f"{e} {value:.6f}" for e, value in model.e0.energies.items()))
    table.add_row("cutoff (Å)", f"{model.cutoff:g}")
    for element in model.elements:
        degrees = ", ".join(f"{d:g}" for d in specification.degrees(element))
        table.add_row(f"total degree of orders 1… ({element})", degrees)
    table.add_row("w_L", f"{specification.wl:g}")
    table.add_row("formulation", specification.formulation)
    table.add_row("ZBL", "yes" if model.zbl is not None else "no")
    for key, value in linear_facts(model):
        table.add_row(key, value)
    return table


def _kernel_table(model: Model) -> Table:
    table = _two_columns("evaluation on this machine")
    if not uses_compiled_kernel():
        table.add_row("kernel", "torch" if instruction_sets() else "torch (installed without the compiled kernel)")
        return table
    table.add_row("kernel", f"cpu, {n_threads()} thread{'s' * (n_threads() > 1)}")
    best, *others = instruction_sets()
    table.add_row("instruction set", f"{best} (also built, slower here: {', '.join(others)})" if others else best)
    if isinstance(model, LinearACE):
        _add_program(table, model)
    return table


def _add_program(table: Table, model: LinearACE) -> None:
    program = model.program()
    for z, element in enumerate(model.elements):
        terms = sum(np.count_nonzero(program.arrays[f"{z}.{kind}.coefficients"]) for kind in ("complex", "real"))
        table.add_row(f"  program of {element}", f"{len(program.arrays[f'{z}.products'])} products, {terms} terms")


def _provenance_table(provenance: dict) -> Table:
    table = _two_columns("fit")
    for name, data in provenance.get("data", {}).items():
        table.add_row(
            name,
            escape(f"{data['file']}: {counted(data['structures'], 'structure')}, {counted(data['atoms'], 'atom')}"),
        )
        table.add_row("  sha256", data["sha256"])
    for key in (
        "acnn_version",
        "e0_source",
        "solver",
        "prior",
        "repulsion",
        "regularization",
        "effective_parameters",
        "log_evidence",
        "epochs",
        "best_epoch",
        "train_seconds",
    ):
        if provenance.get(key) is not None:
            value = provenance[key]
            table.add_row(key.replace("_", " "), f"{value:.6g}" if isinstance(value, float) else str(value))
    for name, w in provenance.get("weights", {}).items():
        table.add_row(escape(f"weights of {name}"), f"E {w['E']:g}, F {w['F']:g}, V {w['V']:g}")
    return table


def _two_columns(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table
