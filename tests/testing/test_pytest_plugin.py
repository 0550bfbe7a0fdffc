"""The fixtures that come with the package."""

from __future__ import annotations

import subprocess
import sys

import jwt


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
