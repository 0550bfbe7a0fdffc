"""The machine's client, against an issuer's token endpoint and an API that live in memory; tokens are real."""

import socket

import httpx
import pytest
from m2m.m2m_client import ClientCredentials, Refused, checked, main

from jwtauthz import AccessDenied, Issuer, Request, ResourceServer, any_of
from jwtauthz.testing import FakeClock

TOKEN_URL = "https://issuer.test/token"


class World:
    """An issuer that gives what it is asked for, and an API that needs `read:users`."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.clock = FakeClock()
        self.server = ResourceServer(
            Issuer(issuer.url, key_set=issuer.key_set),
            issuer.audience,
            revoked=lambda token: token.claims["jti"] in self.withdrawn,
        )
        self.asked_for = []
        self.withdrawn = set()
        self.expires_in = {"expires_in": 600}
        self.answer = None

    def __call__(self, request):
        if str(request.url) == TOKEN_URL:
            form = dict(httpx.QueryParams(request.content.decode()))
            self.asked_for.append((request.headers["Authorization"], form))
            if self.answer is not None:
                return self.answer
            token = self.issuer.token(scope=form.get("scope", ""), jti=str(len(self.asked_for)))
            return httpx.Response(200, json={"access_token": token, **self.expires_in})
        needs = [any_of("read:reports", "admin")] if request.url.path == "/report" else ["read:users"]
        try:
            token = self.server.authorize(Request(request.headers["Authorization"]), *needs)
        except AccessDenied as denied:
            return httpx.Response(denied.status, headers=denied.headers, json=denied.body)
        return httpx.Response(200, json={"sub": token.subject})

    def client(self, scope="read:users"):
        asks = {"audience": self.issuer.audience}
        auth = ClientCredentials(TOKEN_URL, ("robot", "secret"), scope=scope, asks=asks, clock=self.clock)
        return httpx.Client(base_url="https://api.test", auth=auth, transport=httpx.MockTransport(self))


@pytest.fixture
def world(jwtauthz_issuer):
    return World(jwtauthz_issuer)


def test_it_asks_for_a_token_as_the_standard_says_and_is_let_in(world):
    assert checked(world.client().get("/users")).json() == {"sub": "user-1"}
    [(credentials, form)] = world.asked_for
    assert credentials == "Basic cm9ib3Q6c2VjcmV0"
    assert form == {
        "grant_type": "client_credentials",
        "scope": "read:users",
        "audience": "https://api.example.com",
    }


@pytest.mark.parametrize(
    ("expires_in", "later", "fetched"),
    [
        pytest.param({"expires_in": 600}, 569, 1, id="a token is kept"),
        pytest.param({"expires_in": 600}, 570, 2, id="until half a minute before it expires"),
        pytest.param({}, 59, 1, id="one without a time is kept for a minute"),
        pytest.param({}, 60, 2, id="and no longer"),
        pytest.param({"expires_in": 20}, 0, 2, id="one that is about to expire is not kept at all"),
    ],
)
def test_a_token_is_kept_until_it_expires(world, expires_in, later, fetched):
    world.expires_in = expires_in
    client = world.client()
    checked(client.get("/users"))
    world.clock.advance(later)
    checked(client.get("/users"))
    assert len(world.asked_for) == fetched


def test_a_token_that_the_api_takes_no_more_is_replaced(world):
    client = world.client()
    checked(client.get("/users"))
    world.withdrawn = {"1"}
    checked(client.get("/users"))
    assert len(world.asked_for) == 2


def test_it_does_not_ask_for_ever(world):
    world.withdrawn = {"1", "2", "3"}
    client = world.client()
    for fetched in (1, 2):
        with pytest.raises(Refused, match="GET /users: 401 invalid_token: "):
            checked(client.get("/users"))
        assert len(world.asked_for) == fetched


@pytest.mark.parametrize(
    ("path", "scope", "told", "ask_for"),
    [
        pytest.param("/users", "", "It needs read:users", "read:users", id="one scope"),
        pytest.param("/report", "x", "It needs read:reports or admin", "read:reports", id="one of two"),
    ],
)
def test_a_403_says_what_is_needed_and_what_to_ask_for(world, path, scope, told, ask_for):
    with pytest.raises(Refused) as refused:
        checked(world.client(scope).get(path))
    assert "403 insufficient_scope" in str(refused.value)
    assert told in str(refused.value)
    assert refused.value.scope == ask_for
    assert checked(world.client(ask_for).get(path)).is_success


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            httpx.Response(401, json={"error": "invalid_client"}), "401 invalid_client", id="a wrong secret"
        ),
        pytest.param(
            httpx.Response(400, json={"error": "invalid_scope", "error_description": "no such scope"}),
            "400 no such scope",
            id="the description, if there is one",
        ),
        pytest.param(httpx.Response(502, text="<html>"), "502 Bad Gateway", id="no JSON at all"),
        pytest.param(httpx.Response(200, json={}), "200 OK", id="an answer without a token"),
    ],
)
def test_an_issuer_that_gives_no_token_is_named(world, answer, told):
    world.answer = answer
    with pytest.raises(Refused, match=f"^{TOKEN_URL} gives no token: {told}$"):
        world.client().get("/users")


def test_an_outage_is_told_with_when_to_try_again():
    answer = httpx.Response(
        503,
        headers={"Retry-After": "5"},
        json={"error": "temporarily_unavailable"},
        request=httpx.Request("GET", "https://api.test/users"),
    )
    with pytest.raises(Refused, match=r"Try again in 5 s$"):
        checked(answer)


def test_an_issuer_that_is_not_there_is_told_in_one_line(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    for name in ("ISSUER", "API", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.setenv(name, url)
    with pytest.raises(SystemExit, match=f"^{url}/.well-known/openid-configuration does not answer: "):
        main()
