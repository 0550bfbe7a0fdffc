"""A resource server in front of an issuer that misbehaves, over real sockets, and what a request is answered."""

from __future__ import annotations

import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from jwtauthz import Issuer, ResourceServer
from jwtauthz.errors import AccessDenied
from jwtauthz.events import KeysFetchFailed
from jwtauthz.keys import fetch
from jwtauthz.keys.remote import RemoteKeySet
from jwtauthz.keys.timing import Timing
from jwtauthz.testing import MisbehavingIssuer
from warp_clock import WarpClock

if TYPE_CHECKING:
    from jwtauthz.testing.behaviours import Behaviour
    from jwtauthz.verified_token import VerifiedToken

# For faults that last until a limit ends them: the limits of a patient library, made shorter.
SHORT = Timing(connect=0.4, read=0.5, flight=0.8)
WITHIN = SHORT.flight + 0.7  # what a loaded machine may add


@dataclass
class Rig:
    """An issuer, and an API that trusts it. `clock` is that of the key set; tokens go by the wall clock."""

    issuer: MisbehavingIssuer
    server: ResourceServer
    keys: RemoteKeySet
    clock: WarpClock
    events: list[Any] = field(default_factory=list)

    def ask(self, token: str | None = None, **options: Any) -> Any:
        """The verified token, or the denial as a value. Anything else that is raised is a failure of the test."""
        authorization = f"Bearer {token or self.issuer.token(scope='read:users')}"
        try:
            return self.server.authorize(authorization, "read:users", **options)
        except AccessDenied as denied:
            check_denial(denied)
            return denied

    async def aask(self, token: str | None = None) -> Any:
        authorization = f"Bearer {token or self.issuer.token(scope='read:users')}"
        try:
            return await self.server.aauthorize(authorization, "read:users")
        except AccessDenied as denied:
            check_denial(denied)
            return denied

    def status(self, token: str | None = None) -> int:
        return getattr(self.ask(token), "status", 200)

    def junk(self, kid: str = "junk") -> str:
        """A token of a key ID that the issuer does not publish."""
        return self.issuer.token(scope="read:users", kid=kid)

    def prime(self) -> VerifiedToken:
        """Have the keys fetched, as the first request does."""
        token = self.ask()
        assert not isinstance(token, AccessDenied), token
        return token

    @property
    def failures(self) -> list[KeysFetchFailed]:
        return [event for event in self.events if isinstance(event, KeysFetchFailed)]

    def settle(self) -> None:
        """Wait until no fetch is under way, and what there is to tell of the last one has been told."""
        schedule, end = self.keys._driver._schedule, time.monotonic() + 10
        while schedule.flight or fetching() > len(schedule._abandoned):
            assert time.monotonic() < end
            time.sleep(0.005)


def fetching() -> int:
    """How many threads fetch keys now."""
    return sum(thread.name == "jwtauthz-keys" for thread in threading.enumerate())


def check_denial(denied: AccessDenied) -> None:
    """What holds for each refusal whatever its cause: a 503 says when to come back and blames no token."""
    assert denied.status in (401, 503), denied
    if denied.status == 503:
        assert 1 <= int(denied.headers["Retry-After"]) <= 300
        assert denied.challenge is None
        assert denied.body["error"] == "temporarily_unavailable"
    else:
        assert denied.challenge is not None


@pytest.fixture
def make_rig():
    """Builds rigs, and takes them down."""
    rigs = []

    def make(
        behaviour: Behaviour | None = None,
        *,
        at: Any = "jwks",
        discovery: bool = False,
        timing: Timing | None = None,
        algorithm: str = "ES256",
        algorithms: Any = None,
        tls: ssl.SSLContext | None = None,
        jwks_url: str | None = None,
        cache_control: str | None = "max-age=600",
        wall: Any = time.time,
        **options: Any,
    ) -> Rig:
        issuer = MisbehavingIssuer(behaviour, at=at, tls=tls, algorithm=algorithm, cache_control=cache_control)
        issuer.start()
        clock, events = WarpClock(), []
        keys = RemoteKeySet(
            None if discovery else jwks_url or issuer.jwks_url,
            issuer=issuer.url if discovery else None,
            timing=timing,
            on_event=events.append,
            clock=clock,
            **options,
        )
        trusted = Issuer(issuer.url, key_set=keys, algorithms=algorithms or algorithm)
        server = ResourceServer(issuer=trusted, audience=issuer.audience, clock=wall)
        rigs.append(Rig(issuer, server, keys, clock, events))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.server.close()
        rig.issuer.stop()
    end = time.monotonic() + 5
    while fetching():
        assert time.monotonic() < end, "a fetch outlives its issuer"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    """The pause before a retry is there to spare issuers, which these have no need of."""
    monkeypatch.setattr(fetch, "_RETRY_PAUSE", (0.001, 0.002))


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    """A certificate authority that nobody trusts unless told to."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(ca) -> ssl.SSLContext:
    """What a client needs to trust that authority."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    return context


@pytest.fixture
def https(ca):
    """Makes the TLS side of a server: `https("127.0.0.1")`."""

    def make(*names: str, by: trustme.CA | None = None, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (by or ca).issue_cert(*(names or ("127.0.0.1",)), **options).configure_cert(context)
        return context

    return make


SLACK = 0.7  # seconds that a busy machine may take longer; what is told apart here are deadlines of seconds


@pytest.fixture
def stopwatch():
    """`with stopwatch(limit):` fails if its block takes longer."""

    class Stopwatch:
        def __init__(self, limit: float) -> None:
            self.limit = limit

        def __enter__(self) -> None:
            self.began = time.monotonic()

        def __exit__(self, kind: object, error: object, trace: object) -> None:
            took = time.monotonic() - self.began
            assert kind is not None or took < self.limit + SLACK, f"took {took:.2f} s, not {self.limit:.2f} s"

    return Stopwatch
