"""The page's server and its API, with real tokens; `tests/browser/test_spa.py` clicks through the page itself."""

import pytest
from spa.spa_app import create_app
from starlette.testclient import TestClient

from jwtauthz import Issuer, ResourceServer


@pytest.fixture
def client(jwtauthz_issuer):
    issuer = Issuer(jwtauthz_issuer.url, key_set=jwtauthz_issuer.key_set)
    server = ResourceServer(issuer, jwtauthz_issuer.audience)
    with TestClient(create_app(server, client_id="spa", asks="audience=https://api.example.com&x=y")) as client:
        yield client


def test_the_page_learns_where_to_log_in(client):
    assert client.get("/settings.json").json() == {
        "issuer": "https://issuer.test/",
        "client_id": "spa",
        "asks": {"audience": "https://api.example.com", "x": "y"},
    }


@pytest.mark.parametrize("path", ["/", "/page.js", "/settings.json"])
def test_the_page_may_talk_to_its_api_and_the_issuer_and_nobody_else(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "default-src 'self'; connect-src 'self' https://issuer.test;" in policy


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/me", ""),
        ("GET", "/api/users", "read:users"),
        ("POST", "/api/users", "write:users"),
        ("GET", "/api/report", "read:reports"),
        ("GET", "/api/report", "admin"),
    ],
)
def test_what_an_operation_needs(client, jwtauthz_token, method, path, scope):
    def status(granted):
        bearer = f"Bearer {jwtauthz_token(scope=granted)}"
        return client.request(method, path, headers={"Authorization": bearer}).status_code

    assert status(scope) == 200
    assert status("openid") == (403 if scope else 200)
    assert client.request(method, path).status_code == 401
