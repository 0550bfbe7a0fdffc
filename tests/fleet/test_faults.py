"""Whatever is wrong with the store, requests get the answers that they get without one."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from functools import cache

import pytest

from jwtauthz.events import FleetAvailable, FleetUnavailable
from jwtauthz.keys.freshness import Freshness
from jwtauthz.keys.shared_document import Seal, SharedDocument
from jwtauthz.testing import FakeIssuer
from jwtauthz.testing import behaviours as b

from .conftest import SECRET, SHORT

PAUSE = SHORT.fleet_refill + 0.01  # until the fleet may ask about a stranger's key ID again


def course(join, url, meanwhile=lambda step, member: None, **options):
    """What one process answers from its first request on, through a rotation, a flood and an outage.

    `meanwhile` is called before each step, with the store to spoil.
    """
    answers = []
    member = join(url, **options)
    issuer = member.issuer

    def step(name, ask):
        meanwhile(name, member)
        member.clock.advance(SHORT.miss_refill)  # past any gap, and with a budget of its own again
        began = time.monotonic()
        answers.append((name, ask()))
        assert time.monotonic() - began < SHORT.flight + 0.5, name
        member.settle()
        if "key" in name or "stranger" in name:
            time.sleep(PAUSE)

    first = issuer.token(scope="read")
    step("a first token", lambda: member.status(first))
    step("a forged one", lambda: member.status(issuer.forged_token(scope="read")))
    step("one of a stranger's key", member.junk)
    issuer.rotate(keep_old=False)
    step("one of a new key", lambda: member.status(issuer.token(scope="read")))
    step("one of a removed key", lambda: member.status(first))
    issuer.behave(b.refusing(), at="everywhere")
    step("a good one during an outage", member.status)
    step("a stranger's during an outage", lambda: member.junk("unheard-of"))
    issuer.behave(None)
    step("a stranger's after it", lambda: member.junk("unheard-of too"))
    member.keys.purge()
    step("a good one after a purge", member.status)
    return answers, member


@pytest.fixture(scope="module")
def alone():
    """The answers of a process without a fleet, by which all others are judged."""
    return [
        ("a first token", 200),
        ("a forged one", 401),
        ("one of a stranger's key", 401),
        ("one of a new key", 200),
        ("one of a removed key", 401),
        ("a good one during an outage", 200),
        ("a stranger's during an outage", 503),
        ("a stranger's after it", 401),
        ("a good one after a purge", 200),
    ]


def test_what_a_process_without_a_fleet_answers(join, alone):
    assert course(join, None)[0] == alone


@pytest.mark.parametrize("key", [None, SECRET], ids=["budget", "document"])
def test_a_healthy_store_changes_no_answer(redis, join, alone, key):
    answers, member = course(join, redis.url, key=key)
    assert answers == alone
    assert member.fleet.health()["last_error"] is None
    assert member.alarms == []


# ── the server ──


def at(name, act):
    """Spoil the store once, before that step."""
    return lambda redis: lambda step, member: act(redis) if step == name else None


def always(act):
    return lambda redis: lambda step, member: act(redis)


def wrong_types(redis):
    for key in redis.names():
        redis.command("DEL", key)
        redis.command("LPUSH", key, "a", "list")


def full(redis):
    redis.command("CONFIG", "SET", "maxmemory", "1")


def stuck(redis):
    """What should be gone in seconds stays."""
    for key in redis.names():
        redis.command("PERSIST", key)


def claimed_for_good(kind):
    def act(redis):
        from jwtauthz.keys.fleet import Fleet

        fleet = Fleet.from_url(redis.url, integrity_key=SECRET)
        redis.command("SET", getattr(fleet.names(redis.source), kind), "?")

    return act


def read_only(redis):
    redis.command("REPLICAOF", "127.0.0.1", "1")


SERVER = {
    "killed before the first": at("a first token", lambda redis: redis.kill()),
    "killed later": at("one of a new key", lambda redis: redis.kill()),
    "killed and started again": always(lambda redis: (redis.kill(), redis.start())),
    "paused": at("a first token", lambda redis: redis.command("CLIENT", "PAUSE", 60_000, "ALL")),
    "paused later": at("one of a new key", lambda redis: redis.command("CLIENT", "PAUSE", 60_000, "ALL")),
    "paused for writes": at("a first token", lambda redis: redis.command("CLIENT", "PAUSE", 60_000, "WRITE")),
    "flushed before each": always(lambda redis: redis.command("FLUSHALL")),
    "full": at("a first token", full),
    "full later": at("one of a new key", full),
    "a read-only replica without a master": at("a first token", read_only),
    "a read-only replica later": at("one of a new key", read_only),
    "values of another type": always(wrong_types),
    "values that stay": always(stuck),
    "a budget that is claimed for good": always(claimed_for_good("budget")),
    "a lease that is claimed for good": always(claimed_for_good("lease")),
    "connections cut before each": always(lambda redis: redis.command("CLIENT", "KILL", "TYPE", "normal")),
    "a password that we do not have": at(
        "a first token", lambda redis: redis.command("CONFIG", "SET", "requirepass", "secret")
    ),
}


@pytest.mark.parametrize("key", [None, SECRET], ids=["budget", "document"])
@pytest.mark.parametrize("spoil", SERVER.values(), ids=SERVER)
def test_a_server_that_fails_changes_no_answer(redis, join, issuer, alone, spoil, key):
    redis.source = f"issuer {issuer.url}"
    answers, member = course(join, redis.url, spoil(redis), key=key)
    assert answers == alone
    assert member.fleet.health()["store"] == redis.url


# ── the replies ──


@contextmanager
def speaking(reply):
    """A server that answers each command with these bytes; a function gets the connection to itself."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection):
        with connection, suppress(OSError):
            while connection.recv(65536):
                if callable(reply):
                    reply(connection, over)
                    return
                connection.sendall(reply)

    def accept():
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def dripping(connection, over):
    """Each read of the client is quick; the reply never ends."""
    connection.sendall(b"$400000\r\n")
    while not over.wait(0.03):
        connection.sendall(b"x")


def flooding(connection, over):
    connection.sendall(b"$500000000\r\n")
    while not over.is_set():
        connection.sendall(b"x" * 65536)


REPLIES = {
    "nothing": lambda connection, over: over.wait(30),
    "hanging up": lambda connection, over: None,
    "byte by byte": dripping,
    "half a gigabyte": flooding,
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "OK to everything": b"+OK\r\n",
    "nil to everything": b"$-1\r\n",
    "a number to everything": b":7\r\n",
    "an endless number": b":9223372036854775807\r\n",
    "a list to everything": b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
    "text to everything": b"$5\r\nhello\r\n",
    "a digest to everything": b"$64\r\n" + b"0" * 64 + b"\r\n",
    "an error to everything": b"-ERR no\r\n",
    "LOADING": b"-LOADING Redis is loading the dataset in memory\r\n",
    "MOVED": b"-MOVED 3999 127.0.0.1:1\r\n",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_server_that_talks_nonsense_changes_no_answer(join, alone, reply):
    with speaking(reply) as url:
        answers, _ = course(join, url)
    assert answers == alone


# ── the values ──


@cache
def foreign_keys() -> bytes:
    """A JWKS of keys that are not the issuer's, under a key ID that it has."""
    import json

    with FakeIssuer(algorithm="ES256", network=False) as other:
        return json.dumps(other.jwks()).encode()


def document(body=None, *, asked=0.0, expires=3600.0, past_caches=True, url="http://127.0.0.1/jwks"):
    now = time.time()
    return SharedDocument(
        url=url,
        body=foreign_keys() if body is None else body,
        headers={},
        freshness=Freshness(),
        asked=now + asked,
        expires=now + expires,
        past_caches=past_caches,
    )


def sealed(redis, *, key=SECRET, source=None, **values):
    return Seal(key.encode(), source or redis.source).close(document(**values))


def flipped(octets):
    return bytes([*octets[:-1], octets[-1] ^ 1])


VALUES = {
    "garbage": lambda redis: b"\xff\x00garbage",
    "a bare JWKS": lambda redis: foreign_keys(),
    "half a document": lambda redis: sealed(redis)[:200],
    "one of a megabyte": lambda redis: b"x" * 1_000_000,
    "foreign keys under another key": lambda redis: sealed(redis, key="y" * 40),
    "foreign keys under an empty HMAC": lambda redis: b"." + sealed(redis).partition(b".")[2],
    "a document of another issuer": lambda redis: sealed(redis, source="issuer https://other.example/"),
    "a document with a bit flipped": lambda redis: flipped(sealed(redis)),
    "a document of last week": lambda redis: sealed(redis, asked=-604_800.0, expires=-597_600.0),
    "a document of last week that says it still serves": lambda redis: sealed(redis, asked=-604_800.0),
    "a document of tomorrow": lambda redis: sealed(redis, asked=86_400.0, expires=90_000.0),
    "a document without a usable key": lambda redis: sealed(redis, body=b'{"keys": []}'),
    "a document that is no JSON": lambda redis: sealed(redis, body=b"<html>"),
}


# Each is told of once in a row. An old one that is sealed well may have been left by a process that hung.
@pytest.mark.parametrize(
    ("value", "expected"),
    [pytest.param(value, "still serves" not in name, id=name) for name, value in VALUES.items()],
)
def test_a_document_that_is_not_ours_changes_no_answer(redis, join, issuer, alone, value, expected):
    redis.source = f"issuer {issuer.url}"

    def poison(step, member):
        redis.command("SET", member.fleet.names(redis.source).document, value(redis))

    answers, member = course(join, redis.url, poison)
    assert answers == alone
    assert len(member.alarms) == member.fleet.health()["refused"] == expected


def test_a_store_that_works_again_is_used_again_without_a_restart(redis, join, issuer):
    member = join(redis.url, local_for=0.3)
    redis.kill()
    assert member.status() == 200
    for _ in range(3):
        member.keys.refresh()
        member.settle()
    assert member.breaker == [FleetUnavailable]
    assert member.fleet.health()["state"] == "local only"
    commands = member.fleet.health()["commands"]
    member.keys.refresh()
    member.settle()
    assert member.fleet.health()["commands"] == commands  # left alone
    redis.start()
    time.sleep(0.35)
    member.keys.refresh()
    member.settle()
    assert member.breaker == [FleetUnavailable, FleetAvailable]
    assert member.fleet.health()["state"] == "shared"
    assert len(redis.names("document")) == 1


def test_a_store_that_hangs_is_asked_no_more_than_three_times(redis, join, issuer):
    member = join(redis.url)
    redis.command("CLIENT", "PAUSE", 60_000, "ALL")
    assert member.status() == 200
    for _ in range(5):
        began = time.monotonic()
        member.keys.refresh()
        assert time.monotonic() - began < 0.09  # a refresh tells the store when its caller has been told
        member.settle()
    assert member.breaker == [FleetUnavailable]
    assert member.fleet.health()["commands"] <= 4


@pytest.mark.parametrize("reply", [dripping, flooding], ids=["byte by byte", "half a gigabyte"])
def test_a_reply_without_an_end_is_broken_off(join, reply):
    with speaking(reply) as url:
        member = join(url)
        assert member.status() == 200
        member.settle()
        time.sleep(0.2)
        assert not [thread for thread in threading.enumerate() if thread.name == "jwtauthz-store"]


@pytest.mark.parametrize("state", ["fresh", "due"])
def test_a_known_key_waits_for_nothing_while_the_store_hangs(redis, join, issuer, state):
    member = join(redis.url)
    token = issuer.token(scope="read", expires_in=3600)
    assert member.status(token) == 200
    member.settle()
    redis.command("CLIENT", "PAUSE", 60_000, "ALL")
    if state == "due":
        member.clock.advance(520)
    assert member.keys.state == state
    began = time.monotonic()
    assert member.status(token) == 200
    assert time.monotonic() - began < 0.08
