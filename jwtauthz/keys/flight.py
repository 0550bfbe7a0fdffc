"""Waiting for a fetch: in a thread, in asyncio and in trio, all for the same one.

The thread that fetches says once that it has landed. Threads wait on an event. A coroutine leaves a waker
that only posts a message to its own loop, so that a busy loop never holds up the fetch thread or the others;
and it registers under the lock under which the landing is announced, so that none slips in between.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Waker = Callable[[], None]


class Landing:
    """That the fetch of this number has ended, well or badly: told once to everybody who waits for it."""

    __slots__ = ("_event", "_lock", "_wakers", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._wakers: set[Waker] = set()

    def announce(self) -> None:
        """Wake all that wait. Later calls do nothing."""
        with self._lock:
            self._event.set()
            wakers, self._wakers = self._wakers, set()
        for wake in wakers:
            wake()

    def wait(self, limit: float) -> None:
        """Block this thread until the landing, for so many seconds at most."""
        self._event.wait(limit)

    def call(self, wake: Waker) -> bool:
        """Have `wake` called at the landing, from another thread. False, and no call, if it is past."""
        with self._lock:
            if not self._event.is_set():
                self._wakers.add(wake)
            return not self._event.is_set()

    def forget(self, wake: Waker) -> None:
        """Do not call `wake` after all: whoever waited has gone."""
        with self._lock:
            self._wakers.discard(wake)


class Flight:
    """A fetch that one caller waits for, up to that caller's own limit.

    Both ways of waiting return when it has landed or the limit has passed, and never raise for what it
    brought: the caller looks once more.
    """

    __slots__ = ("_landing", "_limit")

    def __init__(self, landing: Landing, limit: float) -> None:
        self._landing = landing
        self._limit = max(0.0, limit)

    @property
    def number(self) -> int:
        """Which fetch it is; later ones have higher numbers."""
        return self._landing.number

    def within(self, limit: float) -> Flight:
        """Give the same fetch, waited for no longer than this."""
        return Flight(self._landing, min(self._limit, limit))

    def wait(self) -> None:
        """Wait in a thread. Not for an event loop: it blocks."""
        self._landing.wait(self._limit)

    async def await_(self) -> None:
        """Wait in asyncio or in trio, without blocking the loop. May be cancelled; nobody else notices."""
        trio: Any = sys.modules.get("trio")  # who waits in trio has imported it
        # Another thread may be importing it just now, and have come only half the way.
        in_trio_task = getattr(getattr(trio, "lowlevel", None), "in_trio_task", None)
        # Asked first, because a trio that is a guest of asyncio would answer to both names.
        if in_trio_task is not None and in_trio_task():
            await self._await_trio(trio)
        else:
            await self._await_asyncio()

    async def _await_asyncio(self) -> None:
        import asyncio  # who waits in asyncio has imported it

        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def finish() -> None:
            if not over.done():
                over.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(finish)

        if not self._landing.call(wake):
            return
        timer = loop.call_later(self._limit, finish)
        try:
            await over
        finally:
            timer.cancel()
            self._landing.forget(wake)

    async def _await_trio(self, trio: Any) -> None:
        token, over = trio.lowlevel.current_trio_token(), trio.Event()

        def wake() -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(over.set)

        if not self._landing.call(wake):
            return
        try:
            with trio.move_on_after(self._limit):
                await over.wait()
        finally:
            self._landing.forget(wake)


class MustWait(Exception):  # a signal between us, not an error that anybody sees
    """No answer without waiting. Wait for `flight`, then ask again with `after=flight`."""

    def __init__(self, flight: Flight) -> None:
        super().__init__(f"the keys are being fetched (flight {flight.number})")
        self.flight = flight
