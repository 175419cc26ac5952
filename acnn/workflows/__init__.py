"""Workflows with a finished potential: checks, labels, predictions, molecular dynamics, properties of crystals."""

import lazy_loader as _lazy_loader

# The names of __init__.pyi, each imported when it is used first.
__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
