"""The parts of a fleet that know no clock and no network: breaker, seal, and what the machine makes of it all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jwtauthz.keys.breaker import Breaker
from jwtauthz.keys.freshness import Freshness
from jwtauthz.keys.schedule import Schedule
from jwtauthz.keys.shared_document import MAX_SEALED, Refused, Seal, SharedDocument
from jwtauthz.keys.states import Arrived, Failed, Kind, Refuse, Shared, Spared, Unavailable, Use, Wait
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import FakeIssuer

TIMING = Timing()
JUNK = ("junk", "ES256")


class TestBreaker:
    def test_three_failures_in_a_row_open_it(self):
        breaker = Breaker(pause=30)
        assert [breaker.failed(0), breaker.failed(0), breaker.failed(0)] == [False, False, True]
        assert not breaker.lets_through(29.9)

    def test_a_success_between_starts_the_count_anew(self):
        breaker = Breaker()
        for _ in range(10):
            breaker.failed(0)
            breaker.failed(0)
            assert not breaker.worked()
        assert breaker.lets_through(0)

    def test_after_the_pause_one_trial_is_let_through(self):
        breaker = Breaker(pause=30)
        for _ in range(3):
            breaker.failed(0)
        assert [breaker.lets_through(30), breaker.lets_through(30), breaker.lets_through(59)] == [
            True,
            False,
            False,
        ]
        assert breaker.lets_through(60)

    def test_a_trial_that_works_closes_it_and_one_that_fails_is_told_to_nobody(self):
        breaker = Breaker(pause=30)
        for _ in range(3):
            breaker.failed(0)
        assert breaker.lets_through(30)
        assert not breaker.failed(31)
        assert not breaker.lets_through(60)
        assert breaker.lets_through(61)
        assert breaker.worked()
        assert not breaker.worked()


DOCUMENT = SharedDocument(
    url="https://issuer.example/jwks",
    body=b'{"keys": []}',
    headers={"etag": '"a"'},
    freshness=Freshness(600.0, stale_allowed=True, stale_if_error=None),
    asked=1_000.0,
    expires=2_000.0,
    past_caches=True,
)
SEAL = Seal(b"k" * 32, "issuer https://issuer.example/")


def opened(sealed, now=1_500.0, seal=SEAL):
    return seal.open(sealed, now=now, max_ahead=5.0)


class TestSeal:
    def test_what_was_sealed_comes_out_as_it_was(self):
        assert opened(SEAL.close(DOCUMENT)) == DOCUMENT

    def test_it_is_ascii_for_clients_that_decode(self):
        assert SEAL.close(DOCUMENT).isascii()

    def test_the_largest_body_fits_into_what_is_read(self):
        from dataclasses import replace

        from jwtauthz.keys.fetch import MAX_BODY

        largest = replace(DOCUMENT, body=b"\xff" * MAX_BODY, headers={"etag": "x" * 4000})
        assert len(SEAL.close(largest)) < MAX_SEALED

    @pytest.mark.parametrize(
        "seal",
        [
            pytest.param(Seal(b"l" * 32, "issuer https://issuer.example/"), id="another key"),
            pytest.param(Seal(b"k" * 32, "issuer https://issuer.example"), id="another issuer"),
            pytest.param(
                Seal(b"k" * 32, "jwks_url https://issuer.example/"), id="the same URL for something else"
            ),
        ],
    )
    def test_it_opens_for_its_own_key_and_source_alone(self, seal):
        with pytest.raises(Refused, match="integrity key"):
            opened(SEAL.close(DOCUMENT), seal=seal)

    @given(st.data())
    def test_no_byte_of_it_can_be_changed(self, data):
        sealed = bytearray(SEAL.close(DOCUMENT))
        at = data.draw(st.integers(0, len(sealed) - 1))
        sealed[at] ^= data.draw(st.integers(1, 255))
        with pytest.raises(Refused):
            opened(bytes(sealed))

    @given(st.binary())
    def test_nothing_else_opens(self, octets):
        for sealed in (octets, b"." + octets, b"0" * 64 + b"." + octets):
            with pytest.raises(Refused):
                opened(sealed)

    @pytest.mark.parametrize(("now", "good"), [(994.9, False), (995.0, True), (1_999.9, True), (2_000.0, False)])
    def test_it_has_a_time(self, now, good):
        if good:
            assert opened(SEAL.close(DOCUMENT), now)
        else:
            with pytest.raises(Refused):
                opened(SEAL.close(DOCUMENT), now)


@pytest.fixture(scope="module")
def published():
    return FakeIssuer(network=False, algorithm="ES256")


@pytest.fixture
def warm(published):
    """A machine that fetched at 0, and the question that it can answer."""
    schedule = Schedule(TIMING)
    schedule.land(schedule.refresh(0.0).plan.number, Arrived(published.key_set), 0.0, 0.5)
    return schedule, (published.kid, "ES256")


def missed(schedule, now, question=JUNK):
    verdict = schedule.look(now, question, known=False)
    assert isinstance(verdict, Wait)
    return verdict.plan


class TestMachine:
    def test_a_flight_knows_how_new_the_keys_at_hand_are(self, warm):
        schedule, _ = warm
        assert missed(schedule, 100.0).held == 0.0

    def test_shared_keys_are_as_old_as_their_fetch(self, warm, published):
        schedule, question = warm
        plan = schedule.refresh(500.0).plan
        schedule.land(plan.number, Arrived(published.key_set, shared=Shared(200.0, past_caches=False)), 500.0, 0.5)
        snapshot = schedule.snapshot
        assert (snapshot.asked, snapshot.fresh_until) == (300.0, 900.0)
        assert snapshot.by_fleet
        assert not snapshot.past_caches
        assert isinstance(schedule.look(1_000.0, question, known=True), Wait)  # stale, and none was tried yet

    def test_one_who_is_spared_is_refused_by_the_word_of_the_fleet(self, warm):
        schedule, _ = warm
        plan = missed(schedule, 100.0)
        assert schedule.land(plan.number, Spared(8.0), 100.1, 0.5)
        assert isinstance(schedule.look(100.1, JUNK, known=False, waited=plan.number), Refuse)

    def test_or_told_that_nothing_is_known_if_there_is_none(self, warm):
        schedule, _ = warm
        plan = missed(schedule, 100.0)
        schedule.land(plan.number, Spared(), 100.1, 0.5)
        assert isinstance(schedule.look(100.1, JUNK, known=False, waited=plan.number), Unavailable)

    def test_the_word_of_the_fleet_makes_no_key_younger(self, warm):
        schedule, question = warm
        before = schedule.snapshot
        for step in range(15):
            now = 100.0 + 20 * step
            plan = missed(schedule, now, (f"junk-{step}", "ES256"))
            schedule.land(plan.number, Spared(0.0), now, 0.5)
        after = schedule.snapshot
        assert (after.asked, after.refresh_at, after.fresh_until, after.stale_until) == (
            before.asked,
            before.refresh_at,
            before.fresh_until,
            before.stale_until,
        )
        assert isinstance(schedule.look(599.0, question, known=True), Use)

    def test_a_flight_without_a_fetch_costs_a_third_of_the_budget(self, warm, published):
        schedule, _ = warm
        plan = missed(schedule, 100.0)
        schedule.land(plan.number, Spared(1.0), 100.0, 0.5)
        assert schedule.budget(100.0) == pytest.approx(2 - 1 / 3)
        plan = missed(schedule, 200.0)
        schedule.land(plan.number, Arrived(published.key_set, shared=Shared(1.0, past_caches=True)), 200.0, 0.5)
        assert schedule.budget(200.0) == pytest.approx(2 - 1 / 3)

    def test_who_says_so_may_not_hide_failures(self, warm):
        """A spared flight neither fails nor ends an outage: what is known of the issuer is what we found."""
        schedule, _ = warm
        plan = missed(schedule, 100.0)
        schedule.land(plan.number, Failed(), 100.0, 0.5)
        plan = missed(schedule, 140.0)
        schedule.land(plan.number, Spared(0.0), 140.0, 0.5)
        assert schedule.failures == 1
        assert isinstance(schedule.look(140.0, JUNK, known=False, waited=plan.number), Unavailable)

    def test_a_recheck_that_is_spared_is_made_up_for_soon(self, warm):
        schedule, _ = warm
        wait = schedule.recheck(100.0)
        assert wait.plan.kind is Kind.RECHECK
        schedule.land(wait.plan.number, Spared(1.0), 100.0, 0.5)
        assert schedule.recheck(105.0) is None
        assert isinstance(schedule.recheck(100.0 + TIMING.fleet_refill), Wait)
