"""The findings of the doctor, one row per check."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, MISSING, FAILS = "ok", "warning", "missing", "fails"


@dataclass(frozen=True)
class Finding:
    """One row of the report.

    Attributes:
        status: "ok", "warning" (works, but), "missing" or "fails".
        fix: the command that fixes it, or a sentence if there is none.
    """

    what: str
    found: str
    status: str
    fix: str = ""
