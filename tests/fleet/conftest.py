"""A real Redis (or Valkey) on a free port of loopback, and members of a fleet that share it."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest import mock

import httpcore  # noqa: F401  # loaded now, and not in a flight whose time was made short
import httpx  # noqa: F401
import pytest

from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import AccessDenied
from jwtauthz.events import FleetAvailable, FleetDataRefused, FleetUnavailable
from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import MisbehavingIssuer
from warp_clock import WarpClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jwtauthz.keys.fleet import Fleet

SECRET = "an integrity key of forty characters ...."
# Real seconds pass in these tests, so those of a fleet are made short.
SHORT = Timing(connect=0.5, read=0.5, flight=1.0, fleet_refill=0.04)


class RedisServer:
    """A server process of its own. `command` asks it; `kill` and `start` may follow each other."""

    def __init__(self, binary: str) -> None:
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"

    def start(self, *arguments: str) -> None:
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command = [self._binary, *settings, *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while True:
            try:
                if self.command("PING") in (True, b"PONG"):
                    return
            except Exception as error:  # noqa: BLE001  # a server that is just starting says all kinds of things
                if type(error).__name__ == "AuthenticationError":
                    return
                assert time.monotonic() < end, "the server does not start"
                time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def client(self, **options: Any) -> Any:
        import redis

        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5, **options)

    def command(self, *command: Any) -> Any:
        client = self.client()
        try:
            return client.execute_command(*command)
        finally:
            client.close()

    def names(self, kind: str = "") -> list[str]:
        """The names of the values of a fleet of that kind."""
        return sorted(key.decode() for key in self.command("KEYS", f"jwtauthz:*{kind}"))

    def value(self, kind: str) -> bytes:
        [key] = self.names(kind)
        return self.command("GET", key)


@pytest.fixture(scope="session")
def redis_binary(cannot_run) -> str:
    if importlib.util.find_spec("redis") is None:
        cannot_run("redis-py is not installed")
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    return found or cannot_run("there is neither redis-server nor valkey-server here")


@pytest.fixture
def make_redis(redis_binary) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers, and stops them."""
    made = []

    def make(*arguments: str) -> RedisServer:
        made.append(RedisServer(redis_binary))
        made[-1].start(*arguments)
        return made[-1]

    yield make
    for server in made:
        server.kill()


@pytest.fixture
def redis(make_redis) -> RedisServer:
    return make_redis()


@dataclass
class Member:
    """One process's share of an API, though it lives in this one: nothing is shared but the store."""

    issuer: MisbehavingIssuer
    server: ResourceServer
    keys: RemoteKeySet
    clock: WarpClock
    fleet: Fleet | None
    events: list[Any] = field(default_factory=list)

    def status(self, token: str | None = None) -> int:
        try:
            self.server.authorize(f"Bearer {token or self.issuer.token(scope='read')}", "read")
        except AccessDenied as denied:
            return denied.status
        return 200

    def junk(self, kid: str = "junk") -> int:
        return self.status(self.issuer.token(scope="read", kid=kid))

    def settle(self) -> None:
        """Wait until no flight is under way, and nothing more is being told to the store."""
        end = time.monotonic() + 10
        while self.keys._driver._schedule.flight or fetching():
            assert time.monotonic() < end
            time.sleep(0.002)

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def alarms(self) -> list[str]:
        return [event.reason for event in self.told(FleetDataRefused)]

    @property
    def breaker(self) -> list[type]:
        return [type(event) for event in self.events if isinstance(event, FleetUnavailable | FleetAvailable)]


@contextmanager
def forwarded(members: list[Member], seconds: float) -> Iterator[None]:
    """Both clocks go on: that of the key sets, and the wall clock by which the members know of each other."""
    for member in members:
        member.clock.advance(seconds)
    with wall_clock_set(members, seconds):
        yield


@contextmanager
def wall_clock_set(members: list[Member], seconds: float) -> Iterator[None]:
    """The wall clock of these members goes so many seconds ahead, for a while in which no other fetches."""
    real = time.time

    def moved() -> float:
        return real() + seconds

    for member in members:
        if member.fleet is not None:
            member.keys._driver.origin.wall = moved
    with mock.patch("jwtauthz.keys.source.time.time", moved):
        yield
    for member in members:
        if member.fleet is not None:
            member.keys._driver.origin.wall = real


def fetching() -> int:
    return sum(thread.name == "jwtauthz-keys" for thread in threading.enumerate())


@pytest.fixture
def issuer() -> Iterator[MisbehavingIssuer]:
    with MisbehavingIssuer(algorithm="ES256") as issuer:
        yield issuer


@pytest.fixture
def join(issuer) -> Iterator[Callable[..., Member]]:
    """Makes members: `join(redis.url)`, `join(None)` for one without a fleet."""
    made: list[Member] = []

    def make(
        url: str | None,
        *,
        key: str | None = SECRET,
        timing: Timing = SHORT,
        start: Any = "lazy",
        seed: Any = None,
        fleet: Fleet | None = None,
        **options: Any,
    ) -> Member:
        from jwtauthz.keys.fleet import Fleet

        clock, events = WarpClock(), []
        if fleet is None and url is not None:
            fleet = Fleet.from_url(url, integrity_key=key, on_event=events.append, **options)
        keys = RemoteKeySet(
            issuer=issuer.url, timing=timing, on_event=events.append, clock=clock, start=start, seed=seed
        )
        server = ResourceServer(Issuer(issuer.url, key_set=keys, algorithms="ES256"), issuer.audience, fleet=fleet)
        made.append(Member(issuer, server, keys, clock, fleet, events))
        return made[-1]

    yield make
    end = time.monotonic() + 8
    while fetching():
        assert time.monotonic() < end, "a flight does not end"
        time.sleep(0.005)
