"""µs per atom and core of energies and forces, for models shaped like Table III of Witt et al. (2023).

    python benchmarks/evaluator.py --pace-python PYTHON --json benchmarks/out/evaluator.json
    python benchmarks/evaluator.py --stages --json benchmarks/out/stages.json
    python benchmarks/evaluator.py --scaling --json benchmarks/out/scaling.json
    python benchmarks/evaluator.py --alloys --json benchmarks/out/evaluator_alloys.json

Comparison (the default). Every model has random nonzero coefficients, and runs on a cell of about two
thousand atoms: acnn's compiled kernel in double and single precision with every instruction set of this machine, and,
where --pace-python names an interpreter that has python-ace, its three evaluators on the same potential: `product`
(ACECTildeEvaluator), `flat` and `recursive` (ACERecursiveEvaluator). The potential reaches it as a .yace file,
exported with tolerance 1e-6: it then has few radial functions, which favors the peer. All have one thread. Energies and
forces are timed on both sides, the search for neighbors on neither. The contestants take turns, five rounds or more;
medians, least and largest are reported. Site energies and forces of all of them must agree with acnn's in double
precision, or the run fails. python-ace runs as it was installed: its wheels are compiled for any x86-64 processor, like
the lines "generic"; compiled with CXXFLAGS="-O3 -march=native" it gained some ten per cent at most.

--stages: where the time goes, by stage of the kernel: see `evaluator_stages.py`.
--scaling: time and memory against the number of atoms, one and two threads: see `evaluator_scaling.py`.
--alloys: time against the number of elements, linear models and networks: see `evaluator_alloys.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from evaluator_cases import CASES, Case
from fitting import machine, print_rows, write_rows
from rich.console import Console
from rich.table import Table

from acnn import atomic_graph
from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.io.yace import save_yace
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.loading import instruction_sets
from acnn.models.linear import LinearACE
from acnn.testing import relative_deviation

PACE_MODES = ("product", "flat", "recursive")
DTYPES = {"float64": torch.float64, "float32": torch.float32}
EXPORT_TOLERANCE = 1e-6
AGREEMENT = 1e-4
"""Largest deviation of energies and forces, relative to the largest one."""
SHORTEST_SAMPLE = 0.1
"""Seconds: shorter evaluations are repeated."""


def main() -> None:
    arguments = parse()
    console = Console(width=160)
    console.print(machine())
    if arguments.stages:
        from evaluator_stages import stages

        rows = stages(arguments.models, arguments.quick, arguments.instruction_sets, arguments.rounds)
    elif arguments.scaling:
        from evaluator_scaling import scaling

        rows = scaling(arguments.quick, arguments.large, arguments.instruction_sets[0])
    elif arguments.alloys:
        from evaluator_alloys import alloys

        rows = alloys(arguments.quick, arguments.rounds)
    else:
        rows = comparison(arguments, console)
    print_rows(rows)
    write_rows(arguments.json, rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="small cells, three rounds")
    parser.add_argument("--models", nargs="+", choices=CASES, help="default: all four")
    parser.add_argument(
        "--instruction-sets", nargs="+", choices=instruction_sets(), help="default: all, or the best one to look closer"
    )
    parser.add_argument("--rounds", type=int, help="how often all take turns (default: 5, or 3 with --quick)")
    parser.add_argument("--pace-python", type=Path, help="an interpreter that has python-ace")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--stages", action="store_true", help="measure the time by stage instead")
    mode.add_argument("--scaling", action="store_true", help="measure time and memory by number of atoms instead")
    mode.add_argument("--alloys", action="store_true", help="measure the time by number of elements instead")
    parser.add_argument("--large", action="store_true", help="with --scaling: up to a million atoms")
    arguments = parser.parse_args()
    if not instruction_sets():
        parser.error("this acnn was installed without its compiled kernel")
    if arguments.large and not arguments.scaling:
        parser.error("--large requires --scaling")
    if arguments.pace_python and (arguments.stages or arguments.scaling or arguments.alloys):
        parser.error("--pace-python applies to the comparison, not to --stages, --scaling or --alloys")
    if arguments.alloys and (arguments.models or arguments.instruction_sets):
        parser.error("--alloys has its own models, and takes the best instruction set")
    if arguments.scaling and (arguments.models or arguments.rounds or len(arguments.instruction_sets or "1") > 1):
        parser.error("--scaling has its own models and rounds, and takes one of --instruction-sets")
    if arguments.rounds is not None and arguments.rounds < 1:
        parser.error(f"at least one round is needed, not {arguments.rounds}")
    closer = arguments.stages or arguments.scaling
    arguments.instruction_sets = arguments.instruction_sets or instruction_sets()[: 1 if closer else None]
    arguments.models = arguments.models or list(CASES)
    arguments.rounds = arguments.rounds or (3 if arguments.quick else 5)
    return arguments


# --- what is compared -------------------------------------------------------------------------------------------------


@dataclass
class Contestant:
    """An evaluator of energies and forces of one structure.

    Attributes:
        run: evaluates this many times and returns the seconds it took.
        results: site energies without those of isolated atoms (eV) and forces (eV/Å).
        samples: seconds per evaluation.
    """

    labels: dict[str, Any]
    run: Callable[[int], float]
    results: Callable[[], tuple[FloatArray, FloatArray]]
    calls: int = 1
    samples: list[float] = field(default_factory=list)

    def calibrate(self) -> None:
        """How many evaluations make one sample."""
        self.calls = max(1, math.ceil(SHORTEST_SAMPLE / self.run(1)))

    def sample(self) -> None:
        self.samples.append(self.run(self.calls) / self.calls)


@dataclass(frozen=True)
class Setting:
    """A model, its structure, and the energies of isolated atoms [n_atoms]."""

    name: str
    model: LinearACE
    atoms: Atoms
    graph: AtomicGraph
    isolated: FloatArray

    @classmethod
    def of(cls, name: str, case: Case, quick: bool) -> Setting:
        model = case.model()
        atoms = case.structure(case.quick_cells if quick else case.cells)
        graph = atomic_graph(atoms, model.cutoff)
        return cls(name, model, atoms, graph, model.e0(graph).detach().numpy())


def comparison(arguments: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    rows = []
    with peer(arguments.pace_python) as ask:
        for name in arguments.models:
            setting = Setting.of(name, CASES[name], arguments.quick)
            ours, theirs = kernels(setting, arguments.instruction_sets), list(evaluators(setting, ask, console))
            console.print(agreement(name, ours, theirs), soft_wrap=True)
            take_turns(ours, theirs, arguments.rounds)
            rows += [_row(setting, contestant) for contestant in (*ours, *theirs)]
    console.print(ratio_table(rows))
    return rows


def kernels(setting: Setting, isas: Sequence[str]) -> list[Contestant]:
    """acnn's compiled kernel in both precisions and with these instruction sets."""
    program = setting.model.program()
    return [
        _kernel(EnergyKernel(program, isa, threads=1), setting.graph.to(dtype=dtype), setting.isolated, name)
        for isa in isas
        for name, dtype in DTYPES.items()
    ]


def _kernel(kernel: EnergyKernel, graph: AtomicGraph, isolated: FloatArray, dtype: str) -> Contestant:
    def run(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            kernel(graph).forces  # noqa: B018
        return time.perf_counter() - start

    def results() -> tuple[FloatArray, FloatArray]:
        found = kernel(graph)
        return found.site_energies.numpy() - isolated, found.forces.double().numpy()

    return Contestant({"evaluator": "acnn", "dtype": dtype, "isa": kernel.instruction_set}, run, results)


Ask = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def peer(python: Path | None) -> Iterator[Ask | None]:
    """How to send a request to python-ace, or None without it."""
    if python is None:
        yield None
        return
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [str(python), str(Path(__file__).with_name("evaluator_pace.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **one}
    ) as process:
        requests, answers = process.stdin, process.stdout
        assert requests
        assert answers

        def ask(request: dict[str, Any]) -> dict[str, Any]:
            answer = ""
            with suppress(BrokenPipeError):
                requests.write(json.dumps(request) + "\n")
                requests.flush()
                answer = answers.readline()
            if not answer:
                sys.exit(f"{python} ended at the request {request['do']!r}: its output is above")
            return json.loads(answer)

        yield ask


def evaluators(setting: Setting, ask: Ask | None, console: Console) -> Iterator[Contestant]:
    """python-ace in its three modes."""
    if ask is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        potential = Path(scratch) / "model.yace"
        report = save_yace(setting.model, potential, tolerance=EXPORT_TOLERANCE)
        atoms = setting.atoms
        arrays = {"numbers": atoms.numbers, "positions": atoms.positions, "cell": atoms.cell.array}
        request = {name: values.tolist() for name, values in arrays.items()}
        loaded = ask({"do": "load", "potential": str(potential), "modes": PACE_MODES, **request})
    console.print(
        f"{setting.name}: {setting.model.basis.n_functions} functions, {len(atoms)} atoms; python-ace "
        f"{loaded['version']} gets {report.n_products} products, {report.n_radial_functions} radial functions",
        soft_wrap=True,
    )
    yield from (_evaluator(setting, ask, mode) for mode in PACE_MODES)


def _evaluator(setting: Setting, ask: Ask, mode: str) -> Contestant:
    def run(calls: int) -> float:
        return ask({"do": "time", "mode": mode, "calls": calls})["seconds"]

    def results() -> tuple[FloatArray, FloatArray]:
        found = ask({"do": "results", "mode": mode})
        return np.array(found["energies"]) - setting.isolated, np.array(found["forces"])

    return Contestant({"evaluator": f"pace {mode}", "dtype": "float64", "isa": None}, run, results)


def agreement(name: str, ours: Sequence[Contestant], theirs: Sequence[Contestant]) -> str:
    """Largest deviations from acnn in double precision; stops the run where they are too large."""
    double = next(contestant for contestant in ours if contestant.labels["dtype"] == "float64")
    energies, forces = double.results()
    largest: dict[str, tuple[float, float]] = {}
    for contestant in (*ours, *theirs):
        found = contestant.results()
        key = "{evaluator} {dtype}".format(**contestant.labels)
        deviations = (relative_deviation(found[0], energies, 1e-3), relative_deviation(found[1], forces, 1e-3))
        before = largest.get(key, (0.0, 0.0))
        largest[key] = (float(np.maximum(before[0], deviations[0])), float(np.maximum(before[1], deviations[1])))
    listed = "; ".join(f"{key} {energy:.1e} {force:.1e}" for key, (energy, force) in largest.items())
    listed = f"{name}: relative deviations of energies and forces: {listed}"
    if not all(deviation <= AGREEMENT for deviations in largest.values() for deviation in deviations):
        sys.exit(f"{listed}\nabove {AGREEMENT:g}: the potentials differ, so that their times cannot be compared")
    return listed


def take_turns(ours: Sequence[Contestant], theirs: Sequence[Contestant], rounds: int) -> None:
    """Each of ours, each of theirs, and again."""
    contestants = (*ours, *theirs)
    for contestant in contestants:
        contestant.calibrate()
    for _ in range(rounds):
        for contestant in contestants:
            contestant.sample()


def _row(setting: Setting, contestant: Contestant) -> dict[str, Any]:
    n_atoms = len(setting.atoms)
    microseconds = [1e6 * seconds / n_atoms for seconds in contestant.samples]
    return {
        "model": setting.name,
        **contestant.labels,
        "threads": 1,
        "natoms": n_atoms,
        "neighbors": setting.graph.n_pairs / n_atoms,
        "us_per_atom": statistics.median(microseconds),
        "us_least": min(microseconds),
        "us_largest": max(microseconds),
        "peak_bytes_per_atom": None,
    }


def ratio_table(rows: Sequence[dict[str, Any]]) -> Table:
    """µs per atom by evaluator and model, and in brackets the fastest mode of the peer as a multiple of it."""
    times = {_evaluator_of(row) + (row["model"],): row["us_per_atom"] for row in rows}
    models = list(dict.fromkeys(row["model"] for row in rows))
    table = Table("evaluator", "dtype", "instruction set", title="µs per atom (fastest python-ace / this one)")
    for model in models:
        table.add_column(model, justify="right")
    fastest = {
        m: min([t for key, t in times.items() if key[3] == m and key[0] != "acnn"], default=None) for m in models
    }
    for evaluator in dict.fromkeys(map(_evaluator_of, rows)):
        found = ((times[evaluator + (model,)], fastest[model]) for model in models)
        table.add_row(*evaluator, *(f"{t:.2f}" + (f" ({least / t:.2f})" if least else "") for t, least in found))
    return table


def _evaluator_of(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["evaluator"], row["dtype"], row["isa"] or "as installed"


if __name__ == "__main__":
    main()
