"""Telling people what happens to the keys: events for their hooks, and lines for the log, not too many."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from jwtauthz.checks import show
from jwtauthz.events import (
    KeyDropped,
    KeyEvent,
    KeysFetched,
    KeysFetchFailed,
    KeysRotated,
    KeysStale,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .fetch import FetchFailed
    from .jwk import KeySet, SkippedKey
    from .states import Snapshot

    Hook = Callable[[KeyEvent], object]

logger = logging.getLogger("jwtauthz.keys")
_LOG_EVERY: Final = 60.0  # seconds between two lines about one and the same outage


class Reporter:
    """Reports on one key set. Called outside of any lock; a hook that raises is logged, never fatal."""

    def __init__(self, source: str, hooks: Sequence[Hook]) -> None:
        self._source = source
        self._hooks = tuple(hooks)
        self._logged = float("-inf")
        self._stale_told = False
        self._alarmed: frozenset[SkippedKey] = frozenset()

    def subscribe(self, hook: Hook) -> None:
        """Tell one hook more, unless it is told already."""
        if hook not in self._hooks:
            self._hooks = (*self._hooks, hook)

    def arrived(self, old: Snapshot, new: Snapshot, *, now: float, seconds: float, failures: int) -> None:
        """Report a fetch that brought keys, and what changed by it."""
        self._stale_told = False
        confirmed = new.keys is old.keys
        fresh_for = new.fresh_until - now
        if failures:
            logger.info("%s: the keys can be fetched again, after %d failures", self._source, failures)
        logger.debug("%s: %d keys, fresh for %.0f s", self._source, len(new.keys.keys), fresh_for)
        self._logged = float("-inf")
        self._tell(
            KeysFetched(
                source=self._source,
                keys=len(new.keys.keys),
                skipped=len(new.keys.skipped),
                confirmed=confirmed,
                seconds=seconds,
                fresh_for=fresh_for,
                failures=failures,
            )
        )
        if not confirmed:
            self._changed(old.keys, new.keys)

    def _changed(self, old: KeySet, new: KeySet) -> None:
        self._alarm(new.skipped)
        added = tuple(key.name for key in new.keys if key not in old.keys)
        removed = tuple(key.name for key in old.keys if key not in new.keys)
        if old.keys and (added or removed):
            logger.info("%s: keys added %s, removed %s", self._source, show(added), show(removed))
            self._tell(KeysRotated(source=self._source, added=added, removed=removed))

    def _alarm(self, skipped: Sequence[SkippedKey]) -> None:
        """Tell of secrets that are published; of each once, as long as it stays there."""
        told, self._alarmed = self._alarmed, frozenset(skip for skip in skipped if skip.alarming)
        for skip in self._alarmed - told:
            logger.error("%s: key %s dropped: %s", self._source, show(skip.kid, 64), skip.reason)
            self._tell(KeyDropped(source=self._source, kid=skip.kid, reason=skip.reason))

    def failed(self, failure: FetchFailed, held: Snapshot, *, now: float, failures: int, retry_in: float) -> None:
        """Report a fetch that brought nothing, and what it means for the keys at hand."""
        reason = str(failure)
        if failure.skipped:
            self._alarm(failure.skipped)
        serving_for = held.stale_until - now
        if failures == 1 or now - self._logged >= _LOG_EVERY:
            self._logged = now
            how_long = (
                f"the keys at hand serve for {serving_for:.0f} s" if serving_for > 0 else "no keys are at hand"
            )
            logger.warning("%s: %s (failure %d; %s)", self._source, reason, failures, how_long)
        self._tell(
            KeysFetchFailed(
                source=self._source,
                kind=failure.kind,
                reason=reason,
                failures=failures,
                retry_in=retry_in,
                holding=serving_for > 0,
            )
        )
        if held.fresh_until <= now < held.stale_until and not self._stale_told:
            self._stale_told = True
            self._tell(KeysStale(source=self._source, age=now - held.asked, serving_for=serving_for))

    def _tell(self, event: KeyEvent) -> None:
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("%s: an on_event hook failed on %s", self._source, type(event).__name__)
