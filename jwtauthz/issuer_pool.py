"""The issuers that a resolver found, kept within bounds however many a stranger invents.

An issuer is new until a token of it was verified. New ones stand apart: they push out each other, never one
that is proven, and what they cost is limited as fetches for unknown key IDs are (`keys/schedule.py`).
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import WeakSet

from .errors import Code, ConfigurationError, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from .issuer import Issuer
    from .issuer_resolver import IssuerResolver

logger = logging.getLogger("jwtauthz")

Trusted = TypeVar("Trusted")

REFILL: Final = 10.0
"""Seconds after which one more new issuer is taken up, where as many as allowed came and proved nothing."""
_RETURNS_WINDOW: Final = 300.0
_WARN_EVERY: Final = 60.0


class _Standing(Enum):
    NAMED = "named"  # by the application, to the letter: neither counted nor pushed out
    NEW = "new"  # no token of it has been verified
    PROVEN = "proven"


class _Place(Generic[Trusted]):
    __slots__ = ("issuer", "standing", "trusted", "used")

    def __init__(self, issuer: Issuer, trusted: Trusted, standing: _Standing, used: int) -> None:
        self.issuer = issuer
        self.trusted = trusted
        self.standing = standing
        self.used = used  # the tick of its last verified token


class IssuerPool(Generic[Trusted]):
    """What a server keeps of the issuers of one resolver, by their URL.

    Look-ups take no lock. `prepare` makes of an issuer what its tokens are checked against.
    """

    def __init__(self, resolver: IssuerResolver, prepare: Callable[[Issuer], Trusted]) -> None:
        self.resolver = resolver
        self._prepare = prepare
        self._places: dict[str, _Place[Trusted]] = {}
        self._ticks = itertools.count()
        self._full_at = float("-inf")  # when the budget of new issuers is full again; as in `schedule`
        self._returns: deque[float] = deque(maxlen=resolver.limit)
        self._warned = float("-inf")
        self._hooks: tuple[Callable[[object], object], ...] = ()
        self._lock = threading.Lock()
        _alive.add(self)

    def held(self, iss: str) -> Trusted | None:
        """What is kept of this issuer; asks nobody."""
        place = self._places.get(iss)
        return None if place is None else place.trusted

    def find(self, iss: str) -> Trusted | Finding | None:
        """What the tokens of this issuer are checked against; None if it is not accepted.

        A finding, if that can't be told, or if too many issuers are new.
        """
        place = self._places.get(iss)
        if place is not None:
            return place.trusted
        issuer = self.resolver.resolve(iss)
        if issuer is None or isinstance(issuer, Finding):
            return issuer
        try:
            trusted = self._prepare(issuer)
        except ConfigurationError as error:
            logger.error("The issuer %s can't be used: %s", iss, error)
            return Finding(Code.ISSUER_UNRESOLVED, f"The issuer can't be used: {error}", "iss")
        return self._take_up(issuer, trusted)

    def _take_up(self, issuer: Issuer, trusted: Trusted) -> Trusted | Finding:
        named = self.resolver.names(issuer.url)
        pushed_out = None
        with self._lock:
            place = self._places.get(issuer.url)
            if place is not None:  # another thread was faster
                return place.trusted
            if not named:
                now = self.resolver.clock()
                if now < self._full_at - (self.resolver.newcomers - 1) * REFILL:
                    return _TOO_MANY
                self._full_at = max(self._full_at, now) + REFILL
                pushed_out = self._push_out(_Standing.NEW, self.resolver.newcomers - 1)
            standing = _Standing.NAMED if named else _Standing.NEW
            self._places[issuer.url] = _Place(issuer, trusted, standing, next(self._ticks))
        if named:
            self._subscribe(issuer)
        self._let_go(pushed_out)
        return trusted

    def verified(self, iss: str, trusted: Trusted) -> None:
        """Told of each token that was verified; the first one proves its issuer."""
        place = self._places.get(iss)
        if place is None or place.trusted is not trusted:
            return
        place.used = next(self._ticks)
        if place.standing is _Standing.NEW:
            self._prove(place)

    def _prove(self, place: _Place[Trusted]) -> None:
        with self._lock:
            if place.standing is not _Standing.NEW or self._places.get(place.issuer.url) is not place:
                return
            now = self.resolver.clock()
            # Given back, but not for ever: somebody may have many tenants, with good tokens of each.
            if len(self._returns) < self.resolver.limit or now - self._returns[0] >= _RETURNS_WINDOW:
                self._returns.append(now)
                self._full_at -= REFILL
            pushed_out = self._push_out(_Standing.PROVEN, self.resolver.limit - 1)
            place.standing = _Standing.PROVEN
        # Hooks hear of its keys from now on, so that no stranger fills a metric with names.
        self._subscribe(place.issuer)
        if pushed_out is not None and now - self._warned >= _WARN_EVERY:
            self._warned = now
            logger.warning(
                "More than limit=%d issuers are in use: that of the longest rest is dropped, and its keys will be "
                "fetched anew. Write IssuerResolver(..., limit=...) larger",
                self.resolver.limit,
            )
        self._let_go(pushed_out)

    def _push_out(self, standing: _Standing, keep: int) -> Issuer | None:
        """Make room among those of one standing; the lock is held."""
        those = [place for place in self._places.values() if place.standing is standing]
        if len(those) <= keep:
            return None
        least = min(those, key=lambda place: place.used)
        del self._places[least.issuer.url]
        return least.issuer

    def forget(self, iss: str) -> bool:
        """Drop an issuer, and say whether it was kept: the next token of it asks the resolver anew."""
        with self._lock:
            place = self._places.pop(iss, None)
        self._let_go(None if place is None else place.issuer)
        return place is not None

    @staticmethod
    def _let_go(issuer: Issuer | None) -> None:
        if issuer is not None:
            issuer.key_set.close()

    def subscribe(self, hook: Callable[[object], object]) -> None:
        """Tell one hook more of the keys of each issuer that is proven or named."""
        self._hooks = (*self._hooks, hook)
        for issuer in self.issuers:
            self._subscribe(issuer)

    def _subscribe(self, issuer: Issuer) -> None:
        subscribe = getattr(issuer.key_set, "subscribe", None)
        if subscribe is not None:  # a key set without a network has no events
            for hook in self._hooks:
                subscribe(hook)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Those that are proven or named; new ones are nobody's word but a stranger's."""
        places = list(self._places.values())
        return tuple(place.issuer for place in places if place.standing is not _Standing.NEW)

    def close(self) -> None:
        """Let go of all their key sets."""
        for place in list(self._places.values()):
            place.issuer.key_set.close()

    def __len__(self) -> int:
        return len(self._places)

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.Lock()


_alive: WeakSet[IssuerPool[Any]] = WeakSet()


def _after_fork() -> None:
    for pool in list(_alive):
        pool.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_TOO_MANY: Final = Finding(
    Code.ISSUER_UNRESOLVED,
    "The token comes from an issuer that is new here, and too many were new of late.",
    "iss",
    hint="If these are good tenants, write IssuerResolver(..., newcomers=...) larger; if somebody invents "
    "issuers, this keeps them from being fetched. Tokens of issuers that are known go on being served.",
)
