"""What programs that start parallel jobs tell their processes."""

from __future__ import annotations

RANK_VARIABLES = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}
"""Environment variables with the number of processes, and which of them this one is."""

THREAD_VARIABLES = ("ACNN_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables by which a user says how many threads a process has."""

FORWARDING_TIME = 1.0
"""Seconds that a launcher is given to forward a rank's last words: it may drop them once the job is ending."""
