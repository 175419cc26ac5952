from .loading import instruction_sets, uses_compiled_kernel

__all__ = ["instruction_sets", "uses_compiled_kernel"]
