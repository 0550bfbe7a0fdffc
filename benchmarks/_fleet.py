"""Fleets of processes in simulated time: what they cost their issuer, and what happens to good tokens.

Processes share nothing, so they are run one after the other. Requests come at random moments (Poisson), and
time jumps from one look-up that may matter to the next: those between, of which the policy says beforehand
how they end, are only counted. Random arrivals have no memory, so nothing is lost by that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from ._policies import Answer

if TYPE_CHECKING:
    from ._policies import Outlook, Policy

MINUTE = 60.0
START = 10 * MINUTE  # processes begin at random moments of this time: nobody's TTLs end in step
_TINY = 1e-9


class Stream(NamedTuple):
    """Requests whose tokens name one key ID, so many a second at each process.

    Under a `junk` name each of them stands for another key ID that nobody knows.
    """

    kid: str
    rate: float


@dataclass(frozen=True)
class Phase:
    """A time in which nothing changes outside. Good tokens are those whose key is in `published`."""

    begin: float
    end: float
    published: frozenset[str]
    streams: tuple[Stream, ...]
    up: bool = True


@dataclass(frozen=True)
class Scenario:
    """What happens to a fleet. `window` is when it does; figures per minute are of that time."""

    name: str
    about: str
    phases: tuple[Phase, ...]
    window: tuple[float, float]

    @property
    def end(self) -> float:
        return self.phases[-1].end

    def good(self, begin: float, end: float) -> float:
        """How many good tokens one process is expected to be shown in a time."""
        return sum(
            stream.rate * max(0.0, min(end, phase.end) - max(begin, phase.begin))
            for phase in self.phases
            for stream in phase.streams
            if stream.kid in phase.published
        )


@dataclass
class Tally:
    """What one fleet did, added up.

    `fetches`, and good tokens that were `refused` (401) or found no answer (5xx), are counts per minute.
    """

    minutes: int
    fetches: list[int] = field(init=False)
    refused: list[int] = field(init=False)
    unavailable: list[int] = field(init=False)
    accept: list[float] = field(default_factory=list)  # seconds from a key's first token to its acceptance
    refuse: list[float] = field(default_factory=list)  # seconds from a key's removal to its last acceptance
    last_refused: float = 0.0  # seconds from a key's publication to the last 401 for it
    fruitless: int = 0  # of the process that made most

    def __post_init__(self) -> None:
        self.fetches, self.refused, self.unavailable = ([0] * self.minutes for _ in range(3))


def simulate(policy: type[Policy], scenario: Scenario, processes: int, seed: int) -> Tally:
    """Run a fleet of `processes` through a scenario. The same seed gives the same result."""
    chance = Random(f"{seed}/{scenario.name}/{policy.name}/{processes}")
    tally = Tally(math.ceil(scenario.end / MINUTE))
    for _ in range(processes):
        Process(policy, scenario, tally, chance).run()
    return tally


class Process:
    """One process of the fleet."""

    def __init__(self, policy: type[Policy], scenario: Scenario, tally: Tally, chance: Random) -> None:
        self.scenario = scenario
        self.tally = tally
        self.chance = chance
        self.phase = scenario.phases[0]
        self.policy = policy(self._fetch, chance)
        self.junk = 0
        # Of each key ID: when it was published and removed, when first asked for and first accepted.
        self.published: dict[str, float] = {}
        self.removed: dict[str, float] = {}
        self.first_asked: dict[str, float] = {}
        self.first_accepted: dict[str, float] = {}
        self.last_accepted: dict[str, float] = {}

    def _fetch(self, now: float) -> frozenset[str] | None:
        self.tally.fetches[int(now / MINUTE)] += 1
        return self.phase.published if self.phase.up else None

    def run(self) -> None:
        now = self.chance.uniform(0, START)
        before: frozenset[str] = frozenset()
        for phase in self.scenario.phases:
            self.enter(phase, before)
            before = phase.published
            self._through(phase, max(now, phase.begin))
        self.conclude()

    def enter(self, phase: Phase, before: frozenset[str]) -> None:
        """Begin a phase; `before` are the keys that were published until then."""
        self.phase = phase
        self.published.update(dict.fromkeys(phase.published - before, phase.begin))
        self.removed.update(dict.fromkeys(before - phase.published, phase.begin))

    def _through(self, phase: Phase, now: float) -> None:
        while True:
            now, chosen = self.upcoming(phase, now)
            if chosen is None:
                return
            self.look(chosen.kid, now)

    def upcoming(self, phase: Phase, now: float) -> tuple[float, Stream | None]:
        """When the next look-up comes that may matter, and of which stream; those before it are counted.

        None of any at the end of the phase.
        """
        exponential = self.chance.expovariate
        following, chosen = phase.end, None
        outlooks = [self.policy.outlook(now, stream.kid, up=phase.up) for stream in phase.streams]
        for stream, outlook in zip(phase.streams, outlooks, strict=True):
            arrival = max(now, outlook.until) + exponential(stream.rate)
            if arrival < following:
                following, chosen = arrival, stream
        for stream, outlook in zip(phase.streams, outlooks, strict=True):
            until = min(outlook.until, following)
            if until > now:
                self._count(stream, outlook, now, until)
        return following, chosen

    def look(self, kid: str, now: float) -> None:
        asked_for = kid
        if kid.startswith("junk"):
            self.junk += 1
            asked_for = f"{kid}-{self.junk}"
        self._note(kid, self.policy.look(now, asked_for), now, now, 1)

    def _count(self, stream: Stream, outlook: Outlook, begin: float, end: float) -> None:
        """Count the look-ups of a time in which each of them ends the same way, minute by minute."""
        good = stream.kid in self.phase.published
        accepted = outlook.answer is Answer.ACCEPTED
        expected = stream.kid in self.first_accepted and accepted if good else not accepted
        if expected and not outlook.fetches:
            return  # nothing of note
        while end - begin > _TINY:
            until = end if accepted else min(end, (int(begin / MINUTE) + 1) * MINUTE)
            count = self._poisson(stream.rate * (until - begin))
            if count:
                self._note(stream.kid, outlook.answer, begin, until, count)
            if count and outlook.fetches:
                self.tally.fetches[int(begin / MINUTE)] += count * outlook.fetches
                self.policy.repeated(until, stream.kid, count, up=self.phase.up)
            begin = until

    def _note(self, kid: str, answer: Answer, begin: float, end: float, count: int) -> None:
        """Take down how `count` look-ups ended that came between two moments of one minute."""
        if kid in self.phase.published:
            if answer is not Answer.ACCEPTED:
                bad = self.tally.refused if answer is Answer.REFUSED else self.tally.unavailable
                bad[int(begin / MINUTE)] += count
            if answer is Answer.REFUSED:
                self.tally.last_refused = max(self.tally.last_refused, end - self.published[kid])
            if kid not in self.first_accepted:
                # The first of `count` moments, drawn evenly, and never before the first that was asked.
                first = begin + (end - begin) * (1 - self.chance.random() ** (1 / count))
                self.first_asked.setdefault(kid, first)
                if answer is Answer.ACCEPTED:
                    self.first_accepted[kid] = first
        elif answer is Answer.ACCEPTED:
            self.last_accepted[kid] = begin + (end - begin) * self.chance.random() ** (1 / count)

    def _poisson(self, mean: float) -> int:
        if mean > 50:
            return max(0, round(self.chance.gauss(mean, math.sqrt(mean))))
        limit, product, count = math.exp(-mean), self.chance.random(), 0
        while product > limit:
            product *= self.chance.random()
            count += 1
        return count

    def conclude(self) -> None:
        for kid, asked in self.first_asked.items():
            if self.published[kid] > 0:
                self.tally.accept.append(self.first_accepted.get(kid, self.scenario.end) - asked)
        for kid, at in self.removed.items():
            self.tally.refuse.append(max(0.0, self.last_accepted.get(kid, at) - at))
        self.tally.fruitless = max(self.tally.fruitless, self.policy.fruitless)
