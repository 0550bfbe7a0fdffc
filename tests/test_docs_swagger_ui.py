"""What docs/swagger-ui.md says is so: its blocks run, and what they build is what Swagger UI needs.

That Swagger UI then logs in, `tests/browser/test_swagger_ui.py` shows in a browser.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

DOCS = Path(__file__).parent.parent / "docs"
TEXT = (DOCS / "swagger-ui.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
TENANT = "https://tenant.eu.auth0.com/"


@pytest.fixture
def run(issuer):
    """Run a block with an issuer on loopback."""

    def execute(block: str) -> dict:
        names: dict = {"__name__": "docs"}
        exec(compile(block.replace(TENANT, issuer.url), "swagger-ui.md", "exec"), names)
        return names

    return execute


def test_the_application_documents_a_login_and_its_scopes(run, issuer):
    asked = len(issuer.requests)
    client = TestClient(run(BLOCKS[0])["app"])
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["jwtauthz"]["flows"]["authorizationCode"] == {
        "authorizationUrl": f"{issuer.url}authorize",
        "tokenUrl": f"{issuer.url}oauth/token",
        "scopes": {
            "read:users": "See who is there",
            "read:reports": "",
            "admin": "",
            "openid": "Who you are",
        },
    }
    assert document["paths"]["/users"]["get"]["security"] == [{"jwtauthz": ["read:users"]}]
    assert document["paths"]["/report"]["get"]["responses"]["403"]["description"].endswith(
        ": (`read:reports` or `admin`)"
    )
    assert '"usePkceWithAuthorizationCodeGrant": true' in client.get("/docs").text
    assert "/docs/oauth2-redirect" in client.get("/docs").text
    assert len(issuer.requests) == asked


def test_the_application_lets_in_who_may(run, issuer):
    client = TestClient(run(BLOCKS[0])["app"])
    bearer = {"Authorization": f"Bearer {issuer.token(scope='read:users')}"}
    assert client.get("/users", headers=bearer).status_code == 200
    assert client.get("/report", headers=bearer).status_code == 403


def test_endpoints_are_read_from_the_metadata(run, issuer):
    login = run(BLOCKS[1])["login"]
    assert (login.authorization_url, login.token_url) == (f"{issuer.url}authorize", f"{issuer.url}oauth/token")


def test_no_block_is_left_out():
    assert len(BLOCKS) == TEXT.count("```python") == 2


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)", TEXT):
        assert (DOCS / target).exists(), target
