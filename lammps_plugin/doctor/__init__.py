"""``acnn lammps doctor``: check that LAMMPS can run acnn models on this machine, and how to fix what cannot."""

from lammps_plugin.doctor.examination import Report, examine
from lammps_plugin.doctor.findings import Finding

__all__ = ["Finding", "Report", "examine"]
