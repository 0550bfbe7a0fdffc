"""The fixtures that come with the package."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time

import jwt
import pytest

from jwtauthz import AccessDenied
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.testing.tokens import _Factory


def test_the_token_fixture_makes_tokens_that_the_issuer_fixture_signs(jwtauthz_issuer, jwtauthz_token):
    token = jwtauthz_token(scope="read:users", permissions=["read:users"], org_id="org_1")
    key = jwt.PyJWK(jwtauthz_issuer.jwks()["keys"][0])
    claims = jwt.decode(token, key, ["RS256"], audience="https://api.example.com", issuer="https://issuer.test/")
    assert (claims["scope"], claims["permissions"], claims["org_id"]) == (
        "read:users",
        ["read:users"],
        "org_1",
    )


def test_loading_the_plugin_loads_no_http_client_and_no_framework():
    """Every pytest session of whoever installs jwtauthz pays for this import."""
    code = "import sys, jwtauthz.testing.pytest_plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"httpx", "fastapi", "flask", "starlette"} & set(done.stdout.split())


def test_the_headers_fixture_makes_the_same_tokens_for_a_request(jwtauthz_issuer, jwtauthz_headers):
    headers = jwtauthz_headers(scope="read", subject="ada")
    assert list(headers) == ["Authorization"]
    assert jwtauthz_issuer.server().authorize(headers["Authorization"], "read").subject == "ada"


@pytest.fixture(scope="session")
def server_of_the_session(jwtauthz_issuer):
    return jwtauthz_issuer.server()


class TestClock:
    """Two tests with a clock, and one without: none hears of another's time."""

    @pytest.mark.parametrize("run", [1, 2])
    def test_a_token_expires_when_time_passes(self, server_of_the_session, jwtauthz_headers, jwtauthz_clock, run):
        assert isinstance(jwtauthz_clock, FakeClock)
        assert abs(jwtauthz_clock() - time.time()) < 60
        header = jwtauthz_headers(scope="read", expires_in=60)["Authorization"]
        assert server_of_the_session.authorize(header, "read").subject == "user-1"
        jwtauthz_clock.advance(100_000)
        with pytest.raises(AccessDenied, match="expired"):
            server_of_the_session.authorize(header, "read")

    def test_without_it_time_is_the_real_one(self, jwtauthz_issuer, server_of_the_session, jwtauthz_headers):
        assert jwtauthz_issuer.clock is time.time
        assert server_of_the_session.authorize(jwtauthz_headers(scope="read")["Authorization"], "read")

    def test_a_token_is_not_valid_before_its_time(self, server_of_the_session, jwtauthz_headers, jwtauthz_clock):
        header = jwtauthz_headers(scope="read", nbf=jwtauthz_clock() + 300)["Authorization"]
        with pytest.raises(AccessDenied, match="not_yet_valid"):
            server_of_the_session.authorize(header, "read")
        jwtauthz_clock.advance(300)
        assert server_of_the_session.authorize(header, "read")


@pytest.mark.parametrize("network", [True, False], ids=["served", "in memory"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES384", "EdDSA"])
def test_an_issuer_builds_the_server_that_trusts_it(network, algorithm):
    with FakeIssuer(network=network, algorithm=algorithm, audience=["a", "b"], clock=FakeClock()) as issuer:
        server = issuer.server(realm="test")
        assert server.authorize(f"Bearer {issuer.token(scope='read')}", "read").issuer == issuer.url
        assert server.realm == "test"


def test_what_is_asked_for_goes_before_what_the_issuer_knows():
    issuer = FakeIssuer(network=False)
    server = issuer.server(
        audience="https://other.example.com", issuer=issuer.as_issuer(scopes_from=["permissions"])
    )
    good = issuer.token(audience="https://other.example.com", permissions=["read"])
    assert server.authorize(f"Bearer {good}", "read")
    with pytest.raises(AccessDenied, match="wrong_audience"):
        server.authorize(f"Bearer {issuer.token()}", "read")


def test_the_type_of_the_factories_is_that_of_the_method():
    told, real = inspect.signature(_Factory.__call__), inspect.signature(FakeIssuer.token)
    assert list(told.parameters.values()) == list(real.parameters.values())
