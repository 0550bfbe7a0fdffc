"""The Starlette example, with real tokens of an issuer that lives in memory."""

import pytest
from starlette.testclient import TestClient
from starlette_api import create_app


@pytest.fixture
def client(jwtauthz_issuer):
    app = create_app(jwtauthz_issuer.server())
    with TestClient(app) as client:
        yield client


def test_anybody_may_ask_whether_it_is_ready(client):
    assert client.get("/health").json() == {"ready": True}


def test_any_valid_token_sees_itself(client, jwtauthz_headers):
    answer = client.get("/me", headers=jwtauthz_headers(subject="ada", scope="read:users"))
    assert answer.json() == {"sub": "ada", "scopes": ["read:users"]}


def test_either_scope_lists_users(client, jwtauthz_headers):
    assert client.get("/users", headers=jwtauthz_headers(scope="admin")).status_code == 200
    assert client.get("/users", headers=jwtauthz_headers(scope="read:users")).status_code == 200
    assert client.get("/users", headers=jwtauthz_headers(scope="openid")).status_code == 403


def test_the_blueprint_reads_the_permissions(client, jwtauthz_headers):
    assert client.get("/admin/report", headers=jwtauthz_headers(permissions=["read:reports"])).status_code == 200
    refused = client.get("/admin/report", headers=jwtauthz_headers(scope="read:reports"))
    assert refused.status_code == 403
    assert refused.json()["required"] == ["read:reports"]


def test_a_token_does_not_live_for_ever(client, jwtauthz_headers, jwtauthz_clock):
    headers = jwtauthz_headers(expires_in=600)
    assert client.get("/me", headers=headers).status_code == 200
    jwtauthz_clock.advance(700)
    assert client.get("/me", headers=headers).status_code == 401
