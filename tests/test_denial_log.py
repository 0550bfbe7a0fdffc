"""One log record per denial: level, text, fields; no flood, no token, no forged line. And shadow policies."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Issuer,
    KeySetUnavailable,
    Request,
    ResourceServer,
    VerifiedToken,
    any_of,
    authenticated,
)
from jwtauthz.denial_log import BURST
from jwtauthz.policy import shadow
from jwtauthz.testing import FakeClock, FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Callable

AUDIENCE = "https://api.example.com"


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    return FakeIssuer(network=False, algorithm="ES256", clock=FakeClock())


@pytest.fixture
def make(mint, clock):
    def build(**settings) -> ResourceServer:
        issuer = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
        return ResourceServer(issuer, AUDIENCE, clock=clock, **settings)

    return build


@pytest.fixture
def server(make) -> ResourceServer:
    return make()


@pytest.fixture
def log(caplog) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "jwtauthz")
    return caplog


def deny(server: ResourceServer, header: str | None, *needs: Any, times: int = 1, **options: Any) -> AccessDenied:
    """The last of so many denials."""
    for _ in range(times):
        with pytest.raises(AccessDenied) as caught:
            server.authorize(header, *(needs or ("read:users",)), **options)
    return caught.value


class KeysOutOfReach:
    """The keys of an issuer that is down."""

    ready = False

    def find(self, *_: object, **__: object):
        raise KeySetUnavailable("the issuer can't be reached")

    def recheck(self, found: object) -> None: ...
    def warm_up(self, *_: object) -> None: ...
    async def awarm_up(self, *_: object) -> None: ...
    def close(self) -> None: ...


# ── levels and fields ──


class TestRecord:
    @pytest.mark.parametrize(
        ("header", "level", "code"),
        [
            pytest.param(None, logging.INFO, Code.NO_CREDENTIALS, id="no credentials are no trouble"),
            pytest.param("Basic eDp5", logging.INFO, Code.NO_CREDENTIALS, id="neither is another scheme"),
            pytest.param("Bearer", logging.WARNING, Code.MALFORMED_CREDENTIALS, id="400 is a warning"),
            pytest.param("Bearer x", logging.WARNING, Code.OPAQUE_TOKEN, id="401 is a warning"),
        ],
    )
    def test_level(self, server, log, header, level, code):
        deny(server, header)
        [record] = log.records
        assert (record.name, record.levelno, record.finding) == ("jwtauthz", level, code)

    def test_403_is_a_warning(self, server, log, mint):
        deny(server, f"Bearer {mint.token()}")
        assert log.records[0].levelno == logging.WARNING

    def test_503_is_an_error(self, mint, clock, log):
        issuer = Issuer(mint.url, key_set=KeysOutOfReach(), algorithms="ES256")
        deny(ResourceServer(issuer, AUDIENCE, clock=clock), f"Bearer {mint.token()}")
        [record] = log.records
        assert (record.levelno, record.status, record.finding) == (logging.ERROR, 503, Code.KEYS_UNAVAILABLE)

    def test_fields(self, server, log, mint):
        denied = deny(server, f"Bearer {mint.token(permissions=['a'])}", "x", any_of("a", "b"))
        [record] = log.records
        assert record.status == 403
        assert record.finding == "scope_missing"
        assert type(record.finding) is str
        assert record.hint == denied.finding.hint
        assert record.required == ("x", {"any_of": ["a", "b"]})
        assert (record.suppressed, record.enforced) == (0, True)

    def test_text(self, server, log, mint):
        denied = deny(server, f"Bearer {mint.token(permissions=['read:users'])}")
        assert log.messages == [f"denied 403 {denied}"]
        cause = "`read:users` stands in `permissions`; this route reads `scope`."
        assert log.messages[0].startswith(f"denied 403 scope_in_other_claim: {cause} Hint: ")
        assert 'write claim="permissions".' in log.messages[0]

    def test_a_request_that_is_let_in_leaves_no_trace(self, server, log, mint):
        server.authorize(f"Bearer {mint.token(scope='read:users')}", "read:users")
        server.authorize(None, authenticated(), optional=True)
        assert log.records == []

    def test_an_explanation_leaves_no_trace(self, server, log, mint):
        assert not server.explain(f"Bearer {mint.token()}", "read:users").allowed
        assert not asyncio.run(server.aexplain(f"Bearer {mint.token()}", "read:users")).allowed
        assert log.records == []

    def test_each_way_to_ask_leaves_one_record(self, server, log, mint):
        header = f"Bearer {mint.token()}"
        with pytest.raises(AccessDenied):
            asyncio.run(server.aauthorize(header, "read:users"))
        token = server.authorize(header, authenticated())
        with pytest.raises(AccessDenied):
            server.permit(token, Request(header), "read:users")
        assert [record.finding for record in log.records] == [Code.SCOPE_MISSING] * 2

    def test_a_logger_that_is_switched_off_costs_nothing(self, server, caplog, mint):
        caplog.set_level(logging.ERROR, "jwtauthz")
        deny(server, f"Bearer {mint.token()}", times=BURST + 5)
        caplog.set_level(logging.WARNING, "jwtauthz")
        deny(server, f"Bearer {mint.token()}")
        assert [record.suppressed for record in caplog.records] == [0]


# ── floods ──


class TestFlood:
    def test_so_many_at_once_and_then_silence(self, server, log):
        deny(server, "Bearer x", times=10 * BURST)
        assert len(log.records) == BURST

    def test_then_one_each_second_that_counts_the_others(self, server, log, clock):
        deny(server, "Bearer x", times=BURST + 5)
        clock.advance(1)
        deny(server, "Bearer x", times=3)
        clock.advance(1)
        deny(server, "Bearer x")
        assert [record.suppressed for record in log.records[BURST:]] == [5, 2]
        assert log.messages[BURST].endswith("(5 more denials of this kind were not logged)")
        assert "more denials" not in log.messages[0]

    def test_a_flood_of_one_kind_hides_no_other(self, server, log, mint):
        deny(server, "Bearer x", times=5 * BURST)
        deny(server, f"Bearer {mint.token(expires_in=-60)}")
        deny(server, None)
        assert [record.finding for record in log.records[BURST:]] == [Code.EXPIRED, Code.NO_CREDENTIALS]

    def test_after_a_quiet_while_all_is_as_at_first(self, server, log, clock):
        deny(server, "Bearer x", times=BURST + 1)
        clock.advance(10 * BURST)
        log.clear()
        deny(server, "Bearer x", times=2 * BURST)
        assert len(log.records) == BURST

    def test_a_clock_that_is_set_back_breaks_nothing(self, server, log, clock):
        deny(server, "Bearer x", times=BURST + 1)
        clock.advance(-86_400)
        deny(server, "Bearer x", times=3)
        assert len(log.records) == BURST
        clock.advance(1)
        deny(server, "Bearer x")
        assert log.records[-1].suppressed == 4

    def test_servers_have_budgets_of_their_own(self, make, log):
        deny(make(), "Bearer x", times=2 * BURST)
        deny(make(), "Bearer x", times=2 * BURST)
        assert len(log.records) == 2 * BURST

    def test_a_client_cannot_make_new_kinds(self, server, log, mint):
        for number in range(5 * BURST):
            deny(server, f"Bearer {mint.token(scope=f'scope-{number}')}")
        assert len(log.records) == BURST


# ── what a stranger writes ──

HOSTILE = [
    pytest.param("a\n2027-01-15 CRITICAL root: all is lost", id="a line break"),
    pytest.param("a\r\nX: y", id="a carriage return"),
    pytest.param("\x1b[2J\x1b[31mred", id="an escape sequence"),
    pytest.param("\u2028next line", id="a line separator of Unicode"),
    pytest.param("\u202etxt.exe", id="text from right to left"),
    pytest.param("\x00", id="a null"),
    pytest.param("%s %d %(name)s {0}", id="a format"),
    pytest.param("x" * 5000, id="a long text"),
]


@pytest.mark.parametrize("text", HOSTILE)
class TestHostileText:
    """Whatever a token or a header says, a record is one printable line of bearable length, and a true one."""

    def check(self, log) -> None:
        [message] = log.messages
        assert message.startswith("denied 4")
        assert message.isprintable()
        assert len(message) < 2000

    @pytest.mark.parametrize("claim", ["iss", "aud", "exp", "sub", "scope", "permissions", "nbf"])
    def test_in_a_claim(self, server, log, mint, text, claim):
        deny(server, f"Bearer {mint.token(**{claim: [text] if claim == 'permissions' else text})}")
        self.check(log)

    def test_in_the_name_of_a_claim_that_holds_the_scope(self, server, log, mint, text):
        deny(server, f"Bearer {mint.token(**{text: ['read:users']})}")
        assert log.records[0].finding == Code.SCOPE_IN_OTHER_CLAIM
        self.check(log)

    def test_in_a_scope_that_nearly_fits(self, server, log, mint, text):
        deny(server, f"Bearer {mint.token(perms=[f'read:users,{text}'])}", claim="perms")
        self.check(log)

    @pytest.mark.parametrize("member", ["alg", "typ", "kid", "crit", "cty"])
    def test_in_the_header_of_the_token(self, server, log, mint, text, member):
        deny(server, f"Bearer {mint.token(headers={member: text})}")
        self.check(log)

    def test_in_the_header_of_the_request(self, server, log, text):
        for header in (text, f"Bearer {text}", f"{text} x"):
            log.clear()
            deny(server, header)
            self.check(log)


def test_no_record_holds_a_part_of_the_token(server, log, mint, clock):
    tokens = [
        mint.token(),
        mint.token(expires_in=-60),
        mint.token(audience="https://other.example.com"),
        mint.token(kid="other"),
        mint.forged_token(),
        mint.unsigned_token(),
        mint.token(nonce="n"),
        mint.token(headers={"typ": "x"}),
        mint.token(iss="https://other.example/"),
        mint.token() + "=",
        f'"{mint.token()}"',
        mint.token().rpartition(".")[0],
        "0paque-t0ken-of-somebody",
        "a.b.c.d.e",
    ]
    for token in tokens:
        deny(server, f"Bearer {token}")
        deny(server, token)
    for record in log.records:
        said = f"{record.getMessage()} {record.hint} {record.required}"
        for token in tokens:
            assert not any(part in said for part in token.split(".") if len(part) > 8)


@pytest.mark.parametrize(
    "header",
    [
        "Bearer <{}>",
        "Bearer ${{{}}}",
        "Bearer {{{{{}}}}}",
        'Bearer "{}"',
        'Bearer {{"access_token":"{}"}}',
        "Bearer {}%0A",
    ],
)
def test_a_token_in_brackets_is_a_token_and_is_not_shown(server, log, header):
    """People paste the token between the brackets of the example."""
    deny(server, header.format("0paque-t0ken-of-somebody"))
    assert "0paque" not in log.messages[0]


# ── shadow policies ──


class TestShadow:
    def test_it_reports_and_lets_in(self, server, log, mint):
        token = server.authorize(f"Bearer {mint.token(permissions=['read:users'])}", shadow("read:users"))
        assert token.subject == "user-1"
        [record] = log.records
        assert record.getMessage().startswith("shadow policy: would be denied 403 scope_in_other_claim")
        assert 'write claim="permissions"' in record.getMessage()
        assert (record.enforced, record.status, record.levelno) == (False, 403, logging.WARNING)

    def test_it_is_silent_where_it_would_let_in(self, server, log, mint):
        server.authorize(f"Bearer {mint.token(scope='read:users')}", shadow("read:users"))
        assert log.records == []

    @pytest.mark.parametrize(
        ("make_token", "status"),
        [
            pytest.param(lambda mint: None, 401, id="no token"),
            pytest.param(lambda mint: mint.token(expires_in=-60), 401, id="an expired token"),
            pytest.param(lambda mint: mint.forged_token(), 401, id="a forged token"),
            pytest.param(lambda mint: f"{mint.token()} x", 400, id="malformed credentials"),
        ],
    )
    def test_a_bad_token_is_denied_all_the_same(self, server, log, mint, make_token, status):
        token = make_token(mint)
        denied = deny(server, None if token is None else f"Bearer {token}", shadow("read:users"))
        assert denied.status == status
        assert log.records[0].enforced is True

    def test_a_revoked_token_is_denied_all_the_same(self, make, mint):
        denied = deny(make(revoked=lambda token: True), f"Bearer {mint.token()}", shadow("read:users"))
        assert denied.finding.code is Code.REVOKED

    def test_a_function_that_raises_lets_in_too(self, server, log, mint):
        server.authorize(f"Bearer {mint.token()}", shadow(lambda token, request: 1 / 0))
        assert log.records[-1].getMessage().startswith("shadow policy: would be denied 503")

    def test_a_claim_may_be_named(self, server, log, mint):
        server.authorize(f"Bearer {mint.token(permissions=['a'])}", shadow("a", claim="permissions"))
        assert log.records == []

    def test_it_is_no_part_of_something_that_denies(self):
        with pytest.raises(ConfigurationError, match=r"shadow\(\.\.\.\)"):
            any_of("a", shadow("b"))

    def test_explaining_it_leaves_no_trace(self, server, log, mint):
        server.explain(f"Bearer {mint.token()}", shadow("read:users"))
        assert log.records == []

    def test_an_explanation_says_what_would_be_denied(self, server, mint):
        explained = server.explain(f"Bearer {mint.token(permissions=['read:users'])}", shadow("read:users"))
        assert explained.allowed
        assert "permissions" in explained.to_text().partition("reads")[0]

    def test_a_whole_server_may_be_one(self, make, mint, log):
        server = make(shadow=True)
        token = server.authorize(f"Bearer {mint.token(permissions=['read:users'])}", "read:users")
        assert token.subject == "user-1"
        assert [record.getMessage().partition(":")[0] for record in log.records] == [
            "shadow=True",
            "shadow policy",
        ]
        explained = server.explain(f"Bearer {mint.token(permissions=['read:users'])}", "read:users")
        assert (explained.allowed, explained.finding.code) == (True, "scope_in_other_claim")
        with pytest.raises(AccessDenied) as denied:
            server.authorize(f"Bearer {mint.token(expires_in=-60)}", "read:users")
        assert denied.value.status == 401
        with pytest.raises(ConfigurationError, match="True or False"):
            make(shadow="yes")

    def test_hooks_are_told_that_it_was_not_enforced(self, make, mint):
        events: list[Any] = []
        make(hooks=events.append).authorize(f"Bearer {mint.token()}", shadow("read:users"))
        told = [(type(event).__name__, getattr(event, "enforced", None)) for event in events]
        assert told == [("Denied", False), ("Allowed", None)]


def flask_door(server: ResourceServer) -> Callable[..., int]:
    from jwtauthz.flask import JWTAuthz, requires

    app = Flask("shadow")
    JWTAuthz(server).init_app(app)

    @app.get("/")
    @requires("read:users", shadow=True)
    def view():
        return {}

    return lambda **headers: app.test_client().get("/", headers=headers).status_code


def starlette_door(server: ResourceServer) -> Callable[..., int]:
    from jwtauthz.starlette import JWTAuthzMiddleware, requires

    @requires("read:users", shadow=True)
    async def view(request):
        return JSONResponse({})

    app = Starlette(routes=[Route("/", view)], middleware=[Middleware(JWTAuthzMiddleware, server=server)])
    return lambda **headers: TestClient(app).get("/", headers=headers).status_code


def fastapi_door(server: ResourceServer) -> Callable[..., int]:
    from fastapi import FastAPI

    from jwtauthz.fastapi import JWTAuthz

    app = FastAPI()
    authz = JWTAuthz(server)
    authz.init_app(app)

    async def view(token) -> dict[str, str]:
        return {}

    view.__annotations__["token"] = Annotated[VerifiedToken, authz.requires("read:users", shadow=True)]
    app.get("/")(view)
    return lambda **headers: TestClient(app).get("/", headers=headers).status_code


@pytest.mark.parametrize("door", [flask_door, starlette_door, fastapi_door])
def test_shadow_through_a_door(door, server, log, mint):
    ask = door(server)
    assert ask(Authorization=f"Bearer {mint.token()}") == 200
    assert [(record.finding, record.enforced) for record in log.records if record.name == "jwtauthz"] == [
        (Code.SCOPE_MISSING, False)
    ]
    assert ask() == 401
    assert ask(Authorization=f"Bearer {mint.token(expires_in=-60)}") == 401
    assert ask(Authorization=f"Bearer {mint.token(scope='read:users')}") == 200
