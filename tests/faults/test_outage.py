"""Part F of the scenarios: the issuer is away, or time is not what it was."""

from __future__ import annotations

import time

import pytest

from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import FakeClock
from jwtauthz.testing import behaviours as b

DEFAULT = Timing()


def test_f69_down_at_start_and_up_later(make_rig):
    rig = make_rig(b.refusing())
    for _ in range(12):
        assert rig.status() == 503
        rig.clock.advance(17)
    rig.issuer.behave(None)
    rig.clock.advance(DEFAULT.backoff_cap)
    assert rig.status() == 200


def test_f70_down_while_the_keys_are_fresh_is_not_even_noticed(make_rig):
    rig = make_rig()
    rig.prime()
    connections = rig.issuer.connections
    rig.issuer.behave(b.refusing())
    for _ in range(44):
        rig.clock.advance(10)
        assert not rig.ask().stale
    rig.issuer.behave(None)
    assert rig.issuer.connections == connections
    assert rig.failures == []


def test_f71_stale_keys_serve_while_the_issuer_is_away_and_say_so(make_rig, stopwatch):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.refusing())
    rig.clock.advance(600)
    rig.ask()
    rig.settle()
    for _ in range(35):
        with stopwatch(0.5):
            assert rig.ask().stale
        rig.settle()
        rig.clock.advance(100)
    assert rig.server.ready
    assert [type(event).__name__ for event in rig.events].count("KeysStale") == 1


@pytest.mark.parametrize("directive", ["no-store", "no-cache", "must-revalidate, max-age=60"])
def test_f71_unless_the_issuer_forbids_it(make_rig, directive):
    rig = make_rig(cache_control=directive)
    rig.prime()
    rig.issuer.behave(b.refusing())
    rig.clock.advance(61)
    assert rig.status() == 503


def test_f71_f72_stale_if_error_of_the_issuer_is_a_bound(make_rig):
    rig = make_rig(cache_control="max-age=600, stale-if-error=100")
    rig.prime()
    rig.issuer.behave(b.refusing())
    rig.clock.advance(690)
    assert rig.status() == 200
    rig.clock.advance(11)
    assert rig.status() == 503


def test_f72_beyond_the_documented_maximum_ancient_keys_are_not_used(make_rig):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.refusing())
    rig.clock.advance(600 + DEFAULT.stale_if_error - 1)
    assert rig.status() == 200
    rig.settle()
    rig.clock.advance(2)
    assert rig.status() == 503
    assert not rig.server.ready
    assert DEFAULT.removed_within_outage >= 600 + DEFAULT.stale_if_error


@pytest.mark.parametrize("away", [700, 3_000, 5_000, 100_000])
def test_f73_up_again(make_rig, away):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.refusing())
    for _ in range(20):
        rig.clock.advance(away / 20)
        rig.ask()
        rig.settle()
    rig.issuer.behave(None)
    rig.clock.advance(DEFAULT.backoff_cap)
    rig.ask()
    rig.settle()
    assert not rig.ask().stale


@pytest.mark.parametrize("jump", [7200, -7200, 10**9, -(10**9)])
def test_f74_a_wall_clock_that_jumps_moves_claims_and_no_keys(make_rig, jump):
    wall = FakeClock(time.time())
    rig = make_rig(wall=wall)
    rig.prime()
    wall.advance(jump)
    assert rig.status() == 401  # exp, or iat
    assert rig.keys.state == "fresh"
    wall.advance(-jump)
    assert rig.status() == 200
    assert rig.issuer.fetches() == 1


def test_f75_after_hours_of_suspension_the_keys_are_refreshed_at_once(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    rig.status(old)
    rig.issuer.rotate(keep_old=False)
    rig.clock.advance(6 * 3600)
    assert rig.status(old) == 401
    assert rig.status() == 200
    assert rig.issuer.fetches() == 2


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system's monotonic clock is all there is")
def test_f75_the_clock_of_the_keys_goes_on_while_the_machine_is_suspended():
    keys = RemoteKeySet("https://issuer.example/jwks.json")
    assert abs(keys._clock() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1
