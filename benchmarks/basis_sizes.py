"""Number of functions of a linear ACE by number of elements, counted without making them.

python benchmarks/basis_sizes.py --json basis_sizes.json
"""

from __future__ import annotations

import argparse

from ase.data import chemical_symbols
from fitting import add_arguments, print_rows, write_rows

from acnn.basis.specification import BasisSpecification

NUMBERS_OF_ELEMENTS = (1, 2, 4, 7, 10, 25)
BASES = ((1, 8.0), (2, 6.0), (2, 8.0), (3, (8.0, 6.0, 4.0)), (3, 6.0), (3, 8.0), (4, 8.0))
"""Order and degree, or degrees of orders 1, 2, …"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = [row(order, degree) for order, degree in BASES]
    print_rows(rows)
    write_rows(arguments.json, rows)


def row(order: int, degree: float | tuple[float, ...]) -> dict[str, object]:
    counts: dict[str, object] = {}
    for n in NUMBERS_OF_ELEMENTS:
        elements = tuple(chemical_symbols[21 : 21 + n])
        n_functions = BasisSpecification(elements=elements, order=order, degree=degree, cutoff=5.5).n_functions
        counts[f"elements_{n}"] = n_functions if n_functions < 10_000_000 else "over 10 million"
    degrees = ", ".join(f"{d:g}" for d in degree) if isinstance(degree, tuple) else f"{degree:g}"
    return {"order": order, "degree": degrees, **counts}


if __name__ == "__main__":
    main()
