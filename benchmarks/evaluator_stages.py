"""Where the time of an evaluation goes, beside the multiply-adds of every stage and the peak of this machine.

Counted are the multiply-adds that a stage needs per atom, from the arrays of the program and the neighbors of the
structure; a product or sum that has no partner counts as one, and roots, divisions and moves of data as none. With
N_z neighbors of element z inside the cutoff, blocks of n radial functions and 2l + 1 components, C = Σ n (2l + 1):

    densities               radial    per neighbor 7 per recurrence step (value and slope), 2 per coefficient of the sum
                                      over n, 30 for distance, transform and envelope; the same for the pair functions
                            harmonics per neighbor 4 per m, 3 per P_lm, 2 per component with m > 0
                            pooling   per neighbor C of its element
    products                1, 2, 4 for real · real, real · complex, complex · complex
    quadratic form          1 per coefficient of a real tile, 2 of a complex one, and 1 per row for the energy; the
                            zeros that fill tiles are in "padded" only
    adjoints of products    2, 4, 8
    pair gradients          back      per neighbor 2 C: sums over n with value and slope
                            angular   per neighbor 4 per m and 3 per P_lm again, 4 (m = 0) or 7 per P_lm, 10 per m, 10

Lanes without an atom and slots without a neighbor are not counted: they lower the share of the peak. The peak is
measured in the same run, by 12 independent chains of vector multiply-adds, compiled with the flags of CMakeLists.txt
for the same instruction set (the older ones multiply and add in two instructions, and so does their peak). Times are
medians over rounds; what the kernel's clocks do not see is listed as "batching" (sorting neighbors into lanes, and
Python) and "forces" (their sum from pair gradients).
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from evaluator import DTYPES, SHORTEST_SAMPLE, Setting
from evaluator_cases import CASES
from numpy.typing import NDArray
from rich.console import Console

from acnn.kernels.energy import STAGES, EnergyKernel
from acnn.kernels.features import COMPLEX_COMPLEX, COMPLEX_CONJUGATE, REAL_COMPLEX, REAL_REAL
from acnn.kernels.program import Program

Parts = dict[str, float]

PRODUCT_COST = {REAL_REAL: 1, REAL_COMPLEX: 2, COMPLEX_COMPLEX: 4, COMPLEX_CONJUGATE: 4}
RECURRENCE_STEP, SUMMED, TRANSFORM = 7, 2, 30

CHAINS = 12
PEAK_SOURCE = r"""
#include <stdio.h>
#include <time.h>
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif

static double now() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

template <class T>
double multiply_adds_per_second() {
    typedef T V __attribute__((vector_size(BYTES)));
    V sum[CHAINS], factor, term;
    for (int lane = 0; lane < (int)(BYTES / sizeof(T)); ++lane) {
        factor[lane] = (T)0.5;
        term[lane] = (T)1.25;
        for (int chain = 0; chain < CHAINS; ++chain) sum[chain][lane] = (T)chain;
    }
    const long steps = 2000000;
    double fastest = 1e9;
    for (int sample = 0; sample < 20; ++sample) {
        const double start = now();
        for (long step = 0; step < steps; ++step)
#pragma GCC unroll 16
            for (int chain = 0; chain < CHAINS; ++chain) sum[chain] = sum[chain] * factor + term;
        const double seconds = now() - start;
        if (seconds < fastest) fastest = seconds;
    }
    T total = 0;
    for (int chain = 0; chain < CHAINS; ++chain) total += sum[chain][0];
    fprintf(stderr, "%g\n", (double)total);
    return (double)steps * CHAINS * (BYTES / sizeof(T)) / fastest;
}

int main() {
    const double in_double = multiply_adds_per_second<double>(), in_single = multiply_adds_per_second<float>();
    printf("{\"float64\": %.6g, \"float32\": %.6g}\n", in_double, in_single);
}
"""


def stages(models: Sequence[str], quick: bool, isas: Sequence[str], rounds: int) -> list[dict[str, Any]]:
    """Rows by model, precision, instruction set and stage."""
    console = Console(width=160)
    peaks = {isa: measured_peak(isa) for isa in isas}
    for isa, peak in peaks.items():
        found = ", ".join(f"{dtype} {1e-9 * value:.1f}" for dtype, value in peak.items())
        console.print(f"{isa}: {found} thousand million multiply-adds per second" if peak else f"{isa}: no compiler")
    rows = []
    for name in models:
        setting = Setting.of(name, CASES[name], quick)
        program = setting.model.program()
        needed, padded = multiply_adds(program, setting)
        listed = "; ".join(f"{stage}: {_listed(parts)}" for stage, parts in needed.items())
        console.print(f"{name}: multiply-adds per atom: {listed}", soft_wrap=True)
        for isa in isas:
            for dtype in DTYPES:
                times = stage_seconds(EnergyKernel(program, isa, threads=1), setting, dtype, rounds)
                rows += _rows(setting, isa, dtype, times, needed, padded, peaks[isa].get(dtype))
    return rows


def _listed(parts: Parts) -> str:
    return ", ".join(f"{name} {count:.0f}" for name, count in parts.items())


def _rows(
    setting: Setting,
    isa: str,
    dtype: str,
    times: dict[str, float],
    needed: dict[str, Parts],
    padded: float,
    peak: float | None,
) -> list[dict[str, Any]]:
    counts = {stage: sum(needed[stage].values()) for stage in STAGES}
    rows = []
    for stage in (*times, "all"):
        seconds = sum(times.values()) if stage == "all" else times[stage]
        count = sum(counts.values()) if stage == "all" else counts.get(stage)
        with_padding = None if count is None else count + (padded if stage in ("quadratic form", "all") else 0)
        rows.append(
            {
                "model": setting.name,
                "evaluator": "acnn",
                "dtype": dtype,
                "isa": isa,
                "threads": 1,
                "natoms": len(setting.atoms),
                "neighbors": setting.graph.n_pairs / len(setting.atoms),
                "stage": stage,
                "us_per_atom": 1e6 * seconds,
                "multiply_adds": count,
                "padded": with_padding,
                "share_of_peak": count / seconds / peak if peak and count else None,
                "share_padded": with_padding / seconds / peak if peak and with_padding else None,
            }
        )
    return rows


# --- time -------------------------------------------------------------------------------------------------------------


def stage_seconds(kernel: EnergyKernel, setting: Setting, dtype: str, rounds: int) -> dict[str, float]:
    """Seconds per atom of every stage, of "batching" and of "forces": medians."""
    graph = setting.graph.to(dtype=DTYPES[dtype])
    start = time.perf_counter()
    kernel(graph).forces  # noqa: B018
    calls = max(1, round(SHORTEST_SAMPLE / (time.perf_counter() - start)))
    samples = []
    for _ in range(rounds):
        inside, whole, forces = np.zeros(len(STAGES)), 0.0, 0.0
        for _ in range(calls):
            start = time.perf_counter()
            found = kernel(graph, inside)
            middle = time.perf_counter()
            found.forces  # noqa: B018
            whole += middle - start
            forces += time.perf_counter() - middle
        samples.append([*inside, whole - inside.sum(), forces])
    medians = np.median(samples, axis=0) / (calls * len(setting.atoms))
    return dict(zip((*STAGES, "batching", "forces"), medians.tolist(), strict=True))


# --- multiply-adds ----------------------------------------------------------------------------------------------------


def multiply_adds(program: Program, setting: Setting) -> tuple[dict[str, Parts], float]:
    """Per atom of the structure: by stage and part, and those of the zeros in the tiles of the quadratic form."""
    totals: dict[str, Parts] = {}
    padding = 0.0
    near = neighbor_counts(program, setting, float(program.arrays["cutoffs"][0]))
    far = neighbor_counts(program, setting, float(program.arrays["cutoffs"][1]))
    elements = np.searchsorted(program.arrays["numbers"], setting.atoms.numbers)
    shares = np.bincount(elements, minlength=len(program.elements)) / len(elements)
    for z, share in enumerate(shares):
        counted, zeros = _of_center(program, z, near[z], far[z])
        padding += share * zeros
        for stage, parts in counted.items():
            total = totals.setdefault(stage, {})
            for name, count in parts.items():
                total[name] = total.get(name, 0.0) + share * count
    return totals, padding


def neighbor_counts(program: Program, setting: Setting, cutoff: float) -> NDArray[np.float64]:
    """Neighbors per center [center element, neighbor element]."""
    graph, n = setting.graph.within(cutoff), len(program.elements)
    elements = np.searchsorted(program.arrays["numbers"], graph.species.numpy())
    pairs = elements[graph.pair_i.numpy()] * n + elements[graph.pair_j.numpy()]
    centers = np.maximum(1, np.bincount(elements, minlength=n))
    return np.bincount(pairs, minlength=n * n).reshape(n, n) / centers[:, None]


def _of_center(
    program: Program, z: int, near: NDArray[np.float64], far: NDArray[np.float64]
) -> tuple[dict[str, Parts], float]:
    own = {name.split(".", 1)[1]: values for name, values in program.arrays.items() if name.startswith(f"{z}.")}
    _, l_max, _, n_scalar, n_pair = program.arrays["sizes"].tolist()
    n_legendre = (l_max + 1) * (l_max + 2) // 2
    functions = np.zeros(len(near))
    for neighbor, l, n, _ in own["blocks"].tolist():
        functions[neighbor] += n * (2 * l + 1)
    steps = np.maximum(own["n_radial"], n_scalar)
    radial = near @ (RECURRENCE_STEP * steps + SUMMED * n_scalar + TRANSFORM)
    if n_pair:
        radial += far.sum() * ((RECURRENCE_STEP + SUMMED) * n_pair + TRANSFORM)
    seen = near[own["n_radial"] > 0].sum()
    polynomials = 4 * l_max + 3 * n_legendre
    angular = polynomials + 4 * (l_max + 1) + 7 * (n_legendre - l_max - 1) + 10 * (l_max + 1) + 10
    products = sum(PRODUCT_COST[kind] * (end - first) for kind, first, end in own["groups"].tolist())
    tiles = {kind: (cost, own[f"{kind}.coefficients"], own[f"{kind}.rows"]) for kind, cost in _TILE_COST.items()}
    sizes = {kind: cost * np.count_nonzero(values) for kind, (cost, values, _) in tiles.items()}
    zeros = sum(cost * (values.size - np.count_nonzero(values)) for cost, values, _ in tiles.values())
    energy = sum(rows.size * (2 if kind.startswith("complex") else 1) for kind, (_, _, rows) in tiles.items())
    counted: list[Parts] = [
        {
            "radial": radial,
            "harmonics": seen * (polynomials + 2 * (n_legendre - l_max - 1)),
            "pooling": float(near @ functions),
        },
        {"products": products},
        {**sizes, "energy": energy},
        {"adjoints": 2 * products},
        {"back": 2 * float(near @ functions), "angular": seen * angular},
    ]
    return dict(zip(STAGES, counted, strict=True)), float(zeros)


_TILE_COST = {"complex": 2, "real": 1}


# --- peak -------------------------------------------------------------------------------------------------------------


def measured_peak(isa: str) -> dict[str, float]:
    """Multiply-adds per second and core by precision; nothing without a compiler."""
    compiler = shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if compiler is None:
        return {}
    flags = ["-std=c++17", "-O3", "-ffp-contract=fast", f"-DCHAINS={CHAINS}", *instruction_flags(isa)]
    with tempfile.TemporaryDirectory() as scratch:
        source, binary = Path(scratch) / "peak.cpp", Path(scratch) / "peak"
        source.write_text(PEAK_SOURCE)
        subprocess.run([compiler, *flags, str(source), "-o", str(binary)], check=True)
        return json.loads(subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout)


def instruction_flags(isa: str) -> list[str]:
    """The flags with which CMakeLists.txt compiles the kernel for an instruction set."""
    build = (Path(__file__).parent.parent / "CMakeLists.txt").read_text()
    found = {name: text.strip() for name, text in re.findall(r"set\(flags_(\w+)([^)]*)\)", build)}
    text = found[isa.replace("-", "_")]
    while nested := re.search(r"\$\{flags_(\w+)\}", text):
        text = text.replace(nested[0], found[nested[1]])
    return shlex.split(text)
