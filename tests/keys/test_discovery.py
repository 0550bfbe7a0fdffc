"""From an issuer to its keys: which document is asked, whose it must be, and when it is read again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jwtauthz.events import FailureKind
from jwtauthz.keys.discovery import jwks_uri, metadata_urls
from jwtauthz.keys.fetch import Fetcher, FetchFailed
from jwtauthz.keys.source import Memory, Source
from jwtauthz.keys.states import EMPTY, Kind, Plan
from jwtauthz.keys.timing import Timing

from .tools import Request, Server, answer, jwks, key_set, serving

OIDC, OAUTH = "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        pytest.param("https://i.example", f"https://i.example{OIDC}", f"https://i.example{OAUTH}", id="no path"),
        pytest.param("https://i.example/", f"https://i.example{OIDC}", f"https://i.example{OAUTH}", id="a slash"),
        pytest.param(
            "https://i.example:8443/t/one",
            f"https://i.example:8443/t/one{OIDC}",
            f"https://i.example:8443{OAUTH}/t/one",
            id="R8414-01 R8414-02 a path",
        ),
        pytest.param(
            "https://i.example/t/one/",
            f"https://i.example/t/one{OIDC}",
            f"https://i.example{OAUTH}/t/one",
            id="R8414-01 a path with a slash at its end",
        ),
    ],
)
def test_where_metadata_are(issuer: str, openid: str, oauth: str) -> None:
    assert metadata_urls(issuer) == (openid, oauth)


ISSUER = "https://i.example/"


@pytest.mark.parametrize(
    ("metadata", "kind", "issuer"),
    [
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks?a=b"}, None, ISSUER, id="another host"
        ),
        pytest.param(
            {"issuer": "https://evil.example/", "jwks_uri": "https://k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="F91 R8414-05 another issuer",
        ),
        pytest.param(
            {"issuer": "https://i.example", "jwks_uri": "https://k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="R8414-07 without its slash",
        ),
        pytest.param(
            {"issuer": "https://I.example/", "jwks_uri": "https://k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="R8414-07 in capitals",
        ),
        pytest.param({"jwks_uri": "https://k.example"}, FailureKind.DISCOVERY, ISSUER, id="F91 no issuer"),
        pytest.param(
            {"issuer": [ISSUER], "jwks_uri": "https://k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="an issuer that is a list",
        ),
        pytest.param({"issuer": ISSUER}, FailureKind.DISCOVERY, ISSUER, id="F92 no jwks_uri"),
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": 5}, FailureKind.DISCOVERY, ISSUER, id="F92 a jwks_uri that is a number"
        ),
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": "http://k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="F92 R8414-06 a jwks_uri on http",
        ),
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": "file:///k"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="F92 a jwks_uri that is a file",
        ),
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/k"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="F92 a jwks_uri on our own machine",
        ),
        pytest.param(
            {"issuer": ISSUER, "jwks_uri": "https://u:p@k.example"},
            FailureKind.DISCOVERY,
            ISSUER,
            id="F17 a jwks_uri with a password",
        ),
        pytest.param(
            {"issuer": "http://127.0.0.1", "jwks_uri": "http://127.0.0.1/k"},
            None,
            "http://127.0.0.1",
            id="all on loopback",
        ),
        pytest.param([], FailureKind.MALFORMED, ISSUER, id="R8414-04 a list"),
    ],
)
def test_whose_metadata_they_must_be(metadata: Any, kind: FailureKind | None, issuer: str) -> None:
    body = json.dumps(metadata).encode()
    if kind is None:
        assert jwks_uri(body, issuer, issuer) == metadata["jwks_uri"]
        return
    with pytest.raises(FetchFailed) as failed:
        jwks_uri(body, issuer, issuer)
    assert failed.value.kind is kind
    assert "u:p" not in str(failed.value)


class Issuer:
    """Metadata and keys; `missing` are paths that answer 404, `broken` those that answer 500."""

    def __init__(self) -> None:
        self.url = ""
        self.keys_at = "/keys"
        self.missing: set[str] = {OAUTH}
        self.broken: set[str] = set()

    def __call__(self, request: Request) -> bytes:
        if request.path in self.missing:
            return answer(status="404 Not Found")
        if request.path in self.broken:
            return answer(status="500 Oops")
        if request.path in (OIDC, OAUTH):
            return answer(json.dumps({"issuer": self.url, "jwks_uri": self.url + self.keys_at}).encode())
        return answer(jwks("one"), etag='"v1"') if request.path == self.keys_at else answer(status="404 No")


FIRST = Plan(1, Kind.MISS, 0.0, 5.0, None, after_failure=False)


def fetch(server: Server, memory: Memory | None = None, plan: Plan = FIRST):
    """Fetch once; with a memory, as the flight that follows the one that it came from."""
    source = Source(Fetcher(Timing()), jwks_url=None, issuer=server.url)
    return source.fetch(plan, memory or Memory(), key_set("one") if memory else EMPTY.keys, [])


@pytest.fixture
def issuer():
    made = Issuer()
    with serving(made) as server:
        made.url = server.url
        yield made, server


def test_openid_metadata_come_first(issuer) -> None:
    _, server = issuer
    arrived, _ = fetch(server)
    assert arrived.keys.keys
    assert server.paths == [OIDC, "/keys"], "R8414-03"


def test_rfc_8414_metadata_are_next(issuer) -> None:
    made, server = issuer
    made.missing = {OIDC}
    assert fetch(server)[0].keys.keys
    assert server.paths == [OIDC, OAUTH, "/keys"]


def test_metadata_that_fail_are_not_looked_for_elsewhere(issuer) -> None:
    made, server = issuer
    made.broken = {OIDC}
    with pytest.raises(FetchFailed, match="500"):
        fetch(server)
    assert server.paths == [OIDC]


def test_no_metadata_at_all(issuer) -> None:
    made, server = issuer
    made.missing = {OIDC, OAUTH}
    with pytest.raises(FetchFailed, match="404"):
        fetch(server)


def test_what_was_discovered_is_not_asked_for_again(issuer) -> None:
    _, server = issuer
    _, memory = fetch(server)
    fetch(server, memory)
    assert server.paths == [OIDC, "/keys", "/keys"]


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(FIRST._replace(after_failure=True), id="after a failed fetch"),
        pytest.param(FIRST._replace(started=86_400.0), id="after a day"),
    ],
)
def test_a_jwks_uri_that_moves_is_followed(issuer, later: Plan) -> None:
    made, server = issuer
    _, memory = fetch(server)
    made.keys_at = "/moved"
    arrived, memory = fetch(server, memory, later)
    assert arrived.keys.keys, "F94"
    assert str(memory.url).endswith("/moved")
    assert memory.discovered == later.started
    assert "if-none-match" not in server.requests[-1].headers, "validators belong to the old URL"


def test_reading_metadata_again_keeps_the_validators_of_an_unmoved_url(issuer) -> None:
    _, server = issuer
    _, memory = fetch(server)
    fetch(server, memory, FIRST._replace(started=86_400.0))
    assert server.requests[-1].headers["if-none-match"] == '"v1"'


def test_metadata_out_of_reach_do_not_stop_keys_that_are_not(issuer) -> None:
    made, server = issuer
    _, memory = fetch(server)
    made.broken = {OIDC}
    arrived, again = fetch(server, memory, FIRST._replace(after_failure=True))
    assert arrived.keys.keys
    assert again.discovered == memory.discovered, "so that the next flight asks again"


def test_odd_metadata_do(issuer) -> None:
    made, server = issuer
    _, memory = fetch(server)
    made.url = "https://evil.example"
    with pytest.raises(FetchFailed, match=r"evil\.example"):
        fetch(server, memory, FIRST._replace(after_failure=True))


def test_discovery_and_keys_share_one_deadline() -> None:
    import time

    def slow(request: Request) -> bytes:
        time.sleep(0.3)
        return answer(
            json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}).encode() if request.path == OIDC else b""
        )

    with serving(slow) as server:
        url = server.url
        source = Source(Fetcher(Timing(connect=0.4, read=0.4, flight=0.5)), jwks_url=None, issuer=url)
        started = time.monotonic()
        with pytest.raises(FetchFailed):
            source.fetch(FIRST, Memory(), EMPTY.keys, [])
        assert time.monotonic() - started < 0.75, "F93"
