"""The applications that `http` puts under load: an open route and protected ones, in each framework.

`python -m benchmarks._apps NAME PORT ISSUER` serves one; gunicorn imports `flask_app` by itself.
"""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from jwtauthz import ResourceServer, VerifiedToken, all_of

from ._workload import AUDIENCE, CLAIM, NEEDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import JSONResponse

ANSWER: "dict[str, str | None]" = {"sub": "auth0|66d1f0c2a9b7000000000000"}  # as long as the protected ones'


def _server(issuer: str) -> ResourceServer:
    return ResourceServer(issuer, AUDIENCE)


def starlette_open(_: str) -> Any:
    """No middleware at all: what everything else of Starlette is measured against."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(_: "Request") -> "JSONResponse":
        return JSONResponse(ANSWER)

    return Starlette(routes=[Route("/open", answer)])


def starlette_middleware(issuer: str) -> Any:
    """The whole decision, policy included, in the middleware."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from jwtauthz.starlette import JWTAuthzMiddleware, token_from

    async def answer(request: "Request") -> "JSONResponse":
        return JSONResponse({"sub": token_from(request).subject})

    server = _server(issuer)
    needs = all_of(*NEEDS, claim=CLAIM)
    return Starlette(
        routes=[Route("/protected", answer)],
        middleware=[Middleware(JWTAuthzMiddleware, server=server, needs=needs)],
        lifespan=server.lifespan,
    )


def starlette_route(issuer: str) -> Any:
    """The middleware for the token, and `@requires` on the route for the policy."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

    @requires(*NEEDS, claim=CLAIM)
    async def answer(request: "Request") -> "JSONResponse":
        return JSONResponse({"sub": token_from(request).subject})

    server = _server(issuer)
    return Starlette(
        routes=[Route("/protected", answer)],
        middleware=[Middleware(JWTAuthzMiddleware, server=server)],
        lifespan=server.lifespan,
    )


def starlette_pyjwt(issuer: str) -> Any:
    """A route with PyJWKClient, its keys warm, called in place: on a thread it would cost more."""
    import jwt
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    client = jwt.PyJWKClient(f"{issuer}.well-known/jwks.json")

    async def answer(request: "Request") -> "JSONResponse":
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise HTTPException(401)
        try:
            key = client.get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, ["RS256"], audience=AUDIENCE, issuer=issuer)
        except jwt.PyJWTError:
            raise HTTPException(401) from None
        if not set(NEEDS) <= set(claims.get(CLAIM, ())):
            raise HTTPException(403)
        return JSONResponse({"sub": claims["sub"]})

    return Starlette(routes=[Route("/protected", answer)])


def fastapi_app(issuer: str, first: str = "protected") -> Any:
    """An open route, one with a dependency that does nothing, and one with ours.

    FastAPI tries its routes in turn, for 0.8 µs each; so what is measured stands first.
    """
    from fastapi import Depends, FastAPI

    from jwtauthz.fastapi import JWTAuthz

    server = _server(issuer)
    authz = JWTAuthz(server)
    app = FastAPI(lifespan=server.lifespan)
    authz.init_app(app)

    async def nothing() -> None:
        """What FastAPI takes for any dependency at all."""

    async def answer() -> dict[str, str | None]:
        return ANSWER

    async def empty(_: Annotated[None, Depends(nothing)]) -> dict[str, str | None]:
        return ANSWER

    async def protected(
        token: Annotated[VerifiedToken, authz.requires(*NEEDS, claim=CLAIM)],
    ) -> dict[str, str | None]:
        return {"sub": token.subject}

    views: dict[str, Callable[..., Any]] = {"open": answer, "empty": empty, "protected": protected}
    for name in sorted(views, key=lambda name: name != first):
        app.get(f"/{name}")(views[name])
    return app


def flask_app(issuer: str) -> Any:
    """An open view, and one under our decorator."""
    from flask import Flask

    from jwtauthz.flask import JWTAuthz, current_token, requires

    app = Flask(__name__)
    JWTAuthz(_server(issuer)).init_app(app)

    @app.get("/open")
    def answer() -> dict[str, str | None]:
        return ANSWER

    @app.get("/protected")
    @requires(*NEEDS, claim=CLAIM)
    def protected() -> dict[str, str | None]:
        return {"sub": current_token.subject}

    return app


ASGI: "dict[str, Callable[[str], Any]]" = {
    "starlette_open": starlette_open,
    "starlette_middleware": starlette_middleware,
    "starlette_route": starlette_route,
    "starlette_pyjwt": starlette_pyjwt,
    "fastapi": fastapi_app,
    "fastapi_open": partial(fastapi_app, first="open"),
    "fastapi_empty": partial(fastapi_app, first="empty"),
}


def main(name: str, port: str, issuer: str) -> None:
    import uvicorn

    app = ASGI[name](issuer)
    uvicorn.run(app, port=int(port), loop="uvloop", http="httptools", access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
