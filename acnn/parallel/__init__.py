"""Fits and trainings on several processes, by MPI or torch.distributed: one interface, `Ranks`."""

import lazy_loader as _lazy_loader

# The names of __init__.pyi, each imported on first use: code that reads the launcher's environment needs no torch.
__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
