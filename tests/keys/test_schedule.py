"""Every transition of the machine, as a row: what happens when, and what the machine says to it.

A line of a row is `seconds  event  : verdict`. Key set A holds the key ID `one`, B holds `one` and `new`, C
holds `new`. Events:

    look KID        somebody looks a key ID up
    again KID       the same caller, after having waited for the last flight it was told to wait for
    land SET [CC]   the flight in the air brings this set, with this Cache-Control
    late SET        the first flight that was given up brings this set after all
    fail [N]        the flight in the air fails, perhaps with `Retry-After: N`
    recheck, refresh, purge

Chance is fixed so that back-offs are 1, 2, 4, … s and a refresh is due after 85 % of the TTL: 510 of 600 s.
"""

from __future__ import annotations

import pytest

from jwtauthz.keys.freshness import freshness
from jwtauthz.keys.schedule import Schedule
from jwtauthz.keys.states import Arrived, Failed, Refuse, Snapshot, State, Unavailable, Use, Wait
from jwtauthz.keys.timing import Timing

from .tools import jwk_rsa, key_set

SETS = {
    "A": key_set(jwk_rsa(kid="one")),
    "B": key_set(jwk_rsa(kid="one"), jwk_rsa(kid="new")),
    "C": key_set(jwk_rsa(kid="new")),
}
CHANCE = 1.0


class Play:
    """Plays the lines of a row."""

    def __init__(self, timing: Timing, snapshot: Snapshot | None = None) -> None:
        self.machine = Schedule(timing, snapshot) if snapshot else Schedule(timing)
        self.waited = 0
        self.given_up: list[int] = []

    def line(self, now: float, event: str, *words: str) -> str:
        if lost := self.machine.expire(now, CHANCE):
            self.given_up.append(lost.number)
        verdict = getattr(self, f"on_{event}")(now, *words)
        if isinstance(verdict, Wait):
            self.waited = verdict.plan.number
            past = " past caches" if verdict.plan.past_caches else ""
            return f"wait {verdict.limit:g} {verdict.plan.kind}{past}"
        if isinstance(verdict, Use):
            return f"use stale{self.flying()}" if verdict.stale else f"use{self.flying()}"
        if isinstance(verdict, Unavailable):
            return f"unavailable {verdict.retry_after:g}"
        return "refuse" if isinstance(verdict, Refuse) else str(verdict)

    def flying(self) -> str:
        return f", {self.machine.flight.kind} in the air" if self.machine.flight else ""

    def on_look(self, now: float, kid: str, waited: int | None = None):
        question = (kid, "RS256")
        known = self.machine.snapshot.keys.decides(*question)
        return self.machine.look(now, question, known=known, waited=waited)

    def on_again(self, now: float, kid: str):
        return self.on_look(now, kid, self.waited)

    def on_land(self, now: float, name: str, *directives: str):
        headers = {"cache-control": ",".join(directives)} if directives else {}
        assert self.machine.flight, "nothing is in the air"
        result = Arrived(SETS[name], freshness(headers, wall=0))
        return self.machine.land(self.machine.flight.number, result, now, CHANCE)

    def on_late(self, now: float, name: str):
        return self.machine.land(self.given_up.pop(0), Arrived(SETS[name]), now, CHANCE)

    def on_fail(self, now: float, retry_after: str | None = None):
        assert self.machine.flight, "nothing is in the air"
        result = Failed(float(retry_after) if retry_after else None)
        return self.machine.land(self.machine.flight.number, result, now, CHANCE)

    def on_recheck(self, now: float):
        return self.machine.recheck(now)

    def on_refresh(self, now: float):
        return self.machine.refresh(now)

    def on_purge(self, _now: float):
        if self.machine.flight:
            self.given_up.append(self.machine.flight.number)
        return self.machine.purge()


def play(script: str, timing: Timing, snapshot: Snapshot | None = None) -> Play:
    theatre = Play(timing, snapshot)
    for line in script.strip().splitlines():
        what, _, expected = line.partition(" : ")
        now, event, *words = what.split()
        happened = theatre.line(float(now), event, *words)
        if expected:
            assert happened == expected.strip(), line
    return theatre


ROWS = {
    # EMPTY
    "F01 EMPTY: the first look-up waits up to 5 s for the first fetch": """
        0    look one  : wait 5 refresh
        0.5  land A    : True
        0.5  again one : use
        0.6  look one  : use
    """,
    "F76 EMPTY: those who come later wait for the same fetch, until its limit": """
        0    look one  : wait 5 refresh
        2    look one  : wait 3 refresh
        3    look two  : wait 2 refresh
        4    land A
        4    again one : use
        4    again two : refuse
    """,
    "EMPTY: a caller that waits for nothing starts nothing": """
        0    again one : unavailable 1
        0    look one  : wait 5 refresh
        1    again one : unavailable 4
    """,
    "F81 EMPTY: all who waited for a fetch that fails get one 503 each, and nobody waits again": """
        0    look one  : wait 5 refresh
        0    look one  : wait 5 refresh
        0.1  fail      : True
        0.1  again one : unavailable 1
        0.1  again one : unavailable 1
        0.2  look one  : unavailable 1
        1    look one  : unavailable 1
    """,
    "F69 EMPTY: after the back-off the next look-up fetches again": """
        0    look one  : wait 5 refresh
        0.1  fail
        1.1  look one  : wait 5 refresh
        1.2  land A
        1.2  again one : use
    """,
    "EMPTY: the back-off doubles up to 30 s, and a success ends it": """
        0    look one  : wait 5 refresh
        0    fail
        1    look one  : wait 5 refresh
        1    fail
        2.9  look one  : unavailable 1
        3    look one  : wait 5 refresh
        3    fail
        7    look one  : wait 5 refresh
        7    fail
        15   look one  : wait 5 refresh
        15   fail
        31   look one  : wait 5 refresh
        31   fail
        31   look one  : unavailable 30
        61   look one  : wait 5 refresh
        61   fail
        61   look one  : unavailable 30
        91   look one  : wait 5 refresh
        91   land A
        602  look one  : use, refresh in the air
        602  fail
        602  look new  : unavailable 1
    """,
    "F19 EMPTY: Retry-After is honoured": """
        0    look one  : wait 5 refresh
        0    fail 60
        0    look one  : unavailable 60
        59   look one  : unavailable 1
        60   look one  : wait 5 refresh
    """,
    "F19 EMPTY: but not beyond 300 s": """
        0    look one  : wait 5 refresh
        0    fail 1000000000
        0    look one  : unavailable 300
        300  look one  : wait 5 refresh
    """,
    "F03 F78 EMPTY: a fetch that hangs is given up after 5 s, for everybody at once": """
        0    look one  : wait 5 refresh
        4.9  look one  : wait 0.1 refresh
        5    again one : unavailable 1
        5    look one  : unavailable 1
    """,
    "EMPTY: the late answer of a fetch that was given up is dropped": """
        0    look one  : wait 5 refresh
        5    again one : unavailable 1
        5.5  late A    : False
        5.5  look one  : unavailable 1
        6    look one  : wait 5 refresh
    """,
    "an older answer never replaces a newer one": """
        0    look one  : wait 5 refresh
        6    look one  : unavailable 1
        7    look one  : wait 5 refresh
        8    land B
        9    late C    : False
        9    look one  : use
    """,
    "of fetches that were given up, two may hang; then no more are made until one has ended": """
        0    look one  : wait 5 refresh
        6    look one  : unavailable 1
        7    look one  : wait 5 refresh
        13   look one  : unavailable 30
        99   look one  : unavailable 30
        100  late A    : False
        100  look one  : wait 5 refresh
    """,
    # FRESH and DUE
    "F70 FRESH: a known key is used, and nothing is fetched": """
        0    look one  : wait 5 refresh
        0    land A
        509  look one  : use
    """,
    "F77 DUE: a known key is used at once, while one fetch is made in the background": """
        0    look one  : wait 5 refresh
        0    land A
        510  look one  : use, refresh in the air
        511  look one  : use, refresh in the air
        512  land A
        512  look one  : use
    """,
    "DUE: a refresh that fails is tried again after the back-off, and nobody notices": """
        0    look one  : wait 5 refresh
        0    land A
        510  look one  : use, refresh in the air
        511  fail
        511  look one  : use
        512  look one  : use, refresh in the air
    """,
    "F63 DUE: a key that was removed dies at the next refresh": """
        0    look one  : wait 5 refresh
        0    land B
        510  look new  : use, refresh in the air
        511  land A
        511  look new  : wait 5 miss past caches
        511  land A
        511  again new : refuse
    """,
    "DUE: an unknown key ID joins the refresh that is due, which goes past caches and costs no budget": """
        0    look one  : wait 5 refresh
        0    land A
        510  look new  : wait 5 refresh past caches
        511  land B
        511  again new : use
        513  look x    : wait 5 miss past caches
        513  land B
        515  look y    : wait 5 miss past caches
    """,
    # STALE
    "F71 STALE: after a refresh that failed the keys are used at once, marked stale, and tried again": """
        0    look one  : wait 5 refresh
        0    land A
        510  look one  : use, refresh in the air
        510  fail
        600  look one  : use stale, refresh in the air
        600  fail
        601  look one  : use stale
        602  look one  : use stale, refresh in the air
    """,
    "STALE: an idle process waits a second for the first refresh, then uses what it has": """
        0    look one  : wait 5 refresh
        0    land A
        700  look one  : wait 1 refresh
        701  again one : use stale, refresh in the air
        701  look one  : use stale, refresh in the air
        702  land A
        702  look one  : use
    """,
    "STALE: and gets fresh keys if they come in time": """
        0    look one  : wait 5 refresh
        0    land A
        700  look one  : wait 1 refresh
        700.5 land C
        700.5 again one : refuse
        700.5 look new : use
    """,
    "STALE: a slow first refresh costs one second, not one for each request": """
        0    look one  : wait 5 refresh
        0    land A
        700  look one  : wait 1 refresh
        700.75 look one : wait 0.25 refresh
        703  look one  : use stale, refresh in the air
    """,
    "STALE: an unknown key ID waits for the refresh; if it fails that is 503, never 401": """
        0    look one  : wait 5 refresh
        0    land A
        700  look new  : wait 5 refresh past caches
        700  fail
        700  again new : unavailable 1
        700  look new  : unavailable 1
        700  look one  : use stale
    """,
    "F73 STALE: the first success after an outage makes the keys fresh again": """
        0    look one  : wait 5 refresh
        0    land A
        600  look one  : wait 1 refresh
        600  fail
        602  look one  : use stale, refresh in the air
        602  land A
        602  look one  : use
        1100 look one  : use
    """,
    # EXPIRED
    "F72 EXPIRED: an hour past their time the keys are used no more": """
        0    look one  : wait 5 refresh
        0    land A
        4199 look one  : wait 1 refresh
        4199 fail
        4199 look one  : use stale
        4200 look one  : wait 5 refresh
        4200 fail
        4200 again one : unavailable 2
        4201 look one  : unavailable 1
    """,
    "F75 EXPIRED: after a long sleep the first look-up waits for a fetch": """
        0    look one  : wait 5 refresh
        0    land A
        90000 look one : wait 5 refresh
        90001 land A
        90001 again one : use
    """,
    # What the answer says about itself
    "F30 a lifetime of its own replaces the TTL": """
        0    look one  : wait 5 refresh
        0    land A max-age=1000
        849  look one  : use
        850  look one  : use, refresh in the air
    """,
    "F30 max-age=0 means 60 s": """
        0    look one  : wait 5 refresh
        0    land A max-age=0
        50   look one  : use
        51   look one  : use, refresh in the air
    """,
    "F30 max-age=10^9 means an hour": """
        0    look one  : wait 5 refresh
        0    land A max-age=1000000000
        3059 look one  : use
        3060 look one  : use, refresh in the air
        3061 fail
        3600 look one  : use stale, refresh in the air
    """,
    "R9111-12 must-revalidate: no stale use, but 503": """
        0    look one  : wait 5 refresh
        0    land A max-age=600 must-revalidate
        599  look one  : use, refresh in the air
        599  fail
        600  look one  : wait 5 refresh
        600  fail
        600  again one : unavailable 2
    """,
    "R9111-13 R9111-14 no-store and no-cache: 60 s, and no stale use": """
        0    look one  : wait 5 refresh
        0    land A no-store
        59   look one  : use, refresh in the air
        59   land A no-cache
        118  look one  : use, refresh in the air
        118  fail
        119  look one  : wait 5 refresh
    """,
    "R5861-03 stale-if-error: no stale use past it": """
        0    look one  : wait 5 refresh
        0    land A max-age=600 stale-if-error=120
        719  look one  : wait 1 refresh
        719  fail
        719  look one  : use stale
        720  look one  : wait 5 refresh
    """,
    "the TTL counts from when we asked, not from when the answer came": """
        0    look one  : wait 5 refresh
        4    land A
        509  look one  : use
        510  look one  : use, refresh in the air
    """,
    # Unknown key IDs
    "F61 F62 a new key ID is fetched for at once, and found": """
        0    look one  : wait 5 refresh
        0    land A
        100  look new  : wait 5 miss past caches
        100.5 land B
        100.5 again new : use
    """,
    "F79 while that fetch hangs, known keys wait for nothing": """
        0    look one  : wait 5 refresh
        0    land A
        100  look new  : wait 5 miss past caches
        101  look one  : use, miss in the air
        104  look one  : use, miss in the air
        105  again new : unavailable 2
        105  look one  : use
    """,
    "a key ID that was looked for in vain is refused, and for 30 s without another fetch": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        101  land A
        101  again x   : refuse
        129  look x    : refuse
        130  look x    : wait 5 miss past caches
    """,
    "that memory ends with the snapshot it belongs to": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        101  land A
        101  again x   : refuse
        104  refresh   : wait 5 manual past caches
        105  land A
        107  look x    : wait 5 miss past caches
    """,
    "F67 if the last fetch failed it is 503, however young the success before it": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        100  land A
        102  look y    : wait 5 miss past caches
        102  fail
        102  again y   : unavailable 28
        103  look z    : unavailable 27
    """,
    "a fetch that may have come from a cache is no proof to remember": """
        0    look one  : wait 5 refresh
        0    look x    : wait 5 refresh
        1    land A
        1    again x   : refuse
        3    look x    : wait 5 miss past caches
    """,
    "F61 right after a first fetch or a refresh, an unknown key ID is fetched at once": """
        0    look one  : wait 5 refresh
        1    land A
        1    look x    : wait 5 miss past caches
        1    land B
    """,
    "for 2 s after a fetch for an unknown key ID none is made for another: 401 rests on that one": """
        0    look one  : wait 5 refresh
        1    land A
        1    look x    : wait 5 miss past caches
        1    land A
        2.9  look y    : refuse
        3    look y    : wait 5 miss past caches
    """,
    "F65 a flood of key IDs gets two fetches, then one in 30 s, and 401 in between": """
        0    look one  : wait 5 refresh
        0    land A
        100  look a    : wait 5 miss past caches
        100  land A
        101  look b    : refuse
        102  look b    : wait 5 miss past caches
        102  land A
        104  look c    : refuse
        129  look d    : refuse
        130  look e    : wait 5 miss past caches
        130  land A
        159  look f    : refuse
        160  look g    : wait 5 miss past caches
        160  look one  : use, miss in the air
    """,
    "F66 a rotation in the middle of a flood is found as soon as the budget allows": """
        0    look one  : wait 5 refresh
        0    land A
        100  look a    : wait 5 miss past caches
        100  land A
        102  look b    : wait 5 miss past caches
        102  land A
        103  look new  : refuse
        130  look new  : wait 5 miss past caches
        130  land B
        130  again new : use
    """,
    "a fetch that finds the key it was made for is given back, twice in 300 s": """
        0    look one  : wait 5 refresh
        0    land A
        100  look new  : wait 5 miss past caches
        100  land C
        102  look one  : wait 5 miss past caches
        102  land A
        104  look new  : wait 5 miss past caches
        104  land C
        106  look one  : wait 5 miss past caches
        106  land A
        108  look new  : refuse
    """,
    "F67 an unknown key ID while the issuer is down: 503, at once, and one fetch per back-off": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        100  fail
        100  again x   : unavailable 2
        100.5 look x   : unavailable 1.5
        101  look x    : unavailable 1
        102  look x    : wait 5 miss past caches
        102  fail
        102  look one  : use
        104  look x    : unavailable 26
        130  look x    : wait 5 miss past caches
    """,
    "an unknown key ID waits for whatever fetch is in the air": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        101  look new  : wait 4 miss past caches
        102  land B
        102  again new : use
        102  again x   : refuse
    """,
    "a caller that has waited once is answered, even if another fetch is in the air by then": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        100  land A
        102  look y    : wait 5 miss past caches
        102  land A
        102  again z   : refuse
    """,
    "one who wakes up too late to know gets 503": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        101  land A
        131  again x   : unavailable 1
    """,
    # Bad signatures under a known key ID
    "F64 a bad signature under a known key ID is worth a fetch, once in 300 s": """
        0    look one  : wait 5 refresh
        0    land A max-age=3600
        100  recheck   : wait 5 recheck past caches
        101  recheck   : wait 4 recheck past caches
        102  land A
        162  recheck   : None
        399  recheck   : None
        400  recheck   : wait 5 recheck past caches
    """,
    "F64 not while the keys are younger than a minute": """
        0    look one  : wait 5 refresh
        0    land A
        60   recheck   : None
        61   recheck   : wait 5 recheck past caches
    """,
    "a bad signature joins the fetch that is in the air, and that was its one": """
        0    look one  : wait 5 refresh
        0    land A
        510  look one  : use, refresh in the air
        510  recheck   : wait 5 refresh
        511  recheck   : wait 4 refresh
        512  fail
        513  recheck   : None
    """,
    "a bad signature starts nothing during a back-off": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        100  fail
        100  recheck   : None
        101  recheck   : wait 5 recheck past caches
    """,
    "a bad signature spends nothing of the budget of unknown key IDs": """
        0    look one  : wait 5 refresh
        0    land A
        100  recheck   : wait 5 recheck past caches
        100  land A
        102  look x    : wait 5 miss past caches
        102  land A
        104  look y    : wait 5 miss past caches
    """,
    # The application's own hand
    "refresh: fetches now, even during a back-off, and joins what is in the air": """
        0    refresh   : wait 5 manual past caches
        1    refresh   : wait 4 manual past caches
        1    fail
        1    look one  : unavailable 1
        1    refresh   : wait 5 manual past caches
        1    land A
        1    look one  : use
    """,
    "refresh: a success ends the pause that the issuer asked for": """
        0    look one  : wait 5 refresh
        0    land A
        100  look x    : wait 5 miss past caches
        100  fail 300
        101  refresh   : wait 5 manual past caches
        101  land A
        103  look x    : wait 5 miss past caches
    """,
    "refresh: but not while two fetches hang": """
        0    refresh   : wait 5 manual past caches
        5    refresh   : wait 5 manual past caches
        10   refresh   : unavailable 30
    """,
    "purge: the keys are gone at once, and so is an answer that was asked for before": """
        0    look one  : wait 5 refresh
        0    land A
        510  look one  : use, refresh in the air
        511  purge
        511  look one  : wait 5 refresh
        512  late A    : False
        513  land C
        513  look new  : use
        513  look one  : wait 5 miss past caches
        513  land C
        513  again one : refuse
    """,
}


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in ROWS.items()])
def test_transitions(script: str) -> None:
    play(script, Timing())


def test_no_stale_can_be_overruled_by_the_operator() -> None:
    script = """
        0    look one  : wait 5 refresh
        0    land A max-age=600 must-revalidate
        600  look one  : wait 1 refresh
        600  fail
        600  look one  : use stale
    """
    play(script, Timing(unsafe_ignore_no_stale=True))


def test_a_seed_is_stale_at_birth_and_no_proof_against_a_key_id() -> None:
    timing = Timing()
    script = """
        0    look one  : wait 1 refresh
        1    again one : use stale, refresh in the air
        1    look x    : wait 4 refresh
        2    fail
        2    again x   : unavailable 1
        2    look one  : use stale
        3600 look one  : wait 5 refresh
    """
    play(script, timing, Snapshot.seed(SETS["A"], 0, timing))


def test_states_and_budget_show_themselves() -> None:
    theatre = Play(Timing())
    machine = theatre.machine
    assert machine.snapshot.state(0) is State.EMPTY
    theatre.line(0, "look", "one")
    theatre.line(0, "land", "A")
    shown = [machine.snapshot.state(now) for now in (0, 509, 510, 599, 600, 4199, 4200)]
    assert shown == ["fresh", "fresh", "due", "due", "stale", "stale", "expired"]
    assert machine.budget(50) == 2
    theatre.line(100, "look", "x")
    assert machine.budget(100) == 1
    assert machine.budget(115) == 1.5
    assert machine.budget(500) == 2


def test_jitter_spreads_the_refresh_between_75_and_85_percent() -> None:
    for chance, due in ((0.0, 450), (0.5, 480), (1.0, 510)):
        machine = Schedule(Timing())
        machine.look(0, ("one", "RS256"), known=False)
        machine.land(1, Arrived(SETS["A"]), 0, chance)
        assert machine.snapshot.refresh_at == pytest.approx(due)


def test_jitter_halves_a_back_off_at_most() -> None:
    machine = Schedule(Timing())
    machine.look(0, ("one", "RS256"), known=False)
    machine.land(1, Failed(), 0, 0.0)
    assert machine.not_before == 0.5


def test_a_million_unknown_key_ids_are_not_kept() -> None:
    theatre = Play(Timing(negative_size=16))
    theatre.line(0, "look", "one")
    theatre.line(0, "land", "A")
    theatre.line(100, "look", "x")
    theatre.line(100, "land", "A")
    for number in range(1_000):
        theatre.line(100, "again", f"junk-{number}")
    assert len(theatre.machine._negatives) == 16, "F68"


def test_thousands_of_failures_overflow_nothing() -> None:
    machine, now = Schedule(Timing()), 0.0
    for _ in range(3_000):
        machine.look(now, ("one", "RS256"), known=False)
        assert machine.flight
        machine.land(machine.flight.number, Failed(), now, CHANCE)
        now = machine.not_before
    assert machine.failures == 3_000
