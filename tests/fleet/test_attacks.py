"""Somebody who can write to the store, but has not the integrity key: what that is worth, and what not."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

import pytest

from jwtauthz.keys.shared_document import Seal
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import FakeIssuer
from jwtauthz.testing import behaviours as b

from .conftest import SECRET, SHORT, forwarded, wall_clock_set
from .test_faults import document, foreign_keys, sealed

LONG = Timing(flight=1.0, connect=0.5, read=0.5, fleet_refill=10)


@pytest.fixture
def names(redis, join, issuer):
    redis.source = f"issuer {issuer.url}"
    return join(redis.url).fleet.names(redis.source)


@contextmanager
def writing(redis, *commands):
    """An attacker who writes these again and again; functions give a command."""
    over, client = threading.Event(), redis.client()

    def write_once():
        for command in commands:
            client.execute_command(*(command() if callable(command) else command))

    def write():
        while not over.is_set():
            write_once()
            time.sleep(0.002)

    write_once()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        client.close()


@contextmanager
def attacker(issuer):
    """Tokens that claim to be the issuer's, signed by the keys that the attacker would like to see trusted."""
    with FakeIssuer(algorithm="ES256", network=False) as other:
        yield lambda: other.token(scope="read", iss=issuer.url)


# ── minting ──


@pytest.mark.parametrize("state", ["cold", "warm", "stale", "cold, and the issuer is down"])
@pytest.mark.parametrize("shape", ["bare", "sealed with a guessed key", "sealed for another issuer"])
def test_nobody_mints_tokens_by_writing_keys_into_the_store(redis, join, issuer, names, state, shape):
    import json

    with FakeIssuer(algorithm="ES256", network=False) as other:
        body = json.dumps(other.jwks()).encode()
        minted = other.token(scope="read", iss=issuer.url)
        value = {
            "bare": body,
            "sealed with a guessed key": Seal(b"x" * 32, redis.source).close(document(body)),
            "sealed for another issuer": sealed(redis, body=body, source="issuer https://other.example/"),
        }[shape]
        member = join(redis.url)
        if state in ("warm", "stale"):
            assert member.status() == 200
            member.settle()
        if "down" in state:
            issuer.behave(b.refusing(), at="everywhere")
        if state == "stale":
            member.clock.advance(700)
        with writing(redis, ("SET", names.document, value), ("DEL", names.lease)):
            member.clock.advance(SHORT.miss_gap)
            assert member.status(minted) == (503 if "down" in state else 401)
            assert member.status() == (503 if "down" in state else 200)
    assert all("integrity key" in alarm for alarm in member.alarms)
    assert member.alarms


def test_a_digest_in_the_budget_gives_no_keys(redis, join, issuer, names):
    from hashlib import sha256

    member = join(redis.url, timing=LONG)
    assert member.status() == 200
    member.clock.advance(LONG.miss_gap)
    digest = sha256(foreign_keys()).hexdigest()
    with attacker(issuer) as mint, writing(redis, ("SET", names.budget, digest, "PX", 10_000)):
        assert member.status(mint()) == 401


# ── going back in time ──


def test_a_process_never_goes_back_to_a_document_that_was_true_once(redis, join, issuer, names):
    member = join(redis.url)
    assert member.status() == 200
    member.settle()
    old, once = issuer.token(scope="read", expires_in=7200), redis.value("document")
    member.clock.advance(SHORT.miss_gap)
    issuer.rotate(keep_old=False)
    assert member.status() == 200
    member.settle()
    with writing(redis, ("SET", names.document, once, "PX", 100_000)):
        for wait in (SHORT.miss_gap, 60, 520):
            with forwarded([member], wait):
                assert member.status() == 200
                assert member.status(old) == 401
                member.settle()
    assert len(member.keys.health()["keys"]) == 1


def test_a_new_process_may_be_shown_an_old_document_but_none_that_is_older_than_its_ttl(
    redis, join, issuer, names
):
    first = join(redis.url)
    assert first.status() == 200
    first.settle()
    old, once = issuer.token(scope="read", expires_in=7200), redis.value("document")
    issuer.rotate(keep_old=False)
    with writing(redis, ("SET", names.document, once, "PX", 10_000_000)):
        early, late = join(redis.url), join(redis.url)
        assert early.status(old) == 200  # as in a process that fetched back then: T1 is not over
        assert early.status() == 200  # and the new key is found
        with forwarded([late], 520):
            assert late.status(old) == 401


def test_a_document_of_last_week_carries_nobody_through_an_outage(redis, join, issuer, names):
    issuer.behave(b.refusing(), at="everywhere")
    week = sealed(redis, asked=-604_800.0)  # sealed well, and says that it still serves
    redis.command("SET", names.document, week)
    assert join(redis.url).status() == 503


# ── keeping a rotation back ──


@pytest.mark.parametrize("key", [None, SECRET], ids=["budget", "document"])
def test_a_rotation_can_be_kept_back_for_no_longer_than_a_ttl(redis, join, issuer, key):
    from jwtauthz.keys.fleet import Fleet

    member = join(redis.url, key=key, timing=LONG)
    names = Fleet.from_url(redis.url, integrity_key=key).names(f"issuer {issuer.url}")
    assert member.status() == 200
    member.settle()
    digest = member.keys._driver._memory.digest.hex()
    once = redis.command("GET", names.document)
    issuer.rotate()
    new = issuer.token(scope="read", expires_in=7200)
    claims = [("SET", names.budget, digest, "PX", 9000), ("SET", names.lease, "?", "PX", 900)]
    with writing(redis, *claims, *([("SET", names.document, once, "PX", 9_000_000)] if once else [])):
        for _ in range(3):
            member.clock.advance(LONG.miss_refill)
            assert member.status(new) == 401  # the worst that a writer can do
        with forwarded([member], 520):  # the refresh that time asks for
            assert member.status(issuer.token(scope="read", kid=issuer.jwks()["keys"][1]["kid"])) == 200
            member.settle()
            assert member.status(new) == 200
    assert issuer.fetches() == 2


def test_a_removed_key_cannot_be_kept_alive_by_vouching_for_it(redis, join, issuer, names):
    """What anybody can write may put a refusal off, but no key lives longer by it."""
    member = join(redis.url, timing=LONG)
    assert member.status() == 200
    member.settle()
    before = member.keys.health()
    old, digest = issuer.token(scope="read", expires_in=7200), member.keys._driver._memory.digest.hex()
    issuer.rotate(keep_old=False)
    with writing(redis, ("SET", names.budget, digest, "PX", 9000)):
        for step in range(12):
            member.clock.advance(LONG.miss_refill)
            member.junk(f"junk-{step}")
            member.settle()
        assert member.keys.health()["age"] > before["age"] + 300
        with forwarded([member], 200):
            member.status(old)
            member.settle()
            assert member.status(old) == 401


# ── making processes wait ──


def test_a_lease_that_somebody_holds_for_ever_costs_a_cold_start_half_a_flight(redis, join, issuer, names):
    with writing(redis, ("SET", names.lease, "?", "PX", 900)):
        member = join(redis.url)
        began = time.monotonic()
        assert member.status() == 200
        assert time.monotonic() - began < SHORT.flight
        token = issuer.token(scope="read", expires_in=3600)
        member.clock.advance(520)  # due
        began = time.monotonic()
        assert member.status(token) == 200
        assert time.monotonic() - began < 0.1  # what a warm process has, it uses at once
        member.settle()
    assert issuer.fetches() == 2


def test_a_lease_whose_holder_died_passes_to_one_of_the_others(redis, join, issuer, names):
    redis.command("SET", names.lease, "?", "PX", 250)
    members = [join(redis.url) for _ in range(4)]
    threads = [threading.Thread(target=member.status) for member in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [member.status() for member in members] == [200] * 4
    assert issuer.fetches() == 1


def test_a_budget_whose_taker_died_leaves_strangers_where_they_were(redis, join, issuer, names):
    member = join(redis.url, timing=LONG)
    assert member.status() == 200
    redis.command("SET", names.budget, "?", "PX", 9000)
    member.clock.advance(LONG.miss_gap)
    began = time.monotonic()
    assert member.junk() == 401  # by our own fetch, which is young enough
    member.clock.advance(LONG.miss_refill)
    redis.command("SET", names.budget, "?", "PX", 9000)
    assert member.junk() == 503  # and now nothing can be said
    assert time.monotonic() - began < 2 * LONG.flight + 0.5
    assert member.status() == 200


# ── a storm ──


@pytest.mark.parametrize("key", [None, SECRET], ids=["budget", "document"])
def test_no_more_fetches_than_without_a_store(redis, join, issuer, key):
    """Every member does what it would do alone, at the worst: 2 + t / 30 s for strangers."""
    from jwtauthz.keys.fleet import Fleet

    names = Fleet.from_url(redis.url, integrity_key=key).names(f"issuer {issuer.url}")
    members = [join(redis.url, key=key, timing=LONG) for _ in range(3)]
    turns = iter(range(1 << 60))
    spoil = [
        lambda: ("SET", names.budget, f"{next(turns):064x}", "PX", 9000),
        ("DEL", names.document),
        ("DEL", names.lease),
    ]
    with writing(redis, *spoil):
        for member in members:
            assert member.status() == 200
        for step in range(30):
            for member in members:
                member.clock.advance(LONG.miss_gap)
                assert member.junk(f"junk-{step}") in (401, 503)
                member.settle()
    fruitless = issuer.fetches() - len(members)
    assert fruitless <= len(members) * (LONG.miss_burst + 30 * LONG.miss_gap / LONG.miss_refill)


# ── clocks that differ ──


@pytest.mark.parametrize("skew", [-86_400, -600, -60, -3, 3, 60, 600, 86_400])
def test_clocks_that_differ_cost_fetches_and_no_answers(redis, join, issuer, skew):
    """A member whose wall clock is wrong publishes, takes, rotates and refuses like the others."""
    right, wrong = join(redis.url), join(redis.url)

    def ask(member, token=None):
        member.clock.advance(SHORT.miss_gap)
        with wall_clock_set([member], skew if member is wrong else 0):
            status = member.status(token)
            member.settle()
        return status

    assert [ask(wrong), ask(right), ask(wrong)] == [200] * 3
    old = issuer.token(scope="read")
    time.sleep(SHORT.fleet_refill + 0.02)
    issuer.rotate(keep_old=False)
    assert [ask(right), ask(wrong)] == [200] * 2
    assert [ask(right, old), ask(wrong, old)] == [401] * 2
    assert issuer.fetches() <= 6


def test_a_wall_clock_that_is_set_back_makes_no_old_document_young(redis, join, issuer, names):
    member = join(redis.url)
    assert member.status() == 200
    member.settle()
    once, old = redis.value("document"), issuer.token(scope="read", expires_in=7200)
    member.clock.advance(SHORT.miss_gap)
    issuer.rotate(keep_old=False)
    assert member.status() == 200
    member.settle()
    with writing(redis, ("SET", names.document, once)), wall_clock_set([member], -3):
        for _ in range(3):
            member.clock.advance(200)
            assert member.status() == 200
            member.settle()
        assert member.status(old) == 401


def test_a_document_from_before_a_purge_is_refused_whatever_clock_wrote_it(redis, join, issuer, names):
    first, second = join(redis.url), join(redis.url)
    with wall_clock_set([first], 4):  # ahead, and about as much as is believed
        assert first.status() == 200
        first.settle()
    assert second.status() == 200
    stolen = issuer.token(scope="read")
    issuer.rotate(keep_old=False)
    second.keys.purge()
    assert second.status(stolen) == 401
