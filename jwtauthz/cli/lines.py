"""What the doctor says: one thing that was looked at in each line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One thing that was looked at: whether it is well, what was found, and what to do if not."""

    ok: bool
    what: str
    found: str
    cure: str | None = None
