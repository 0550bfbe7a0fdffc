"""What a fleet does when all is well: who fetches, who takes, and what a request gets."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwtauthz.errors import KeySetUnavailable
from jwtauthz.events import KeysFetched
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import behaviours as b

from .conftest import SHORT, forwarded

GAP = SHORT.miss_gap


def test_one_fetch_serves_all_that_start_at_once(redis, join, issuer):
    issuer.behave(b.slow(0.2))
    members = [join(redis.url, timing=Timing()) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda member: member.status(), members)) == [200] * 8
    assert issuer.fetches() == 1
    assert len(issuer.requests) == 2  # the metadata as well
    shared = [event.shared for member in members for event in member.told(KeysFetched)]
    assert sorted(shared) == [False] + [True] * 7


def test_an_issuer_that_is_slower_than_others_wait_for_it_is_asked_by_each_and_all_get_their_answer(
    redis, join, issuer
):
    """The first of them is done first, and has told the others by the time that theirs are cut off."""
    issuer.behave(b.slow(1.3))
    members = [join(redis.url, timing=Timing(flight=2.0, fleet_refill=0.04)) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda member: member.status(), members)) == [200] * 3
    assert 1 <= issuer.fetches() <= 3


def test_one_fetch_serves_all_after_a_rotation(redis, join, issuer):
    members = [join(redis.url) for _ in range(4)]
    for member in members:
        assert member.status() == 200
        member.clock.advance(GAP)
    issuer.rotate()
    assert [member.status() for member in members] == [200] * 4
    assert issuer.fetches() == 2


def test_one_fetch_serves_all_when_the_keys_are_due(redis, join, issuer):
    members = [join(redis.url) for _ in range(3)]
    assert [member.status() for member in members] == [200] * 3
    issuer.forget_old_keys()
    with forwarded(members, 520):
        for member in members:
            assert member.status() == 200  # at once, while the flight goes on behind it
            member.settle()
        assert [member.keys.health()["age"] < 5 for member in members] == [True] * 3
    assert issuer.fetches() == 2


@pytest.mark.parametrize("key", [None, "a key of thirty-two bytes, or more"], ids=["budget", "document"])
def test_strangers_cause_one_fetch_in_the_fleet_per_refill(redis, join, issuer, key):
    timing = Timing(fleet_refill=3)
    members = [join(redis.url, key=key, timing=timing) for _ in range(4)]
    assert [member.status() for member in members] == [200] * 4
    before = issuer.fetches()
    for member in members:
        member.clock.advance(GAP)
    answers = [member.junk(f"junk-{n}") for member in members for n in range(5)]
    assert answers == [401] * 20
    assert issuer.fetches() == before + 1


def test_without_an_integrity_key_no_keys_are_shared(redis, join, issuer):
    members = [join(redis.url, key=None) for _ in range(3)]
    assert [member.status() for member in members] == [200] * 3
    assert issuer.fetches() == 3
    assert redis.names() == []  # nothing at all, as long as no stranger comes
    members[0].clock.advance(GAP)
    assert members[0].junk() == 401
    members[0].settle()
    assert [key.rpartition(":")[2] for key in redis.names()] == ["budget"]


def test_the_hint_tells_others_of_a_rotation_but_they_fetch_for_themselves(redis, join, issuer):
    timing = Timing(fleet_refill=3)
    first, second = (join(redis.url, key=None, timing=timing) for _ in range(2))
    assert (first.status(), second.status()) == (200, 200)
    first.clock.advance(GAP)
    second.clock.advance(GAP)
    issuer.rotate()
    assert first.status() == 200  # which takes the budget
    first.settle()
    assert second.status() == 200  # the budget is spent, but by its word there is something new
    assert issuer.fetches() == 4


def test_nothing_of_a_token_is_in_the_store(redis, join, issuer):
    member = join(redis.url)
    token = issuer.token(scope="read", subject="somebody", kid="a-key-id-of-my-own", secret="claim")
    member.status(issuer.token(scope="read"))
    member.clock.advance(GAP)
    member.status(token)
    member.settle()
    assert len(redis.names()) == 2  # the budget and the document
    everything = b"".join(key.encode() + redis.command("GET", key) for key in redis.names())
    for secret in (b"a-key-id-of-my-own", b"somebody", b"claim", *token.encode().split(b".")):
        assert secret not in everything


def test_every_value_has_an_end(redis, join, issuer):
    member = join(redis.url)
    assert member.status() == 200
    member.clock.advance(GAP)
    assert member.junk() == 401
    member.settle()
    for key in redis.names():
        assert 0 < redis.command("PTTL", key) <= 7_200_000


def test_refresh_asks_the_issuer_whatever_the_fleet_holds(redis, join, issuer):
    first, second = join(redis.url), join(redis.url)
    assert (first.status(), second.status()) == (200, 200)
    second.keys.refresh()
    assert issuer.fetches() == 2
    assert not second.told(KeysFetched)[-1].shared


def test_refresh_that_joins_a_flight_answered_by_the_fleet_asks_the_issuer_as_well(redis, join, issuer):
    first, second = join(redis.url), join(redis.url)
    assert (first.status(), second.status()) == (200, 200)
    first.clock.advance(GAP)
    second.clock.advance(GAP)
    issuer.rotate()
    assert first.status() == 200
    first.settle()
    token = issuer.token(scope="read")
    held = second.keys._driver.origin.store.get

    def slowly(*arguments):
        time.sleep(0.3)
        return held(*arguments)

    second.keys._driver.origin.store.get = slowly
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(second.status, token)
        time.sleep(0.1)
        second.keys.refresh()
    assert waiting.result() == 200
    assert issuer.fetches() == 3


def test_purge_takes_nothing_back_that_the_fleet_still_holds(redis, join, issuer):
    member = join(redis.url)
    assert member.status() == 200
    stolen = issuer.token(scope="read")
    issuer.rotate(keep_old=False)
    member.keys.purge()
    assert member.status(stolen) == 401
    assert issuer.fetches() == 2


def test_an_issuer_that_forbids_to_store_is_obeyed(redis, join, issuer):
    issuer.behave(b.with_headers({"Cache-Control": "no-store"}))
    members = [join(redis.url) for _ in range(2)]
    assert [member.status() for member in members] == [200] * 2
    assert issuer.fetches() == 2
    assert redis.names("document") == []


def test_not_modified_is_shared_as_well(redis, join, issuer):
    members = [join(redis.url) for _ in range(2)]
    assert [member.status() for member in members] == [200] * 2
    with forwarded(members, 520):
        for member in members:
            assert member.status() == 200
            member.settle()
        assert members[0].told(KeysFetched)[-1].confirmed
        assert members[1].told(KeysFetched)[-1].shared
    assert issuer.fetches() == 2


def test_a_new_process_starts_while_the_issuer_is_down(redis, join, issuer):
    assert join(redis.url).status() == 200
    issuer.behave(b.refusing(), at="everywhere")
    assert join(redis.url).status() == 200
    assert join(None).status() == 503


def test_a_new_process_starts_with_old_keys_if_there_are_none_else(redis, join, issuer):
    first = join(redis.url)
    assert first.status() == 200
    issuer.behave(b.refusing(), at="everywhere")
    second = join(redis.url)
    with forwarded([second], 900):
        token = second.server.authorize(f"Bearer {issuer.token(scope='read', expires_in=3600)}", "read")
        assert token.stale
    assert second.keys.state == "stale"


def test_an_idle_fleet_does_not_start_with_keys_past_all_bounds(redis, join, issuer):
    assert join(redis.url).status() == 200
    issuer.behave(b.refusing(), at="everywhere")
    second = join(redis.url)
    with forwarded([second], 5000):
        assert second.status() == 503
    assert "its time was over" in second.alarms[0]


def test_a_key_set_that_joins_late_and_one_of_two_servers(redis, join, issuer):
    member = join(redis.url)
    member.keys.join(member.fleet)  # the same again is nothing
    with pytest.raises(ValueError, match="another fleet"):
        member.keys.join(join(redis.url).fleet)


def test_health_shows_the_fleet(redis, join):
    member = join(redis.url)
    assert member.fleet.health()["state"] == "not asked yet"
    member.status()
    member.settle()
    health = member.keys.health()["fleet"]
    assert health == {
        "store": redis.url,
        "state": "shared",
        "local_for": None,
        "failures": 0,
        "last_error": None,
        "last_error_kind": None,
        "commands": health["commands"],
        "shares_keys": True,
        "refused": 0,
    }
    assert "fleet" not in join(None).keys.health()


def test_fail_fast_says_what_is_wrong_with_the_issuer_not_with_the_store(redis, join, issuer):
    issuer.behave(b.refusing(), at="everywhere")
    with pytest.raises(KeySetUnavailable, match="Connection refused"):
        join(redis.url).server.warm_up()
