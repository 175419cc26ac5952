"""The error of data that cannot be used, and other errors in one line."""

from __future__ import annotations

from acnn.wording import shortened


class DatasetError(ValueError):
    """Data that cannot be used; the message is one sentence."""


def error_sentence(error: BaseException) -> str:
    """Return kind and text of an error, in one line."""
    return shortened(f"{type(error).__name__}: {' '.join(str(error).split())}").rstrip(": .")
