"""The volume of liquid Cu-Al at 1500 K and 1 bar, with a model and with EMT, which labeled its data: 108 atoms.

acnn demo; python examples/liquid.py acnn-demo/cual.acnn           (10 ps, half a minute with the kernel)
python examples/liquid.py EMT                                      (three minutes)
"""

from __future__ import annotations

import argparse

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.nptberendsen import NPTBerendsen

from acnn.data import rattled, set_thermal_momenta
from ase_calculator import ACNNCalculator

KELVIN, BAR = 1500.0, 1e5 * units.Pascal
STIFFNESS = 70 * units.GPa


def disordered_alloy(rng: np.random.Generator) -> Atoms:
    """Return 108 atoms, half Cu and half Al, so far from their sites that they melt at once."""
    atoms = bulk("Cu", a=3.9, cubic=True) * (3, 3, 3)
    atoms.numbers[rng.permutation(len(atoms))[::2]] = 13
    return rattled(atoms, rng, 0.3)


def volumes(atoms: Atoms, picoseconds: float) -> np.ndarray:
    """Return the volume per atom (Å³) every 0.1 ps."""
    dynamics = NPTBerendsen(
        atoms,
        2 * units.fs,
        temperature_K=KELVIN,
        pressure_au=BAR,
        taut=100 * units.fs,
        taup=200 * units.fs,
        compressibility_au=1 / STIFFNESS,
    )
    found: list[float] = []
    dynamics.attach(lambda: found.append(atoms.get_volume() / len(atoms)), interval=50)
    dynamics.run(round(500 * picoseconds))
    return np.array(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="MODEL.acnn, or EMT")
    parser.add_argument("--picoseconds", type=float, default=10.0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    atoms = disordered_alloy(rng)
    atoms.calc = EMT() if arguments.model == "EMT" else ACNNCalculator(arguments.model)
    set_thermal_momenta(atoms, KELVIN, rng)
    found = volumes(atoms, arguments.picoseconds)
    later = found[len(found) // 2 :]
    print(f"{atoms.get_temperature():.0f} K, {atoms.get_potential_energy() / len(atoms):.3f} eV/atom at the end")
    print(f"second half of {arguments.picoseconds:g} ps: {later.mean():.2f} ± {later.std():.2f} Å³/atom")


if __name__ == "__main__":
    main()
