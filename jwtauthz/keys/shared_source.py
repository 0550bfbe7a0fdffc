"""What one flight does in a fleet: see what the others have found, take one's turn, and tell what one found.

Three values stand in the store for each source of keys:

* `budget` is there while unknown key IDs may cause no further fetch in the whole fleet. It says what became of
  the last one: the SHA-256 of the document that it found. Anybody could have written it. So it may keep a process
  from asking the issuer about a stranger's key ID, and nothing else.
* `lease` is there while one process fetches because time asks for it; the others wait for what it finds, but not
  for long.
* `document` is what was found, under a seal. Keys are taken from nowhere else.

Whatever is odd about the store ends in what a process does that has no fleet: `StoreFailed`, and a fetch.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from jwtauthz.failures import StoreFailure

from .fetch import FetchFailed
from .shared_document import MAX_SEALED, Refused, SharedDocument
from .source import MAX_SKEW, Memory
from .states import NEVER, Arrived, Kind, Plan, Shared, Spared
from .store import StoreFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .jwk import KeySet
    from .shared_document import Seal
    from .source import Afterwards, Source
    from .store import Store

    Result = tuple[Arrived | Spared, Memory]

_OPEN: Final = b"?"  # whoever took the budget is still at it
_FAILED: Final = b"!"
_DIGEST: Final = 64  # hexadecimal digits
_WAIT: Final = 0.5  # the part of a flight's time in which others may still answer; then there is time to fetch
_PAUSES: Final = (0.05, 0.1, 0.2, 0.4)


class Names(NamedTuple):
    """What the three values are called."""

    budget: str
    lease: str
    document: str


class SharedSource:
    """A source of keys in a fleet. Takes the place of the `Source` that it is made of.

    Args:
        origin: fetches, when it is this process's turn.
        store: what the fleet shares.
        names: of the values there.
        seal: of the documents; without one, none are shared.
        alarm: is told, as a sentence, of what stands in the store and should not.
    """

    def __init__(
        self,
        origin: Source,
        store: Store,
        names: Names,
        seal: Seal | None,
        alarm: Callable[[str], None],
        *,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.origin = origin
        self.store = store
        self.names = names
        self.seal = seal
        self.alarm = alarm
        self.wall = wall
        self.clock = clock
        self.sleep = sleep
        # The last document, and its digest: an issuer that says "not modified" does not send it again.
        self.body: tuple[bytes, bytes] | None = None

    def fetch(self, plan: Plan, memory: Memory, keys: KeySet, later: Afterwards) -> Result:
        """Get the keys; see `Origin`."""
        flight = _Flight(self, plan, memory, keys)
        later.append(flight.conclude)
        return flight.run()


@dataclass(frozen=True, slots=True)
class _Found:
    """A document of the fleet that is newer than ours, and read. `asked` is by the clock of the flight."""

    arrived: Arrived
    memory: Memory
    asked: float


class _Flight:
    """One flight: `run` it, then `conclude` what the others wait for."""

    def __init__(self, source: SharedSource, plan: Plan, memory: Memory, keys: KeySet) -> None:
        self.source = source
        self.store, self.names, self.timing = source.store, source.names, source.origin.timing
        self.plan, self.memory, self.keys = plan, memory, keys
        self.began = source.clock()
        self.sealed = b""  # what was read last
        self.found: _Found | None = None  # what it was
        self.leased = NEVER  # since when we hold the lease
        self.spends = False  # whether a fetch of ours goes on the budget
        self.tried = False  # whether there was one
        self.waited = False  # whether somebody else may be fetching
        self.fetched: Memory | None = None
        self.fruitful = False
        self.document: SharedDocument | None = None

    @property
    def elapsed(self) -> float:
        return self.source.clock() - self.began

    def run(self) -> Result:
        """Have the fleet answer, or fetch. Raises FetchFailed."""
        try:
            answer = self._by_fleet()
        except StoreFailed as failure:
            if failure.kind is StoreFailure.NONSENSE:
                self.source.alarm(str(failure))
            answer = None  # as if there were no fleet
        return answer or self._by_ourselves()

    # What the fleet says

    def _by_fleet(self) -> Result | None:
        plan = self.plan
        self.spends = plan.kind in (Kind.MISS, Kind.RECHECK)
        if plan.kind is Kind.MANUAL:
            return None
        found = self._look()
        if found and self._answers(found):
            return found.arrived, found.memory
        # What a refresh would have brought is there, though not the key ID that somebody asked for as well.
        self.spends = self.spends or (found is not None and self._is_current(found))
        if self.spends:
            return self._ask_budget()
        return None if self.source.seal is None else self._ask_lease()

    def _look(self) -> _Found | None:
        """Read the shared document; None if there is none that is newer than ours."""
        seal = self.source.seal
        if seal is None:
            return None
        sealed = self.store.get(self.names.document, MAX_SEALED)
        if sealed != self.sealed:
            self.sealed = sealed
            self.found = self._read(sealed, seal) if sealed else None
        return self.found

    def _read(self, sealed: bytes, seal: Seal) -> _Found | None:
        wall = self.source.wall()
        try:
            document = seal.open(sealed, now=wall, max_ahead=MAX_SKEW)
            # Seconds before this flight began, negative if after: the clock of the flight goes evenly.
            age = max(0.0, wall - document.asked) - self.elapsed
            # Never back in time, by either clock: one of them may have been set.
            if document.asked <= self.memory.as_of or self.plan.started - age <= self.plan.held:
                return None
            digest = sha256(document.body).digest()
            same = digest == self.memory.digest
            keys = self.keys if same else self.source.origin.read(document.body, document.url, self.keys)
        except (Refused, FetchFailed) as problem:
            self.source.alarm(f"the shared key set is refused: {problem}")
            return None
        self.source.body = digest, document.body
        discovered = self.memory.discovered if document.url == self.memory.url else NEVER
        memory = Memory(document.url, discovered, digest, document.headers, as_of=document.asked)
        arrived = Arrived(keys, document.freshness, Shared(age, document.past_caches))
        return _Found(arrived, memory, self.plan.started - age)

    def _age(self, found: _Found) -> float:
        return self.plan.started + self.elapsed - found.asked

    def _is_current(self, found: _Found) -> bool:
        """Whether a refresh could have brought nothing better."""
        return self._age(found) < self.timing.lifetime(found.arrived.freshness) * self.timing.refresh_from

    def _answers(self, found: _Found) -> bool:
        """Whether this ends the flight: it is what was wanted, or as good as a fetch of our own."""
        wanted, age = self.plan.wanted, self._age(found)
        if wanted is None and self.plan.kind is Kind.REFRESH:
            return self._is_current(found)
        if wanted in found.arrived.keys.table:
            return age < self.timing.lifetime(found.arrived.freshness)
        return age <= self.timing.fleet_refill

    def _ask_budget(self) -> Result | None:
        """Ask whether a stranger's key ID may cause a fetch; if not, what the last one found."""
        said, left = _OPEN, None
        for pause in self._pauses():
            left = self.store.take(self.names.budget, _OPEN, self.timing.fleet_refill)
            if left is None:
                return None
            said = self.store.get(self.names.budget, _DIGEST + 1)
            if said not in (_OPEN, b""):
                break
            self.source.sleep(pause)
        found = self._look()
        if found is None and len(said) == _DIGEST and said != _hex(self.memory):
            return None  # there is something new, and we have to see for ourselves
        if found:
            return found.arrived, found.memory
        if said in (_OPEN, _FAILED, b""):
            return Spared(), self.memory
        if len(said) != _DIGEST:
            raise self.store.nonsense("what it says of the last fetch is no digest")
        # That fetch began no longer ago than the value was there, and it took no longer than a flight may.
        age = max(0.0, self.timing.fleet_refill - (left or 0.0)) + self.timing.flight
        return Spared(age), self.memory

    def _ask_lease(self) -> Result | None:
        """Wait for the process whose turn it is; None if it is ours, or if nothing comes."""
        for pause in self._pauses():
            try:
                left = self.store.take(self.names.lease, _OPEN, self.timing.flight)
            except StoreFailed as failure:
                if failure.kind is StoreFailure.NONSENSE:
                    self.leased = self.source.clock()  # nobody's: to be taken away when we are done
                raise
            if left is None:
                self.leased = self.source.clock()
            else:
                self.waited = True
                self.source.sleep(pause)
            found = self._look()  # also if it is ours: somebody may have been quicker
            if found and self._answers(found):
                return found.arrived, found.memory
            if left is None:
                break
        return None

    def _pauses(self) -> Iterator[float]:
        """How long to wait between two looks, growing, and by chance a little different for each process."""
        end = self.timing.flight * _WAIT
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            spread = pause * random.uniform(0.75, 1.25)  # noqa: S311  # spreads load, hides nothing
            yield max(0.0, min(spread, end - self.elapsed))
            if self.elapsed >= end:
                return

    # What we do ourselves

    def _by_ourselves(self) -> Result:
        self.tried = True
        source, memory = self.source, self.memory
        if source.seal is not None and (source.body is None or source.body[0] != memory.digest):
            memory = memory._replace(headers={})  # "not modified" would leave us with nothing to share
        asked = source.wall()
        try:
            answer, memory = source.origin.ask(self.plan, memory, self._time_to_fetch)
            arrived, memory = source.origin.take(answer, memory, self.keys)
        except FetchFailed:
            found = self._last_look()
            if found is None:
                raise
            return found.arrived, found.memory
        self.fetched, self.fruitful = memory, self.plan.wanted in arrived.keys.table
        if memory.digest is not None and answer.body:
            source.body = memory.digest, answer.body
        self.document = self._document(arrived, memory, asked)
        return arrived, memory

    @property
    def _time_to_fetch(self) -> float:
        """Seconds until the flight is given up, and a moment less if somebody else may still be quicker."""
        reserve = 2 * self.store.timeout if self.waited else 0.0
        return max(0.1, self.timing.flight - self.elapsed - reserve)

    def _last_look(self) -> _Found | None:
        """What the fleet has, for one whose fetch failed: keys past their time are better than older ones."""
        with suppress(StoreFailed):
            if self.timing.flight - self.elapsed > self.store.timeout:
                self._look()
        found = self.found
        return found if found and self._age(found) < self._usable_for(found.arrived) else None

    def _usable_for(self, arrived: Arrived) -> float:
        told = arrived.freshness
        return self.timing.lifetime(told) + self.timing.stale_for(told)

    def _document(self, arrived: Arrived, memory: Memory, asked: float) -> SharedDocument | None:
        body = self.source.body
        if self.source.seal is None or body is None or body[0] != memory.digest:
            return None
        if "no-store" in memory.headers.get("cache-control", "").lower():  # RFC 9111 section 5.2.2.5
            return None
        return SharedDocument(
            url=memory.url or "",
            body=body[1],
            headers=memory.headers,
            freshness=arrived.freshness,
            asked=asked,
            expires=asked + self._usable_for(arrived),
            past_caches=self.plan.past_caches,
        )

    # What the others are told

    def conclude(self) -> None:
        """Tell the fleet what became of it, when our own callers have been told. A store that fails is let be."""
        acts: list[Callable[[], None]] = []
        document, seal = self.document, self.source.seal
        if document is not None and seal is not None:
            left = document.expires - self.source.wall()
            acts.append(partial(self.store.put, self.names.document, seal.close(document), left))
        if self.spends and self.tried:
            said = _hex(self.fetched) if self.fetched else _FAILED
            # Given back by a fetch that found what it was made for, once the others have seen its word.
            refill = self.timing.fleet_refill
            seconds = min(refill, self.timing.miss_gap) if self.fruitful else refill
            acts.append(partial(self.store.put, self.names.budget, said, seconds))
        # One that has run out may be another process's by now.
        if self.source.clock() - self.leased < self.timing.flight - 2 * self.store.timeout:
            acts.append(partial(self.store.drop, self.names.lease))
        for act in acts:
            try:
                act()
            except StoreFailed:
                return


def _hex(memory: Memory) -> bytes:
    return b"" if memory.digest is None else memory.digest.hex().encode()
