from .distillation import distilled
from .job import TrainReport, Watcher, run_training

__all__ = ["TrainReport", "Watcher", "distilled", "run_training"]
