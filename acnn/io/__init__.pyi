from .model_file import ModelFileError, load_model, read_header, save_model
from .yace import YaceReport, save_yace

__all__ = ["ModelFileError", "YaceReport", "load_model", "read_header", "save_model", "save_yace"]
