"""Formats by which ``ase.io`` reads and writes with acnn; ASE imports this module whenever it is imported itself."""

from __future__ import annotations

from ase.utils.plugins import ExternalIOFormat

# Names and suffixes that ASE has taken, res and xsf, stay ASE's: files do not mean something else because of acnn.
AIRSS_RES = ExternalIOFormat(
    desc="SHELX file of AIRSS, one or many structures, energy = enthalpy - PV",
    code="+F",
    module="acnn.data.airss_res",
    glob=["*.packed.res"],
)
ACNN_XSF = ExternalIOFormat(
    desc="XSF of aenet and ACNN with energy in eV, forces in eV/Å and virial",
    code="+F",
    module="acnn.data.aenet_xsf",
)
