"""A potential for a LAMMPS that is driven from Python, without a file.

    lmp = lammps.lammps()
    lmp.file("in.box")                       # units metal or real, and a box with one type of atoms
    lammps_plugin.attach(lmp, "si.acnn", ["Si"])

does the same as the following lines, with better error messages:

    lammps.mliap.activate_mliappy(lmp)
    lammps.mliap.load_unified(UnifiedPotential(model))
    lmp.command("pair_style mliap unified EXISTS 0")
    lmp.command("pair_coeff * * Si")
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from acnn.io.model_file import load_model
from acnn.potential import Potential
from lammps_plugin.host import energy_unit
from lammps_plugin.mliap import UnifiedPotential


def attach(
    lmp: Any,
    model: str | os.PathLike[str] | Potential,
    elements: Sequence[str],
    dtype: str = "float64",
    beside: Sequence[str] = (),
) -> UnifiedPotential:
    """Give a ``lammps.lammps`` its pair style, without a file.

    The simulation box must exist, in ``units metal`` or ``real``. Every rank calls this.

    Args:
        elements: chemical symbol of every atom type, "NULL" for types that the model ignores.
        beside: pair styles added to the model, which treat those types: ``["lj/cut 8.0"]``. Their coefficients follow:
            ``lmp.command("pair_coeff 1 * lj/cut 0.01 3.4")``.
    """
    potential = model if isinstance(model, Potential) else load_model(model)
    unified = UnifiedPotential(potential, dtype, lmp.extract_setting("world_size"))
    _require_usable(lmp, potential, elements)
    _require_all_types(elements, beside)
    _hand_over(lmp, unified)
    hybrid, name = ("hybrid/overlay ", "mliap ") if beside else ("", "")
    lmp.command(" ".join([f"pair_style {hybrid}mliap unified EXISTS 0", *beside]))
    lmp.command(f"pair_coeff * * {name}{' '.join(elements)}")
    return unified


def _require_usable(lmp: Any, potential: Potential, elements: Sequence[str]) -> None:
    n_types = lmp.extract_setting("ntypes")
    energy_unit(lmp.extract_global("units"))
    if lmp.extract_setting("newton_pair") != 1:
        raise ValueError("the model needs 'newton on', but this LAMMPS has newton off for pairs")
    if len(elements) != n_types:
        raise ValueError(f"LAMMPS has {n_types} atom types, but {len(elements)} elements are given")
    unknown = sorted(set(elements) - {*potential.elements, "NULL"})
    if unknown:
        raise ValueError(f"the model has {', '.join(potential.elements)}, not {', '.join(unknown)}")


def _require_all_types(elements: Sequence[str], beside: Sequence[str]) -> None:
    unseen = [str(kind) for kind, element in enumerate(elements, 1) if element == "NULL"]
    if unseen and not beside:
        raise ValueError(
            f"atom type {', '.join(unseen)} is NULL, so it needs another pair style: attach(..., beside=['lj/cut 8.0'])"
        )


def _hand_over(lmp: Any, unified: UnifiedPotential) -> None:
    """Pass the model to LAMMPS' own couplings or, if there are none, to acnn's plugin."""
    if lmp.has_package("PYTHON") and _hand_to_own_couplings(lmp, unified):
        return
    from lammps_plugin.plugin_load import load_plugin, load_unified

    load_plugin(lmp)
    load_unified(unified)


def _hand_to_own_couplings(lmp: Any, unified: UnifiedPotential) -> bool:
    """Pass the model to the plain and the KOKKOS coupling; return whether this LAMMPS has any of them."""
    try:
        from lammps import mliap
    except OSError as error:
        raise ImportError(f"LAMMPS' Python coupling needs the shared library of Python ({error})") from error
    found = [kind for kind in ("", "_kokkos") if _activate(lmp, mliap, kind)]
    for kind in found:
        getattr(mliap, f"load_unified{kind}")(unified)
    return bool(found)


def _activate(lmp: Any, mliap: Any, kind: str) -> bool:
    if f"mliap_unified_couple{kind}" in sys.modules:  # a second time is an error
        return True
    try:
        getattr(mliap, f"activate_mliappy{kind}")(lmp)
    except (ImportError, AttributeError):
        return False
    return True
