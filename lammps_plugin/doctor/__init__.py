"""``acnn lammps doctor``: what of LAMMPS works with acnn on this machine, and what mends the rest."""

from lammps_plugin.doctor.examination import Report, examine
from lammps_plugin.doctor.findings import Finding

__all__ = ["Finding", "Report", "examine"]
