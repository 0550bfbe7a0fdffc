"""What the tests of policies share: real tokens, one question to a server, and a view behind every door.

Each question is asked twice, as a decision and as an explanation: the two must agree, and an explanation must
be printable whatever it was given.
"""

from __future__ import annotations

import asyncio
import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from jwtauthz import AccessDenied, Issuer, Request, ResourceServer, VerifiedToken
from jwtauthz.testing import FakeClock, FakeIssuer

if TYPE_CHECKING:
    from jwtauthz import Finding
    from jwtauthz.explain import Explanation

NOW = 1_800_000_000  # when a FakeClock begins
CLOCK = FakeClock()
MINT = FakeIssuer(network=False, algorithm="ES256", clock=CLOCK)
AUDIENCE = "https://api.example.com"

# What a claim may be that nobody has foreseen: name → value.
ODD = {
    "null": None,
    "true": True,
    "false": False,
    "a number": 7,
    "a negative number": -1,
    "a fraction": 1.5,
    "a number of 400 digits": 10**400,
    "an empty string": "",
    "an empty list": [],
    "an empty object": {},
    "a list of numbers": [1, 2],
    "a list of lists": [["x"]],
    "a list of nulls": [None],
    "a list of empty objects": [{}],
    "objects in each other": {"x": {"x": {"x": "x"}}},
}


def case(sentence: str, *values: Any, bug: str | None = None) -> Any:
    """A row; `bug` says why it does not hold yet."""
    marks = [pytest.mark.xfail(strict=True, reason=bug)] if bug else []
    return pytest.param(*values, id=sentence, marks=marks)


@functools.cache
def _keys() -> Any:
    return MINT.key_set


def server_for(
    *, audience: Any = AUDIENCE, issuer: dict[str, Any] | None = None, **settings: Any
) -> ResourceServer:
    """A server that trusts `MINT`; `issuer` are settings of `Issuer`, all others those of `ResourceServer`."""
    trusted = Issuer(MINT.url, **{"key_set": _keys(), "algorithms": "ES256", **(issuer or {})})
    return ResourceServer(trusted, audience, **{"clock": CLOCK, **settings})


PLAIN = server_for()


@dataclass(frozen=True)
class Verdict:
    """What became of a request."""

    status: int
    explanation: Explanation
    token: VerifiedToken | None = None
    denied: AccessDenied | None = None

    def __bool__(self) -> bool:
        return self.status == 200

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.denied.findings if self.denied else ()

    @property
    def codes(self) -> list[str]:
        return [str(finding.code) for finding in self.findings]

    @property
    def challenge(self) -> str | None:
        return self.denied.headers.get("WWW-Authenticate") if self.denied else None

    @property
    def scope(self) -> str | None:
        """`scope` of the challenge."""
        return self.denied.challenge.get("scope") if self.denied and self.denied.challenge else None


def request_for(
    claims: dict[str, Any] | None = None,
    *,
    path_params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    credentials: str | None = None,
) -> Request:
    """A request with a good token of these claims; `credentials` stand there instead of one."""
    credentials = credentials or f"Bearer {MINT.token(**(claims or {}))}"
    return Request(credentials, path_params=path_params, headers=headers)


def ask(
    *needs: Any,
    server: ResourceServer = PLAIN,
    claim: Any = None,
    claims: dict[str, Any] | None = None,
    **sent: Any,
) -> Verdict:
    """Ask the server whether a token with these claims may."""
    request = request_for(claims, **sent)
    explanation = server.explain(request, *needs, claim=claim)
    try:
        verdict = Verdict(200, explanation, server.authorize(request, *needs, claim=claim))
    except AccessDenied as denied:
        verdict = Verdict(denied.status, explanation, denied=denied)
    return _agreed(verdict)


def ask_async(
    *needs: Any,
    server: ResourceServer = PLAIN,
    claim: Any = None,
    claims: dict[str, Any] | None = None,
    **sent: Any,
) -> Verdict:
    """The same of `aauthorize` and `aexplain`."""
    request = request_for(claims, **sent)

    async def both() -> Verdict:
        explanation = await server.aexplain(request, *needs, claim=claim)
        try:
            return Verdict(200, explanation, await server.aauthorize(request, *needs, claim=claim))
        except AccessDenied as denied:
            return Verdict(denied.status, explanation, denied=denied)

    return _agreed(asyncio.run(both()))


def _agreed(verdict: Verdict) -> Verdict:
    explanation = verdict.explanation
    assert explanation.status == verdict.status
    assert explanation.allowed is bool(verdict)
    # Codes, for a hint may grow: several untimely tokens in a row make the clock suspect.
    assert [str(finding.code) for finding in explanation.findings][: len(verdict.codes)] == verdict.codes
    lines = explanation.to_text().split("\n")
    assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]
    assert json.loads(explanation.to_json())["status"] == verdict.status
    assert explanation.to_html().startswith("<!")
    if verdict.denied is not None:
        assert str(verdict.denied).isprintable()
        assert (verdict.challenge or "").isascii()
        assert (verdict.challenge or "").isprintable()
        assert verdict.denied.explanation.status == verdict.status
    return verdict


# ── doors: one view under /orgs/{org_id}/things, written in every way ──


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    challenge: str | None
    body: Any
    retry_after: str | None


Headers = dict[str, str] | list[tuple[str, str]] | tuple[()]


def _flask(server: ResourceServer, need: Any, form: str) -> Any:
    from flask import Blueprint, Flask

    from jwtauthz.flask import JWTAuthz, current_token, requires

    app, path = Flask("policies"), "/orgs/<org_id>/things"
    authz = JWTAuthz(server, app)

    def view(org_id):
        return {"sub": current_token.subject}

    async def async_view(org_id):
        return {"sub": current_token.subject}

    if form == "blueprint":
        blueprint = Blueprint("things", "things")
        blueprint.get(path)(view)
        authz.protect(blueprint, need)
        app.register_blueprint(blueprint)
    else:
        app.get(path)(requires(need)(async_view if form == "async view" else view))

    def send(path: str, headers: Headers = ()) -> Answer:
        response = app.test_client().get(path, headers=headers)
        retry = response.headers.get("Retry-After")
        body = response.get_json(silent=True)
        return Answer(response.status_code, response.headers.get("WWW-Authenticate"), body, retry)

    return send


def _starlette(server: ResourceServer, need: Any, form: str) -> Any:
    from starlette.applications import Starlette
    from starlette.endpoints import HTTPEndpoint
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

    guard = requires(need)

    @guard
    async def view(request):
        return JSONResponse({"sub": token_from(request).subject})

    @guard
    def sync_view(request):
        return JSONResponse({"sub": token_from(request).subject})

    @guard
    class Endpoint(HTTPEndpoint):
        async def get(self, request):
            return JSONResponse({"sub": token_from(request).subject})

    endpoint = {"view": view, "sync view": sync_view, "endpoint class": Endpoint}[form]
    routes = [Route("/orgs/{org_id}/things", endpoint)]
    return _asgi(Starlette(routes=routes, middleware=[Middleware(JWTAuthzMiddleware, server=server)]))


def _fastapi(server: ResourceServer, need: Any, form: str) -> Any:
    from fastapi import APIRouter, FastAPI

    from jwtauthz.fastapi import JWTAuthz

    app, authz, path = FastAPI(), JWTAuthz(server), "/orgs/{org_id}/things"
    authz.init_app(app)
    asked = authz.requires(need)
    if form == "router":
        router = APIRouter(dependencies=[asked])

        @router.get(path)
        def view() -> dict[str, Any]:
            return {"sub": "user-1"}

        app.include_router(router)
    else:

        async def annotated(token: VerifiedToken = asked) -> dict[str, Any]:
            return {"sub": token.subject}

        # FastAPI reads real classes here, not the names that this module's __future__ import makes of them.
        annotated.__annotations__ = {"token": VerifiedToken, "return": dict[str, Any]}
        app.get(path)(annotated)
    return _asgi(app)


def _asgi(app: Any) -> Any:
    from starlette.testclient import TestClient

    client = TestClient(app, raise_server_exceptions=False)

    def send(path: str, headers: Headers = ()) -> Answer:
        response = client.get(path, headers=headers)
        retry = response.headers.get("Retry-After")
        is_json = response.headers.get("Content-Type", "").startswith("application/json")
        challenge = response.headers.get("WWW-Authenticate")
        return Answer(response.status_code, challenge, response.json() if is_json else None, retry)

    return send


DOORS = {
    "flask view": functools.partial(_flask, form="view"),
    "flask async view": functools.partial(_flask, form="async view"),
    "flask blueprint": functools.partial(_flask, form="blueprint"),
    "starlette view": functools.partial(_starlette, form="view"),
    "starlette sync view": functools.partial(_starlette, form="sync view"),
    "starlette endpoint class": functools.partial(_starlette, form="endpoint class"),
    "fastapi dependency": functools.partial(_fastapi, form="dependency"),
    "fastapi router": functools.partial(_fastapi, form="router"),
}

every_door = pytest.mark.parametrize("door", [pytest.param(door, id=name) for name, door in DOORS.items()])


def bearer(**claims: Any) -> dict[str, str]:
    """The headers of a request with a good token of these claims."""
    return {"Authorization": f"Bearer {MINT.token(**claims)}"}
