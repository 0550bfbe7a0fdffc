"""The numbers of a remote key set: how long keys are kept, how often they are fetched, how long one waits."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from jwtauthz.errors import ConfigurationError

if TYPE_CHECKING:
    from .freshness import Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a `RemoteKeySet` fetches, keeps, waits and refuses. Seconds, where nothing else is said.

    Raises ConfigurationError for numbers that contradict each other.

    Args:
        ttl: how long fetched keys are fresh if the answer does not say.
        ttl_floor: no answer makes them fresh for less; else `no-cache` would mean a fetch per request.
        ttl_ceiling: nor for more; this is T1, the time within which a removed key is refused.
        refresh_from: the part of the TTL after which a refresh may begin in the background,
        refresh_to: and the part by which it has begun; drawn between the two, to spread a fleet.
        stale_if_error: how long past that the keys are used while the issuer cannot be reached.
        unsafe_ignore_no_stale: use stale keys even where the answer forbids it by `no-store`, `no-cache` or
            `must-revalidate` (RFC 9111 section 5.2.2.2).
        stale_wait: how long a request waits for the first refresh of a set that went stale unnoticed.
        connect: the limit of one connection attempt,
        read: of waiting for the next bytes,
        flight: and of a whole fetch, discovery and retry included.
        backoff: the pause after a first failed fetch; it doubles,
        backoff_cap: up to this.
        retry_after_cap: as much of the issuer's own `Retry-After` is honoured.
        miss_burst: fetches that unknown key IDs may cause at once (a count),
        miss_refill: and the time after which they may cause one more.
        miss_gap: the pause before a fetch for an unknown key ID, after another such fetch or one that failed.
        fleet_refill: the time between two such fetches of all processes of a fleet, if there is one.
        miss_returns: fetches that found the key they were made for and therefore do not count (a count),
        miss_returns_window: within this time.
        negative_ttl: how long it is remembered that a key ID was looked for in vain,
        negative_size: for this many of them (a count).
        recheck_every: between two fetches caused by bad signatures under a known key ID,
        recheck_age: which keys younger than this never cause.
        rediscovery: after this time the issuer's metadata are read again with the keys.
        abandoned_threads: how many fetches past their limit may hang before no more are made (a count).
    """

    ttl: float = 600.0
    ttl_floor: float = 60.0
    ttl_ceiling: float = 3600.0
    refresh_from: float = 0.75
    refresh_to: float = 0.85
    stale_if_error: float = 3600.0
    unsafe_ignore_no_stale: bool = False
    stale_wait: float = 1.0
    connect: float = 2.0
    read: float = 3.0
    flight: float = 5.0
    backoff: float = 1.0
    backoff_cap: float = 30.0
    retry_after_cap: float = 300.0
    miss_burst: int = 2
    miss_refill: float = 30.0
    miss_gap: float = 2.0
    fleet_refill: float = 10.0
    miss_returns: int = 2
    miss_returns_window: float = 300.0
    negative_ttl: float = 30.0
    negative_size: int = 1024
    recheck_every: float = 300.0
    recheck_age: float = 60.0
    rediscovery: float = 86_400.0
    abandoned_threads: int = 2

    def __post_init__(self) -> None:
        may_be_zero = {"stale_if_error", "stale_wait", "miss_gap", "miss_returns", "recheck_age"}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "unsafe_ignore_no_stale":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ConfigurationError(f"Timing({field.name}={value!r}): write a number of seconds.")
            if value < 0 or (value == 0 and field.name not in may_be_zero):
                raise ConfigurationError(f"Timing({field.name}={value!r}): write a number above 0.")
        for holds, why in self._relations():
            if not holds:
                raise ConfigurationError(f"Timing: {why}.")

    def _relations(self) -> tuple[tuple[bool, str], ...]:
        return (
            (
                self.ttl_floor <= self.ttl <= self.ttl_ceiling,
                "ttl must lie between ttl_floor and ttl_ceiling; change one of the three",
            ),
            (
                self.refresh_from <= self.refresh_to < 1,
                "refresh_from and refresh_to are parts of the TTL: write 0 < refresh_from <= refresh_to < 1",
            ),
            (
                self.flight < self.ttl_floor * self.refresh_from,
                "a fetch may outlast the keys it brings: write flight below ttl_floor * refresh_from",
            ),
            (self.backoff <= self.backoff_cap, "the first back-off cannot exceed backoff_cap"),
            (
                self.miss_gap + self.flight <= self.miss_refill,
                "an unknown key ID has to get an answer: write miss_refill of at least miss_gap + flight",
            ),
            (
                self.negative_ttl <= self.miss_refill,
                "a refusal may rest on no older fetch than miss_refill: write negative_ttl no larger",
            ),
        )

    def lifetime(self, told: Freshness) -> float:
        """How long keys are fresh that came with these words, in seconds from when they were asked for."""
        ttl = self.ttl if told.lifetime is None else told.lifetime
        return min(max(ttl, self.ttl_floor), self.ttl_ceiling)

    def stale_for(self, told: Freshness) -> float:
        """How long past that they serve while the issuer cannot be reached."""
        if not told.stale_allowed and not self.unsafe_ignore_no_stale:
            return 0.0
        return min(self.stale_if_error, math.inf if told.stale_if_error is None else told.stale_if_error)

    @property
    def removed_within(self) -> float:
        """T1: a key that the issuer removed is refused after at most so many seconds, while it answers."""
        return self.ttl_ceiling

    @property
    def removed_within_outage(self) -> float:
        """T2: the same while the issuer cannot be reached."""
        return self.ttl_ceiling + self.stale_if_error
