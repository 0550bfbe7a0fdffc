"""The rules by which key sets are fetched and kept: ours, driven as it is, and models of others.

A policy is asked about one key ID at one moment, and fetches through the function it was given, which
returns the published key IDs, or None for a failed fetch. An answer of the issuer takes no time here.

Each model is as small as the documented defaults and our own measurements of that library allow, and where
two readings are possible it is the kinder one: all of them make one fetch at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeAlias

from jwtauthz.keys.schedule import Schedule
from jwtauthz.keys.states import Arrived, Failed, Kind, Plan, Refuse, State, Use, Wait
from jwtauthz.keys.timing import Timing

if TYPE_CHECKING:
    from random import Random

    from jwtauthz.keys.states import Question, Verdict

Fetch: TypeAlias = Callable[[float], frozenset[str] | None]


class Answer(Enum):
    ACCEPTED = "accepted"
    REFUSED = "401"
    UNAVAILABLE = "5xx"


class Outlook(NamedTuple):
    """What look-ups of one key ID bring before `until`, whatever their number, if nothing else happens.

    `fetches` is how many each of them makes. `until` at or before now says that the next one has to be made
    to be known.
    """

    until: float
    answer: Answer = Answer.ACCEPTED
    fetches: int = 0


UNKNOWN = Outlook(-math.inf)


class Policy:
    """What a process does about keys. `fruitless` counts fetches for a key ID that did not find it."""

    name: ClassVar[str]
    about: ClassVar[str]

    def __init__(self, fetch: Fetch, chance: Random) -> None:
        self.fetch = fetch
        self.chance = chance
        self.fruitless = 0

    def look(self, now: float, kid: str) -> Answer:
        raise NotImplementedError

    def outlook(self, now: float, kid: str, *, up: bool) -> Outlook:
        """See `Outlook`. `up` says whether the issuer answers."""
        raise NotImplementedError

    def repeated(self, now: float, kid: str, count: int, *, up: bool) -> None:
        """Take note that `count` look-ups fetched as the outlook said, the last of them about now."""


@dataclass(frozen=True)
class Published:
    """As much of a `KeySet` as the machine looks at."""

    table: frozenset[Question]


class Jwtauthz(Policy):
    """The state machine of this library itself, `jwtauthz.keys.schedule.Schedule`, with its defaults."""

    name = "jwtauthz"
    about = "`Schedule` itself, default `Timing`"
    timing: ClassVar[Timing] = Timing()

    def __init__(self, fetch: Fetch, chance: Random) -> None:
        super().__init__(fetch, chance)
        self.schedule = Schedule(self.timing)
        self._ended = -math.inf

    def look(self, now: float, kid: str) -> Answer:
        question = (kid, "RS256")
        verdict = self._look(now, question, None)
        if isinstance(verdict, Wait):
            verdict = self._look(now, question, verdict.plan.number)
        if isinstance(verdict, Use):
            return Answer.ACCEPTED
        return Answer.REFUSED if isinstance(verdict, Refuse) else Answer.UNAVAILABLE

    def _look(self, now: float, question: Question, waited: int | None) -> Verdict:
        verdict = self.schedule.look(now, question, known=self._knows(question), waited=waited)
        if (plan := self.schedule.flight) is not None:
            self._fly(plan, now)
        return verdict

    def _fly(self, plan: Plan, now: float) -> None:
        found = self.fetch(now)
        if found is None and plan.may_retry:
            found = self.fetch(now)
        result: Arrived | Failed = Failed()
        if found is not None:
            result = Arrived(Published(frozenset((kid, "RS256") for kid in found)))  # type: ignore[arg-type]
        self.schedule.land(plan.number, result, now, self.chance.random())
        if plan.kind is not Kind.REFRESH or found is None:
            self._ended = now
        if plan.kind is Kind.MISS and plan.wanted is not None:
            self.fruitless += found is None or plan.wanted[0] not in found

    def _knows(self, question: Question) -> bool:
        return question in self.schedule.snapshot.keys.table

    def outlook(self, now: float, kid: str, *, up: bool) -> Outlook:  # noqa: ARG002
        schedule, snapshot, timing = self.schedule, self.schedule.snapshot, self.timing
        state = snapshot.state(now)
        # When the state, and with it what a look-up may do, changes next.
        change = {
            State.EMPTY: schedule.not_before,
            State.FRESH: snapshot.refresh_at,
            State.DUE: min(schedule.not_before, snapshot.fresh_until),
            State.STALE: min(schedule.not_before, snapshot.stale_until),
            State.EXPIRED: schedule.not_before,
        }[state]
        if state in (State.EMPTY, State.EXPIRED):
            return Outlook(change, Answer.UNAVAILABLE)
        if self._knows((kid, "RS256")):
            return Outlook(change)
        lacking = max(0.0, 1.0 - schedule.budget(now)) * timing.miss_refill
        allowed = max(schedule.not_before, self._ended + timing.miss_gap, now + lacking)
        until = min(change, allowed)
        certain = snapshot.proved + timing.miss_refill
        if schedule.failures or now > certain:
            return Outlook(until, Answer.UNAVAILABLE)
        return Outlook(min(until, certain), Answer.REFUSED)


class OneSet(Policy):
    """The whole set is kept for `ttl`; an unknown key ID causes a fetch unless one succeeded within `cooldown`."""

    ttl: ClassVar[float] = 600.0
    cooldown: ClassVar[float] = 30.0
    outage: ClassVar[Answer] = Answer.UNAVAILABLE

    def __init__(self, fetch: Fetch, chance: Random) -> None:
        super().__init__(fetch, chance)
        self.keys: frozenset[str] = frozenset()
        self.fetched = -math.inf

    def look(self, now: float, kid: str) -> Answer:
        if now - self.fetched >= self.ttl and not self._fetch(now):
            return self.outage
        if kid not in self.keys and now - self.fetched >= self.cooldown:
            arrived = self._fetch(now)
            self.fruitless += kid not in self.keys
            if not arrived:
                return self.outage
        return Answer.ACCEPTED if kid in self.keys else Answer.REFUSED

    def _fetch(self, now: float) -> bool:
        found = self.fetch(now)
        if found is None:
            return False
        self.keys, self.fetched = found, now
        return True

    def outlook(self, now: float, kid: str, *, up: bool) -> Outlook:
        age = now - self.fetched
        known = kid in self.keys
        if known and age < self.ttl:
            return Outlook(self.fetched + self.ttl)
        if age < min(self.ttl, self.cooldown):
            return Outlook(self.fetched + self.cooldown, Answer.REFUSED)
        if not up:  # nothing is learnt from a failure
            until = math.inf if age >= self.ttl else self.fetched + self.ttl
            return Outlook(until, self.outage, 1)
        return UNKNOWN

    def repeated(self, now: float, kid: str, count: int, *, up: bool) -> None:  # noqa: ARG002
        self.fruitless += 0 if kid in self.keys else count


class Jose(OneSet):
    """jose 6 (JavaScript): the set for 10 min, cool-down 30 s from the last success.

    A failed fetch raises; measured under express-oauth2-jwt-bearer, that is answered 401.
    """

    name = "jose"
    about = "10 min, cool-down 30 s from success; failures answered 401 (express-oauth2-jwt-bearer)"
    outage = Answer.REFUSED


class PyJWKClient(OneSet):
    """PyJWT 2.15: the set for 5 min, cool-down 30 s from the last success.

    A failed fetch raises a `PyJWTError`, for which the handlers of its documentation and of the usual
    tutorials answer 401.
    """

    name = "PyJWKClient"
    about = "5 min, cool-down 30 s from success; failures answered 401 (`except PyJWTError`)"
    ttl = 300.0
    outage = Answer.REFUSED


class Unlimited(OneSet):
    """The set for 10 min, and a fetch for every unknown key ID: what several libraries of several languages do."""

    name = "unlimited"
    about = "10 min, a fetch per unknown key ID; failures answered 500"
    cooldown = 0.0

    def outlook(self, now: float, kid: str, *, up: bool) -> Outlook:
        if up and kid.startswith("junk") and now - self.fetched < self.ttl:
            return Outlook(math.inf, Answer.REFUSED, 1)
        return super().outlook(now, kid, up=up)

    def repeated(self, now: float, kid: str, count: int, *, up: bool) -> None:
        super().repeated(now, kid, count, up=up)
        if up:  # each of those fetches renewed the set
            self.fetched = now


class JwksRsa(Policy):
    """jwks-rsa 4 (JavaScript): each key ID for 10 min, 5 of them; a fetch for any other, limited if asked for.

    Under express-jwt a failed or limited fetch is answered 500.
    """

    name = "jwks-rsa"
    about = "10 min per key ID, a fetch per unknown one; failures answered 500"
    per_minute: ClassVar[float] = math.inf
    ttl: ClassVar[float] = 600.0
    entries: ClassVar[int] = 5

    def __init__(self, fetch: Fetch, chance: Random) -> None:
        super().__init__(fetch, chance)
        self.until: dict[str, float] = {}
        self._tokens = self.per_minute
        self._counted = 0.0

    def look(self, now: float, kid: str) -> Answer:
        if self.until.get(kid, -math.inf) > now:
            return Answer.ACCEPTED
        if not self._spend(now):
            return Answer.UNAVAILABLE
        found = self.fetch(now)
        if found is None:
            self.fruitless += kid.startswith("junk")
            return Answer.UNAVAILABLE
        if kid not in found:
            self.fruitless += 1
            return Answer.REFUSED
        self.until.pop(kid, None)
        self.until[kid] = now + self.ttl
        while len(self.until) > self.entries:
            del self.until[next(iter(self.until))]
        return Answer.ACCEPTED

    def _spend(self, now: float) -> bool:
        if self.per_minute == math.inf:
            return True
        self._tokens = min(self.per_minute, self._tokens + (now - self._counted) * self.per_minute / 60)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def outlook(self, now: float, kid: str, *, up: bool) -> Outlook:
        if self.until.get(kid, -math.inf) > now:
            return Outlook(self.until[kid])
        if self.per_minute == math.inf:
            if not up:
                return Outlook(math.inf, Answer.UNAVAILABLE, 1)
            return Outlook(math.inf, Answer.REFUSED, 1) if kid.startswith("junk") else UNKNOWN
        missing = 1 - self._tokens - (now - self._counted) * self.per_minute / 60
        return Outlook(now + missing * 60 / self.per_minute, Answer.UNAVAILABLE) if missing > 0 else UNKNOWN

    def repeated(self, now: float, kid: str, count: int, *, up: bool) -> None:  # noqa: ARG002
        self.fruitless += count if kid.startswith("junk") else 0


class JwksRsaLimited(JwksRsa):
    """The same with `rateLimit: true`: 10 fetches a minute, for whatever reason, then an error."""

    name = "jwks-rsa, limit on"
    about = "the same with `rateLimit: true`, 10 fetches a minute for whatever reason"
    per_minute = 10.0


POLICIES: tuple[type[Policy], ...] = (Jwtauthz, Jose, PyJWKClient, JwksRsa, JwksRsaLimited, Unlimited)
