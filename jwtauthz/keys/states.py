"""The words of the schedule: the states of a key set, and what is asked and answered about it. Data only.

Named tuples: a frozen data class takes a third of a millisecond to make at import, and those of this library
took half of it. They compare as tuples do, so tell verdicts apart by their class, never by ==.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from .freshness import Freshness
from .jwk import KeySet

if TYPE_CHECKING:
    from .timing import Timing

Question: TypeAlias = "tuple[str | None, str]"  # a key ID and an algorithm
NEVER: Final = float("-inf")


class State(StrEnum):
    """What the keys at hand are good for."""

    EMPTY = "empty"
    FRESH = "fresh"
    DUE = "due"
    STALE = "stale"
    EXPIRED = "expired"


class Kind(StrEnum):
    """Why a fetch is made."""

    REFRESH = "refresh"  # the first one, and those that time asks for
    MISS = "miss"  # for a key ID that is not in the set
    RECHECK = "recheck"  # for a bad signature under a key ID that is
    MANUAL = "manual"  # because the application says so


class Plan(NamedTuple):
    """A fetch to be made. `number` grows; `wanted` is the question it is to answer, if there is one.

    `after_failure` says that the one before failed, so that nothing it used should be relied on; `held` is when
    the issuer was asked for the keys at hand, so that no older ones are taken from anybody.
    """

    number: int
    kind: Kind
    started: float
    deadline: float
    wanted: Question | None
    after_failure: bool
    held: float = NEVER

    @property
    def past_caches(self) -> bool:
        """Whether an answer from a cache on the way would be worth nothing."""
        return self.kind is not Kind.REFRESH or self.wanted is not None

    @property
    def may_retry(self) -> bool:
        """Whether one more attempt may be made inside it; not where strangers decide how many are made."""
        return self.kind in (Kind.REFRESH, Kind.MANUAL)


class Snapshot(NamedTuple):
    """Keys and the times that belong to them; what a look-up reads. Never changed, only replaced.

    `number` is that of the flight that brought or confirmed them, `asked` when the issuer was asked for them
    (they are at least as new as that), `past_caches` whether that went past the caches on its way. `by_fleet`
    says that the flight made no fetch of its own; `vouched` when another process of the fleet is said to have
    found just these keys: enough to refuse a key ID, not to keep them any longer.
    """

    keys: KeySet = KeySet(())
    number: int = 0
    asked: float = NEVER
    vouched: float = NEVER
    past_caches: bool = False
    by_fleet: bool = False
    refresh_at: float = NEVER
    fresh_until: float = NEVER
    stale_until: float = NEVER

    def state(self, now: float) -> State:
        """What these keys are good for now."""
        if self.stale_until == NEVER:
            return State.EMPTY
        if now < self.refresh_at:
            return State.FRESH
        if now < self.fresh_until:
            return State.DUE
        return State.STALE if now < self.stale_until else State.EXPIRED

    @property
    def proved(self) -> float:
        """When it was last known that the issuer has these keys and no others."""
        return max(self.asked, self.vouched)

    @classmethod
    def seed(cls, keys: KeySet, now: float, timing: Timing) -> Snapshot:
        """Keys that the application gave: stale at birth, so that they are only a beginning."""
        return cls(keys, stale_until=now + timing.stale_if_error)

    def spread(self, timing: Timing, chance: float) -> Snapshot:
        """Draw `refresh_at` (anew), so that not everybody fetches at the same moment."""
        if self.asked == NEVER:
            return self
        part = timing.refresh_from + (timing.refresh_to - timing.refresh_from) * chance
        return self._replace(refresh_at=self.asked + (self.fresh_until - self.asked) * part)


EMPTY: Final = Snapshot()


class Shared(NamedTuple):
    """Keys that another process fetched: how many seconds before this flight, and whether past all caches."""

    age: float
    past_caches: bool


class Arrived(NamedTuple):
    """A fetch brought keys, or confirmed those that we had; `shared` if it was one of another process."""

    keys: KeySet
    freshness: Freshness = Freshness()
    shared: Shared | None = None


class Spared(NamedTuple):
    """No fetch was made, because the fleet has spent its budget for unknown key IDs.

    `age` is how many seconds ago, at most, another process is said to have found the keys that we hold; None
    if nothing is said.
    """

    age: float | None = None


class Failed(NamedTuple):
    """A fetch brought nothing; `retry_after` is what the issuer asked for, in seconds."""

    retry_after: float | None = None


class Use(NamedTuple):
    """Verify with the keys at hand."""

    stale: bool


class Wait(NamedTuple):
    """Wait for this flight, so many seconds at most, then look once more."""

    plan: Plan
    limit: float


class Refuse:  # no named tuple: one without fields would be falsy
    """No such key, and that is certain: 401."""

    __slots__ = ()


class Unavailable(NamedTuple):
    """Nothing can be said: 503. Asking again may help after `retry_after` seconds."""

    retry_after: float


Verdict: TypeAlias = Use | Wait | Refuse | Unavailable
