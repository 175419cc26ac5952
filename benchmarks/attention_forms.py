"""Two forms of attention over the neighbors of a center: density (linear) and softmax (quadratic in the neighbors).

    python benchmarks/attention_forms.py DATA/zuo2020 --minutes 5

Both train in torch on the same silicon data, same seed, same batches, for the same time; the softmax form gets fewer
heads too, which makes it cheaper. Test errors after the same number of epochs and after the same time show the accuracy
of a form and its cost. `acnn.models.embedding` has the form that was kept, attention_softmax.py the other one.

Results of one run with 3 minutes for each on a shared core (8 channels, 5 Å, 27 neighbors; test MAE of forces, meV/Å):

    form                 s/epoch   after 5 epochs   after 3 minutes
    density, 16 heads       11.0             78.8   66.5 (17 epochs)
    softmax, 16 heads       71.9                -   85.0 (3 epochs)
    softmax, 4 heads        23.9             78.9   74.7 (8 epochs)

Both forms learn the same in an epoch; the softmax form takes two to six times as long. The density form was kept: it
has one kernel in C++ whose cost is linear in the neighbors.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

os.environ["ACNN_KERNEL"] = "torch"

import torch
from attention_softmax import SoftmaxEmbedding
from fitting import print_rows, write_rows

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import read_dataset
from acnn.data.isolated_atoms import least_squares_energies
from acnn.fit.linear import fit_linear
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.settings.training import TrainingSettings
from acnn.solvers import BLR, AlgebraicPrior
from acnn.train.batches import structure_store
from acnn.train.initialization import standardize
from acnn.train.schedule import learning_rate
from acnn.train.trainer import Trainer

FORMS = {"density, 16 heads": (16, False), "softmax, 16 heads": (16, True), "softmax, 4 heads": (4, True)}
SETTINGS = {"learning_rate": 0.003, "ema": 0.99, "schedule": "constant", "loss": {"virial": 0.0, "energy": 3.0}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training for each form")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train = read_dataset(arguments.data / "Si_train.xyz")
    test = read_dataset(arguments.data / "Si_test.xyz")
    specification = BasisSpecification(elements=("Si",), order=3, degree=(10, 10, 8), wl=1, cutoff=5.0)
    os.environ["ACNN_KERNEL"] = "auto"
    linear = fit_linear(
        specification, train.structures, least_squares_energies(train), BLR(), AlgebraicPrior(), repulsion_weight=0.3
    ).model
    os.environ["ACNN_KERNEL"] = "torch"
    rows: list[dict[str, Any]] = []
    for name, (heads, softmax) in FORMS.items():
        network = NetworkSpecification(elements=("Si",), cutoff=5.0, channels=8, heads=heads, products=False)
        model = NetworkACE(network, linear)
        if softmax:
            torch.manual_seed(0)
            model.embedding = SoftmaxEmbedding(network)
        store, held_out = (structure_store(model, d.structures, torch.float32) for d in (train, test))
        standardize(model, store, 0)
        settings = TrainingSettings.model_validate({**SETTINGS, "epochs": 1000})
        trainer = Trainer(model, store, held_out, settings, learning_rate(settings, False))
        start = time.perf_counter()
        while time.perf_counter() - start < 60 * arguments.minutes:
            record = trainer.run_epoch()
            if record.epoch in (5, 10, 20, 40) or time.perf_counter() - start > 60 * arguments.minutes:
                assert record.errors is not None
                rows.append(
                    {
                        "form": name,
                        "epoch": record.epoch,
                        "seconds_per_epoch": trainer.course.seconds / record.epoch,
                        "test_energy_MAE_meV_atom": record.errors["energy_mae"],
                        "test_forces_MAE_meV_A": record.errors["forces_mae"],
                    }
                )
                print_rows(rows)
                write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
