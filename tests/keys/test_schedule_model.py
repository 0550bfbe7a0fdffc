"""The machine in simulated time, alone and in a fleet: its issuer rotates, fails, hangs and answers late.

Hypothesis plays strangers, good clients and the issuer in any order it can think of; what must hold whatever
happens is asserted at each step. The driver's part (`expire` before each call) is played here as well.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jwtauthz.keys.freshness import freshness
from jwtauthz.keys.jwk import KeySet
from jwtauthz.keys.key import Key
from jwtauthz.keys.schedule import Schedule
from jwtauthz.keys.states import (
    EMPTY,
    Arrived,
    Failed,
    Kind,
    Plan,
    Refuse,
    Shared,
    Spared,
    State,
    Unavailable,
    Use,
    Wait,
)
from jwtauthz.keys.timing import Timing

from .tools import private_ec

KIDS = ("a", "b", "c", "d")
JUNK = tuple(f"junk-{number}" for number in range(8))
TIMES = (
    0.0,
    0.25,
    0.5,
    1.0,
    2.0,
    3.0,
    4.75,
    5.0,
    10.0,
    29.75,
    30.0,
    30.25,
    61.0,
    100.0,
    299.0,
    450.0,
    600.0,
    4000.0,
)
DIRECTIVES = (
    "",
    "max-age=0",
    "max-age=900",
    "max-age=99999",
    "no-store",
    "max-age=90,must-revalidate",
    "stale-if-error=50",
)
TIMING = Timing(negative_size=4)


@cache
def published(kids: frozenset[str]) -> KeySet:
    return KeySet(Key(private_ec().public_key(), kid=kid) for kid in sorted(kids))


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 10_000.0
        self.machine = Schedule(TIMING)
        self.truth = frozenset({"a"})
        self.in_the_air: list[tuple[Plan, frozenset[str]]] = []  # threads, each with the truth when it began
        self.waiting: list[tuple[int, float, str]] = []  # flight, when the caller gives up, what it looks for
        self.fruitless: list[float] = []  # when miss flights began that did not find what they were made for
        self.accepted = 0  # the number of the newest flight that was taken in
        self.proof = float("-inf")  # when it began
        self.vouched = float("-inf")  # when the fleet found the same, by its own word
        self.held: frozenset[str] = frozenset()  # what it brought
        self.quiet_until = float("-inf")  # the shortest back-off after the last failure

    # The issuer and the clock

    @rule(seconds=st.sampled_from(TIMES))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(truth=st.frozensets(st.sampled_from(KIDS), min_size=1))
    def the_issuer_rotates(self, truth: frozenset[str]) -> None:
        self.truth = truth

    @precondition(lambda self: self.in_the_air)
    @rule(data=st.data(), directive=st.sampled_from(DIRECTIVES), chance=st.sampled_from([0.0, 0.5, 0.999]))
    def a_thread_brings_keys(self, data: st.DataObject, directive: str, chance: float) -> None:
        plan, before = self.thread(data)
        document = data.draw(st.sampled_from([before, self.truth]))
        self.expire()
        result = Arrived(published(document), freshness({"cache-control": directive} if directive else {}, wall=0))
        current = self.machine.flight is not None and self.machine.flight.number == plan.number
        assert self.machine.land(plan.number, result, self.now, chance) == current, "late answers are dropped"
        if current:
            assert plan.number > self.accepted, "an older answer never replaces a newer one"
            self.took(plan, document, plan.started)
        if plan.kind is Kind.MISS and not (current and plan.wanted and plan.wanted[0] in document):
            self.fruitless.append(plan.started)

    @precondition(lambda self: self.in_the_air)
    @rule(data=st.data(), retry_after=st.sampled_from([None, 20.0, 1e9]), chance=st.sampled_from([0.0, 0.999]))
    def a_thread_fails(self, data: st.DataObject, retry_after: float | None, chance: float) -> None:
        plan, _ = self.thread(data)
        self.expire()
        if self.machine.land(plan.number, Failed(retry_after), self.now, chance):
            self.failed()
        if plan.kind is Kind.MISS:
            self.fruitless.append(plan.started)

    @precondition(lambda self: self.in_the_air)
    @rule(data=st.data(), age=st.sampled_from([0.0, 3.0, 15.0, 250.0]), chance=st.sampled_from([0.0, 0.999]))
    def the_fleet_has_keys(self, data: st.DataObject, age: float, chance: float) -> None:
        plan, before = self.thread(data)
        self.expire()
        age = min(age, plan.started - plan.held)  # no older ones are taken
        shared = Shared(age, data.draw(st.booleans()))
        if self.machine.land(plan.number, Arrived(published(before), shared=shared), self.now, chance):
            self.took(plan, before, plan.started - age)

    @precondition(lambda self: any(plan.kind in (Kind.MISS, Kind.RECHECK) for plan, _ in self.in_the_air))
    @rule(data=st.data(), age=st.sampled_from([None, 0.0, 5.0, 15.0]))
    def the_fleet_spares_the_issuer(self, data: st.DataObject, age: float | None) -> None:
        number = data.draw(st.integers(0, len(self.in_the_air) - 1))
        plan = self.in_the_air[number][0]
        if plan.kind not in (Kind.MISS, Kind.RECHECK):
            return
        self.in_the_air.pop(number)
        self.expire()
        held = self.machine.snapshot
        if self.machine.land(plan.number, Spared(age), self.now, 0.5):
            self.accepted = plan.number
            self.vouched = self.vouched if age is None else plan.started - age
        new = self.machine.snapshot
        assert (new.keys, new.asked, new.refresh_at, new.fresh_until, new.stale_until) == (
            held.keys,
            held.asked,
            held.refresh_at,
            held.fresh_until,
            held.stale_until,
        ), "the word of the fleet makes no key younger"

    def took(self, plan: Plan, document: frozenset[str], asked: float) -> None:
        self.accepted, self.proof, self.held = plan.number, asked, document
        self.quiet_until = self.vouched = float("-inf")

    def thread(self, data: st.DataObject) -> tuple[Plan, frozenset[str]]:
        return self.in_the_air.pop(data.draw(st.integers(0, len(self.in_the_air) - 1)))

    # The callers

    @rule(kid=st.sampled_from(KIDS + JUNK))
    def somebody_looks(self, kid: str) -> None:
        self.look(kid, None)

    @rule(count=st.integers(2, 8))
    def strangers_flood(self, count: int) -> None:
        for junk in JUNK[:count]:
            self.look(junk, None)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_wakes_up(self, data: st.DataObject) -> None:
        number, until, kid = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        if self.machine.flight and self.machine.flight.number == number and self.now < until:
            self.now = until  # not landed: it was its limit that woke the caller
        self.look(kid, number)

    def look(self, kid: str, waited: int | None) -> None:
        self.expire()
        before, question, air = self.machine.snapshot.state(self.now), (kid, "ES256"), self.machine.flight
        known = self.machine.snapshot.keys.decides(*question)
        assert known == (before is not State.EMPTY and kid in self.held)
        verdict = self.machine.look(self.now, question, known=known, waited=waited)
        self.flew(air)
        self.check(verdict, kid, known, before, waited)

    def check(self, verdict: Any, kid: str, known: bool, state: State, waited: int | None) -> None:
        if state in (State.FRESH, State.DUE) and known:
            assert isinstance(verdict, Use), "a known key ID in FRESH or DUE never waits"
            assert not verdict.stale
        if waited is not None:
            assert not isinstance(verdict, Wait), "nobody waits twice"
        if isinstance(verdict, Wait):
            limit = TIMING.stale_wait if known and state is State.STALE else TIMING.flight
            assert 0 < verdict.limit <= limit
            self.waiting.append((verdict.plan.number, self.now + verdict.limit, kid))
        if isinstance(verdict, Use):
            assert kid in self.held, "removed keys die at the next refresh"
            assert self.now - self.proof < TIMING.removed_within_outage, "stale never past its bound"
            assert verdict.stale == (state is State.STALE)
        if isinstance(verdict, Refuse):
            assert kid not in self.held
            assert self.now - max(self.proof, self.vouched) <= 30, (
                "a 401 rests on a successful fetch at most 30 s old"
            )
        if isinstance(verdict, Unavailable):
            assert not (known and state in (State.FRESH, State.DUE, State.STALE)), "keys at hand serve"
            assert 1 <= verdict.retry_after <= TIMING.retry_after_cap

    @rule()
    def a_signature_is_bad(self) -> None:
        self.expire()
        air = self.machine.flight
        self.machine.recheck(self.now)
        self.flew(air)

    @rule()
    def the_application_refreshes(self) -> None:
        self.expire()
        air = self.machine.flight
        self.machine.refresh(self.now)
        self.flew(air)

    @rule()
    def the_application_purges(self) -> None:
        self.machine.purge()
        assert self.machine.snapshot is EMPTY
        self.held, self.proof, self.vouched = frozenset(), float("-inf"), float("-inf")

    # The driver

    def expire(self) -> None:
        if self.machine.expire(self.now, 0.0):
            self.failed()

    def failed(self) -> None:
        self.quiet_until = self.now + TIMING.backoff / 2

    def flew(self, before: Plan | None) -> None:
        plan = self.machine.flight
        if plan is None or plan is before:
            return
        assert before is None, "one flight at a time"
        assert plan.kind is Kind.MANUAL or self.now >= self.quiet_until, "back-off counts failed attempts"
        self.in_the_air.append((plan, self.truth))

    @invariant()
    def few_threads_hang(self) -> None:
        assert len(self.in_the_air) <= TIMING.abandoned_threads + 1

    @invariant()
    def unknown_key_ids_cause_few_fruitless_fetches(self) -> None:
        starts = sorted(self.fruitless)
        for first, begun in enumerate(starts):
            for count, ended in enumerate(starts[first:], 1):
                assert count <= TIMING.miss_burst + (ended - begun) / TIMING.miss_refill

    @invariant()
    def little_is_remembered(self) -> None:
        assert len(self.machine._negatives) <= TIMING.negative_size


Model.TestCase.settings = settings(
    max_examples=250,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestWhateverHappens = Model.TestCase
