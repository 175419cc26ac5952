from .job import job_ranks, training_ranks
from .ranks import ALONE, Ranks

__all__ = ["ALONE", "Ranks", "job_ranks", "training_ranks"]
