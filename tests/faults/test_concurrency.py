"""Part G of the scenarios: many at once. What concerns whole processes is in `tests/processes`."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import ServiceUnavailable
from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.testing import MisbehavingIssuer
from jwtauthz.testing import behaviours as b

from .conftest import SHORT, WITHIN


def herd(rig, count=60, tokens=None):
    """So many requests at once, each in its thread: the statuses, and how long the slowest one took."""
    tokens = tokens or [rig.issuer.token(scope="read:users", n=n) for n in range(count)]
    barrier = threading.Barrier(count)

    def one(token):
        barrier.wait()
        began = time.monotonic()
        status = rig.status(token)
        return status, time.monotonic() - began

    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(one, tokens))
    return {status for status, _ in answers}, max(took for _, took in answers)


def test_f76_sixty_first_requests_make_one_fetch(make_rig):
    rig = make_rig(b.slow(0.2))
    statuses, _ = herd(rig)
    assert statuses == {200}
    assert rig.issuer.fetches() == 1


@pytest.mark.parametrize("age", [520, 590])
def test_f77_at_the_moment_freshness_ends_nobody_waits(make_rig, age):
    rig = make_rig()
    rig.prime()
    rig.issuer.behave(b.slow(1))
    rig.clock.advance(age)
    statuses, slowest = herd(rig)
    assert statuses == {200}
    assert slowest < 0.8
    rig.settle()
    assert rig.issuer.fetches() == 2


def test_f78_while_the_issuer_hangs_all_are_answered_within_one_deadline(make_rig):
    rig = make_rig(b.hanging(), timing=SHORT)
    statuses, slowest = herd(rig)
    assert statuses == {503}
    assert slowest < WITHIN
    assert rig.issuer.fetches() == 1


def test_f79_good_tokens_do_not_queue_behind_a_fetch_for_an_unknown_key_id(make_rig, stopwatch):
    rig = make_rig(timing=SHORT)
    rig.prime()
    rig.issuer.behave(b.hanging())
    rig.clock.advance(60)
    waiting = threading.Thread(target=rig.status, args=[rig.junk()])
    waiting.start()
    while rig.issuer.fetches() < 2:
        time.sleep(0.005)
    tokens = [rig.issuer.token(scope="read:users", n=n) for n in range(50)]
    with stopwatch(0.3):
        assert {rig.status(token) for token in tokens} == {200}
    assert waiting.is_alive()
    waiting.join()


def status(answer):
    return getattr(answer, "status", 200)


def test_f80_the_one_who_asked_first_is_cancelled_and_the_others_notice_nothing(make_rig):
    rig = make_rig(b.slow(0.3))

    async def main():
        first = asyncio.create_task(rig.aask())
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(rig.aask()) for _ in range(5)]
        await asyncio.sleep(0.05)
        first.cancel()
        others[0].cancel()
        answers = await asyncio.gather(first, *others, return_exceptions=True)
        assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, True, *[False] * 4]
        assert {status(answer) for answer in answers[2:]} == {200}
        assert status(await rig.aask()) == 200

    asyncio.run(main())
    assert rig.issuer.fetches() == 1


def test_f80_the_same_in_trio(make_rig):
    rig = make_rig(b.slow(0.3))
    answers = []

    async def ask():
        answers.append(status(await rig.aask()))

    async def main():
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.05):
                await rig.aask()
            for _ in range(5):
                nursery.start_soon(ask)

    trio.run(main)
    assert answers == [200] * 5
    assert rig.issuer.fetches() == 1


def test_f81_a_failed_fetch_fails_all_who_wait_for_it_and_is_remembered_no_longer_than_the_back_off(make_rig):
    def act(exchange):
        exchange.wait(0.2)
        exchange.reply(b.Reply(404))

    rig = make_rig(act)
    statuses, _ = herd(rig, 20)
    assert statuses == {503}
    assert rig.issuer.fetches() == len(rig.failures) == 1
    rig.issuer.behave(None)
    rig.clock.advance(1)
    assert rig.status() == 200


@pytest.mark.parametrize("case", ["nothing held", "a key ID that is not held", "keys gone stale"])
def test_f82_the_event_loop_ticks_on_while_the_issuer_hangs(make_rig, case):
    rig = make_rig(timing=SHORT)
    token = rig.junk() if case == "a key ID that is not held" else None
    if case != "nothing held":
        rig.prime()
        rig.clock.advance(601 if case == "keys gone stale" else 60)
    rig.issuer.behave(b.hanging())

    async def main():
        ticks = []

        async def heartbeat():
            while True:
                ticks.append(time.monotonic())
                await asyncio.sleep(0.01)

        beating = asyncio.create_task(heartbeat())
        answers = await asyncio.gather(*[rig.aask(token) for _ in range(20)])
        beating.cancel()
        return {status(answer) for answer in answers}, max(b - a for a, b in pairwise(ticks))

    statuses, gap = asyncio.run(main())
    assert statuses == {200 if case == "keys gone stale" else 503}
    assert gap < 0.25


def test_f85_threads_asyncio_and_trio_share_one_fetch_and_one_cool_down(make_rig):
    rig = make_rig(b.slow(0.3))

    async def several():
        return {status(answer) for answer in await asyncio.gather(*[rig.aask() for _ in range(5)])}

    async def one():
        return {status(await rig.aask())}

    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(lambda: {rig.status()}) for _ in range(4)]
        futures += [pool.submit(asyncio.run, several()), pool.submit(trio.run, one)]
        assert [future.result() for future in futures] == [{200}] * 6
    assert rig.issuer.fetches() == 1
    assert rig.status() == 200


def test_f86_a_loop_is_closed_and_another_one_begins(make_rig):
    rig = make_rig()
    for n in range(4):
        assert status(asyncio.run(rig.aask())) == 200
        rig.clock.advance(601)
        assert rig.issuer.fetches() == n + 1


def test_f86_a_loop_that_is_closed_while_its_request_waits(make_rig):
    rig = make_rig(b.slow(0.3))

    async def leave():
        asyncio.create_task(rig.aask())  # noqa: RUF006  # it is meant to be left
        await asyncio.sleep(0.05)

    asyncio.run(leave())
    assert status(asyncio.run(rig.aask())) == 200
    assert rig.issuer.fetches() == 1


def test_f87_several_loops_in_several_threads(make_rig):
    rig = make_rig(b.slow(0.2))
    barrier = threading.Barrier(6)

    def run(_):
        barrier.wait()
        return status(asyncio.run(rig.aask()))

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(run, range(6))) == [200] * 6
    assert rig.issuer.fetches() == 1


DESCRIPTORS = Path("/proc/self/fd")


def sockets() -> int:
    """How many sockets this process has open."""
    links = [link for link in DESCRIPTORS.iterdir() if link.is_symlink()]
    return sum(str(link.readlink()).startswith("socket") for link in links)


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts what Linux shows")
@pytest.mark.parametrize("behaviour", [None, b.failing(503), b.resetting(), b.endless(), b.cut_off(), b.hanging()])
def test_f89_a_server_that_is_dropped_without_close_leaks_nothing(behaviour):
    with MisbehavingIssuer(behaviour, algorithm="ES256") as issuer, warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        before = sockets()
        for _ in range(3):
            keys = RemoteKeySet(issuer.jwks_url, timing=SHORT)
            server = ResourceServer(Issuer(issuer.url, key_set=keys, algorithms="ES256"), issuer.audience)
            if behaviour is None:
                server.authorize(f"Bearer {issuer.token()}", lambda token, request: True)
            else:
                with pytest.raises(ServiceUnavailable):
                    server.authorize(f"Bearer {issuer.token()}", "a")
            del keys, server
        issuer.stop()
        end = time.monotonic() + 5
        while any(thread.name == "jwtauthz-keys" for thread in threading.enumerate()):
            assert time.monotonic() < end
            time.sleep(0.01)
        gc.collect()
        assert sockets() <= before


def test_f90_ten_thousand_failures_a_minute_are_a_few_lines_and_no_secret(make_rig, caplog):
    rig = make_rig(b.failing(503))
    good, junk = rig.issuer.token(scope="read:users"), rig.junk("kid-of-a-stranger")
    with caplog.at_level(logging.WARNING):
        for n in range(3_000):
            assert rig.status(good if n % 2 else junk) == 503
            rig.clock.advance(60 / 3_000)
    keys = [record for record in caplog.records if record.name == "jwtauthz.keys"]
    assert 1 <= len(keys) <= 3
    assert len(caplog.records) < 100
    key = rig.issuer.jwks()["keys"][0]
    for secret in (good, junk, good.split(".")[2], key["x"], "kid-of-a-stranger"):
        assert secret not in caplog.text
