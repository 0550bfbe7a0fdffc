"""The pytest fixtures that come with jwtauthz: an issuer, tokens that it signs, and a clock to turn.

pytest finds this file by itself once jwtauthz is installed. The fixtures open no socket::

    @pytest.fixture
    def client(jwtauthz_issuer):
        return create_app(jwtauthz_issuer.server()).test_client()

    def test_reading_users(client, jwtauthz_headers):
        answer = client.get("/users", headers=jwtauthz_headers(scope="read:users"))
        assert answer.status_code == 200

With `jwtauthz_network = true` in pytest's settings the issuer listens on loopback, for applications that find its
keys themselves.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .clock import FakeClock
    from .issuer import FakeIssuer
    from .tokens import HeadersFactory, TokenFactory


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest of our one setting."""
    parser.addini(
        "jwtauthz_network",
        "whether jwtauthz_issuer serves its metadata and keys on loopback; by default it lives in memory",
        type="bool",
        default=False,
    )


@pytest.fixture(scope="session")
def jwtauthz_issuer(pytestconfig: pytest.Config) -> Iterator[FakeIssuer]:
    """An issuer that signs for real, one for the whole session; without a network, unless the settings say so.

    `jwtauthz_issuer.server()` is a resource server that trusts it. Do not rotate its keys, other tests need them:
    for that make a `FakeIssuer` of your own.
    """
    from .issuer import FakeIssuer

    with FakeIssuer(network=pytestconfig.getini("jwtauthz_network")) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def jwtauthz_token(jwtauthz_issuer: FakeIssuer) -> TokenFactory:
    """Makes tokens with a real signature: `jwtauthz_token(scope="read:users", permissions=[...], **claims)`.

    It takes what `FakeIssuer.token` takes. The audience is `https://api.example.com` unless one is named.
    """
    return jwtauthz_issuer.token


@pytest.fixture(scope="session")
def jwtauthz_headers(jwtauthz_issuer: FakeIssuer) -> HeadersFactory:
    """As `jwtauthz_token`, but gives the headers of a request: `{"Authorization": "Bearer …"}`."""
    return jwtauthz_issuer.headers


@pytest.fixture
def jwtauthz_clock(jwtauthz_issuer: FakeIssuer) -> Iterator[FakeClock]:
    """A clock that stands still until the test advances it, for one test: `jwtauthz_clock.advance(3600)`.

    Tokens of the issuer fixture are made by it, and servers from `jwtauthz_issuer.server()` judge by it. It begins
    with the real time, so that a server of another kind agrees until then.
    """
    from .clock import FakeClock

    clock = FakeClock(float(int(time.time())))
    usual, jwtauthz_issuer.clock = jwtauthz_issuer.clock, clock
    yield clock
    jwtauthz_issuer.clock = usual
