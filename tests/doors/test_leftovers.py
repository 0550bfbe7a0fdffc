"""What a door leaves behind of a request that it refused: nothing, or strangers could make a process grow."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import flask
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import jwtauthz.fastapi
import jwtauthz.flask
import jwtauthz.starlette
from authorizing import case
from jwtauthz import AccessDenied, ResourceServer
from jwtauthz.testing import FakeIssuer


@pytest.fixture(scope="module")
def issuer():
    return FakeIssuer(network=False, algorithm="ES256")


def flask_door(server: ResourceServer) -> Any:
    app = flask.Flask("app")
    jwtauthz.flask.JWTAuthz(server).init_app(app)
    app.get("/")(jwtauthz.flask.requires("a")(lambda: "in"))
    return WsgiToAsgi(app.test_client())


def middleware(server: ResourceServer) -> Any:
    return _starlette(server, lambda request: PlainTextResponse("in"), needs="a")


def starlette_decorator(server: ResourceServer) -> Any:
    @jwtauthz.starlette.requires("a")
    async def view(request: object) -> PlainTextResponse:
        return PlainTextResponse("in")

    return _starlette(server, view)


def _starlette(server: ResourceServer, view: object, **settings: object) -> Starlette:
    door = Middleware(jwtauthz.starlette.JWTAuthzMiddleware, server=server, **settings)
    return Starlette(routes=[Route("/", view)], middleware=[door])


def fastapi_door(server: ResourceServer) -> FastAPI:
    app, authz = FastAPI(), jwtauthz.fastapi.JWTAuthz(server)
    authz.init_app(app)

    @app.get("/", dependencies=[authz.requires("a")])
    async def view() -> str:
        return "in"

    return app


class WsgiToAsgi:
    """As much of an ASGI application as this test sends to, around a client of Flask."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def __call__(self, scope: dict[str, Any], receive: object, send: Any) -> None:
        answer = self._client.get("/", headers={"Authorization": scope["headers"][0][1].decode()})
        await send({"type": "http.response.start", "status": answer.status_code})


async def status_of(app: Any, credentials: str) -> int:
    """The status of an answer; by no client of tests, for those keep what they got."""
    answers = []

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"authorization", credentials.encode())]
    path = {"method": "GET", "path": "/", "raw_path": b"/", "root_path": "", "query_string": b""}
    await app({"type": "http", "scheme": "http", "headers": headers, **path}, receive, send)
    return answers[0]["status"]


def denials() -> int:
    return sum(issubclass(type(each), AccessDenied) for each in gc.get_objects())


@pytest.mark.parametrize("door", [flask_door, middleware, starlette_decorator, fastapi_door])
@pytest.mark.parametrize(
    ("credentials", "status"),
    [
        case("a token that may not", lambda issuer: f"Bearer {issuer.token(scope='b')}", 403),
        case("a token that is none", lambda issuer: "Bearer a.b.c", 401),
    ],
)
def test_a_denial_is_gone_when_it_has_been_answered(door, issuer, credentials, status, monkeypatch):
    monkeypatch.setattr(logging.getLogger("jwtauthz"), "disabled", True)  # pytest keeps the records
    app, credentials = door(ResourceServer(issuer.as_issuer(), issuer.audience)), credentials(issuer)

    async def left_behind() -> int:
        assert await status_of(app, credentials) == status
        gc.collect()
        before = denials()
        for _ in range(10):
            await status_of(app, credentials)
        return denials() - before

    gc.disable()
    try:
        assert asyncio.run(left_behind()) == 0
    finally:
        gc.enable()
