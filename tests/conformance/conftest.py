"""One issuer without a network, one server that trusts it, and a denial of every kind."""

from __future__ import annotations

import pytest

from jwtauthz.testing import FakeClock, FakeIssuer

from .tools import ELSEWHERE, plain_token, server_for


@pytest.fixture(scope="session")
def mint() -> FakeIssuer:
    """An issuer without a network whose clock stands still; nobody rotates it."""
    return FakeIssuer(network=False, clock=FakeClock())


@pytest.fixture(scope="session")
def es_mint() -> FakeIssuer:
    """The same with an ES256 key."""
    return FakeIssuer(network=False, clock=FakeClock(), algorithm="ES256")


@pytest.fixture
def server(mint, clock):
    """Trusts `mint`, without leeway, under a clock that the test may advance."""
    return server_for(mint, clock=clock)


@pytest.fixture
def strict(mint, clock):
    """The same by the profile of RFC 9068."""
    return server_for(mint, clock=clock, profile="rfc9068")


# What is refused with a challenge: name → (credentials of a mint, status, error). The requirement is `admin`.
REFUSED = {
    "no credentials": (lambda mint: None, 401, None),
    "another scheme": (lambda mint: "Basic dXNlcjpwYXNz", 401, None),
    "nothing after the scheme": (lambda mint: "Bearer ", 400, "invalid_request"),
    "two tokens": (lambda mint: "Bearer aaa bbb", 400, "invalid_request"),
    "an opaque token": (lambda mint: "Bearer abcdef", 401, "invalid_token"),
    "an encrypted token": (lambda mint: "Bearer a.b.c.d.e", 401, "invalid_token"),
    "a malformed token": (lambda mint: "Bearer a.b.c", 401, "invalid_token"),
    "a forged token": (lambda mint: "Bearer " + mint.forged_token(), 401, "invalid_token"),
    "an unsigned token": (lambda mint: "Bearer " + mint.unsigned_token(), 401, "invalid_token"),
    "an unknown key": (lambda mint: "Bearer " + mint.token(kid="nobody"), 401, "invalid_token"),
    "another issuer": (lambda mint: "Bearer " + mint.token(iss=ELSEWHERE), 401, "invalid_token"),
    "another audience": (lambda mint: "Bearer " + mint.token(audience=ELSEWHERE), 401, "invalid_token"),
    "an expired token": (lambda mint: "Bearer " + mint.token(expires_in=-1), 401, "invalid_token"),
    "a bad claim": (lambda mint: "Bearer " + mint.token(sub=5), 401, "invalid_token"),
    "a token without scope": (lambda mint: "Bearer " + mint.token(), 403, "insufficient_scope"),
    "a scope that is short": (lambda mint: "Bearer " + mint.token(scope="read"), 403, "insufficient_scope"),
    "the scope in another claim": (
        lambda mint: "Bearer " + plain_token(mint, permissions=["admin"]),
        403,
        "insufficient_scope",
    ),
}
