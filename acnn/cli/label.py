"""acnn label"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import ase.io
import numpy as np
import typer
from ase import Atoms
from ase.calculators.calculator import Calculator
from rich.markup import escape

from acnn.cli.display import console, one_sentence_errors, progress_stages
from acnn.cli.labels import EnergyKey, assignment, read_labeled
from acnn.data.frames import read_frames, require_sound_geometry
from acnn.data.labeling import chosen_references, each_labeled, energy_offsets, make_calculator
from acnn.data.structures import displaced, rounded
from acnn.fit.progress import Stage
from acnn.io.model_file import require_writable


def label(
    structures: Annotated[Path, typer.Argument(help="Structures with or without labels, any format ASE reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, extended XYZ.")],
    calculator: Annotated[str, typer.Option(help="ASE calculator, MODULE:CLASS.")],
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Argument of the calculator: --set method=GFN2-xTB.")
    ] = None,
    copies: Annotated[
        int, typer.Option(min=0, help="Label so many displaced copies of every structure instead of itself.")
    ] = 0,
    rattle: Annotated[float, typer.Option(min=0, help="Largest standard deviation of displacements, Å.")] = 0.1,
    strain: Annotated[float, typer.Option(min=0, help="Standard deviation of the strain of crystals.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the displacements.")] = 0,
    reference: Annotated[
        Path | None,
        typer.Option(help="Labeled structures to whose energies those of the calculator are shifted, atom by atom."),
    ] = None,
    energy_key: EnergyKey = None,
    max_force: Annotated[float, typer.Option(min=0, help="Leave out structures with a larger force, eV/Å.")] = 30.0,
) -> None:
    """Label structures by an ASE calculator: energies (eV), forces (eV/Å), stresses (eV/Å³).

    Where reference data are few, a network can first be trained on many labels of a cheaper method, and then on the
    reference data (acnn train --from). Structures of which the calculator fails are counted and left out. What an
    interrupted run has labeled is in OUTPUT.part.

    Example: acnn label train.xyz -o cheap.xyz --calculator tblite.ase:TBLite --set method=GFN2-xTB --copies 16
    --reference train.xyz
    """
    with one_sentence_errors():
        part = output.with_name(f"{output.name}.part")
        require_writable([output, part], [structures, reference])
        if reference is None and energy_key is not None:
            raise ValueError("--energy-key is that of --reference: give both or none")
        made = make_calculator(calculator, dict(assignment(text, "method=GFN2-xTB") for text in change or ()))
        todo = _structures(structures, copies, rattle, strain, seed)
        written, total = 0, len(todo)
        with progress_stages() as stage:
            offsets = _offsets(reference, energy_key, todo, made, stage)
            advance = stage(f"labels by {type(made).__name__}", total)
            with part.open("w", encoding="utf-8") as file:
                for found in each_labeled(todo, made, offsets, max_force):
                    if found is not None:
                        ase.io.write(file, found, format="extxyz")
                        file.flush()
                        written += 1
                    advance()
        if not written:
            part.unlink()
            raise ValueError(f"none of {total} structures could be labeled with forces up to {max_force:g} eV/Å")
        part.replace(output)
    shifts = ", ".join(f"{element} {offset:.3f}" for element, offset in offsets.items())
    told = f"; energies shifted by {shifts} eV per atom" if offsets else ""
    left = f"; {total - written} left out, failed or with larger forces" if written < total else ""
    console.print(escape(f"wrote {output}: {written} structures{left}{told}"), highlight=False, soft_wrap=True)


def _structures(path: Path, copies: int, rattle: float, strain: float, seed: int) -> list[Atoms]:
    """As they are written to a file: those of several atoms, or their copies."""
    rng = np.random.default_rng(seed)
    found: list[Atoms] = []
    for place, atoms in read_frames(path):
        require_sound_geometry(atoms, f"{path.name} #{place}")
        if copies == 0:
            found.append(rounded(atoms))
        elif len(atoms) > 1 or atoms.pbc.any():
            found += [rounded(displaced(atoms, rattle, strain, rng)) for _ in range(copies)]
    if not found:
        raise ValueError(f"{path} holds isolated atoms only, which have no displaced copies")
    return found


def _offsets(
    reference: Path | None, energy_key: str | None, todo: list[Atoms], calculator: Calculator, stage: Stage
) -> dict[str, float]:
    """By element, eV per atom; none without reference structures."""
    if reference is None:
        return {}
    chosen = chosen_references(read_labeled(reference, energy_key, None, None, None, None))
    known = {symbol for structure in chosen for symbol in structure.atoms.symbols}
    missing = sorted({symbol for atoms in todo for symbol in atoms.symbols} - known)
    if missing:
        raise ValueError(f"{reference} holds no energy of structures of several atoms with {', '.join(missing)}")
    return energy_offsets(chosen, calculator, stage("reference energies", len(chosen)))
