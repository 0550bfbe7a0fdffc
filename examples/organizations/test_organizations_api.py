"""The example for organizations, with real tokens of an issuer that lives in memory."""

import time

import pytest
from organizations.organizations_api import MAP, create_app
from starlette.testclient import TestClient


@pytest.fixture
def client(jwtauthz_issuer):
    issuer = jwtauthz_issuer.as_issuer(scopes_from=("scope", "permissions"))
    with TestClient(create_app(issuer, jwtauthz_issuer.audience)) as client:
        yield client


@pytest.fixture(params=["logged in to one organization", "with a map of all of them"])
def ada(request, jwtauthz_token):
    """Ada's credentials at an organization: admin in A, viewer in B. Both kinds of token say the same."""
    roles = {"org_a": ["admin"], "org_b": ["viewer"]}

    def at(org_id, **claims):
        if request.param == "with a map of all of them":
            claims[MAP] = roles
        elif org_id in roles:
            claims |= {"org_id": org_id, "permissions": roles[org_id]}
        return {"Authorization": f"Bearer {jwtauthz_token(subject='ada', **claims)}"}

    return at


@pytest.mark.parametrize(
    ("org_id", "read", "write"),
    [
        pytest.param("org_a", 200, 201, id="she is admin in A"),
        pytest.param("org_b", 200, 403, id="she is viewer in B"),
        pytest.param("org_c", 403, 403, id="she is nobody in C"),
    ],
)
def test_each_organization_has_its_own_rights(client, ada, org_id, read, write):
    path = f"/orgs/{org_id}/documents"
    assert client.get(path, headers=ada(org_id)).status_code == read
    assert client.post(path, params={"title": "Plans"}, headers=ada(org_id)).status_code == write


def test_what_is_written_stays_in_its_organization(client, ada):
    client.post("/orgs/org_a/documents", params={"title": "Plans"}, headers=ada("org_a"))
    assert client.get("/orgs/org_a/documents", headers=ada("org_a")).json() == {"documents": ["Plans"]}
    assert client.get("/orgs/org_b/documents", headers=ada("org_b")).json() == {"documents": []}


def test_a_token_for_one_organization_opens_no_other(client, jwtauthz_token):
    token = jwtauthz_token(org_id="org_a", permissions=["admin"])
    refused = client.get("/orgs/org_b/documents", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 403
    assert "org_" not in refused.text.replace("{org_id}", "")


@pytest.mark.parametrize("org_id", ["ORG_A", "org_a%20", "org_a%2Forg_b", "{org_id}", "__class__", "x" * 5_000])
def test_a_name_that_is_made_up_opens_nothing(client, ada, org_id):
    assert client.get(f"/orgs/{org_id}/documents", headers=ada("org_a")).status_code in {403, 404}


def test_to_remove_somebody_one_has_to_log_in_again(client, ada):
    now = int(time.time())
    path = "/orgs/org_a/members/grace"
    asked = client.delete(path, headers=ada("org_a", auth_time=now - 3600))
    assert asked.status_code == 401
    assert 'error="insufficient_user_authentication"' in asked.headers["WWW-Authenticate"]
    assert 'max_age="300"' in asked.headers["WWW-Authenticate"]
    assert client.delete(path, headers=ada("org_a", auth_time=now - 10)).json() == {
        "removed": "grace",
        "from": "org_a",
        "by": "ada",
    }
    assert client.delete("/orgs/org_b/members/grace", headers=ada("org_b", auth_time=now)).status_code == 403


def test_without_a_token_nobody_learns_which_organizations_there_are(client):
    answers = {client.get(f"/orgs/{name}/documents").status_code for name in ("org_a", "org_z")}
    assert answers == {401}
