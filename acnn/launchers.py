"""What programs that start parallel jobs tell their processes."""

from __future__ import annotations

RANK_VARIABLES = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}
"""Environment variables with the number of processes, and which of them this one is."""
