"""LAMMPS coupling: potentials for `pair_style mliap unified`, and molecular dynamics on many ranks."""

import lazy_loader as _lazy_loader

# The names of __init__.pyi, each imported on first use: LAMMPS imports this package to look for its plugin,
# and torch takes a while.
__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
