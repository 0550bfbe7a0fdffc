"""A Starlette API that lets requests in by their access tokens; the middleware goes around any ASGI app.

export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
uvicorn --factory --app-dir examples starlette_api:create_app
"""

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from jwtauthz import ResourceServer, any_of
from jwtauthz.starlette import JWTAuthzMiddleware, health_endpoint, requires, token_from


async def me(request):
    token = token_from(request)
    return JSONResponse({"sub": token.subject, "scopes": sorted(token.scopes)})


@requires(any_of("read:users", "admin"))
async def users(request):  # noqa: ARG001
    return JSONResponse({"users": ["ada", "grace"]})


class Report(HTTPEndpoint):
    @requires("read:reports", claim="permissions")
    async def get(self, request):
        return JSONResponse({"for": token_from(request).subject})


def create_app(server: ResourceServer | None = None) -> Starlette:
    server = server or ResourceServer.from_env()
    return Starlette(
        routes=[
            Route("/health", health_endpoint(server)),
            Route("/me", me),
            Route("/users", users),
            Route("/admin/report", Report),
        ],
        middleware=[Middleware(JWTAuthzMiddleware, server=server, public=["/health"])],
        lifespan=server.lifespan,
    )
