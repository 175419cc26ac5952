"""The function that in.monitor calls during the run: it prints, and ends the run when a force is too large."""

from lammps_plugin import Frame, watching

LIMIT = 10.0
"""eV/Å; larger than any force in a crystal far below its melting point."""


@watching(every=20)
def watch(frame: Frame) -> bool:
    """Check the atoms of a rank; every rank calls this, and True on any of them ends the run."""
    force = frame.largest_force()
    if force <= LIMIT:
        return False
    hottest = frame.energies.argmax()
    print(
        f"step {frame.step}: a force of {force:.1f} eV/Å; highest site energy {frame.energies[hottest]:.2f} eV "
        f"(atom {frame.ids[hottest]}): the run ends",
        flush=True,
    )
    return True
