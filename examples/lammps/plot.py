"""Plot the results of the inputs: python plot.py expansion|alloy|water writes NAME.png."""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot


def expansion() -> None:
    """Plot the lattice constant of silicon with the model and, if it was run, the potential that labeled the data."""
    figure, axes = pyplot.subplots()
    for name, label in (("acnn", "acnn"), ("sw", "Stillinger-Weber"), ("python", "acnn, from Python")):
        path = Path(f"expansion.{name}.dat")
        if path.exists():
            axes.plot(*np.loadtxt(path).T, "o-", label=label)
    axes.set(xlabel="temperature (K)", ylabel="lattice constant (Å)")
    axes.legend()
    figure.savefig("expansion.png", dpi=150)


def alloy() -> None:
    """Plot energy and volume against temperature, and the radial distribution functions."""
    figure, (energy, volume, pairs) = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    _, kelvin, electronvolts, volumes = np.loadtxt("alloy.dat", ndmin=2).T
    energy.plot(kelvin, electronvolts, ".")
    energy.set(xlabel="temperature (K)", ylabel="potential energy (eV/atom)")
    volume.plot(kelvin, volumes, ".")
    volume.set(xlabel="temperature (K)", ylabel="volume (Å³/atom)")
    draw_distributions(pairs, Path("alloy.rdf"), ("Cu-Cu", "Cu-Al", "Al-Al"))
    figure.savefig("alloy.png", dpi=150)


def water() -> None:
    """Plot the total energy at constant energy, and the radial distribution functions between molecules."""
    figure, (energy, pairs) = pyplot.subplots(1, 2, figsize=(9, 4), layout="constrained")
    time, total, _ = np.loadtxt("water.dat").T
    energy.plot(time, total - total[0])
    energy.set(xlabel="time (ps)", ylabel="change of the total energy (eV)")
    draw_distributions(pairs, Path("water.rdf"), ("O-O", "O-H", "H-H"))
    pairs.set_ylim(0.0, 4.0)  # bonds are far higher
    figure.savefig("water.png", dpi=150)


def draw_distributions(axes: pyplot.Axes, path: Path, names: tuple[str, ...]) -> None:
    """Plot columns of `compute rdf`: index, r, then g(r) and the coordination number of every pair."""
    rows = np.loadtxt(path, skiprows=4)
    for number, name in enumerate(names):
        axes.plot(rows[:, 1], rows[:, 2 + 2 * number], label=name)
    axes.set(xlabel="r (Å)", ylabel="g(r)")
    axes.legend()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    pictures = {function.__name__: function for function in (expansion, alloy, water)}
    parser.add_argument("what", choices=pictures)
    pictures[parser.parse_args().what]()


if __name__ == "__main__":
    main()
