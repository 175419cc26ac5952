"""Options of the commands that read labeled structures and evaluate a model on them."""

from __future__ import annotations

from typing import Annotated

import typer

EnergyKey = Annotated[str | None, typer.Option(help="Energy, eV per cell. Keys are found if not given.")]
ForcesKey = Annotated[str | None, typer.Option(help="Forces, eV/Å.")]
VirialKey = Annotated[str | None, typer.Option(help="Virial −dE/dε, eV.")]
StressKey = Annotated[str | None, typer.Option(help="Stress, eV/Å³, positive under tension (ASE).")]
MaxForce = Annotated[float | None, typer.Option(help="Leave out structures with a larger force, eV/Å.")]
Kernel = Annotated[
    str | None,
    typer.Option(help="cpu: the compiled kernel; torch: the reference, slow; auto. Default: ACNN_KERNEL, or auto."),
]
