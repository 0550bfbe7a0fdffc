"""The demo's API in FastAPI, served by uvicorn."""

from typing import Annotated

from fastapi import FastAPI

from jwtauthz import ResourceServer, VerifiedToken
from jwtauthz.fastapi import JWTAuthz

from ._serve import serve_asgi as serve

__all__ = ["create_app", "serve"]


def create_app(server: ResourceServer) -> FastAPI:
    """The API, protected by this server."""
    app = FastAPI(title="Demo", lifespan=server.lifespan)
    authz = JWTAuthz(server)
    authz.init_app(app)

    @app.get("/users")
    async def users(token: Annotated[VerifiedToken, authz.requires("read:users")]) -> dict[str, str | None]:
        return {"sub": token.subject}

    @app.get("/staff")
    async def staff(
        token: Annotated[VerifiedToken, authz.requires("read:users", claim="permissions")],
    ) -> dict[str, str | None]:
        return {"sub": token.subject}

    return app
