"""The Flask example, with real tokens of an issuer that lives in memory."""

import pytest
from flask_api import create_app

from jwtauthz import Issuer, ResourceServer


@pytest.fixture
def client(jwtauthz_issuer):
    issuer = Issuer(jwtauthz_issuer.url, key_set=jwtauthz_issuer.key_set)
    app = create_app(ResourceServer(issuer, jwtauthz_issuer.audience))
    with app.test_client() as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_anybody_may_ask_whether_it_is_ready(client):
    assert client.get("/health").json == {"ready": True}


def test_any_valid_token_sees_itself(client, jwtauthz_token):
    answer = client.get("/me", headers=bearer(jwtauthz_token(subject="ada", scope="read:users")))
    assert answer.json == {"sub": "ada", "scopes": ["read:users"]}


def test_either_scope_lists_users(client, jwtauthz_token):
    assert client.get("/users", headers=bearer(jwtauthz_token(scope="admin"))).status_code == 200
    assert client.get("/users", headers=bearer(jwtauthz_token(scope="read:users"))).status_code == 200
    assert client.get("/users", headers=bearer(jwtauthz_token(scope="openid"))).status_code == 403


def test_the_blueprint_reads_the_permissions(client, jwtauthz_token):
    assert (
        client.get("/admin/report", headers=bearer(jwtauthz_token(permissions=["read:reports"]))).status_code
        == 200
    )
    refused = client.get("/admin/report", headers=bearer(jwtauthz_token(scope="read:reports")))
    assert refused.status_code == 403
    assert refused.json["required"] == ["read:reports"]
