"""docs/policies.md and docs/issuers.md: every block runs, and decides as the text around it says."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from typing import Any

import pytest
from flask import Flask
from starlette.testclient import TestClient

import jwtauthz
import jwtauthz.flask
import jwtauthz.testing
from docs_blocks import DOCS, run
from jwtauthz import AccessDenied, Issuer, Request, ResourceServer, shadow
from jwtauthz.policy import Shadow
from why.vectors import VECTORS, api_of, keys, signed, token_of

POLICIES, ISSUERS = (DOCS / "policies.md").read_text(), (DOCS / "issuers.md").read_text()
API = "https://api.example.com"


def blocks(text: str) -> dict[str, list[str]]:
    """The Python blocks of a page by the headings that they stand under."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        found[title] = re.findall(r"```python\n(.*?)```", rest, re.DOTALL)
    return {title: several for title, several in found.items() if several}


SECTIONS = blocks(POLICIES)


def decide(server: ResourceServer, request: Request, needed: Any) -> int:
    try:
        asyncio.run(server.aauthorize(request, needed))
    except AccessDenied as denied:
        return denied.status
    return 200


ORGS = {"https://example.com/orgs": {"org_a": ["read:docs", "write:docs"], "org_b": ["read:docs"]}}
PLAN = {"https://example.com/plan": "gold", "regions": ["us", "eu"]}
JUST_NOW = -10  # seconds from when the row runs, which may be long after this file was read
LOGIN = {"acr": "urn:example:mfa", "auth_time": JUST_NOW}

# (heading, number of the block, requirement) → (claims, what else is sent, status)
ROWS: dict[tuple[str, int, str], list[tuple[dict[str, Any], dict[str, Any], int]]] = {
    ("All of them, or one of them", 0, "needed"): [
        ({"scope": "read:users read:teams"}, {}, 200),
        ({"scope": "read:users"}, {}, 403),
    ],
    ("All of them, or one of them", 0, "either"): [({"scope": "admin"}, {}, 200), ({"scope": "x"}, {}, 403)],
    ("All of them, or one of them", 1, "needed"): [
        ({"scope": "write:users support"}, {}, 200),
        ({"scope": "write:users admin on_call"}, {}, 200),
        ({"scope": "write:users admin"}, {}, 403),
    ],
    ("Where scopes stand", 0, "read:users"): [
        ({"permissions": ["read:users"], "scope": ""}, {}, 200),
        ({"https://example.com/roles": "read:users"}, {}, 200),
        ({"realm_access": {"roles": ["read:users"]}}, {}, 200),
        ({"roles": ["read:users"]}, {}, 403),
    ],
    ("Where scopes stand", 1, "needed"): [
        ({"scope": "read:users", "realm_access": {"roles": ["editor"]}}, {}, 200),
        ({"scope": "read:users editor"}, {}, 403),
    ],
    ("Where scopes stand", 2, "comma"): [({"perms": "read,write"}, {}, 200), ({"perms": "read write"}, {}, 403)],
    ("Where scopes stand", 2, "prefix"): [({"scp": f"{API}/read"}, {}, 200), ({"scp": "read"}, {}, 403)],
    ("Where scopes stand", 2, "keys"): [
        ({"features": {"read": True, "write": False}}, {}, 200),
        ({"features": {"read": False}}, {}, 403),
    ],
    ("Where scopes stand", 2, "objects"): [
        ({"roles": [{"value": "read"}, {"name": "write"}]}, {}, 200),
        ({"roles": {"value": "read"}}, {}, 403),
    ],
    ("Roles", 0, "write:docs"): [
        ({"https://example.com/roles": ["editor"]}, {}, 200),
        ({"https://example.com/roles": ["viewer"]}, {}, 403),
        ({"https://example.com/roles": ["write:docs"]}, {}, 403),
        ({"scope": "write:docs"}, {}, 200),
    ],
    ("A hierarchy of scopes", 0, "read:users"): [({"scope": "admin"}, {}, 200), ({"scope": "x"}, {}, 403)],
    ("Other claims", 0, "needed"): [
        ({"scope": "read:reports", **PLAN}, {}, 200),
        ({"scope": "read:reports", **PLAN, "regions": "us eu"}, {}, 200),
        ({"scope": "read:reports", **PLAN, "regions": ["us"]}, {}, 403),
        ({"scope": "read:reports"}, {}, 403),
    ],
    ("Users alone, or clients", 0, "needed"): [
        ({"scope": "read:messages", "client_id": "client-1"}, {}, 200),
        ({"scope": "read:messages", "sub": "client-1", "client_id": "client-1"}, {}, 403),
    ],
    ("Functions of your own", 0, "needed"): [
        ({}, {"path_params": {"user_id": "user-1"}}, 200),
        ({}, {"path_params": {"user_id": "user-2"}}, 403),
        ({}, {}, 503),
    ],
    ("Functions of your own", 1, "needed"): [
        ({"scope": "read:users"}, {}, 200),
        ({"scope": "read:users", "sub": "user-2"}, {}, 403),
    ],
    ("Functions of your own", 2, "needed"): [({"scope": "read:secrets"}, {}, 403)],
    ("Scopes that depend on the request", 0, "needed"): [
        ({"scope": "read:acme"}, {"path_params": {"org_id": "acme"}}, 200),
        ({"scope": "read:acme"}, {"path_params": {"org_id": "other"}}, 403),
        ({"scope": "read:acme read:a:b"}, {"path_params": {"org_id": "a:b"}}, 403),
        ({"scope": "read:acme"}, {}, 403),
    ],
    ("Scopes that depend on the request", 0, "in_map"): [
        ({"orgs": {"acme": ["read"]}}, {"path_params": {"org_id": "acme"}}, 200),
        ({"orgs": {"acme": ["read"]}}, {"path_params": {"org_id": "other"}}, 403),
    ],
    ("Organizations", 0, "needed"): [
        ({"scope": "read:docs", "org_id": "a"}, {"path_params": {"org_id": "a"}}, 200),
        ({"scope": "read:docs", "org_id": "a"}, {"path_params": {"org_id": "b"}}, 403),
    ],
    ("Organizations", 0, "by_header"): [
        ({"scope": "read:docs", "org_id": "a"}, {"headers": {"X-Org": "a"}}, 200),
        ({"scope": "read:docs", "org_id": "a"}, {"headers": {"X-Org": "b"}}, 403),
    ],
    ("Organizations", 0, "by_host"): [
        ({"scope": "read:docs", "org_id": "a"}, {"headers": {"Host": "a.example.com:8443"}}, 200),
        ({"scope": "read:docs", "org_id": "a"}, {"headers": {"Host": "b.example.com"}}, 403),
    ],
    ("Organizations", 1, "needed"): [
        (ORGS, {"path_params": {"org_id": "org_a"}}, 200),
        (ORGS, {"path_params": {"org_id": "org_b"}}, 403),
        (ORGS, {"path_params": {"org_id": "org_c"}}, 403),
    ],
    ("Typed claims", 0, "me"): [
        ({"scope": "read:users", "https://example.com/roles": ["editor"]}, {}, 200),
        ({"scope": "read:users"}, {}, 401),
        ({"https://example.com/roles": ["editor"]}, {}, 403),
    ],
    ("Typed claims", 1, "me"): [
        ({"scope": "read:users", "https://example.com/roles": ["editor"]}, {}, 200),
        ({"scope": "read:users", "https://example.com/roles": "editor"}, {}, 401),
        ({"https://example.com/roles": ["editor"]}, {}, 403),
    ],
    ("Step-up", 0, "needed"): [
        ({"scope": "write:payments", **LOGIN}, {}, 200),
        ({"scope": "write:payments", **LOGIN, "acr": "pwd"}, {}, 401),
        ({"scope": "write:payments", **LOGIN, "auth_time": 0}, {}, 401),
        (LOGIN, {}, 403),
    ],
    ("Trying a rule out", 0, "needed"): [({}, {}, 200), ({"exp": 1}, {}, 401)],
    ("What a client is told", 0, "admin"): [({"scope": "admin"}, {}, 200), ({}, {}, 403)],
}


@pytest.mark.parametrize(
    ("title", "number", "name"), [pytest.param(*row, id=f"{row[0]} {row[1]} {row[2]}") for row in ROWS]
)
def test_a_block_decides_as_it_says(title, number, name, issuer):
    names = run(SECTIONS[title][number], issuer.url)
    if title == "Typed claims":
        for claims, _, status in ROWS[title, number, name]:
            assert answer(names, ResourceServer(issuer.url, issuer.audience), issuer.token(**claims)) == status
        return
    server = names.get("server") or ResourceServer(issuer.url, issuer.audience)
    for row, sent, status in ROWS[title, number, name]:
        claims = {**row, "auth_time": int(time.time()) - 10} if row.get("auth_time") == JUST_NOW else row
        request = Request(f"Bearer {issuer.token(**claims)}", **sent)
        assert decide(server, request, names.get(name, name)) == status, (claims, sent)


def answer(names: dict[str, Any], server: ResourceServer, token: str) -> int:
    """What the application of a block, or one around its view, answers at /me; if it lets in, with the roles."""
    headers, app = {"Authorization": f"Bearer {token}"}, names.get("app")
    if app is None:
        app = Flask("docs")
        jwtauthz.flask.JWTAuthz(server, app)
        app.get("/me")(names["me"])
    client = app.test_client() if isinstance(app, Flask) else TestClient(app)
    response = client.get("/me", headers=headers)
    assert response.status_code != 200 or "editor" in response.text
    return response.status_code


def test_no_block_is_left_out():
    told = {(title, number) for title, several in SECTIONS.items() for number in range(len(several))}
    assert {(title, number) for title, number, _ in ROWS} == told
    assert POLICIES.count("```python") == len(told)


def test_a_shadow_is_one():
    assert isinstance(run(SECTIONS["Trying a rule out"][0], "")["needed"], Shadow)
    assert shadow("read:users", "read:teams").describe() == ["read:users", "read:teams"]


def test_a_denial_is_told_as_it_says(issuer, capsys):
    run(SECTIONS["What a client is told"][0].replace("eyJ…", issuer.token()), issuer.url)
    status, *reasons = capsys.readouterr().out.splitlines()
    assert status.startswith('403 Bearer realm="api", error="insufficient_scope"')
    assert status.endswith('scope="read:users"')
    assert [reason.partition(" ")[0] for reason in reasons] == ["scope_missing", "scope_missing"]


def test_an_async_function_is_refused_where_nobody_can_wait(issuer):
    needed = run(SECTIONS["Functions of your own"][1], issuer.url)["needed"]
    with pytest.raises(jwtauthz.ConfigurationError, match="await"):
        ResourceServer(issuer.url, issuer.audience).authorize(f"Bearer {issuer.token()}", needed)


# ── issuers ──

MADE = blocks(ISSUERS)
# heading → (vector, status, what is needed)
VECTORS_OF = {
    "Auth0": [
        ("auth0_machine", 200, "read:users"),
        ("auth0_rbac", 200, "write:users"),
        ("auth0_opaque", 401, "x"),
    ],
    "Okta": [("okta_access", 200, "read:users"), ("okta_org_server", 401, "x"), ("okta_id_token", 401, "x")],
    "Microsoft Entra ID": [
        ("entra_v2_access", 200, "users.read"),
        ("entra_v2_roles", 200, "Users.Read.All"),
        ("entra_v1_access", 401, "users.read"),
    ],
    "Amazon Cognito": [
        ("cognito_access", 200, f"{API}/users.read"),
        ("cognito_id", 401, "x"),
        ("cognito_initiate_auth", 403, "x"),
    ],
    "Keycloak": [
        ("keycloak_audience", 200, "read:users"),
        ("keycloak_audience", 200, "users-admin"),
        ("keycloak_access", 401, "read:users"),
        ("keycloak_refresh", 401, "read:users"),
    ],
    "Google": [("google_id_token", 401, "x"), ("google_opaque", 401, "x")],
    "Several at once": [("auth0_machine", 200, "read:users"), ("okta_access", 200, "read:users")],
}


def made(title: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a block makes, with keys at hand instead of those that it would fetch, at the time of the vectors."""
    build = Issuer.__init__

    def with_keys(self: Issuer, url: str, **settings: Any) -> None:
        build(self, url, **{**settings, "key_set": keys(), "jwks_url": None})

    clock = api_of("auth0_machine")._clock
    monkeypatch.setattr(Issuer, "__init__", with_keys)
    monkeypatch.setitem(ResourceServer.__init__.__kwdefaults__, "clock", clock)
    [block] = MADE[title]
    return run(block, "https://tenant.eu.auth0.com/")


@pytest.mark.parametrize("title", VECTORS_OF)
def test_a_preset_takes_the_tokens_of_its_issuer(title, monkeypatch):
    names = made(title, monkeypatch)
    for vector, status, needed in VECTORS_OF[title]:
        assert decide(names["server"], Request(f"Bearer {token_of(vector)}"), needed) == status, vector


def test_google_says_who_may_call(monkeypatch):
    names = made("Google", monkeypatch)
    claims = {"aud": "https://service.example.com", "nonce": "", "email_verified": True}
    for email, status in (("caller@project.iam.gserviceaccount.com", 200), ("jane@example.com", 403)):
        text = token_of("google_id_token", **claims, email=email)
        # The token of a service account has neither nonce nor hash.
        text = _without(text, "nonce", "at_hash")
        assert decide(names["server"], Request(f"Bearer {text}"), names["needed"]) == status


def _without(text: str, *claims: str) -> str:
    payload = text.split(".")[1]
    members = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    header = VECTORS["google_id_token"].header
    return signed(header, {name: value for name, value in members.items() if name not in claims})


def test_an_aws_route_takes_one_of_its_scopes(monkeypatch):
    names = made("As an AWS HTTP API reads tokens", monkeypatch)
    for claims, status in (({"scope": "users.write"}, 200), ({"scope": "x"}, 403), ({"client_id": "other"}, 401)):
        text = token_of("cognito_access", **{"client_id": "my-client", **claims})
        assert decide(names["server"], Request(f"Bearer {text}"), names["needed"]) == status


@pytest.mark.parametrize("number", [0, 1], ids=["by pattern", "by function"])
def test_tenants_are_found_as_it_says(number):
    with jwtauthz.testing.FakeIssuer(network=False) as mint:
        build, keys_of_mint = Issuer.__init__, mint.key_set

        def with_keys(self: Issuer, url: str, **settings: Any) -> None:
            build(self, url, **{**settings, "key_set": keys_of_mint})

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Issuer, "__init__", with_keys)
            server = run(MADE["Tenants that come and go"][number], "")["server"]
            for iss, status in (
                ("https://acme.auth.example.com/", 200),
                ("https://acme.auth.example.com", 401),
                ("https://a.b.auth.example.com/", 401),
                ("https://evil.com#.auth.example.com/", 401),
            ):
                request = Request(f"Bearer {mint.token(iss=iss, aud=API, scp=['read:users'])}")
                assert decide(server, request, "read:users") == status, iss


def test_any_other_issuer(monkeypatch):
    assert made("Any other", monkeypatch)["issuer"].scopes_from == ("scope", "permissions")


def test_no_preset_is_left_out():
    told = set(re.findall(r"`Issuer\.(\w+)\(", ISSUERS.partition("\n## ")[0]))
    theirs = {name for name, member in vars(Issuer).items() if isinstance(member, classmethod)} - {"_of"}
    assert told == theirs
    assert set(MADE) == {*VECTORS_OF, "As an AWS HTTP API reads tokens", "Any other", "Tenants that come and go"}
    assert ISSUERS.count("```python") == sum(map(len, MADE.values()))


def test_the_table_has_the_urls_and_claims_of_the_presets():
    rows = re.findall(r"^\| `(Issuer\.\w+\(.*?\))` \| `([^`]+)` \| (.+?) \|", ISSUERS, re.MULTILINE)
    values = {
        "<tenant ID>": "11111111-2222-4333-8444-555555555555",
        "<region>": "eu-west-1",
        "<pool>": "eu-west-1_Example01",
        "<base>": "https://sso.example.com",
        "<realm>": "acme",
    }
    given = {
        "region": "eu-west-1",
        "pool": "eu-west-1_Example01",
        "base": "https://sso.example.com",
        "realm": "acme",
    }
    assert len(rows) == 7
    for call, url, claims in rows:
        issuer = eval(_filled_in(call, values), {"Issuer": Issuer, **given})
        assert issuer.url == _filled_in(url, values)
        named = re.findall(r"`([\w.]+)`", claims)
        if named:
            read = [claim if isinstance(claim, str) else ".".join(claim) for claim in issuer.scopes_from]
            assert read == named


def _filled_in(text: str, values: dict[str, str]) -> str:
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text
