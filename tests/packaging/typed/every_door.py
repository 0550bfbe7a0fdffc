"""What an application's own code looks like to mypy and pyright: read by both, in strict mode, never run."""

# A mistake that is marked as one has to be one, to both of them.
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedFunction=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, assert_type

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request as HTTPRequest  # noqa: TC002
from starlette.responses import JSONResponse
from starlette.routing import Route

import jwtauthz.fastapi
import jwtauthz.flask
import jwtauthz.starlette
from jwtauthz import AccessDenied, Finding, Issuer, KeySet, Request, ResourceServer, VerifiedToken, all_of, any_of
from jwtauthz.compat import jwt_authz
from jwtauthz.flask import current_token
from jwtauthz.starlette import JWTAuthzMiddleware, token_from
from jwtauthz.testing import FakeClock, FakeIssuer

server = ResourceServer("https://tenant.eu.auth0.com/", "https://api.example.com")
assert_type(ResourceServer.from_env(), ResourceServer)
pinned = Issuer("https://issuer.test/", key_set=KeySet.from_jwks({"keys": []}))


# ── plain Python ──


def decide(credentials: str | None) -> str | None:
    try:
        token = server.authorize(Request(credentials), all_of("read:users", any_of("a", "b", claim="permissions")))
    except AccessDenied as denied:
        assert_type(denied.status, int)
        assert_type(denied.findings, tuple[Finding, ...])
        assert_type(denied.headers, dict[str, str])
        return str(denied.explanation)
    assert_type(token, VerifiedToken)
    assert_type(token.scopes, frozenset[str])
    assert_type(token.audience, tuple[str, ...])
    assert_type(token.claims, Mapping[str, Any])
    return token.subject


async def decide_async(credentials: str) -> VerifiedToken:
    assert_type(await server.aauthorize(credentials, authorized, optional=True), VerifiedToken | None)
    return await server.aauthorize(credentials, authorized)


authorized = jwt_authz(["read:users"], custom_scope_key="permissions")


# ── Flask ──

flask_app = Flask(__name__)
jwtauthz.flask.JWTAuthz(server).init_app(flask_app)


@flask_app.get("/users/<int:number>")
@jwtauthz.flask.requires("read:users")
def flask_view(number: int) -> dict[str, str | None]:
    assert_type(current_token.expires_at, float)
    return {"sub": current_token.subject}


assert_type(flask_view(1), dict[str, str | None])
flask_view("one")  # type: ignore[arg-type]


# ── Starlette ──


@jwtauthz.starlette.requires("read:users")
async def starlette_view(request: HTTPRequest) -> JSONResponse:
    assert_type(token_from(request), VerifiedToken)
    return JSONResponse({"sub": token_from(request).subject})


middleware = [Middleware(JWTAuthzMiddleware, server=server, public=["/health"])]
starlette_app = Starlette(routes=[Route("/users", starlette_view)], middleware=middleware)


# ── FastAPI ──

fastapi_app = FastAPI()
authz = jwtauthz.fastapi.JWTAuthz(server)
authz.init_app(fastapi_app)


@fastapi_app.get("/users")
async def fastapi_view(token: Annotated[VerifiedToken, authz.requires("read:users", claim="permissions")]) -> str:
    return token.subject or ""


# ── tests of an application ──


def test_of_an_application() -> None:
    with FakeIssuer(clock=FakeClock()) as issuer:
        assert_type(issuer.url, str)
        assert_type(issuer.token(scope="read:users", org_id="org_1"), str)


# ── what both of them refuse ──


def mistakes(token: VerifiedToken) -> None:
    token.subject = "me"  # type: ignore[misc]
    token.role  # type: ignore[attr-defined]  # noqa: B018
    server.authorize(5)  # type: ignore[call-overload]
    token.claims["sub"] = "me"  # type: ignore[index]
