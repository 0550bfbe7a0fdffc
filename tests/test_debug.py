"""debug=True: explanations in answers, to this machine only, the same through every door."""

from __future__ import annotations

import html
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from jwtauthz import ConfigurationError, Issuer, Request, ResourceServer, VerifiedToken
from jwtauthz.testing import FakeClock, FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

AUDIENCE = "https://api.example.com"
TO_ANYBODY = "unsafe_show_claims_to_anybody"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


@dataclass(frozen=True)
class Answer:
    """What came back through a door."""

    status: int
    headers: Mapping[str, str]
    text: str
    json: Any


def flask_door(server: ResourceServer) -> Callable[..., Answer]:
    from jwtauthz.flask import JWTAuthz, current_token, requires

    app = Flask("debug")
    JWTAuthz(server).init_app(app)

    @app.get("/users")
    @requires("read:users")
    def users():
        return {"sub": current_token.subject}

    def ask(headers: dict[str, str], client: str | None = HERE) -> Answer:
        response = app.test_client().get("/users", headers=headers, environ_base={"REMOTE_ADDR": client})
        return Answer(response.status_code, response.headers, response.text, response.get_json(silent=True))

    return ask


def starlette_door(server: ResourceServer) -> Callable[..., Answer]:
    from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

    @requires("read:users")
    async def users(request):
        return JSONResponse({"sub": token_from(request).subject})

    app = Starlette(routes=[Route("/users", users)], middleware=[Middleware(JWTAuthzMiddleware, server=server)])
    return _asgi(app)


def fastapi_door(server: ResourceServer) -> Callable[..., Answer]:
    from fastapi import FastAPI

    from jwtauthz.fastapi import JWTAuthz

    app = FastAPI()
    authz = JWTAuthz(server)
    authz.init_app(app)
    needed = authz.requires("read:users")

    async def users(token) -> dict[str, str | None]:
        return {"sub": token.subject}

    users.__annotations__["token"] = Annotated[VerifiedToken, needed]
    app.get("/users", response_model=None)(users)
    return _asgi(app)


def _asgi(app: Any) -> Callable[..., Answer]:
    def ask(headers: dict[str, str], client: str | None = HERE) -> Answer:
        web = TestClient(app, client=None if client is None else (client, 50000))
        response = web.get("/users", headers=headers)
        is_json = response.headers["Content-Type"] == "application/json"
        return Answer(response.status_code, response.headers, response.text, response.json() if is_json else None)

    return ask


DOORS = [
    pytest.param(flask_door, id="Flask"),
    pytest.param(starlette_door, id="Starlette"),
    pytest.param(fastapi_door, id="FastAPI"),
]


@pytest.fixture(scope="module")
def mint() -> FakeIssuer:
    return FakeIssuer(network=False, algorithm="ES256", clock=FakeClock())


@pytest.fixture
def make(mint):
    def build(debug: Any = True) -> ResourceServer:
        issuer = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
        return ResourceServer(issuer, AUDIENCE, clock=mint.clock, debug=debug)

    return build


@pytest.fixture
def bearer(mint):
    def header(**claims) -> dict[str, str]:
        return {"Authorization": "Bearer " + mint.token(**claims)}

    return header


@pytest.mark.parametrize("door", DOORS)
class TestDoors:
    def test_the_body_carries_the_explanation(self, door, make, bearer):
        answer = door(make())(bearer(permissions=["read:users"]))
        assert answer.status == 403
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json["error"] == "insufficient_scope"
        explained = answer.json["explanation"]
        assert explained["finding"] == "scope_in_other_claim"
        assert explained["hints"] == ['write claim="permissions".']
        assert (explained["reads"], explained["missing"]) == (["scope"], ["read:users"])

    def test_a_browser_gets_a_page(self, door, make, bearer):
        answer = door(make())({**bearer(permissions=["read:users"]), "Accept": BROWSER})
        assert answer.status == 403
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
        assert answer.text.startswith("<!doctype html>")
        assert 'write claim="permissions".' in html.unescape(answer.text)

    @pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/plain"])
    def test_everybody_else_gets_json(self, door, make, bearer, accept):
        answer = door(make())({**bearer(), **({"Accept": accept} if accept else {})})
        assert "explanation" in answer.json

    def test_no_token_is_explained_too(self, door, make):
        answer = door(make())({})
        assert (answer.status, answer.json["explanation"]["finding"]) == (401, "no_credentials")

    def test_off_by_default(self, door, mint, bearer):
        issuer = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
        ask = door(ResourceServer(issuer, AUDIENCE, clock=mint.clock))
        for headers in (bearer(), {**bearer(), "Accept": BROWSER}, {}):
            answer = ask(headers)
            assert answer.status in {401, 403}
            assert set(answer.json) <= {"error", "error_description", "required"}

    @pytest.mark.parametrize("client", [HERE, "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    def test_this_machine_has_several_addresses(self, door, make, bearer, client):
        assert "explanation" in door(make())(bearer(), client).json

    @pytest.mark.parametrize(
        "client", [ELSEWHERE, "10.0.0.1", "::ffff:192.0.2.7", "2001:db8::1", "testclient", "127.0.0.1.example", ""]
    )
    def test_nobody_else_is_told(self, door, make, bearer, client):
        for headers in (bearer(), {**bearer(), "Accept": BROWSER}):
            answer = door(make())(headers, client)
            assert (answer.status, "explanation" in answer.json) == (403, False)

    @pytest.mark.parametrize(
        "header", ["Forwarded", "X-Forwarded-For", "x-forwarded-host", "X-Real-IP", "Via", "VIA"]
    )
    def test_nobody_behind_a_proxy_is_told(self, door, make, bearer, header):
        for value in ("127.0.0.1", "for=127.0.0.1", ""):
            answer = door(make())({**bearer(), header: value, "Accept": BROWSER})
            assert (answer.status, "explanation" in answer.json) == (403, False)

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-Proto", "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Forwarded-Server"]
    )
    def test_nobody_behind_another_proxy_is_told(self, door, make, bearer, header):
        answer = door(make())({**bearer(), header: "192.0.2.7"})
        assert "explanation" not in answer.json

    def test_the_unsafe_word_tells_everybody(self, door, make, bearer):
        ask = door(make(TO_ANYBODY))
        assert "explanation" in ask(bearer(), ELSEWHERE).json
        assert "explanation" in ask({**bearer(), "X-Forwarded-For": ELSEWHERE}, ELSEWHERE).json
        assert ask({**bearer(), "Accept": BROWSER}, ELSEWHERE).text.startswith("<!doctype html>")

    @pytest.mark.parametrize("debug", [True, TO_ANYBODY])
    def test_a_request_that_is_let_in_is_answered_as_ever(self, door, make, bearer, debug):
        for accept in ("application/json", BROWSER):
            answer = door(make(debug))({**bearer(scope="read:users"), "Accept": accept})
            assert (answer.status, answer.json) == (200, {"sub": "user-1"})

    def test_the_page_holds_no_token_and_fetches_nothing(self, door, make, bearer):
        headers = {**bearer(name="<script>alert(1)</script>"), "Accept": BROWSER}
        page = door(make())(headers).text
        for part in headers["Authorization"].split(" ")[1].split("."):
            assert part not in page
        assert "<script" not in page.lower()
        for attribute in ("src=", "href=", "url(", "@import", "javascript:", " onload", " onclick"):
            assert attribute not in page.lower()

    def test_the_json_holds_no_token(self, door, make, bearer):
        headers = bearer()
        text = door(make())(headers).text
        assert not any(part in text for part in headers["Authorization"].split(" ")[1].split("."))


class TestSetting:
    @pytest.mark.parametrize("debug", [1, "yes", "true", "unsafe", "", None, [], TO_ANYBODY.upper()])
    def test_nonsense_is_refused(self, make, debug):
        with pytest.raises(ConfigurationError, match=re.escape(f"debug={debug!r}")) as refused:
            make(debug)
        assert TO_ANYBODY in str(refused.value)

    @pytest.mark.parametrize(("debug", "whom"), [(True, "requests from this machine"), (TO_ANYBODY, "everybody")])
    def test_it_is_said_once_in_the_log_who_is_shown_claims(self, make, caplog, debug, whom):
        with caplog.at_level(logging.WARNING, "jwtauthz"):
            make(debug)
        assert caplog.messages == [f"debug={debug!r}: answers to {whom} carry explanations with claims of tokens"]

    def test_off_says_nothing(self, make, caplog):
        make(debug=False)
        assert caplog.messages == []

    def test_a_request_from_an_unknown_address_is_none_of_this_machine(self, make, mint):
        for client, shown in ((None, False), ("", False), (HERE, True)):
            request = Request(f"Bearer {mint.token()}", client=client)
            with pytest.raises(Exception, match="scope_missing") as caught:
                make().authorize(request, "read:users")
            assert ("explanation" in caught.value.body) is shown

    def test_the_explanation_is_there_for_the_application_whatever_the_setting(self, make, mint):
        with pytest.raises(Exception, match="scope_missing") as caught:
            make(debug=False).authorize(f"Bearer {mint.token()}", "read:users")
        assert caught.value.explanation.missing == ("read:users",)
        assert "explanation" not in caught.value.body

    @pytest.mark.parametrize(
        "accept",
        [
            "text/html",
            pytest.param("TEXT/HTML"),
            "text/html;q=0.9, application/json;q=0.1",
            "text/html, */*;q=0.1",
        ],
    )
    def test_who_reads_html_first_gets_it(self, make, mint, accept):
        assert self.kind(make, mint, accept) == "text/html; charset=utf-8"

    @pytest.mark.parametrize(
        "accept",
        [
            pytest.param("application/json, text/html;q=0.1"),
            pytest.param("text/html;q=0"),
            "application/json",
        ],
    )
    def test_who_reads_json_first_gets_that(self, make, mint, accept):
        assert self.kind(make, mint, accept) == "application/json"

    def kind(self, make, mint, accept) -> str:
        request = Request(f"Bearer {mint.token()}", headers={"Accept": accept}, client=HERE)
        with pytest.raises(Exception, match="scope_missing") as caught:
            make().authorize(request, "read:users")
        return caught.value.content[1]
