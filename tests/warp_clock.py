"""A clock for tests in which real servers answer and years pass."""

from __future__ import annotations

import time


class WarpClock:
    """A clock that goes as time goes, and may be sent ahead."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
