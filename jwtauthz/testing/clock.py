"""A clock that stands still until it is told to move."""

from __future__ import annotations


class FakeClock:
    """Time for tests: call it for the time, `advance` it to make time pass.

    It stands in wherever a `Callable[[], float]` such as `time.time` or `time.monotonic` is wanted.

    Args:
        now: Where it starts, in seconds. The default is a round moment in 2027.
    """

    __slots__ = ("now",)

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """What time it is."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Let that many seconds pass (a negative number sets the clock back); the new time is returned."""
        self.now += seconds
        return self.now

    def __repr__(self) -> str:
        return f"FakeClock({self.now!r})"
