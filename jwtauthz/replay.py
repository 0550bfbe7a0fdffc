"""Whether something that is good once has been used before: for proofs and assertions with a `jti` of their own.

A store remembers what it was shown for as long as that could be shown again. One that cannot tell raises
`ReplayStoreUnavailable`, which is a 503: a replay must not pass because a server is down.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from .errors import ConfigurationError, ReplayStoreUnavailable
from .keys.redis_client import UrlClient, called, check_client, checked_timeout, key_prefix
from .keys.report import Teller
from .keys.store import Store, StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keys.redis_client import Client

_PAUSE: Final = 1.0  # seconds in which a store that failed is not asked: each of them is answered 503


class ReplayStore(Protocol):
    """Remembers what was used. Both methods do the same; `auses` is for asyncio and trio."""

    def uses(self, what: str | bytes, lifetime: float) -> bool:
        """Whether this is the first use of `what`; from now on it is none, for `lifetime` seconds.

        Raises ReplayStoreUnavailable if that cannot be told.
        """
        ...

    async def auses(self, what: str | bytes, lifetime: float) -> bool:
        """As `uses`."""
        ...


class MemoryReplayStore:
    """Remembers in this process alone: right for one process, and for tests.

    Args:
        size: how many uses are remembered at once. When there are more, it cannot tell, and says so: to forget
            one would be to let its replay pass.
        clock: seconds that never run backwards.
    """

    def __init__(self, size: int = 100_000, *, clock: Callable[[], float] = time.monotonic) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigurationError(f"size={size!r}: write how many uses to remember, 1 at least.")
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._used: set[bytes] = set()
        self._ends: list[tuple[float, bytes]] = []

    def uses(self, what: str | bytes, lifetime: float) -> bool:
        """See `ReplayStore`."""
        digest, seconds = _digest(what), _lifetime(lifetime)
        with self._lock:
            now = self._clock()
            while self._ends and self._ends[0][0] <= now:
                self._used.discard(heapq.heappop(self._ends)[1])
            if digest in self._used:
                return False
            if len(self._used) >= self._size:
                raise ReplayStoreUnavailable(f"{self._size:,} uses are remembered, and there is room for no more")
            self._used.add(digest)
            heapq.heappush(self._ends, (now + seconds, digest))
        return True

    async def auses(self, what: str | bytes, lifetime: float) -> bool:
        """See `ReplayStore`."""
        return self.uses(what, lifetime)


class RedisReplayStore:
    """Remembers in a Redis or Valkey, for all processes that share it.

    Only a SHA-256 of each use is kept, until its lifetime ends. The server must not evict what has not ended
    (`maxmemory-policy noeviction`), and one that fails over may forget the last moment.

    Args:
        client: a client of redis-py, sync; see `from_url` for the usual case.
        prefix: what the names of all values begin with.
        timeout: seconds that a command may take, 0.01 to 1.
    """

    def __init__(self, client: Client, *, prefix: str = "jwtauthz", timeout: float = 0.1) -> None:
        check_client(client)
        self._prefix = key_prefix(prefix)
        teller = Teller(called(client), None)
        self._store = Store(client, timeout=checked_timeout(timeout), local_for=_PAUSE, teller=teller)

    @classmethod
    def from_url(cls, url: str, *, prefix: str = "jwtauthz", timeout: float = 0.1, **options: Any) -> Self:
        """A store at the Redis or Valkey of this URL; `options` are those of `redis.Redis`."""
        return cls(UrlClient(url, checked_timeout(timeout), options), prefix=prefix, timeout=timeout)

    def uses(self, what: str | bytes, lifetime: float) -> bool:
        """See `ReplayStore`."""
        command = self._command(what, lifetime)
        try:
            return self._first(self._store.call(*command))
        except StoreFailed as failure:
            raise ReplayStoreUnavailable(str(failure)) from None

    async def auses(self, what: str | bytes, lifetime: float) -> bool:
        """See `ReplayStore`."""
        command = self._command(what, lifetime)
        try:
            return self._first(await self._store.acall(*command))
        except StoreFailed as failure:
            raise ReplayStoreUnavailable(str(failure)) from None

    def health(self) -> dict[str, object]:
        """Show the state in values that fit JSON."""
        health = self._store.health()
        return {**health, "state": "unavailable" if health["state"] == "local only" else health["state"]}

    def _command(self, what: str | bytes, lifetime: float) -> tuple[str | int, ...]:
        # Rounded up: what is forgotten a moment too early can be used twice.
        milliseconds = int(_lifetime(lifetime) * 1000) + 1
        return "SET", f"{self._prefix}:used:{_digest(what).hex()}", "1", "NX", "PX", milliseconds

    def _first(self, reply: object) -> bool:
        if reply is None:
            return False
        if reply is True or reply in (b"OK", "OK"):
            return True
        raise self._store.nonsense("it answers neither yes nor no")


def _digest(what: str | bytes) -> bytes:
    return hashlib.sha256(what.encode("utf-8", "surrogatepass") if isinstance(what, str) else what).digest()


def _lifetime(seconds: float) -> float:
    if not 0 < seconds < 10_000_000:  # not true of NaN either
        raise ValueError(f"lifetime={seconds!r}: write a number of seconds above 0")
    return seconds
