"""When keys are fetched, kept, waited for and refused: a state machine without a clock, a thread or a socket.

::

            lands            refresh_at          fresh_until          stale_until
    EMPTY ────────▶ FRESH ──────────────▶ DUE ──────────────▶ STALE ──────────────▶ EXPIRED
      ▲               ▲                    │                    │                     │
      │ purge         └────────────────────┴───── lands ────────┴─────────────────────┘

Time and chance are arguments: `now` in seconds of any clock that never runs backwards, `chance` in [0, 1).
`remote.RemoteKeySet` calls the methods one at a time, and flies what they plan.

What holds whatever happens: a refusal for an unknown key ID rests on a successful fetch that began at most
`miss_refill` seconds ago; unknown key IDs cause at most `miss_burst` + t / `miss_refill` fruitless fetches in
t seconds; a known key ID waits for nothing while the keys are FRESH or DUE; no key is used past its bound; an
older answer never replaces a newer one.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from .states import (
    EMPTY,
    NEVER,
    Arrived,
    Failed,
    Kind,
    Plan,
    Question,
    Refuse,
    Snapshot,
    Spared,
    State,
    Unavailable,
    Use,
    Verdict,
    Wait,
)

if TYPE_CHECKING:
    from .timing import Timing


class Schedule:
    """The machine. `snapshot` and `flight` are what it holds; everything else is bookkeeping.

    `failures` counts the fetches that failed since one succeeded.
    """

    def __init__(self, timing: Timing, snapshot: Snapshot = EMPTY) -> None:
        self.timing = timing
        self.snapshot = snapshot
        self.flight: Plan | None = None
        self.failures = 0
        self.not_before = NEVER
        self._numbers = snapshot.number
        self._ended = NEVER  # when the last attempt did
        self._abandoned: set[int] = set()
        # The budget of unknown key IDs as one number, the time at which it will be full again: exact, where a
        # level that is topped up bit by bit would drift.
        self._budget_full_at = NEVER
        self._returns: deque[float] = deque(maxlen=max(1, timing.miss_returns))
        self._negatives: OrderedDict[Question, None] = OrderedDict()  # tied to the snapshot
        self._recheck_at = NEVER
        self._recheck_number = 0

    def budget(self, now: float) -> float:
        """How many fetches unknown key IDs may cause now."""
        missing = max(0.0, self._budget_full_at - now) / self.timing.miss_refill
        return self.timing.miss_burst - missing

    # Looking up

    def look(self, now: float, question: Question, *, known: bool, waited: int | None = None) -> Verdict:
        """Decide about a look-up, and plan the fetch that it calls for.

        `known` says whether the snapshot answers the question; `waited` is the number of the flight that this
        caller has already waited for, after which no `Wait` is given and nothing is fetched.
        """
        state = self.snapshot.state(now)
        if waited is None and state is not State.FRESH and self._may_start(now):
            missed = not known and self.snapshot is not EMPTY
            self._start(now, Kind.REFRESH, question if missed else None)
        if state in (State.EMPTY, State.EXPIRED):
            if self.flight and waited is None:
                return Wait(self.flight, self.flight.deadline - now)
            return self._unavailable(now)
        if not known:
            return self._miss(now, question, waited)
        if state is State.STALE and self.failures == 0 and self.flight and waited is None:
            # Nobody has asked since the keys went stale: worth a moment. It is counted from the start of the
            # flight, so that a slow one does not cost each request a moment of its own.
            limit = self.flight.started + self.timing.stale_wait - now
            if limit > 0:
                return Wait(self.flight, limit)
        return Use(stale=state is State.STALE)

    def _miss(self, now: float, question: Question, waited: int | None) -> Verdict:
        if question in self._negatives and now - self.snapshot.proved < self.timing.negative_ttl:
            self._negatives.move_to_end(question)
            return Refuse()
        if waited is None:
            if self._may_start(now) and now >= self._miss_at():
                self._budget_full_at = max(self._budget_full_at, now) + self.timing.miss_refill
                self._start(now, Kind.MISS, question)
            if self.flight:
                return Wait(self.flight, self.flight.deadline - now)
        # The attempt that lacked it must have succeeded, and be young; "probably" is not a reason for a 401.
        if self.failures or now - self.snapshot.proved > self.timing.miss_refill:
            # Where a refresh is due, that will bring the answer, and it costs no budget.
            is_fresh = self.snapshot.state(now) is State.FRESH
            return self._unavailable(now, self._miss_at() if is_fresh else NEVER)
        if waited == self.snapshot.number and self.snapshot.past_caches:
            self._negatives[question] = None
            if len(self._negatives) > self.timing.negative_size:
                self._negatives.popitem(last=False)
        return Refuse()

    def _unavailable(self, now: float, not_before: float = NEVER) -> Unavailable:
        if self.flight:
            return Unavailable(max(1.0, self.flight.deadline - now))
        blocked = self.timing.backoff_cap if self._crowded else 0.0
        return Unavailable(max(1.0, blocked, max(not_before, self.not_before) - now))

    # Asking for a fetch

    def recheck(self, now: float) -> Wait | None:
        """Decide whether a bad signature under a known key ID is worth a fetch.

        Keys do get replaced under their old ID. None means that the signature is bad and stays so.
        """
        if self.needs_no_recheck(now):
            return None
        if self.flight and self.flight.number == self._recheck_number:
            return Wait(self.flight, self.flight.deadline - now)
        if self.flight is None and not self._may_start(now):
            return None
        flight = self.flight or self._start(now, Kind.RECHECK, None)
        # In this order, for `needs_no_recheck` is asked without the lock: who reads the time can read the number.
        self._recheck_number = flight.number
        self._recheck_at = now
        return Wait(flight, flight.deadline - now)

    def needs_no_recheck(self, now: float) -> bool:
        """Whether the keys are young, or were looked at again lately and that has ended; plans nothing."""
        rechecked_at, flight = self._recheck_at, self.flight  # in this order; see `recheck`
        if flight and flight.number == self._recheck_number:
            return False
        young = now - self.snapshot.asked <= self.timing.recheck_age
        return young or now - rechecked_at < self.timing.recheck_every

    def refresh(self, now: float) -> Wait | Unavailable:
        """Plan a fetch because the application says so: no back-off and no budget stands in its way."""
        if self.flight is None and not self._crowded:
            self._start(now, Kind.MANUAL, None)
        return Wait(self.flight, self.flight.deadline - now) if self.flight else self._unavailable(now)

    def purge(self) -> None:
        """Forget the keys, and the answer that is on its way: it may be older than the reason for this."""
        self.snapshot = EMPTY
        self._negatives.clear()
        self.give_up()

    def give_up(self) -> None:
        """Do not wait for the answer that is on its way; it is no failure, though."""
        if self.flight:
            self._abandoned.add(self.flight.number)
            self.flight = None

    @property
    def _crowded(self) -> bool:
        return len(self._abandoned) >= self.timing.abandoned_threads

    def _may_start(self, now: float) -> bool:
        return self.flight is None and now >= self.not_before and not self._crowded

    def _miss_at(self) -> float:
        """When the next fetch for an unknown key ID is allowed, as far as budget and gap are concerned."""
        affordable = self._budget_full_at - (self.timing.miss_burst - 1) * self.timing.miss_refill
        return max(affordable, self._ended + self.timing.miss_gap)

    def _start(self, now: float, kind: Kind, wanted: Question | None) -> Plan:
        self._numbers += 1
        deadline = now + self.timing.flight
        self.flight = Plan(self._numbers, kind, now, deadline, wanted, self.failures > 0, self.snapshot.asked)
        return self.flight

    # What became of it

    def expire(self, now: float, chance: float) -> Plan | None:
        """Give up a flight that is past its limit, whatever its thread is doing. To be called before `look`.

        Gives the flight that was given up; it counts as failed.
        """
        flight = self.flight
        if flight is None or now < flight.deadline:
            return None
        self.flight = None
        self._abandoned.add(flight.number)
        self._fail(now, None, chance)
        return flight

    def land(self, number: int, result: Arrived | Spared | Failed, now: float, chance: float) -> bool:
        """Take in what a flight brought. False, and nothing is changed, if it had been given up."""
        flight = self.flight
        if flight is None or flight.number != number:
            self._abandoned.discard(number)
            return False
        self.flight = None
        if isinstance(result, Failed):
            self._fail(now, result.retry_after, chance)
        elif isinstance(result, Spared):
            self._spare(flight, result.age, now)
        else:
            self._keep(flight, result, now, chance)
        return True

    def _fail(self, now: float, retry_after: float | None, chance: float) -> None:
        self.failures += 1
        self._ended = now
        # The exponent is bounded because 2.0 ** 1024 is an error, not a large number.
        pause = min(self.timing.backoff * 2.0 ** min(self.failures - 1, 64), self.timing.backoff_cap)
        asked_for = min(retry_after or 0.0, self.timing.retry_after_cap)
        self.not_before = now + max(pause * (0.5 + chance / 2), asked_for)

    def _keep(self, flight: Plan, result: Arrived, now: float, chance: float) -> None:
        self.failures = 0
        self.not_before = NEVER
        if flight.kind in (Kind.MISS, Kind.RECHECK):
            self._ended = now
        self._negatives.clear()
        self.snapshot = self._snapshot(flight, result).spread(self.timing, chance)
        if flight.kind is Kind.MISS and flight.wanted in result.keys.table:
            self._give_back(now)
        elif flight.kind is Kind.MISS and result.shared:
            self._cost_nothing()

    def _spare(self, flight: Plan, age: float | None, now: float) -> None:
        """Go on with the keys at hand: no fetch was made, so nothing has failed either."""
        self._ended = now
        vouched = self.snapshot.vouched if age is None else flight.started - age
        self.snapshot = self.snapshot._replace(number=flight.number, vouched=vouched, by_fleet=True)
        if flight.kind is Kind.MISS:
            self._cost_nothing()
        elif flight.kind is Kind.RECHECK:  # worth another look when the fleet may fetch again
            self._recheck_at = now - self.timing.recheck_every + self.timing.fleet_refill

    def _snapshot(self, flight: Plan, result: Arrived) -> Snapshot:
        timing, shared = self.timing, result.shared
        # Counted from when the issuer was asked: the answer says what was true then, not when it arrived.
        asked = flight.started - (shared.age if shared else 0.0)
        fresh_until = asked + timing.lifetime(result.freshness)
        return Snapshot(
            keys=result.keys,
            number=flight.number,
            asked=asked,
            past_caches=shared.past_caches if shared else flight.past_caches,
            by_fleet=shared is not None,
            fresh_until=fresh_until,
            stale_until=fresh_until + timing.stale_for(result.freshness),
        )

    def _cost_nothing(self) -> None:
        """Give back what a flight without a fetch need not have cost, but not all: Redis is to be spared too."""
        self._budget_full_at -= max(0.0, self.timing.miss_refill - self.timing.fleet_refill)

    def _give_back(self, now: float) -> None:
        recent = sum(now - moment < self.timing.miss_returns_window for moment in self._returns)
        if recent < self.timing.miss_returns:
            self._returns.append(now)
            self._budget_full_at -= self.timing.miss_refill
