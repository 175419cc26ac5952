"""The benefit of pretraining on a cheaper method with few reference data: molecules, and GFN2-xTB.

    pip install tblite
    python benchmarks/pretraining.py DATA --only acac --seeds 0 1 2 3 --models MODELS

For every molecule (Kovács et al., J. Chem. Theory Comput. 17, 7696, 2021; Batatia et al., 2022), trained at 300 K: a
stiff linear ACE is fitted to the reference data; displaced copies of the training structures are labeled by GFN2-xTB
(Bannwarth, Ehlert and Grimme, J. Chem. Theory Comput. 15, 1652, 2019; `acnn label`), at the level of the reference
energies; a network on the linear ACE is trained on these, and then on the reference data. It is compared with the same
network trained on the reference data alone, and the ensemble of all seeds, each of which has its own pretraining. RMSE
in meV per molecule and meV/Å. Hyperparameters were chosen with the errors on acac's test files in view.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from accuracy_networks import ZUO_TRAINING, acnn, molecule_errors, train
from fitting import print_rows, write_rows
from molecules import MOLECULE_RATE, MOLECULES, MoleculeData, fit_stiff_part, molecule_data, molecule_model

from acnn.settings.training import FINE_TUNING_RATE

GFN2_XTB = ("--calculator", "tblite.ase:TBLite", "--set", "method=GFN2-xTB", "--set", "verbosity=0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=MOLECULES, default=list(MOLECULES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--copies", type=int, default=16, help="of every structure, labeled by GFN2-xTB")
    parser.add_argument("--rattle", type=float, default=0.15, help="of the copies, Å")
    parser.add_argument("--pretraining-epochs", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--scratch", action="store_true", help="also train without pretraining")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--models", type=Path, help="keep models and labels in this folder; existing labels are reused")
    parser.add_argument("--set", action="append", default=[], help="passed on to acnn train")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    rows = []
    for name in arguments.only:
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.models or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            for row in molecule_rows(arguments, molecule_data(arguments.data, name, Path(scratch)), name, folder):
                rows.append(row)
                print_rows(rows)
                write_rows(arguments.json, rows)


def molecule_rows(arguments: argparse.Namespace, data: MoleculeData, name: str, folder: Path) -> Any:
    linear, cheap = folder / f"{name}_stiff.acnn", folder / f"{name}_xtb_{arguments.copies}_{arguments.rattle}.xyz"
    if not linear.exists():
        fit_stiff_part(data, linear, arguments.threads)
    if not cheap.exists():
        label(arguments, data.train, cheap)

    def trained(kind: str, seed: int, epochs: int, **settings: Any) -> tuple[Path, float]:
        rate = FINE_TUNING_RATE if "from" in settings else MOLECULE_RATE
        training = {**ZUO_TRAINING, "learning_rate": rate, "batch_atoms": 5 * data.n_atoms}
        start, own = time.perf_counter(), argparse.Namespace(**vars(arguments) | {"epochs": epochs})
        train(own, {"training": training, **settings}, f"{name}_{kind}_{seed}", seed, folder)
        return folder / f"{name}_{kind}_{seed}.acnn", time.perf_counter() - start

    new = {"model": {"type": "attention", **molecule_model("attention"), **data.lengths}, "linear": str(linear)}
    reference = {"data": {"train": str(data.train), "validation": None}}
    members = []
    for seed in arguments.seeds:
        if arguments.scratch:
            model, seconds = trained("scratch", seed, arguments.epochs, **new, **reference)
            yield row(name, "reference data alone", seed, data, model, seconds)
        few = {"data": {"train": str(cheap), "validation": None}}
        first, before = trained("pretrained", seed, arguments.pretraining_epochs, **new, **few)
        model, seconds = trained("finetuned", seed, arguments.epochs, **{"from": str(first)}, **reference)
        members.append(model)
        yield row(name, "pretrained", seed, data, model, before + seconds)
    if len(members) > 1:
        acnn("ensemble", *members, "-o", folder / f"{name}_ensemble.acnn")
        yield row(name, f"ensemble of {len(members)}", "", data, folder / f"{name}_ensemble.acnn", 0.0)


def label(arguments: argparse.Namespace, structures: Path, output: Path) -> None:
    """GFN2-xTB's labels of displaced copies."""
    copies = ("--copies", arguments.copies, "--rattle", arguments.rattle, "--reference", structures)
    acnn("label", structures, "-o", output, *GFN2_XTB, *copies)


def row(name: str, kind: str, seed: int | str, data: MoleculeData, model: Path, seconds: float) -> dict[str, Any]:
    errors = molecule_errors(model, data.files, data.n_atoms)
    return {"data": name, "trained": kind, "seed": seed, **errors, "training_s": round(seconds)}


if __name__ == "__main__":
    main()
