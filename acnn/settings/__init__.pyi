from .base import SettingsError
from .fit import FitSettings, read_settings
from .train import TrainSettings, read_train_settings

__all__ = ["FitSettings", "SettingsError", "TrainSettings", "read_settings", "read_train_settings"]
