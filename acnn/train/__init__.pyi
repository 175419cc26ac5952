from .distillation import distilled
from .job import Watcher, run_training
from .report import TrainReport

__all__ = ["TrainReport", "Watcher", "distilled", "run_training"]
