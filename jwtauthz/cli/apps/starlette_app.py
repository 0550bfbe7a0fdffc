"""The demo's API in Starlette, served by uvicorn."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from jwtauthz import ResourceServer
from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

from ._serve import serve_asgi as serve

__all__ = ["create_app", "serve"]


@requires("read:users")
async def users(request: Request) -> JSONResponse:
    """Reads the claim `scope`."""
    return JSONResponse({"sub": token_from(request).subject})


@requires("read:users", claim="permissions")
async def staff(request: Request) -> JSONResponse:
    """Reads the claim `permissions`."""
    return JSONResponse({"sub": token_from(request).subject})


def create_app(server: ResourceServer) -> Starlette:
    """The API, protected by this server."""
    return Starlette(
        routes=[Route("/users", users), Route("/staff", staff)],
        middleware=[Middleware(JWTAuthzMiddleware, server=server)],
        lifespan=server.lifespan,
    )
