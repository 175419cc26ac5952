from .ace import ACEBasis, UnsupportedElementError
from .specification import BasisSpecification, ElementOverride

__all__ = ["ACEBasis", "BasisSpecification", "ElementOverride", "UnsupportedElementError"]
