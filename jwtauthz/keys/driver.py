"""Flies what `schedule` plans: the lock, the threads and the fork of a remote key set.

The lock is held for transitions of the machine only, never while anything waits, so that it may be taken on an
event loop. A fetch has a daemon thread that ends with it; between fetches there is none.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from weakref import WeakSet

from jwtauthz.failures import FailureKind

from .fetch import THREAD_NAME, FetchFailed
from .flight import Flight, Landing
from .schedule import Schedule
from .source import Memory
from .states import (
    NEVER,
    Arrived,
    Failed,
    Plan,
    Refuse,
    Snapshot,
    Spared,
    Unavailable,
    Use,
    Verdict,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jwk import KeySet
    from .report import Reporter
    from .source import Afterwards, Origin
    from .timing import Timing

Answer: TypeAlias = Use | Refuse | Unavailable | Flight | None


class Failure(NamedTuple):
    """Why a fetch failed. Not the exception itself, which would keep the fetch's frames alive."""

    kind: FailureKind
    reason: str
    at: float


class Driver:
    """Runs the machine of one key set for callers in any thread and on any loop.

    `snapshot` is the machine's, published for readers that take no lock; `last_failure` says of the last fetch
    that failed why it did, and when. `origin` is asked by each flight anew, and may be replaced.
    """

    def __init__(
        self,
        origin: Origin,
        report: Reporter,
        timing: Timing,
        snapshot: Snapshot,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self.timing = timing
        self.snapshot = snapshot
        self.last_failure: Failure | None = None
        self.origin = origin
        self._report = report
        self._clock = clock
        self._chance = chance
        self._memory = Memory()
        self._start_afresh()
        _alive.add(self)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._schedule = Schedule(self.timing, self.snapshot)
        self._landing = Landing(0)  # of the machine's flight, or of an earlier one

    def ask(self, transition: Callable[[Schedule, float], Verdict | None]) -> tuple[Answer, Snapshot]:
        """Run one transition and fly what it plans. A `Wait` comes out as the flight to wait for."""
        launched = None
        with self._lock:
            schedule, now = self._schedule, self._clock()
            later = self._expire(now)
            verdict = transition(schedule, now)
            snapshot = self.snapshot = schedule.snapshot
            plan = schedule.flight
            if plan is not None and plan.number != self._landing.number:
                self._landing = Landing(plan.number)
                launched = partial(self._launch, plan, self._landing, self._memory, snapshot.keys)
            landing = self._landing
        for act in later:
            act()
        if launched:
            launched()
        if isinstance(verdict, Wait):
            return Flight(landing, verdict.limit), snapshot
        return verdict, snapshot

    @property
    def needs_no_recheck(self) -> bool:
        """Whether a bad signature is no reason to fetch now; asked without the lock, for they come in floods.

        What it reads may be a moment old: at worst the recheck comes with the next bad signature.
        """
        return self._schedule.needs_no_recheck(self._clock())

    def forget(self) -> None:
        """Drop the keys, and the answer that is on its way."""
        with self._lock:
            self._schedule.purge()
            self.snapshot = self._schedule.snapshot
            self._memory = self._memory.forgotten()

    def give_up(self) -> None:
        """Drop the answer that is on its way."""
        with self._lock:
            self._schedule.give_up()

    def health(self) -> dict[str, object]:
        """Show where things stand, in values that fit JSON."""
        with self._lock:
            schedule, snapshot, now, failure = self._schedule, self.snapshot, self._clock(), self.last_failure
            in_flight, failures, not_before = schedule.flight, schedule.failures, schedule.not_before
            budget = schedule.budget(now)

        def until(moment: float) -> float | None:
            return None if moment == NEVER else round(max(0.0, moment - now), 3)

        return {
            "state": str(snapshot.state(now)),
            "keys": [key.name for key in snapshot.keys.keys],
            "skipped": [f"{skip.index}: {skip.reason}" for skip in snapshot.keys.skipped],
            "age": None if snapshot.asked == NEVER else round(now - snapshot.asked, 3),
            "refresh_in": until(snapshot.refresh_at),
            "fresh_for": until(snapshot.fresh_until),
            "usable_for": until(snapshot.stale_until),
            "fetching": in_flight is not None,
            "failures": failures,
            "next_attempt_in": until(not_before),
            "last_error": failure.reason if failure else None,
            "last_error_kind": str(failure.kind) if failure else None,
            "last_error_ago": round(now - failure.at, 3) if failure else None,
            "unknown_key_budget": round(budget, 3),
            "removed_key_refused_within": self.timing.removed_within,
            "removed_key_refused_within_in_outage": self.timing.removed_within_outage,
        }

    def after_fork(self) -> None:
        """Go on in a forked child: with the keys, without what belongs to threads that were left behind.

        Another thread may have been in the middle of a transition, so nothing but the published snapshot is
        taken over; its document may not be the one of `_memory`.
        """
        self.snapshot = self.snapshot.spread(self.timing, self._chance())
        self._memory = self._memory.without_document()
        self._start_afresh()

    def _launch(self, plan: Plan, landing: Landing, memory: Memory, keys: KeySet) -> None:
        arguments = (plan, landing, memory, keys)
        try:
            threading.Thread(target=self._fly, args=arguments, name=THREAD_NAME, daemon=True).start()
        except BaseException as error:
            # Whatever it is, a signal of the caller's say: a flight without a thread would never land.
            failure = FetchFailed(FailureKind.NO_THREAD, "no thread can be started to fetch the keys")
            self._land(plan, landing, failure, memory)
            # No more threads to be had, or the interpreter is about to exit.
            if not isinstance(error, RuntimeError | MemoryError):
                raise

    def _fly(self, plan: Plan, landing: Landing, memory: Memory, keys: KeySet) -> None:
        result: Arrived | Spared | FetchFailed
        later: Afterwards = []
        try:
            result, memory = self.origin.fetch(plan, memory, keys, later)
        except FetchFailed as failure:
            result = failure
        except BaseException as error:  # noqa: BLE001  # a client may raise anything; waiters must be woken
            result = FetchFailed(FailureKind.CLIENT, f"the fetch failed with {type(error).__name__}")
        self._land(plan, landing, result, memory)
        for act in later:
            act()

    def _land(self, plan: Plan, landing: Landing, result: Arrived | Spared | FetchFailed, memory: Memory) -> None:
        with self._lock:
            schedule, now = self._schedule, self._clock()
            later = self._expire(now)
            held, failures = schedule.snapshot, schedule.failures
            if isinstance(result, FetchFailed):
                if schedule.land(plan.number, Failed(result.retry_after), now, self._chance()):
                    later += self._failed(result, now)
            elif schedule.land(plan.number, result, now, self._chance()):
                self._memory = memory
                if isinstance(result, Arrived):
                    arrived = partial(self._report.arrived, held, schedule.snapshot, failures=failures)
                    later.append(partial(arrived, now=now, seconds=now - plan.started))
            self.snapshot = schedule.snapshot
        landing.announce()
        for act in later:
            act()

    def _expire(self, now: float) -> Afterwards:
        """Give up a flight that is past its limit; the lock is held."""
        if self._schedule.expire(now, self._chance()) is None:
            return []
        reason = f"no answer within {self.timing.flight:g} s, and the fetch is given up"
        return [self._landing.announce, *self._failed(FetchFailed(FailureKind.ABANDONED, reason), now)]

    def _failed(self, failure: FetchFailed, now: float) -> Afterwards:
        self.last_failure = Failure(failure.kind, str(failure), now)
        schedule = self._schedule
        return [
            partial(
                self._report.failed,
                failure,
                schedule.snapshot,
                now=now,
                failures=schedule.failures,
                retry_in=max(0.0, schedule.not_before - now),
            )
        ]


_alive: WeakSet[Driver] = WeakSet()


def _after_fork() -> None:
    for driver in list(_alive):
        driver.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
