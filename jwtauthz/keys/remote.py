"""Keys that are fetched, kept and refreshed, for threads, asyncio and trio alike.

A look-up reads one immutable snapshot, without a lock. Only when that does not answer it, the machine of
`schedule` is asked what to do; `driver` flies what it plans, and `flight` is how callers wait for it.
"""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NoReturn, get_args

from jwtauthz.errors import ConfigurationError, KeySetUnavailable

from .driver import Driver
from .fetch import Fetcher
from .flight import Flight, Landing, MustWait
from .jwk import Found, KeySet
from .report import Reporter, logger
from .schedule import Schedule
from .source import Source
from .states import EMPTY, Snapshot, State, Unavailable, Use, Verdict
from .timing import Timing
from .urls import problem_with, redacted

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import httpx

    from .fleet import Fleet
    from .report import Hook

__all__ = ["Flight", "MustWait", "RemoteKeySet", "Start", "Timing"]

Start = Literal["lazy", "wait", "fail_fast"]
# A machine that was suspended must find its keys older when it wakes up, which the monotonic clock of Linux
# does not show it.
_clock: Final[Callable[[], float]] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic
)
# A generator of our own: the application may have seeded Python's, and means to be the only one to use it.
_chance: Final = _random.SystemRandom().random
_ANY: Final = (None, "")  # what is asked for where only the state matters


class RemoteKeySet:
    """The keys of one issuer, or of one JWKS URL, always as new as they should be.

    Look-ups never block and do no I/O. They answer from memory; where they cannot, they raise `MustWait` with
    the fetch to wait for, `KeyUnknown` (401) or `KeySetUnavailable` (503).

    Args:
        jwks_url: where the JWKS is. Without it the issuer's metadata are asked.
        issuer: the issuer identifier, exactly as in its metadata (RFC 8414 section 3.3).
        timing: how long keys are kept, how often they are fetched; see `Timing`.
        client: makes an HTTP client for each fetch, with a CA, a proxy or a client certificate of its own.
        fleet: what this process shares with others; see `jwtauthz.keys.fleet.Fleet`.
        on_event: gets each event of `jwtauthz.events`; one callable or several. They are called in the fetch's
            thread or in that of a look-up, and must not block.
        start: "lazy" fetches when the first key is needed; "wait" fetches now but goes on without; "fail_fast"
            raises KeySetUnavailable if there are no keys now.
        seed: keys to begin with, as a JWKS, a file or a `KeySet`. They are stale at birth.
        clock: seconds that never run backwards.
        random: a number in [0, 1), for jitter.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self,
        jwks_url: str | None = None,
        *,
        issuer: str | None = None,
        timing: Timing | None = None,
        client: Callable[[], httpx.Client] | None = None,
        fleet: Fleet | None = None,
        on_event: Hook | Iterable[Hook] | None = None,
        start: Start = "lazy",
        seed: KeySet | Mapping[str, object] | str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = _clock,
        random: Callable[[], float] = _chance,
    ) -> None:
        _check_settings(jwks_url, issuer, client, start)
        self.source = redacted(jwks_url or issuer or "")
        self.timing = timing or Timing()
        self.discovers = jwks_url is None  # whether the issuer's metadata say where the keys are
        if self.timing.unsafe_ignore_no_stale:
            logger.warning("%s: its keys will be used past their time even where it forbids that", self.source)
        snapshot = EMPTY if seed is None else Snapshot.seed(_seed(seed, self.timing), clock(), self.timing)
        self._clock = clock
        self._report = Reporter(self.source, on_event)
        self._fetcher = Fetcher(self.timing, client)
        self._source = Source(self._fetcher, jwks_url=jwks_url, issuer=issuer)
        self._fleet: Fleet | None = None
        self._driver = Driver(
            self._source,
            self._report,
            self.timing,
            snapshot,
            clock=clock,
            chance=random,
        )
        if fleet is not None:
            self.join(fleet)
        if start == "fail_fast":
            self.warm_up()
        elif start == "wait":
            with suppress(KeySetUnavailable):
                self.warm_up()

    def subscribe(self, hook: Hook) -> None:
        """Tell one hook more of each event from now on; see `on_event`."""
        self._report.subscribe(hook)

    def guard(self, *, public_only: bool) -> None:
        """From now on distrust the host: for an issuer that a token named, and a star or a function let pass.

        `close` ends its connections then, so that it can hold no thread. With `public_only` nothing is sent to
        loopback, private, link-local and reserved addresses; what a proxy connects to is up to the proxy.
        """
        self._fetcher.guarded, self._fetcher.public_only = True, public_only

    def join(self, fleet: Fleet) -> None:
        """Share the work with the other processes of a fleet from now on. Raises ConfigurationError."""
        if self._fleet is fleet:
            return
        if isinstance(fleet, type) or not callable(getattr(fleet, "share", None)):
            raise ConfigurationError(
                f"fleet={type(fleet).__name__} is no fleet. Write fleet=Fleet.from_url('redis://…'), "
                "with Fleet from jwtauthz.keys.fleet."
            )
        if self._fleet is not None:
            raise ConfigurationError(
                f"The keys of {self.source} are shared with another fleet already. Use one Fleet for all."
            )
        self._driver.origin = fleet.share(self._source, self.source)
        self._fleet = fleet

    # Looking up

    def find(self, kid: str | None, alg: str, *, after: object | None = None) -> Found:
        """Look up the keys to try for this key ID and algorithm.

        `after` is the flight that the caller has waited for: then the answer is final, and never `MustWait`.

        Raises:
            KeyUnknown: there is no such key, by a fetch that is at most 30 s old: 401.
            KeySetUnavailable: that cannot be said: 503.
            MustWait: a fetch is needed.
        """
        snapshot = self._driver.snapshot
        if self._clock() < snapshot.refresh_at:
            found = snapshot.keys.table.get((kid, alg))
            if found is not None:
                return found
        return self._find(kid, alg, after)

    def recheck(self, found: Found) -> None:
        """Tell that a signature was bad under a known key ID: the key may have been replaced in place.

        Raises MustWait if another look is worth it; returns if the signature is bad and stays so.
        """
        snapshot = self._driver.snapshot
        if not set(found.keys).issubset(snapshot.keys.keys):
            raise MustWait(Flight(Landing(snapshot.number), 0.0))  # replaced since; nothing to wait for
        if self._driver.needs_no_recheck:
            return
        answer, _ = self._driver.ask(Schedule.recheck)
        if isinstance(answer, Flight):
            raise MustWait(answer)

    def _find(self, kid: str | None, alg: str, after: object | None) -> Found:
        # An `after` that is no flight of ours says that its caller waits for nothing.
        waited = None if after is None else after.number if isinstance(after, Flight) else 0

        def look(schedule: Schedule, now: float) -> Verdict:
            known = schedule.snapshot.keys.decides(kid, alg)
            return schedule.look(now, (kid, alg), known=known, waited=waited)

        answer, snapshot = self._driver.ask(look)
        if isinstance(answer, Flight):
            raise MustWait(answer)
        if isinstance(answer, Unavailable):
            raise self._unavailable(answer.retry_after)
        found = snapshot.keys.find(kid, alg)
        return Found(found.keys, stale=True) if isinstance(answer, Use) and answer.stale else found

    def _unavailable(self, retry_after: float) -> KeySetUnavailable:
        failure = self._driver.last_failure
        why = failure.reason if failure else "they have not been fetched yet"
        return KeySetUnavailable(f"no keys of {self.source} to judge by: {why}", retry_after=retry_after)

    # Life

    @property
    def state(self) -> State:
        """What the keys at hand are good for now."""
        return self._driver.snapshot.state(self._clock())

    @property
    def ready(self) -> bool:
        """Whether tokens can be judged, for a load balancer that asks. Fetches nothing."""
        return self.state not in (State.EMPTY, State.EXPIRED)

    def warm_up(self, timeout: float | None = None) -> None:
        """Fetch the keys before the first request; not for an event loop, since it waits.

        One fetch is made if there are no keys; with a `timeout` in seconds it is repeated until then.
        Raises KeySetUnavailable if there still are none.
        """
        for flight in self._warming_up(timeout):
            flight.wait()

    async def awarm_up(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # as `warm_up`
        """Do as `warm_up`, for asyncio and trio."""
        for flight in self._warming_up(timeout):
            await flight.await_()

    def prefetch(self) -> None:
        """Begin the fetch that is due, if one is, and wait for nothing: for a process that nobody asks for keys.

        What keeps look-ups from fetching too often keeps this from it too.
        """
        self._driver.ask(partial(Schedule.look, question=_ANY, known=True))

    def refresh(self) -> None:
        """Fetch now, whatever the age of the keys; not for an event loop, since it waits.

        Joins a fetch that is already under way. Raises KeySetUnavailable if it fails; the keys at hand stay.
        """
        for flight in self._refreshing():
            flight.wait()

    async def arefresh(self) -> None:
        """Do as `refresh`, for asyncio and trio."""
        for flight in self._refreshing():
            await flight.await_()

    def purge(self) -> None:
        """Forget all keys at once, say because one was stolen. The next look-up fetches."""
        self._driver.forget()

    def close(self) -> None:
        """Drop a fetch that is under way. Nothing else needs closing, and forgetting it leaks nothing."""
        self._driver.give_up()
        self._fetcher.hang_up()

    def health(self) -> dict[str, object]:
        """Show the state in values that fit JSON, for a status page; seconds, where nothing else is said."""
        health = {"source": self.source, **self._driver.health()}
        return health if self._fleet is None else {**health, "fleet": self._fleet.health()}

    def _warming_up(self, timeout: float | None) -> Iterator[Flight]:
        """Give what to wait for, one after the other, until there are keys or no time is left."""
        until = None if timeout is None else time.monotonic() + timeout
        waited: int | None = None
        while True:
            left = None if until is None else until - time.monotonic()
            answer, _ = self._driver.ask(partial(Schedule.look, question=_ANY, known=True, waited=waited))
            if isinstance(answer, Flight):
                yield answer if left is None else answer.within(left)
                waited = answer.number
            elif isinstance(answer, Unavailable):
                if left is None or left <= 0:
                    raise self._unavailable(answer.retry_after)
                yield Flight(Landing(0), min(answer.retry_after, left))  # nothing lands: a pause, in any world
                waited = None
            else:
                return

    def _refreshing(self) -> Iterator[Flight]:
        answer, _ = self._driver.ask(Schedule.refresh)
        if isinstance(answer, Flight):
            yield answer
            snapshot = self._driver.snapshot
            if snapshot.number >= answer.number:
                if snapshot.by_fleet:  # joined one that the fleet has answered; now it is the issuer's turn
                    yield from self._refreshing()
                return
        raise self._unavailable(answer.retry_after if isinstance(answer, Unavailable) else 1.0)

    def __repr__(self) -> str:
        return f"<RemoteKeySet {self.source!r} {self.state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a RemoteKeySet cannot be pickled or copied: it belongs to its process. "
            "Build one in each process, or fork: a forked child keeps the keys."
        )


def _check_settings(jwks_url: object, issuer: object, client: object, start: object) -> None:
    if jwks_url is None and issuer is None:
        raise ConfigurationError(
            "A RemoteKeySet needs to know where the keys are. "
            "Write issuer='https://issuer.example/' or jwks_url='https://issuer.example/jwks.json'."
        )
    for name, url in (("jwks_url", jwks_url), ("issuer", issuer if jwks_url is None else None)):
        if url is None:
            continue
        problem = problem_with(url, query_allowed=name == "jwks_url") if isinstance(url, str) else "is no text"
        if problem is not None:
            shown = redacted(url) if isinstance(url, str) else type(url).__name__
            raise ConfigurationError(
                f"{name}={shown!r} {problem}. Write an https URL; plain http is for loopback only."
            )
    if client is not None and not callable(client):
        raise ConfigurationError(
            f"client={type(client).__name__} is a client. Write a function that makes one, since each fetch "
            "has its own: client=lambda: httpx.Client(...)."
        )
    if start not in get_args(Start):
        raise ConfigurationError(f"start={start!r} is unknown. Write 'lazy', 'wait' or 'fail_fast'.")


def _seed(seed: KeySet | Mapping[str, object] | str | os.PathLike[str], timing: Timing) -> KeySet:
    if timing.stale_if_error == 0:
        raise ConfigurationError(
            "A seed is stale at birth, and with Timing(stale_if_error=0) it would never be used. Leave one out."
        )
    if isinstance(seed, KeySet):
        return seed
    return KeySet.from_jwks(seed) if isinstance(seed, Mapping) else KeySet.from_file(seed)
