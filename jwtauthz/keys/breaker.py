"""Whether something that fails is asked again: a breaker without a clock, time is an argument."""

from __future__ import annotations

from .states import NEVER


class Breaker:
    """Lets everything through until `limit` failures in a row, then for `pause` seconds nothing, then one trial.

    Times are seconds of any clock that never runs backwards.
    """

    def __init__(self, *, limit: int = 3, pause: float = 30.0) -> None:
        self.limit = limit
        self.pause = pause
        self.failures = 0
        self.until = NEVER

    @property
    def is_open(self) -> bool:
        """Whether it has given up, trials aside."""
        return self.failures >= self.limit

    def lets_through(self, now: float) -> bool:
        """Whether to ask. One that is let through while it is open is a trial, and there is one per pause."""
        if not self.is_open:
            return True
        if now < self.until:
            return False
        self.until = now + self.pause
        return True

    def failed(self, now: float) -> bool:
        """Count a failure. True if this is the one that opens it."""
        self.failures += 1
        if self.is_open:
            self.until = now + self.pause
        return self.failures == self.limit

    def worked(self) -> bool:
        """Forget the failures. True if that closes it again."""
        closes, self.failures = self.is_open, 0
        return closes
