"""What an editor knows of `claims=` and `claims_as`: read by mypy and by pyright, never run."""

# A mistake that is marked as one has to be one, to both of them.
# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypedDict, assert_type

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse

from jwtauthz import ResourceServer, VerifiedToken, check, starlette
from jwtauthz.fastapi import JWTAuthz
from jwtauthz.flask import current_token, requires

if TYPE_CHECKING:
    from starlette.requests import Request


class Me(BaseModel):
    sub: str
    roles: list[str]


class StructMe(msgspec.Struct):
    sub: str


@dataclass
class DataMe:
    sub: str


class DictMe(TypedDict):
    sub: str


server = ResourceServer("https://tenant.eu.auth0.com/", "https://api.example.com")
app = FastAPI()
authz = JWTAuthz(server)


@app.get("/me")
async def me(me: Annotated[Me, authz.requires("read:users", claims=Me)]) -> list[str]:
    assert_type(me, Me)
    return me.roles


@app.get("/perhaps")
async def perhaps(me: Annotated[DictMe | None, authz.requires("read", claims=DictMe, optional=True)]) -> str:
    return me["sub"] if me else "nobody"


router_dependencies = FastAPI(dependencies=[authz.requires("read:users", claims=StructMe)])


@requires("read:users", claims=DictMe)
def flask_view() -> str:
    assert_type(current_token.claims_as(DictMe), DictMe)
    return current_token.claims_as(DictMe)["sub"]


@starlette.requires("read:users", claims=StructMe)
async def starlette_view(request: Request) -> JSONResponse:
    found = starlette.token_from(request).claims_as(StructMe)
    assert_type(found, StructMe)
    return JSONResponse({"sub": found.sub})


async def plain() -> None:
    assert_type(server.authorize("Bearer x", "read:users", claims=DataMe), VerifiedToken)
    assert_type(server.authorize("Bearer x", "read:users", claims=DataMe, optional=True), VerifiedToken | None)
    assert_type(await server.aauthorize("Bearer x", "read:users", claims=Me), VerifiedToken)
    assert_type(server.authorize("Bearer x", check(lambda token, request: True, on_error=403)), VerifiedToken)


def mistakes(token: VerifiedToken) -> None:
    token.claims_as(5)  # type: ignore[arg-type]
    server.authorize("Bearer x", claims="sub")  # type: ignore[call-overload]
    token.claims_as(Me).role  # type: ignore[attr-defined]  # noqa: B018
    check(mistakes, on_error="403")  # type: ignore[arg-type]
