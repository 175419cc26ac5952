"""Write start.xyz: two cells of diamond silicon, one compressed and one stretched."""

import ase.io
from ase.build import bulk

structures = []
for stretch in (0.98, 1.03):
    atoms = bulk("Si", cubic=True, a=5.40)
    atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
    atoms.rattle(0.03, seed=1)
    structures.append(atoms)
ase.io.write("start.xyz", structures)
