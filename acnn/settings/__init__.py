"""Settings: classes of data that define options, YAML keys, their errors and a schema."""

import lazy_loader as _lazy_loader

# The names of __init__.pyi, each imported when it is used first: options need no torch.
__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
