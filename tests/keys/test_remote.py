"""A remote key set over a real socket, with a clock to turn: what a request gets, and what the issuer sees."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
import timeit
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jwtauthz.errors import KeySetUnavailable
from jwtauthz.events import FailureKind, KeyDropped, KeysFetched, KeysFetchFailed, KeysRotated, KeysStale
from jwtauthz.keys.jwk import KeyUnknown
from jwtauthz.keys.remote import Flight, MustWait, RemoteKeySet, Timing

from .tools import (
    Clock,
    Request,
    Server,
    answer,
    eventually,
    find,
    hang,
    jwk_ec,
    jwk_rsa,
    jwks,
    outcome,
    serving,
    sign_rs256,
)

QUICK = Timing(connect=0.3, read=0.3, flight=0.5)


class Published:
    """What an issuer answers, changed as a test goes on."""

    def __init__(self, *keys: Any) -> None:
        self.now = answer(jwks(*keys))

    def __call__(self, _: Request) -> bytes:
        return self.now

    def keys(self, *keys: Any, **headers: str) -> None:
        self.now = answer(jwks(*keys), **headers)

    def fails(self, status: str = "500 Oops", **headers: str) -> None:
        self.now = answer(status=status, **headers)


class World:
    """A key set, its issuer, its clock and the events it gave."""

    def __init__(self, server: Server, published: Published, **settings: Any) -> None:
        self.server, self.published, self.clock = server, published, Clock()
        self.events: list[Any] = []
        settings = {"timing": Timing(), "clock": self.clock, "random": lambda: 0.5} | settings
        self.keys = RemoteKeySet(f"{server.url}/jwks", on_event=self.events.append, **settings)

    def seen(self, kind: type) -> list[Any]:
        assert self.settled()
        return [event for event in self.events if isinstance(event, kind)]

    def settled(self) -> bool:
        """Whether all threads have ended, so that what they did is done and told."""
        return eventually(lambda: not flying())


def flying() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "jwtauthz-keys"]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jwtauthz.keys.fetch._RETRY_PAUSE", (0.0, 0.0))


@pytest.fixture
def world():
    published = Published("one")
    with serving(published) as server:
        yield World(server, published)


def test_first_use_fetches_and_later_ones_do_not(world: World) -> None:
    assert not world.keys.ready
    found = find(world.keys)
    assert found.keys[0].verify("RS256", b"data", sign_rs256(b"data"))
    assert not found.stale
    assert find(world.keys) is found
    assert world.keys.ready
    assert len(world.server.requests) == 1


def test_building_one_makes_no_request(world: World) -> None:
    assert world.server.requests == []
    assert world.keys.health()["state"] == "empty"


def test_a_look_up_says_so_instead_of_waiting(world: World) -> None:
    with pytest.raises(MustWait) as wait:
        world.keys.find("one", "RS256")
    assert isinstance(wait.value.flight, Flight)
    wait.value.flight.wait()
    assert world.keys.find("one", "RS256", after=wait.value.flight).keys


def test_what_waits_for_nothing_gets_no_flight(world: World) -> None:
    with pytest.raises(KeySetUnavailable, match="not been fetched"):
        world.keys.find("one", "RS256", after=object())
    assert world.server.requests == []


def test_due_keys_are_refreshed_behind_the_request(world: World) -> None:
    old = find(world.keys)
    world.published.keys("one", "two")
    world.clock.advance(490)
    assert world.keys.find("one", "RS256") is old, "F77"
    assert world.settled()
    assert world.keys.find("one", "RS256").keys[0] is old.keys[0], "the verified-token cache survives"
    assert outcome(world.keys, "two") == "ok"
    assert len(world.server.requests) == 2


def test_a_rotation_without_overlap(world: World) -> None:
    find(world.keys)
    world.published.keys("two")
    world.clock.advance(100)
    assert outcome(world.keys, "two") == "ok", "F62"
    assert outcome(world.keys, "one") == "KeyUnknown"
    (rotated,) = world.seen(KeysRotated)
    assert (rotated.added, rotated.removed) == (("two",), ("one",))
    assert world.server.requests[1].headers["cache-control"] == "no-cache"


def test_a_flood_of_key_ids(world: World) -> None:
    find(world.keys)
    world.clock.advance(100)
    outcomes = {outcome(world.keys, f"junk-{number}") for number in range(200)}
    assert outcomes == {"KeyUnknown"}, "F65"
    assert len(world.server.requests) <= 4
    assert outcome(world.keys) == "ok"


def test_unknown_key_ids_while_the_issuer_is_down(world: World) -> None:
    find(world.keys)
    world.published.fails()
    world.clock.advance(100)
    outcomes = {outcome(world.keys, f"junk-{number}") for number in range(50)}
    assert outcomes == {"KeySetUnavailable"}, "F67: an outage is no bad token"
    assert len(world.server.requests) == 2
    assert outcome(world.keys) == "ok"


def test_an_outage_from_begin_to_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "jwtauthz.keys")
    find(world.keys)
    world.published.fails()
    world.clock.advance(590)
    assert outcome(world.keys) == "ok", "F70"
    assert world.settled()
    seen = []
    for _ in range(100):
        world.clock.advance(40)
        seen.append(outcome(world.keys))
        assert world.settled()
    assert seen[:3] == ["stale"] * 3, "F71"
    assert seen[-1] == "KeySetUnavailable", "F72"
    assert len(world.seen(KeysStale)) == 1
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) <= 101, "F90"
    world.published.keys("one")
    world.clock.advance(31)
    assert outcome(world.keys) == "ok", "F73"
    assert world.seen(KeysFetched)[-1].failures > 10
    assert "can be fetched again" in caplog.text


def test_while_it_is_down_a_minute_has_one_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.published.fails()
    for _ in range(10_000):
        world.clock.advance(0.006)
        outcome(world.keys)
    assert len(caplog.records) <= 2, "F90"
    assert len(world.seen(KeysFetchFailed)) < 10
    assert len(world.server.requests) < 20


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(answer(status="500 Oops"), id="F18 500"),
        pytest.param(answer(b"<html>"), id="F22 HTML"),
        pytest.param(answer(b'{"keys":[]}'), id="F38 an empty keys array keeps the good set"),
        pytest.param(answer(jwks({"kty": "oct", "k": "c2VjcmV0"})), id="F53 only a secret"),
        pytest.param(answer(status="302 Found", location="/"), id="F25 a redirect"),
    ],
)
def test_a_bad_answer_never_replaces_the_good_set(world: World, bad: bytes) -> None:
    find(world.keys)
    for _ in range(3):
        world.clock.advance(490)
        for body in (bad, answer(jwks("one"))):
            world.published.now = body
            world.clock.advance(50)
            assert outcome(world.keys) == "ok", "F29"
            assert world.settled()
    world.published.now = bad
    world.clock.advance(601)
    assert outcome(world.keys) == "stale"


def test_retry_after_is_kept_to(world: World) -> None:
    world.published.fails("429 Slow down", retry_after="60")
    with pytest.raises(KeySetUnavailable, match="429") as unavailable:
        find(world.keys)
    assert unavailable.value.retry_after == 60, "F19"
    world.clock.advance(59)
    assert outcome(world.keys) == "KeySetUnavailable"
    assert len(world.server.requests) == 1


def test_a_new_key_under_the_old_id(world: World) -> None:
    old = find(world.keys)
    world.published.keys(jwk_rsa("two", kid="one"))
    world.clock.advance(100)
    with pytest.raises(MustWait) as wait:
        world.keys.recheck(old)
    wait.value.flight.wait()
    new = world.keys.find("one", "RS256", after=wait.value.flight)
    assert new.keys[0].verify("RS256", b"data", sign_rs256(b"data", "two")), "F64"
    world.keys.recheck(new)
    world.clock.advance(299)
    world.keys.recheck(new)
    assert len(world.server.requests) == 2, "F64: rate-limited"
    with pytest.raises(MustWait) as again:
        world.keys.recheck(old)
    assert again.value.flight.number == wait.value.flight.number, "one who held the old key looks once more"
    again.value.flight.wait()


def test_secrets_in_the_set_are_told_loudly_and_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.published.keys("one", jwk_rsa("two", d="c2VjcmV0"))
    find(world.keys)
    world.clock.advance(500)
    find(world.keys)
    assert world.settled()
    (dropped,) = world.seen(KeyDropped)
    assert dropped.kid == "two", "F54"
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    assert "c2VjcmV0" not in caplog.text


def test_secrets_are_told_of_even_if_no_key_can_be_used(world: World) -> None:
    world.published.keys(jwk_rsa("two", d="c2VjcmV0"))
    for _ in range(2):
        world.clock.advance(40)
        assert outcome(world.keys) == "KeySetUnavailable"
    (dropped,) = world.seen(KeyDropped)
    assert dropped.kid == "two", "F54"


def test_no_key_id_and_several_keys(world: World) -> None:
    world.published.keys("one", "two", jwk_ec())
    assert outcome(world.keys, None, "ES256") == "ok"
    world.clock.advance(100)
    with pytest.raises(KeyUnknown) as unknown:
        find(world.keys, None, "RS256")
    assert unknown.value.ambiguous
    assert len(world.server.requests) == 1, "no fetch would make it less ambiguous"


# The application's own hand


def test_refresh_fetches_now(world: World) -> None:
    find(world.keys)
    world.published.keys("two")
    world.keys.refresh()
    assert outcome(world.keys, "two") == "ok"
    world.published.fails()
    with pytest.raises(KeySetUnavailable, match="500"):
        world.keys.refresh()
    assert outcome(world.keys, "two") == "ok"


def test_purge_forgets_now(world: World) -> None:
    find(world.keys)
    world.published.fails()
    world.keys.purge()
    assert not world.keys.ready
    assert outcome(world.keys) == "KeySetUnavailable"


def test_after_a_purge_the_document_is_read_anew(world: World) -> None:
    world.published.keys("one", etag='"v1"')
    find(world.keys)
    world.keys.purge()
    assert outcome(world.keys) == "ok"
    assert "if-none-match" not in world.server.requests[1].headers


def test_close_drops_what_is_in_the_air_and_the_set_may_be_used_again(world: World) -> None:
    find(world.keys)
    world.clock.advance(500)
    find(world.keys)
    world.keys.close()
    assert world.keys.ready
    assert outcome(world.keys) == "ok"


def test_warm_up(world: World) -> None:
    world.keys.warm_up()
    assert world.keys.ready
    world.keys.warm_up()
    assert len(world.server.requests) == 1


def test_warm_up_says_that_it_failed(world: World) -> None:
    world.published.fails()
    with pytest.raises(KeySetUnavailable, match="500"):
        world.keys.warm_up()
    assert outcome(world.keys) == "KeySetUnavailable", "F69"


def test_warm_up_with_time_tries_again_until_the_issuer_is_there() -> None:
    answers = [answer(status="500 Oops")] * 2
    with serving(lambda _: answers.pop() if answers else answer(jwks("one"))) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", timing=Timing(backoff=0.1))
        keys.warm_up(10)
        assert keys.ready, "F69"
        assert len(server.requests) == 3


def test_warm_up_gives_up_when_its_time_is_over(world: World) -> None:
    world.published.fails()
    with pytest.raises(KeySetUnavailable):
        world.keys.warm_up(0.3)


@pytest.mark.parametrize(
    ("start", "works"), [("wait", True), ("fail_fast", True), ("wait", False), ("fail_fast", False)]
)
def test_start(start: str, works: bool) -> None:
    with serving(answer(jwks("one")) and jwks("one") if works else b"<html>") as server:
        url = f"{server.url}/jwks"
        if start == "fail_fast" and not works:
            with pytest.raises(KeySetUnavailable):
                RemoteKeySet(url, start="fail_fast")
        else:
            assert RemoteKeySet(url, start=start).ready is works  # type: ignore[arg-type]


def test_a_seed_serves_while_the_issuer_is_down() -> None:
    published = Published("one")
    published.fails()
    with serving(published) as server:
        world = World(server, published, seed=json.loads(jwks("one")))
        assert outcome(world.keys) == "stale"
        assert outcome(world.keys, "two") == "KeySetUnavailable", "a seed is no proof against a key ID"
        published.keys("two")
        world.clock.advance(31)
        assert outcome(world.keys, "two") == "ok"
        assert outcome(world.keys, "one") == "KeyUnknown"


def test_health_shows_it_all_and_fits_json(world: World) -> None:
    find(world.keys)
    world.published.fails()
    world.clock.advance(100)
    outcome(world.keys, "junk")
    health = world.keys.health()
    json.dumps(health)
    assert health["state"] == "fresh"
    assert health["keys"] == ["one"]
    assert health["age"] == 100
    assert health["refresh_in"] == 380
    assert health["unknown_key_budget"] == 1
    assert health["last_error_kind"] == "status"
    assert health["removed_key_refused_within"] == 3600, "T1"
    assert health["removed_key_refused_within_in_outage"] == 7200, "T2"
    assert "fresh" in repr(world.keys)


# Trouble of our own


def test_where_no_thread_can_start_it_is_503(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert outcome(world.keys) == "KeySetUnavailable"
    monkeypatch.undo()
    world.clock.advance(2)
    assert outcome(world.keys) == "ok"
    assert world.seen(KeysFetchFailed)[0].kind is FailureKind.NO_THREAD


def test_a_signal_in_the_caller_leaves_no_flight_without_a_thread(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        find(world.keys)
    monkeypatch.undo()
    world.clock.advance(2)
    assert outcome(world.keys) == "ok"


@pytest.mark.parametrize("error", [ValueError("odd"), SystemExit(1), MemoryError()], ids=repr)
def test_a_client_factory_that_raises_is_a_failed_fetch(world: World, error: BaseException) -> None:
    def client() -> Any:
        raise error

    broken = World(world.server, world.published, client=client)
    assert outcome(broken.keys) == "KeySetUnavailable"
    assert broken.seen(KeysFetchFailed)[0].kind is FailureKind.CLIENT


def test_a_hook_that_raises_is_logged_and_the_next_one_is_called(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise ValueError("my own bug")

    seen: list[object] = []
    keys = RemoteKeySet(f"{world.server.url}/jwks", on_event=[broken, seen.append])
    keys.warm_up()
    assert eventually(lambda: seen)
    assert "my own bug" in caplog.text


def test_a_hanging_issuer_costs_each_request_one_limit_and_all_together_one_fetch() -> None:
    with serving(hang) as server:
        keys = RemoteKeySet(f"{server.url}/jwks", timing=QUICK)
        with ThreadPoolExecutor(20) as pool:
            started = timeit.default_timer()
            outcomes = list(pool.map(lambda _: outcome(keys), range(20)))
        assert set(outcomes) == {"KeySetUnavailable"}, "F78"
        assert timeit.default_timer() - started < 1.5
        assert len(server.requests) == 1, "F03"


def test_what_hangs_for_ever_is_given_up_and_at_most_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    hold, clock = threading.Event(), Clock()
    monkeypatch.setattr("jwtauthz.keys.source.Source.fetch", lambda *_: hold.wait(10) and 1 / 0)
    events: list[Any] = []
    keys = RemoteKeySet("https://i.example", clock=clock, on_event=events.append, random=lambda: 0.5)
    for _ in range(4):
        with pytest.raises((MustWait, KeySetUnavailable)):
            keys.find("one", "RS256")
        clock.advance(40)
    threads = flying()
    assert len(threads) == 2
    assert [event.kind for event in events] == [FailureKind.ABANDONED] * 2
    hold.set()
    for thread in threads:
        thread.join(2)
    assert len(events) == 2, "late answers are dropped without a word"
    with pytest.raises(MustWait):
        keys.find("one", "RS256")


def test_a_secret_in_the_url_is_nowhere_to_be_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    events: list[Any] = []
    published = Published("one")
    with serving(published) as server:
        keys = RemoteKeySet(f"{server.url}/jwks?code=secret", on_event=events.append, clock=(clock := Clock()))
        find(keys)
        published.fails()
        clock.advance(100)
        with pytest.raises(KeySetUnavailable) as unavailable:
            find(keys, "two")
    shown = f"{caplog.text} {events} {keys!r} {keys.health()} {unavailable.value}"
    assert "secret" not in shown, "F17"
    assert "/jwks?…" in shown


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_copying_says_that_it_cannot(world: World, copying) -> None:
    with pytest.raises(TypeError, match="each process"):
        copying(world.keys)


def test_forgetting_one_leaves_nothing_behind(world: World) -> None:
    import gc
    import weakref

    keys = RemoteKeySet(f"{world.server.url}/jwks")
    keys.warm_up()
    driver = weakref.ref(keys._driver)
    assert eventually(lambda: not flying())
    del keys
    gc.collect()
    assert driver() is None, "F89"


def test_the_hot_path_costs_less_than_a_microsecond(world: World) -> None:
    keys = RemoteKeySet(f"{world.server.url}/jwks")
    keys.warm_up()
    best = min(timeit.repeat(lambda: keys.find("one", "RS256"), number=20_000, repeat=5)) / 20_000
    assert best < 5e-6, "five times the target, for busy machines"
