"""Stores that know what was used before: in memory and in a real Redis, with the same answers."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwtauthz.errors import ConfigurationError, ReplayStoreUnavailable
from jwtauthz.replay import MemoryReplayStore, RedisReplayStore
from jwtauthz.testing import FakeClock


@pytest.fixture(params=["memory", "redis"])
def store(request):
    if request.param == "memory":
        return MemoryReplayStore()
    return RedisReplayStore.from_url(request.getfixturevalue("redis").url)


def test_the_first_use_is_one_and_each_other_is_none(store):
    assert store.uses("jti-1", 60)
    assert not store.uses("jti-1", 60)
    assert not store.uses(b"jti-1", 60)
    assert store.uses("jti-2", 60)
    assert store.uses("", 60)
    assert store.uses("\ud800", 60)


def test_sync_and_async_share_what_they_know(store):
    async def both():
        return await store.auses("a", 60), await store.auses("a", 60), await store.auses("b", 60)

    assert asyncio.run(both()) == (True, False, True)
    assert not store.uses("b", 60)


def test_trio(store):
    import trio

    async def twice():
        return await store.auses("a", 60), await store.auses("a", 60)

    assert trio.run(twice) == (True, False)


def test_of_many_at_once_one_is_the_first(store):
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: store.uses("the same", 60), range(64))) == 1


@pytest.mark.parametrize("lifetime", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_lifetime_without_an_end_is_refused(store, lifetime):
    with pytest.raises(ValueError, match="lifetime="):
        store.uses("a", lifetime)


def test_memory_forgets_when_the_lifetime_is_over():
    clock = FakeClock(1_000.0)
    store = MemoryReplayStore(clock=clock)
    assert store.uses("a", 10)
    clock.advance(9.9)
    assert not store.uses("a", 10)
    clock.advance(0.1)
    assert store.uses("a", 10)


def test_memory_that_is_full_forgets_nothing_and_lets_nothing_pass():
    clock = FakeClock(1_000.0)
    store = MemoryReplayStore(2, clock=clock)
    assert store.uses("a", 10)
    assert store.uses("b", 20)
    with pytest.raises(ReplayStoreUnavailable, match="no more"):
        store.uses("c", 10)
    assert not store.uses("a", 10)
    clock.advance(10)
    assert store.uses("c", 10)


@pytest.mark.parametrize("size", [0, -1, True, "many", None])
def test_a_size_that_makes_no_sense_is_refused(size):
    with pytest.raises(ConfigurationError, match="size="):
        MemoryReplayStore(size)


def test_redis_keeps_a_hash_for_as_long_as_it_matters(redis):
    store = RedisReplayStore.from_url(redis.url, prefix="mine")
    assert store.uses("a secret jti", 60)
    [key] = redis.command("KEYS", "*")
    assert key.startswith(b"mine:used:")
    assert b"secret" not in key + redis.command("GET", key)
    assert 59_000 < redis.command("PTTL", key) <= 60_001


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda redis: redis.kill(), id="a server that is down"),
        pytest.param(lambda redis: redis.command("CLIENT", "PAUSE", 9000, "ALL"), id="one that hangs"),
        pytest.param(lambda redis: redis.command("CONFIG", "SET", "maxmemory", "1"), id="one that is full"),
        pytest.param(lambda redis: redis.command("REPLICAOF", "127.0.0.1", "1"), id="a read-only replica"),
    ],
)
def test_redis_that_cannot_tell_lets_nothing_pass(redis, spoil):
    store = RedisReplayStore.from_url(redis.url)
    assert store.uses("a", 60)
    spoil(redis)
    for _ in range(5):
        with pytest.raises(ReplayStoreUnavailable) as caught:
            store.uses("b", 60)
        assert caught.value.retry_after == 1.0
    with pytest.raises(ReplayStoreUnavailable):
        asyncio.run(store.auses("b", 60))
    assert store.health()["state"] == "unavailable"


def test_redis_that_works_again_is_asked_again(redis):
    import time

    store = RedisReplayStore.from_url(redis.url)
    redis.kill()
    for _ in range(3):
        with pytest.raises(ReplayStoreUnavailable):
            store.uses("a", 60)
    redis.start()
    time.sleep(1.05)
    assert store.uses("a", 60)
    assert not store.uses("a", 60)
