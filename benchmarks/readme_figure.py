"""The figure of the README: parity of the demo's potential on its test data, and time per atom beside python-ace.

    acnn demo && python benchmarks/readme_figure.py acnn-demo

draws docs/_static/readme.svg from the demo's model and test.xyz, and from results/evaluator.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from fitting import read_rows
from matplotlib import pyplot as plt

import acnn

HERE = Path(__file__).parent
OURS, PEER = "#2a6fbb", "0.6"
MOST_POINTS = 700


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="that of acnn demo")
    parser.add_argument("-o", "--output", type=Path, default=HERE.parent / "docs" / "_static" / "readme.svg")
    arguments = parser.parse_args()
    mpl.rcParams.update(
        {
            "svg.hashsalt": "acnn",
            "svg.fonttype": "none",
            "font.size": 8,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.7), layout="constrained")
    parity(left, arguments.folder)
    speed(right, read_rows(HERE / "results" / "evaluator.json"))
    figure.savefig(arguments.output, metadata={"Date": None})


def parity(axes: Any, folder: Path) -> None:
    """Components of forces, true and predicted."""
    model, data = acnn.load_model(folder / "cual.acnn"), acnn.read_dataset(folder / "test.xyz")
    table = acnn.evaluate(model, data)
    parts = [of["forces"] for of in table.parity.values() if of["forces"].labels]
    labels = np.concatenate([np.ravel(label) for part in parts for label in part.labels])
    predictions = np.concatenate([np.ravel(label) for part in parts for label in part.predictions])
    some = np.random.default_rng(0).permutation(len(labels))[:MOST_POINTS]
    axes.plot(labels[some], predictions[some], ".", ms=2.5, color=OURS)
    ends = [labels.min(), labels.max()]
    axes.plot(ends, ends, color="0.3", lw=0.6, zorder=0)
    mae = np.abs(labels - predictions).mean()
    axes.set(xlabel="force, EMT (eV/Å)", ylabel="force, acnn (eV/Å)", title=f"acnn demo: test data, MAE {mae:.3f} eV/Å")


def speed(axes: Any, rows: list[dict[str, Any]]) -> None:
    """Bars of µs per atom, ours and python-ace's."""
    places = np.arange(len(rows))[::-1]
    ours, peer = ([row[key] for row in rows] for key in ("avx512_double", "python_ace"))
    axes.barh(places + 0.2, peer, 0.36, color=PEER, label="python-ace")
    axes.barh(places - 0.2, ours, 0.36, color=OURS, label="acnn")
    for place, row in zip(places, rows, strict=True):
        axes.text(
            row["avx512_double"] * 1.1, place - 0.2, f"{row['times_avx512_double']:.0f}×", va="center", color=OURS
        )
    axes.set(xscale="log", yticks=places, yticklabels=[row["model"] for row in rows], xlabel="µs per atom, one core")
    axes.set(title="energies and forces of one potential")
    axes.legend(frameon=False, loc="upper right")


if __name__ == "__main__":
    main()
