"""Telling people what happens to the keys: events for their hooks, and lines for the log, not too many."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from jwtauthz.checks import show
from jwtauthz.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from jwtauthz.events import FleetEvent, KeyEvent

    from .fetch import FetchFailed
    from .jwk import KeySet, SkippedKey
    from .states import Snapshot

    Hook = Callable[[KeyEvent], object]
    FleetHook = Callable[[FleetEvent], object]

logger = logging.getLogger("jwtauthz.keys")
_LOG_EVERY: Final = 60.0  # seconds between two lines about one and the same outage


class Teller:
    """Tells hooks. Called outside of any lock; a hook that raises is logged, never fatal."""

    def __init__(self, source: str, hooks: Hook | FleetHook | Iterable[Hook | FleetHook] | None) -> None:
        self.source = source
        given = () if hooks is None else (hooks,) if callable(hooks) else tuple(hooks)
        self._hooks: tuple[Callable[[Any], object], ...] = given
        for hook in self._hooks:
            if not callable(hook):
                raise ConfigurationError(f"on_event={hook!r} cannot be called. Write a function of one event.")
        if self._hooks:
            self._import_events()

    def subscribe(self, hook: Hook | FleetHook) -> None:
        """Tell one hook more, unless it is told already."""
        if hook not in self._hooks:
            self._import_events()
            self._hooks = (*self._hooks, hook)

    def _import_events(self) -> None:
        """Import the events with the first hook: a tenth of the whole import, and most processes have no hook.

        Not in the thread of a fetch, when there is one to tell: a child that is forked meanwhile would wait for
        that import for ever.
        """
        from jwtauthz import events

        self._events = events

    def tell(self, event: KeyEvent | FleetEvent) -> None:
        """Call each hook with an event."""
        for hook in self._hooks:
            try:
                hook(event)
            except Exception:
                logger.exception("%s: an on_event hook failed on %s", self.source, type(event).__name__)


class Reporter(Teller):
    """Reports on one key set."""

    def __init__(self, source: str, hooks: Hook | Iterable[Hook] | None) -> None:
        super().__init__(source, hooks)
        self._logged = float("-inf")
        self._stale_told = False
        self._alarmed: frozenset[SkippedKey] = frozenset()

    def arrived(self, old: Snapshot, new: Snapshot, *, now: float, seconds: float, failures: int) -> None:
        """Report a fetch that brought keys, and what changed by it."""
        self._stale_told = False
        confirmed = new.keys is old.keys
        fresh_for = new.fresh_until - now
        if failures:
            logger.info("%s: the keys can be fetched again, after %d failures", self.source, failures)
        logger.debug("%s: %d keys, fresh for %.0f s", self.source, len(new.keys.keys), fresh_for)
        self._logged = float("-inf")
        if self._hooks:
            self.tell(
                self._events.KeysFetched(
                    source=self.source,
                    keys=len(new.keys.keys),
                    skipped=len(new.keys.skipped),
                    confirmed=confirmed,
                    seconds=seconds,
                    fresh_for=fresh_for,
                    failures=failures,
                    shared=new.by_fleet,
                )
            )
        if not confirmed:
            self._changed(old.keys, new.keys)

    def _changed(self, old: KeySet, new: KeySet) -> None:
        self._alarm(new.skipped)
        added = tuple(key.name for key in new.keys if key not in old.keys)
        removed = tuple(key.name for key in old.keys if key not in new.keys)
        if old.keys and (added or removed):
            logger.info("%s: keys added %s, removed %s", self.source, show(added), show(removed))
            if self._hooks:
                self.tell(self._events.KeysRotated(source=self.source, added=added, removed=removed))

    def _alarm(self, skipped: Sequence[SkippedKey]) -> None:
        """Tell of secrets that are published; of each once, as long as it stays there."""
        told, self._alarmed = self._alarmed, frozenset(skip for skip in skipped if skip.alarming)
        for skip in self._alarmed - told:
            logger.error("%s: key %s dropped: %s", self.source, show(skip.kid, 64), skip.reason)
            if self._hooks:
                self.tell(self._events.KeyDropped(source=self.source, kid=skip.kid, reason=skip.reason))

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
            logger.warning("%s: %s (failure %d; %s)", self.source, reason, failures, how_long)
        if self._hooks:
            self.tell(
                self._events.KeysFetchFailed(
                    source=self.source,
                    kind=failure.kind,
                    reason=reason,
                    failures=failures,
                    retry_in=retry_in,
                    holding=serving_for > 0,
                )
            )
        if held.fresh_until <= now < held.stale_until and not self._stale_told:
            self._stale_told = True
            if self._hooks:
                self.tell(
                    self._events.KeysStale(source=self.source, age=now - held.asked, serving_for=serving_for)
                )
