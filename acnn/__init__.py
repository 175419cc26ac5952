"""Machine-learned interatomic potentials: fit linear ACE models to quantum-mechanical data and run them.

    data = acnn.read_dataset("train.xyz")
    specification = acnn.BasisSpecification(elements=data.elements, order=3, degree=12)
    fit = acnn.fit_linear(specification, data.structures, {"Si": -158.54}, acnn.BLR(), acnn.AlgebraicPrior())
    acnn.save_model(fit.model, "si.acnn")

The ASE calculator is `ase_calculator.ACNNCalculator`; the command line is ``acnn --help``.
"""

from importlib import metadata as _metadata

import lazy_loader as _lazy_loader

__version__ = _metadata.version("acnn")

# The names of __init__.pyi, each imported on first use: torch takes seconds.
__getattr__, __dir__, __all__ = _lazy_loader.attach_stub(__name__, __file__)
