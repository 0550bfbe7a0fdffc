"""Part E of the scenarios: keys come, go, are replaced, and are asked for by strangers."""

from __future__ import annotations

import base64
import gc
import json
import tracemalloc

import pytest

from jwtauthz.keys.timing import Timing
from jwtauthz.testing import behaviours as b

DEFAULT = Timing()


def test_f61_a_new_key_beside_the_old_one_is_accepted_with_its_first_token(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    rig.prime()
    rig.clock.advance(3)
    rig.issuer.rotate()
    assert [rig.status(), rig.status(old), rig.status()] == [200, 200, 200]
    assert rig.issuer.fetches() == 2


def test_f61_a_key_that_was_published_in_time_costs_nothing(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    new = rig.issuer.rotate()
    rig.prime()
    assert rig.status(rig.issuer.token(scope="read:users", kid=new)) == rig.status(old) == 200
    assert rig.issuer.fetches() == 1


def test_f62_a_new_key_in_place_of_the_old_one(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    assert rig.status(old) == 200
    rig.clock.advance(3)
    rig.issuer.rotate(keep_old=False)
    assert rig.status() == 200
    assert rig.issuer.fetches() == 2
    assert rig.status(old) == 401  # though it was accepted before, and its claims still hold


def test_f62_rotations_in_a_row_are_each_followed(make_rig):
    rig = make_rig(b.rotating())
    for _ in range(6):
        rig.clock.advance(151)
        rig.issuer.rotate(keep_old=False)
        rig.issuer.behave(None)
        assert rig.status() == 200


@pytest.mark.parametrize("cache_control", ["max-age=600", "max-age=60", "max-age=86400", None])
def test_f63_a_removed_key_is_refused_within_the_time_that_is_documented(make_rig, cache_control):
    rig = make_rig(cache_control=cache_control)
    old = rig.issuer.token(scope="read:users")
    assert rig.status(old) == 200
    rig.issuer.rotate(keep_old=False)
    rig.clock.advance(DEFAULT.removed_within + 1)
    assert rig.status(old) == 401


def test_f63_a_removed_key_in_daily_traffic_is_refused_at_the_next_refresh(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    rig.status(old)
    rig.issuer.rotate(keep_old=False)
    accepted = 0
    while rig.status(old) == 200:
        accepted += 1
        rig.settle()
        rig.clock.advance(10)
    assert 40 < accepted <= 60
    assert rig.issuer.fetches() <= 3  # the second looks once more, past all caches


def test_f63_purge_refuses_it_at_once(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    rig.status(old)
    rig.issuer.rotate(keep_old=False)
    rig.keys.purge()
    assert rig.status(old) == 401


def test_f64_a_new_key_under_the_old_key_id_is_found_by_one_fetch(make_rig):
    rig = make_rig()
    old = rig.issuer.token(scope="read:users")
    rig.status(old)
    rig.clock.advance(61)
    rig.issuer.rotate(same_kid=True, keep_old=False)
    assert [rig.status(), rig.status()] == [200, 200]
    assert rig.issuer.fetches() == 2
    assert rig.status(old) == 401


def test_f64_forged_tokens_make_us_fetch_once_in_five_minutes(make_rig):
    rig = make_rig()
    rig.prime()
    rig.clock.advance(61)
    for n in range(50):
        assert rig.status(rig.issuer.forged_token(scope="read:users", n=n)) == 401
        rig.clock.advance(5)
        assert rig.status() == 200
    assert rig.issuer.fetches() == 2


def test_f65_a_flood_of_unknown_key_ids_hardly_fetches_and_hurts_nobody(make_rig):
    rig = make_rig()
    rig.prime()
    for n in range(200):
        assert rig.status(rig.junk(f"junk-{n}")) in (401, 503)
        assert rig.status() == 200
        rig.clock.advance(0.5)
    assert rig.issuer.fetches() <= 1 + 2 + 100 / 30


def test_f65_an_unknown_key_id_is_a_401_when_the_issuer_answers(make_rig):
    rig = make_rig()
    rig.prime()
    rig.clock.advance(3)
    assert [rig.status(rig.junk()) for _ in range(10)] == [401] * 10
    assert rig.issuer.fetches() == 2


def test_f66_a_rotation_in_the_middle_of_a_flood_is_seen_within_one_cool_down(make_rig):
    rig = make_rig()
    rig.prime()
    for n in range(40):
        rig.status(rig.junk(f"junk-{n}"))
        rig.clock.advance(0.5)
    rig.issuer.rotate()
    new, waited = rig.issuer.token(scope="read:users"), 0.0
    while rig.status(new) != 200:
        rig.status(rig.junk(f"late-{waited}"))
        rig.clock.advance(0.5)
        waited += 0.5
        assert waited <= DEFAULT.miss_refill
    assert rig.status() == 200


def test_f67_an_unknown_key_id_during_an_outage_is_a_503_and_quickly(make_rig, stopwatch):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.refusing())
    rig.clock.advance(60)
    connections = rig.issuer.connections
    with stopwatch(3):
        for n in range(100):
            assert rig.status(rig.junk(f"junk-{n}")) == 503
            assert rig.status() == 200
    assert len(rig.failures) == 1
    rig.issuer.behave(b.failing(503))
    for n in range(100):
        assert rig.status(rig.junk(f"later-{n}")) == 503
        assert rig.status() == 200
        rig.clock.advance(1)
    assert rig.issuer.connections - connections <= 2 + 100 / 30
    rig.issuer.behave(None)
    rig.clock.advance(31)
    assert rig.status(rig.junk()) == 401


def test_f67_a_new_key_during_an_outage_is_no_401(make_rig):
    """The client of a good token must not be told to throw it away."""
    rig = make_rig()
    rig.prime()
    rig.issuer.rotate()
    new = rig.issuer.token(scope="read:users")
    rig.issuer.behave(b.failing(503))
    rig.clock.advance(60)
    for _ in range(20):
        assert rig.status(new) == 503
        rig.clock.advance(7)
    rig.issuer.behave(None)
    rig.clock.advance(31)
    assert rig.status(new) == 200


def test_f68_days_of_unknown_key_ids_leave_nothing_behind(make_rig):
    rig = make_rig()
    rig.prime()
    _, payload, signature = rig.junk().split(".")

    def junk(n):
        header = json.dumps({"alg": "ES256", "typ": "JWT", "kid": f"junk-{n}"}).encode()
        return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{payload}.{signature}"

    def memory():
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    def days(first, last):
        for n in range(first, last):
            assert rig.status(junk(n)) in (401, 503)
            rig.clock.advance(40 if n % 10 == 0 else 0)  # some after a fetch, some in a flood

    tracemalloc.start()
    try:
        days(0, 500)
        before = memory()
        rig.events.clear()
        days(500, 2_500)
        rig.events.clear()
        assert memory() - before < 1_000_000
    finally:
        tracemalloc.stop()
    assert rig.status() == 200
