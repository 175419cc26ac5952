"""LAMMPS coupling (`pair_style mliap unified`): nothing is here yet."""

__all__: list[str] = []
