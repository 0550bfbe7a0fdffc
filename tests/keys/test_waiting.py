"""One fetch, waited for in threads, in asyncio and in trio: nobody blocks a loop, nobody is forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import trio

from jwtauthz.errors import KeySetUnavailable
from jwtauthz.keys.flight import Flight, Landing
from jwtauthz.keys.jwk import KeyUnknown
from jwtauthz.keys.remote import MustWait, RemoteKeySet, Timing

from .tools import Clock, answer, eventually, find, hang, jwks, outcome, serving

if TYPE_CHECKING:
    from jwtauthz.keys.jwk import Found

GOOD = answer(jwks("one"))
QUICK = Timing(connect=0.3, read=0.3, flight=0.5)


async def afind(keys: RemoteKeySet, kid: str = "one") -> Found:
    """As the verifier does it, in either world."""
    try:
        return keys.find(kid, "RS256")
    except MustWait as wait:
        await wait.flight.await_()
        return keys.find(kid, "RS256", after=wait.flight)


def in_asyncio(keys: RemoteKeySet) -> bool:
    async def main() -> list[Found]:
        return await asyncio.gather(*(afind(keys) for _ in range(10)))

    return all(found.keys for found in asyncio.run(main()))


def in_trio(keys: RemoteKeySet) -> bool:
    found: list[Found] = []

    async def one() -> None:
        found.append(await afind(keys))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one)

    trio.run(main)
    return len(found) == 10


def in_threads(keys: RemoteKeySet) -> bool:
    with ThreadPoolExecutor(10) as pool:
        return all(pool.map(lambda _: find(keys).keys, range(10)))


def slow(seconds: float = 0.3):
    def handler(_: object) -> bytes:
        time.sleep(seconds)
        return GOOD

    return handler


@pytest.mark.parametrize("world", [in_asyncio, in_trio, in_threads])
def test_a_herd_shares_one_fetch(world) -> None:
    with serving(slow()) as server:
        assert world(RemoteKeySet(f"{server.url}/jwks"))
        assert len(server.requests) == 1, "F76"


def test_threads_asyncio_and_trio_share_one_fetch() -> None:
    with serving(slow()) as server, ThreadPoolExecutor(6) as pool:
        keys = RemoteKeySet(f"{server.url}/jwks")
        worlds = (in_asyncio, in_trio, in_threads) * 2
        assert all(pool.map(lambda world: world(keys), worlds)), "F85 F87"
        assert len(server.requests) == 1


@pytest.mark.parametrize("run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"])
def test_the_loop_ticks_on_while_the_issuer_hangs(run) -> None:
    ticks = 0
    sleep = asyncio.sleep if run is not trio.run else trio.sleep

    async def main() -> None:
        nonlocal ticks
        waiting: list[Exception] = []

        async def look() -> None:
            try:
                await afind(keys)
            except KeySetUnavailable as error:
                waiting.append(error)

        async def tick() -> None:
            nonlocal ticks
            while not waiting:
                await sleep(0.01)
                ticks += 1

        if sleep is asyncio.sleep:
            await asyncio.gather(look(), tick())
        else:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(look)
                nursery.start_soon(tick)

    with serving(hang) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", timing=QUICK)
        started = time.monotonic()
        run(main)
        assert time.monotonic() - started < 1.5, "F78"
    assert ticks > 15, "F82"


def test_a_cancelled_caller_harms_nobody_in_asyncio() -> None:
    async def main() -> None:
        leader = asyncio.create_task(afind(keys))
        follower = asyncio.create_task(afind(keys))
        await asyncio.sleep(0.05)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert (await follower).keys

    with serving(slow()) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        asyncio.run(main())
        assert len(server.requests) == 1, "F80"


def test_a_cancelled_caller_harms_nobody_in_trio() -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(0.05) as scope:
                await afind(keys)
            assert scope.cancelled_caught
            nursery.start_soon(afind, keys)

    with serving(slow()) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        trio.run(main)
        assert keys.ready
        assert len(server.requests) == 1, "F80"


@pytest.mark.parametrize("world", [in_asyncio, in_trio])
def test_a_closed_loop_is_left_alone_and_the_next_one_works(world) -> None:
    async def leave() -> None:
        with pytest.raises(MustWait) as wait:
            keys.find("one", "RS256")
        # Registers with this loop, and is gone with it before the fetch lands.
        task = asyncio.ensure_future(wait.value.flight.await_())
        await asyncio.sleep(0.02)
        loop_was.append(asyncio.get_running_loop())
        del task

    loop_was: list[asyncio.AbstractEventLoop] = []
    with serving(slow()) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        asyncio.run(leave())
        assert loop_was[0].is_closed()
        assert world(keys), "F86"
        assert len(server.requests) == 1


def test_a_waker_of_a_dead_trio_run_is_left_alone() -> None:
    landing = Landing(1)

    async def leave() -> None:
        with trio.move_on_after(0.01):
            await Flight(landing, 9).await_()

    trio.run(leave)
    landing.announce()


# The two traps


@pytest.mark.parametrize("run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"])
def test_trap_a_fetch_that_lands_before_the_waiter_registers(run) -> None:
    async def main() -> None:
        landing = Landing(1)
        flight = Flight(landing, 30)
        landing.announce()
        started = time.monotonic()
        await flight.await_()
        flight.wait()
        assert time.monotonic() - started < 1, "it is not waited for until the limit"
        assert not landing.call(lambda: pytest.fail("called in the loop's own thread"))

    run(main)


def test_trap_a_busy_loop_holds_up_neither_the_fetch_nor_the_others() -> None:
    busy_until: list[float] = []
    told = threading.Event()

    async def busy() -> None:
        task = asyncio.create_task(afind(keys))
        await asyncio.sleep(0.05)
        told.set()
        time.sleep(1.0)  # noqa: ASYNC251  # the blocking is what is tested
        busy_until.append(time.monotonic())
        await task

    with serving(slow(0.2)) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        loop = threading.Thread(target=lambda: asyncio.run(busy()))
        loop.start()
        told.wait(2)
        assert find(keys).keys, "a thread that waits for the same fetch"
        landed = time.monotonic()
        assert eventually(lambda: not [t for t in threading.enumerate() if t.name == "jwtauthz-keys"])
        ended = time.monotonic()
        loop.join(3)
    assert landed < ended < busy_until[0]


def test_the_limit_of_a_caller_is_its_own() -> None:
    landing = Landing(1)
    started = time.monotonic()
    Flight(landing, 0.05).wait()
    asyncio.run(Flight(landing, 0.05).await_())
    trio.run(Flight(landing, 0.05).await_)
    Flight(landing, 30).within(0.05).wait()
    Flight(landing, -1).wait()
    assert time.monotonic() - started < 1
    assert not landing._wakers, "and nothing of it is left"


def test_a_loop_that_is_neither_is_told() -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        Flight(Landing(1), 1).await_().send(None)


# Life, in async


@pytest.mark.parametrize("run", [lambda main: asyncio.run(main()), trio.run], ids=["asyncio", "trio"])
def test_the_async_twins(run) -> None:
    async def main() -> None:
        await keys.awarm_up()
        assert keys.ready
        await keys.arefresh()
        server.handler = lambda _: answer(status="404 No")
        with pytest.raises(KeySetUnavailable):
            await keys.arefresh()
        with pytest.raises(KeySetUnavailable):
            await RemoteKeySet(f"{server.url}/jwks").awarm_up(0.5)

    with serving(GOOD[GOOD.index(b"{") :]) as server:
        keys = RemoteKeySet(f"{server.url}/jwks")
        run(main)
        assert len(server.requests) >= 4  # the last one may have tried twice in its time


def test_stale_keys_nobody_has_tried_to_refresh_cost_a_second_at_most() -> None:
    clock = Clock()
    with serving(GOOD[GOOD.index(b"{") :]) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", clock=clock, timing=Timing(stale_wait=0.2))
        keys.warm_up()
        clock.advance(1000)
        server.handler = slow(1.0)
        started = time.monotonic()
        assert outcome(keys) == "stale"
        assert 0.15 < time.monotonic() - started < 0.8


def test_many_look_ups_at_once_agree() -> None:
    clock = Clock()
    wrong: list[Exception] = []

    def hammer(number: int) -> None:
        for turn in range(300):
            kid = "one" if turn % 3 else f"junk-{number}-{turn}"
            try:
                find(keys, kid)
            except (KeyUnknown, KeySetUnavailable) as error:
                wrong.extend([error] if kid == "one" else [])
            clock.advance(0.05)

    with serving(GOOD[GOOD.index(b"{") :]) as server, ThreadPoolExecutor(8) as pool:
        keys = RemoteKeySet(f"{server.url}/jwks", clock=clock)
        keys.warm_up()
        list(pool.map(hammer, range(8)))
        # 8 × 300 × 0.05 s = 120 s of its time: the first fetch, two, and one more each 30 s.
        assert len(server.requests) <= 1 + 2 + 4
    assert wrong == []
