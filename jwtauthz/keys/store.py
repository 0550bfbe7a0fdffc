"""What a fleet shares: a Redis or Valkey, asked within a limit, left alone while it fails, and not believed.

Each command runs in a short-lived thread of its own. No client bounds a whole command (it bounds each read of a
reply, and no resolver at all), and one that the application made has limits of its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from jwtauthz.events import FleetAvailable, FleetUnavailable
from jwtauthz.failures import StoreFailure

from .breaker import Breaker
from .flight import Flight, Landing
from .redis_client import UrlClient, called

if TYPE_CHECKING:
    from collections.abc import Callable

    from .redis_client import Client
    from .report import Teller

logger = logging.getLogger("jwtauthz.fleet")
THREAD_NAME: Final = "jwtauthz-store"
_LONGEST: Final = 60.0  # seconds: what is taken for longer than any of us does was not taken by one of us
_MAX_HANGING: Final = 2  # as many threads may hang past their limit before no more are started
# What the errors of clients are called, the more special first; theirs are not imported here.
_KINDS: Final = (
    ("TimeoutError", StoreFailure.TIMEOUT),
    ("ResponseError", StoreFailure.REFUSED),
    ("ConnectionError", StoreFailure.CONNECTION),
    ("OSError", StoreFailure.CONNECTION),
)


class StoreFailed(Exception):
    """A command brought nothing; the text is a sentence for the log, and holds nothing that the store said."""

    def __init__(self, kind: StoreFailure, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(slots=True)
class _Call:
    """A command on its way."""

    landing: Landing
    ended: bool = False
    abandoned: bool = False
    reply: object = None
    error: BaseException | None = None


class Store:
    """Asks what a fleet shares, or says at once that it is not to be had.

    Args:
        client: sends the commands. One that was made of a URL is made anew in a forked child.
        timeout: seconds that a command may take.
        local_for: seconds without any, after three failures in a row.
        teller: is told when that begins and ends.
    """

    def __init__(
        self,
        client: Client,
        *,
        timeout: float,
        local_for: float,
        teller: Teller,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = called(client)
        self.timeout = timeout
        self.commands = 0
        self.last_failure: StoreFailed | None = None
        self._client = client
        self._breaker = Breaker(pause=local_for)
        self._teller = teller
        self._clock = clock
        self._start_afresh()
        _alive.add(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._hanging = 0

    def after_fork(self) -> None:
        """Go on in a forked child, with a connection of its own: replies on one that is shared get mixed up."""
        self._start_afresh()
        if isinstance(self._client, UrlClient):
            self._client = self._client.renewed()

    # What is asked

    def get(self, key: str, limit: int) -> bytes:
        """Read a value, no more bytes of it than this; empty if there is none. Raises StoreFailed."""
        reply = self.call("GETRANGE", key, 0, limit - 1)
        if isinstance(reply, str):
            reply = reply.encode()
        if not isinstance(reply, bytes) or len(reply) > limit:
            raise self.nonsense("a value is no text, or longer than was asked for")
        return reply

    def put(self, key: str, value: bytes, seconds: float) -> None:
        """Write a value that is gone after so many seconds, whatever was there. Raises StoreFailed."""
        self.call("SET", key, value, "PX", _milliseconds(seconds))

    def take(self, key: str, value: bytes, seconds: float) -> float | None:
        """Write a value if there is none. Raises StoreFailed.

        None says that it was written; a number, how many seconds the one that is there will stay.
        """
        if self.call("SET", key, value, "NX", "PX", _milliseconds(seconds)):
            return None
        left = self.call("PTTL", key)
        if left == -2:  # it has gone meanwhile
            return 0.0
        if isinstance(left, int) and 0 <= left <= _LONGEST * 1000:
            return left / 1000
        raise self.nonsense("a value that lasts a few seconds is there for good")

    def drop(self, key: str) -> None:
        """Take a value away. Raises StoreFailed."""
        self.call("DEL", key)

    # How it is asked

    def call(self, *command: str | bytes | int) -> Any:
        """Send a command and wait for the reply. Raises StoreFailed."""
        call = self._begin(command)
        Flight(call.landing, self.timeout).wait()
        return self._end(call)

    async def acall(self, *command: str | bytes | int) -> Any:
        """As `call`, for asyncio and trio."""
        call = self._begin(command)
        await Flight(call.landing, self.timeout).await_()
        return self._end(call)

    def nonsense(self, what: str) -> StoreFailed:
        """Count a reply that was no answer as a failure, and give the error to raise."""
        return self._failed(StoreFailure.NONSENSE, f"{self.where}: {what}")

    def health(self) -> dict[str, object]:
        """Show where things stand, in values that fit JSON."""
        with self._lock:
            breaker, failure, now = self._breaker, self.last_failure, self._clock()
            state = "local only" if breaker.is_open else "shared" if self.commands else "not asked yet"
            return {
                "store": self.where,
                "state": state,
                "local_for": round(max(0.0, breaker.until - now), 3) if breaker.is_open else None,
                "failures": breaker.failures,
                "last_error": str(failure) if failure else None,
                "last_error_kind": str(failure.kind) if failure else None,
                "commands": self.commands,
            }

    def _begin(self, command: tuple[str | bytes | int, ...]) -> _Call:
        with self._lock:
            if not self._breaker.lets_through(self._clock()):
                left = self._breaker.until - self._clock()
                raise StoreFailed(StoreFailure.CONNECTION, f"{self.where} is left alone for {left:.0f} s")
            crowded = self._hanging >= _MAX_HANGING
            self.commands += not crowded
        if crowded:
            raise self._failed(StoreFailure.TIMEOUT, f"{self.where}: earlier commands still hang")
        call = _Call(Landing(0))
        arguments = (self._client, command, call)
        try:
            threading.Thread(target=self._run, args=arguments, name=THREAD_NAME, daemon=True).start()
        except (RuntimeError, MemoryError):
            raise self._failed(StoreFailure.CLIENT, "no thread can be started to ask the store") from None
        return call

    def _run(self, client: Client, command: tuple[str | bytes | int, ...], call: _Call) -> None:
        try:
            call.reply = client.execute_command(*command)
        except BaseException as error:  # noqa: BLE001  # a client may raise anything; the waiter must be woken
            call.error = error.with_traceback(None)
        with self._lock:
            call.ended = True
            self._hanging -= call.abandoned
        call.landing.announce()

    def _end(self, call: _Call) -> Any:
        with self._lock:
            if not call.ended:
                call.abandoned = True
                self._hanging += 1
        if call.abandoned:
            if isinstance(self._client, UrlClient):
                with suppress(Exception):
                    self._client.hang_up()
            raise self._failed(
                StoreFailure.TIMEOUT, f"{self.where} did not answer within {self.timeout * 1000:.0f} ms"
            )
        if call.error is not None:
            raise self._failed(_kind(call.error), f"{self.where} failed with {type(call.error).__name__}")
        with self._lock:
            closes = self._breaker.worked()
        if closes:
            logger.info("%s works again", self.where)
            self._teller.tell(FleetAvailable(store=self.where))
        return call.reply

    def _failed(self, kind: StoreFailure, reason: str) -> StoreFailed:
        failure = StoreFailed(kind, reason)
        with self._lock:
            self.last_failure = failure
            opens, pause = self._breaker.failed(self._clock()), self._breaker.pause
        if opens:
            logger.warning("%s; this process goes on by itself for %.0f s", reason, pause)
            self._teller.tell(FleetUnavailable(store=self.where, kind=kind, reason=reason, local_for=pause))
        return failure


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _kind(error: BaseException) -> StoreFailure:
    names = {base.__name__ for base in type(error).__mro__}
    return next((kind for name, kind in _KINDS if name in names), StoreFailure.CLIENT)


_alive: WeakSet[Store] = WeakSet()


def _after_fork() -> None:
    for store in list(_alive):
        store.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
