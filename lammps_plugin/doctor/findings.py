"""What the doctor says: one row for every question."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, MISSING, FAILS = "ok", "warning", "missing", "fails"


@dataclass(frozen=True)
class Finding:
    """One row of the report.

    Attributes:
        status: "ok", "warning" (works, but), "missing" or "fails".
        mend: the command that mends it, or a sentence where there is none.
    """

    what: str
    found: str
    status: str
    mend: str = ""
