"""docs/why-was-i-denied.md: each finding has its section, with the log line that the library really writes.

The first `text` block of a section is that line. After a change of words, write them anew with

    UPDATE_DOCS=1 python -m pytest tests/test_docs_why.py
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from docs_blocks import DOCS, run
from jwtauthz import (
    AccessDenied,
    Code,
    Issuer,
    IssuerResolver,
    KeySetUnavailable,
    Request,
    ResourceServer,
    RouteTable,
    authenticated,
    claim_equals,
    organization,
    step_up,
)
from jwtauthz.credentials import cookie
from jwtauthz.errors import ANSWERS
from jwtauthz.testing import FakeClock
from why.vectors import VECTORS, keys, mint, signed

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwtauthz.testing import FakeIssuer

PATH = DOCS / "why-was-i-denied.md"
TENANT, AUDIENCE = "https://tenant.eu.auth0.com/", "https://api.example.com"
NOW = 1_800_000_000
KEY_ID = "current-key"


class OutOfReach:
    """The keys of an issuer that is down."""

    ready = False

    def find(self, *_: object, **__: object):
        raise KeySetUnavailable(
            f"no keys of {TENANT} to judge by: {TENANT}.well-known/openid-configuration cannot be reached: "
            "Connection refused"
        )

    def recheck(self, found: object) -> None: ...
    def warm_up(self, *_: object) -> None: ...
    async def awarm_up(self, *_: object) -> None: ...
    def close(self) -> None: ...


def token(jose: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of the tenant; None takes a claim away."""
    members = {"iss": TENANT, "sub": "auth0|1234", "aud": AUDIENCE, "iat": NOW, "exp": NOW + 3600, **claims}
    given = {name: value for name, value in members.items() if value is not None}
    return signed({"alg": "RS256", "typ": "JWT", "kid": KEY_ID, **(jose or {})}, given)


def ask(
    header: str | list[str] | None,
    *needs: Any,
    server: dict[str, Any] | None = None,
    path: dict[str, str] | None = None,
    sent: dict[str, Any] | None = None,
    claim: Any = None,
    claims: Any = None,
    **settings: Any,
) -> None:
    """Ask for something, and be denied."""
    issuer = Issuer(TENANT, **{"key_set": keys(), **settings})
    asked = ResourceServer(issuer, AUDIENCE, clock=FakeClock(NOW), **(server or {}))
    with pytest.raises(AccessDenied):
        asked.authorize(
            Request(header, path_params=path, **(sent or {})),
            *(needs or ("read:users",)),
            claim=claim,
            claims=claims,
        )


def ask_resolved(header: str) -> None:
    """Ask a server that looks its tenants up, and can't."""
    asked = ResourceServer(IssuerResolver(cannot_tell), AUDIENCE, clock=FakeClock(NOW))
    with pytest.raises(AccessDenied):
        asked.authorize(header, "read:users")


def bearer(*arguments: Any, **claims: Any) -> str:
    return f"Bearer {token(*arguments, **claims)}"


def is_owner(token: Any, request: Request) -> bool:
    """A check of an application."""
    return token.subject == request.path_params["user_id"]


def is_open(token: Any, request: Request) -> bool:
    """A check with a mistake in it."""
    return request.path_params["shop"] == "open"


def cannot_tell(token: Any) -> bool:
    raise ConnectionError


@dataclass
class Me:
    """Claims as an application may want them."""

    sub: str
    roles: list[str] = field(metadata={"claim": "https://example.com/roles"})
    seats: int = 0


@dataclass
class Customer:
    """The same, with a mistake in it."""

    sub: str

    def __post_init__(self) -> None:
        self.number = {"auth0|5678": 1}[self.sub]


# One denial for each section.
SCENES: dict[Code, Callable[[], None]] = {
    Code.SCOPE_IN_OTHER_CLAIM: lambda: ask(bearer(scope="openid profile", permissions=["read:users"])),
    Code.ONLY_OIDC_SCOPES: lambda: ask(bearer(scope="openid profile email")),
    Code.SCOPE_MISSING: lambda: ask(bearer(scope="openid write:users")),
    Code.OPAQUE_TOKEN: lambda: ask(f"Bearer {VECTORS['auth0_opaque'].text}"),
    Code.ID_TOKEN: lambda: ask(bearer(aud="Ab3dEf6hIj9k", nonce="bm9uY2U")),
    Code.WRONG_AUDIENCE: lambda: ask(bearer(aud=f"{TENANT}userinfo")),
    Code.WRONG_ISSUER: lambda: ask(bearer(iss="https://login.example.com/")),
    Code.EXPIRED: lambda: ask(bearer(exp=NOW - 4211)),
    Code.NO_CREDENTIALS: lambda: ask(None),
    Code.MISSING_SCHEME: lambda: ask(token()),
    Code.MALFORMED_TOKEN: lambda: ask("Bearer undefined"),
    Code.MALFORMED_CREDENTIALS: lambda: ask(f"Bearer {bearer()}"),
    Code.ALGORITHM_NOT_ALLOWED: lambda: ask(bearer({"alg": "HS256"})),
    Code.KEY_UNKNOWN: lambda: ask("Bearer " + mint().token(iss=TENANT, audience=AUDIENCE, kid="another-key")),
    Code.BAD_SIGNATURE: lambda: ask("Bearer " + mint().forged_token(iss=TENANT, audience=AUDIENCE)),
    Code.KEYS_UNAVAILABLE: lambda: ask(bearer(), key_set=OutOfReach()),
    Code.ISSUER_UNRESOLVED: lambda: ask_resolved(bearer()),
    Code.ENCRYPTED_TOKEN: lambda: ask(f"Bearer {VECTORS['auth0_encrypted'].text}"),
    Code.SCOPE_COMMA_JOINED: lambda: ask(bearer(scope="read:users,write:users")),
    Code.SCOPE_OTHER_SEPARATOR: lambda: ask(bearer(scope="read:users;write:users")),
    Code.SCOPE_DIFFERS_IN_CASE: lambda: ask(bearer(scope="Read:Users")),
    Code.SCOPE_DIFFERS_IN_PREFIX: lambda: ask(bearer(scope="openid read")),
    Code.SCOPE_CLAIM_UNREADABLE: lambda: ask(bearer(roles=[{"name": "read:users"}]), claim="roles"),
    Code.ORGANIZATION_MISMATCH: lambda: ask(
        bearer(org_id="org_1"), organization("org_id"), path={"org_id": "org_2"}
    ),
    Code.CLAIM_DIFFERS: lambda: ask(bearer(plan="free"), claim_equals("plan", "gold")),
    Code.AUTHENTICATION_TOO_WEAK: lambda: ask(bearer(auth_time=NOW - 7200), step_up(max_age=300)),
    Code.REFUSED_BY_CHECK: lambda: ask(bearer(), is_owner, path={"user_id": "auth0|5678"}),
    Code.NO_RULE: lambda: ask(bearer(), RouteTable({"GET /users": "read:users"}).find("POST", "/users").needed),
    Code.MISSING_CLAIM: lambda: ask(bearer(aud=None)),
    Code.BAD_CLAIM: lambda: ask(bearer(exp="2027-01-15T08:00:00Z")),
    Code.CLAIMS_MISMATCH: lambda: ask(bearer(seats="3"), claims=Me),
    Code.NOT_YET_VALID: lambda: ask(bearer(iat=NOW + 90)),
    Code.TOKEN_TOO_OLD: lambda: ask(bearer(iat=NOW - 7200), max_token_age=3600),
    Code.WRONG_TYPE: lambda: ask(bearer({"typ": "logout+jwt"})),
    Code.SENDER_CONSTRAINED: lambda: ask(bearer(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})),
    Code.REVOKED: lambda: ask(bearer(), authenticated(), server={"revoked": lambda token: True}),
    Code.UNSUPPORTED_HEADER: lambda: ask(bearer({"crit": ["exp"]})),
    Code.REPEATED_CREDENTIALS: lambda: ask([bearer(), bearer()]),
    Code.CROSS_SITE_REQUEST: lambda: ask(
        None,
        sent={
            "method": "POST",
            "headers": {"Cookie": f"__Host-access_token={token()}", "Origin": "https://elsewhere.example.com"},
        },
        server={"token_from": cookie("__Host-access_token")},
    ),
    Code.CREDENTIALS_TOO_LARGE: lambda: ask("Bearer " + "x" * 20_000),
    Code.REVOCATION_UNAVAILABLE: lambda: ask(bearer(), authenticated(), server={"revoked": cannot_tell}),
    Code.CHECK_FAILED: lambda: ask(bearer(), is_open),
    Code.MODEL_FAILED: lambda: ask(bearer(), claims=Customer),
}


def log_line(code: Code, caplog: pytest.LogCaptureFixture) -> str:
    """What the library logs for a denial of this kind."""
    caplog.set_level(logging.INFO, "jwtauthz")
    caplog.clear()
    SCENES[code]()
    [message] = [record.getMessage() for record in caplog.records if getattr(record, "finding", None) == code]
    return message.replace(mint().kid, KEY_ID)


def sections() -> dict[str, str]:
    """The sections of the page by their heading, in order."""
    found = re.split(r"^## (.+)\n", PATH.read_text(), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


LOG_BLOCK = re.compile(r"```text\n(.*?)\n```", re.DOTALL)


def test_each_finding_has_its_section_and_no_section_is_of_another():
    assert set(sections()) == set(Code)
    assert PATH.read_text().count("\n## ") == len(Code)


def test_each_section_has_its_scene():
    assert set(SCENES) == set(Code)


def test_the_list_at_the_top_names_each_section_in_order():
    listed = re.findall(r"\]\(#([a-z_0-9]+)\)", PATH.read_text().partition("\n## ")[0])
    assert listed == list(sections())


@pytest.mark.parametrize("code", list(SCENES))
def test_the_log_line_is_what_the_library_logs(code, caplog):
    line = log_line(code, caplog)
    section = sections()[code]
    shown = LOG_BLOCK.search(section)
    assert shown is not None
    if os.environ.get("UPDATE_DOCS"):
        text = PATH.read_text()
        PATH.write_text(text.replace(section, section.replace(shown[1], line, 1), 1))
        return
    assert shown[1] == line


@pytest.mark.parametrize("code", list(SCENES))
def test_a_section_says_what_happened_and_what_to_do(code):
    section = sections()[code]
    assert section.count("**What to do.**") == 1
    assert section.index("```text") < section.index("**What to do.**")
    status = re.match(r"\n\*(\d{3})\.\* ", section)
    assert status is not None
    assert int(status[1]) == ANSWERS[code].status


# ── the cures that the page shows work ──


def cured(code: Code, issuer: FakeIssuer) -> list[dict[str, Any]]:
    """What each block of a section defines."""
    return [run(block, issuer.url) for block in re.findall(r"```python\n(.*?)```", sections()[code], re.DOTALL)]


def test_reading_the_other_claim_lets_in(issuer):
    from flask import Flask
    from starlette.testclient import TestClient

    from jwtauthz.flask import JWTAuthz

    in_fastapi, in_flask, everywhere = cured(Code.SCOPE_IN_OTHER_CLAIM, issuer)
    headers = issuer.headers(permissions=["read:users"])
    assert TestClient(in_fastapi["app"]).get("/users", headers=headers).status_code == 200
    app = Flask("docs")
    JWTAuthz(ResourceServer(issuer.url, issuer.audience)).init_app(app)
    app.get("/users")(in_flask["users"])
    assert app.test_client().get("/users", headers=headers).status_code == 200
    assert everywhere["server"].authorize(headers["Authorization"], "read:users").subject == "user-1"


def test_no_line_names_what_only_the_test_knows():
    text = PATH.read_text()
    assert "127.0.0.1" not in text
    assert "issuer.test" not in text
    assert mint().kid not in text


@pytest.mark.parametrize("code", list(SCENES))
def test_the_line_alone_says_what_to_do(code, caplog):
    assert " Hint: " in log_line(code, caplog)
