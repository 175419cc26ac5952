"""What ranks can do together is the same by MPI and by torch.distributed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from acnn.parallel import ALONE
from acnn.parallel.launchers import Place, mpi_place, torchrun_place

sys.path.insert(0, str(Path(__file__).parents[1]))
try:
    import warm
finally:
    sys.path.pop(0)

SIZE = 3
SCRIPT = """
import json, sys
import numpy as np, torch
from acnn.parallel import job_ranks

ranks = job_ranks()
said = {"kind": type(ranks).__name__}
with ranks.working():
    said["share"] = ranks.share([3.0, 1.0, 2.0, 5.0, 4.0])
    said["gathered"] = ranks.gather(f"from {ranks.rank}")
    said["of the first"] = ranks.by_first(lambda: f"by {ranks.rank}", lambda text: text.upper())
    said["nothing"] = ranks.by_first(lambda: None)
    said["total"] = ranks.total(torch.tensor([[1.0, float(ranks.rank)]], dtype=torch.float64)).tolist()
    ranks.wait()
    after = (ranks.rank + 1) % ranks.size
    if ranks.rank % 2 == 0 and after:
        ranks.send(np.array([[0.1, ranks.rank]]), after)
    if ranks.rank % 2 == 1:
        said["received"] = ranks.receive((1, 2), ranks.rank - 1).tolist()
    if len(sys.argv) > 2 and ranks.rank == 1:
        raise ValueError("this rank has had enough")
with open(f"{sys.argv[1]}/{ranks.rank}.json", "w") as file:
    json.dump(said, file)
"""


def run(launcher: str, folder: Path, *arguments: str) -> list[subprocess.CompletedProcess[str]]:
    """The script on all ranks, started as `mpiexec` or `torchrun` would."""
    command = [warm.program(), "-c", SCRIPT, str(folder), *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": folder}
    if launcher == "mpiexec":
        pytest.importorskip("mpi4py", reason="mpi4py is not installed")
        program = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        if program is None:
            pytest.skip("there is no mpiexec")
        commands, environments = [[program, "-n", str(SIZE), *command]], [{}]
    else:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            shared = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": str(SIZE)}
        commands = SIZE * [command]
        environments = [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(SIZE)]
    started = [
        subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1", **more}, **pipes)  # type: ignore[call-overload]
        for words, more in zip(commands, environments, strict=True)
    ]
    said = [process.communicate(timeout=600) for process in started]
    return [
        subprocess.CompletedProcess(process.args, process.returncode, *texts)
        for process, texts in zip(started, said, strict=True)
    ]


@pytest.mark.parametrize(("launcher", "kind"), [("mpiexec", "MPIRanks"), ("torchrun", "TorchRanks")])
def test_all_back_ends_do_the_same(launcher: str, kind: str, tmp_path: Path) -> None:
    done = run(launcher, tmp_path)
    assert [one.returncode for one in done] == len(done) * [0], done
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(SIZE)]
    assert {of["kind"] for of in found} == {kind}
    assert sorted(index for of in found for index in of["share"]) == [0, 1, 2, 3, 4]
    assert [of["share"] for of in found] == [[3], [1, 4], [0, 2]]
    assert [of["gathered"] for of in found] == [["from 0", "from 1", "from 2"], [], []]
    assert [of["of the first"] for of in found] == ["by 0", "BY 0", "BY 0"]
    assert [of["nothing"] for of in found] == [None, None, None]
    assert [of["total"] for of in found] == 3 * [[[3.0, 3.0]]]
    assert found[1]["received"] == [[0.1, 0.0]]


@pytest.mark.parametrize("launcher", ["mpiexec", "torchrun"])
def test_an_error_on_one_rank_stops_all_with_its_sentence(launcher: str, tmp_path: Path) -> None:
    done = run(launcher, tmp_path, "fail")
    assert any(one.returncode for one in done)
    said = "".join(one.stderr for one in done)
    assert "rank 1 stops the job:" in said
    assert "this rank has had enough" in said


def test_a_process_on_its_own() -> None:
    assert ALONE.is_first
    assert ALONE.gather(1) == [1]
    assert ALONE.by_first(lambda: 2, lambda x: -x) == 2
    assert ALONE.share([1.0, 2.0]) == [0, 1]
    with pytest.raises(ValueError, match="there is no rank 1"):
        ALONE.receive((1,), 1)


def test_launchers_say_which_process_this_is() -> None:
    assert mpi_place({}) == torchrun_place({}) == Place(0, 1, 0)
    assert mpi_place({"PMI_SIZE": "4", "PMI_RANK": "2", "SLURM_STEP_NUM_TASKS": "1"}) == Place(2, 4)
    assert mpi_place({"OMPI_COMM_WORLD_SIZE": "4"}) == Place(0, 4)
    assert mpi_place({"PMI_SIZE": "many"}) == Place()
    complete = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "here"}
    assert torchrun_place(complete) == Place(3, 4, 1)
    assert torchrun_place({**complete, "LOCAL_RANK": ""}) == Place(3, 4, 0)
    assert torchrun_place({name: text for name, text in complete.items() if name != "MASTER_ADDR"}) == Place()
