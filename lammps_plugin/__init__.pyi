from .coupling import attach
from .mliap import UnifiedPotential
from .monitor import Frame, watch, watching
from .plugin_load import load_plugin
from .shell import save_unified
from .simulation import MDResult, run_md

__all__ = [
    "Frame",
    "MDResult",
    "UnifiedPotential",
    "attach",
    "load_plugin",
    "run_md",
    "save_unified",
    "watch",
    "watching",
]
