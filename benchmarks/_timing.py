"""Ratios that mean something on a machine whose clock swings: short slices of work between slices of a base.

A slice is some milliseconds of calls. Each slice of a work stands between two slices of the base and is divided
by their mean; what is told is the median of those ratios. A swing that lasts longer than a slice hits both.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SLICE = 0.003  # seconds


class Work:
    """Something to call again and again, with the next of its inputs each time; at the end it begins anew."""

    def __init__(self, name: str, call: Callable[..., Any], inputs: Iterable[tuple[Any, ...]]) -> None:
        self.name = name
        self.call = call
        self._inputs: Iterator[tuple[Any, ...]] = cycle(list(inputs))
        self._is_async = inspect.iscoroutinefunction(call)
        self._batch = 0

    def slice(self, seconds: float, loop: asyncio.AbstractEventLoop) -> float:
        """Seconds per call, over about as many calls as take that long."""
        if not self._batch:
            once = min(self._timed(3, loop) for _ in range(3))
            self._batch = max(1, round(seconds / once))
        return self._timed(self._batch, loop)

    def _timed(self, count: int, loop: asyncio.AbstractEventLoop) -> float:
        inputs, call = list(islice(self._inputs, count)), self.call
        if self._is_async:
            return loop.run_until_complete(_timed_async(call, inputs))
        begin = time.perf_counter()
        for arguments in inputs:
            call(*arguments)
        return (time.perf_counter() - begin) / count


async def _timed_async(call: Callable[..., Any], inputs: Sequence[tuple[Any, ...]]) -> float:
    """One entry into the loop for many calls, so that the loop's own start is no part of the work."""
    begin = time.perf_counter()
    for arguments in inputs:
        await call(*arguments)
    return (time.perf_counter() - begin) / len(inputs)


@dataclass(frozen=True)
class Timed:
    """What one work took: in microseconds, over the base, and in microseconds more than the base."""

    us: float
    ratio: float
    more: float
    quartiles: tuple[float, float]  # of the ratio: how far to trust it
    slices: int


def compare(base: Work, works: Sequence[Work], *, rounds: int, seconds: float = SLICE) -> dict[str, Timed]:
    """Time each work between two slices of the base, in turns, and the base between others of its own kind."""
    loop = asyncio.new_event_loop()
    taken: dict[str, list[tuple[float, float]]] = {work.name: [] for work in (base, *works)}
    try:
        for work in (base, *works):
            work.slice(seconds, loop)  # finds out how many calls fill a slice, and warms up
        gc.collect()
        gc.freeze()  # the inputs are ours; no collection should be charged for looking through them
        for number in range(rounds):
            turn = number % len(works) if works else 0
            before = base.slice(seconds, loop)
            for work in (*works[turn:], *works[:turn], base):
                spent = work.slice(seconds, loop)
                after = base.slice(seconds, loop)
                taken[work.name].append((spent, (before + after) / 2))
                before = after
    finally:
        gc.unfreeze()
        loop.close()
    return {name: _timed(pairs) for name, pairs in taken.items()}


def _timed(pairs: Sequence[tuple[float, float]]) -> Timed:
    ratios = [spent / base for spent, base in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    spent = statistics.median(spent for spent, _ in pairs)
    more = statistics.median(spent - base for spent, base in pairs)
    return Timed(spent * 1e6, middle, more * 1e6, (low, high), len(pairs))


# Once, for a process that is pinned sees no others.
_ALL = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cores() -> list[int]:
    """The cores that this process was given; none where the system does not tell."""
    return _ALL


def pin(which: Sequence[int]) -> None:
    """Stay on these cores, where the system allows it."""
    if which and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, which)


@contextmanager
def pinned(which: Sequence[int]) -> Iterator[None]:
    """Be on these cores for a while; a process that is started meanwhile stays on them."""
    before = sorted(os.sched_getaffinity(0)) if _ALL else []
    pin(which)
    try:
        yield
    finally:
        pin(before)
