"""A FastAPI API that lets requests in by their access tokens.

export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
uvicorn --factory --app-dir examples fastapi_api:create_app
"""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Security

from jwtauthz import ResourceServer, VerifiedToken, any_of
from jwtauthz.fastapi import JWTAuthz, health_endpoint


def create_app(server: ResourceServer | None = None) -> FastAPI:
    server = server or ResourceServer.from_env()
    authz = JWTAuthz(server)
    app = FastAPI(title="Users", lifespan=server.lifespan)
    authz.init_app(app)
    app.add_route("/health", health_endpoint(server))
    # Everything in the router asks for this permission, in Auth0's claim for it.
    admin = APIRouter(prefix="/admin", dependencies=[authz.requires("read:reports", claim="permissions")])

    @app.get("/me")
    async def me(token: Annotated[VerifiedToken, Security(authz)]):
        return {"sub": token.subject, "scopes": sorted(token.scopes)}

    @app.get("/users", dependencies=[authz.requires(any_of("read:users", "admin"))])
    async def users():
        return {"users": ["ada", "grace"]}

    @admin.get("/report")
    async def report(token: Annotated[VerifiedToken, Security(authz)]):
        return {"for": token.subject}

    app.include_router(admin)
    return app
