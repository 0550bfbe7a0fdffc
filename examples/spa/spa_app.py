"""A page that logs in with authorization code + PKCE, asks an API, and says why the API refuses.

With Node and npm, an issuer that runs on this machine and needs no account is started along with it:

    python examples/with_real_issuer.py spa

With an issuer of your own, register a public client (a "single-page application") there, with
`http://127.0.0.1:8000/` as redirect URI and as allowed origin (CORS), and an API with the scopes below:

    export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
    export SPA_CLIENT_ID=... SPA_ASKS="audience=https://api.example.com"
    uvicorn --factory --app-dir examples/spa spa_app:create_app

`SPA_ASKS` is what the issuer wants to hear beside the scope, to issue a token for your API: Auth0 `audience=...`,
issuers that follow RFC 8707 `resource=...`, Okta and Keycloak nothing.

The page is served as it stands in `page/`: `login.js` logs in, `explain.js` puts an answer into words, `page.js`
is the rest.
"""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, FastAPI, Request, Security
from fastapi.staticfiles import StaticFiles

from jwtauthz import ResourceServer, VerifiedToken, any_of
from jwtauthz.fastapi import JWTAuthz

PAGE = Path(__file__).parent / "page"


def create_app(
    server: ResourceServer | None = None, *, client_id: str | None = None, asks: str | None = None
) -> FastAPI:
    server = server or ResourceServer.from_env()
    authz = JWTAuthz(server)
    app = FastAPI(title="Users", lifespan=server.lifespan)
    authz.init_app(app)

    issuer = server.issuers[0].url
    settings = {
        "issuer": issuer,
        "client_id": client_id or os.environ["SPA_CLIENT_ID"],
        "asks": dict(parse_qsl(asks or os.environ.get("SPA_ASKS", ""))),
    }
    # The page runs no script but its own, and talks to nobody but this API and the issuer.
    place = urlsplit(issuer)
    policy = f"default-src 'self'; connect-src 'self' {place.scheme}://{place.netloc}; frame-ancestors 'none'"

    app.include_router(users_api(authz), prefix="/api")

    @app.get("/settings.json", include_in_schema=False)
    async def settings_of_the_page():
        return settings

    @app.middleware("http")
    async def add_policy(request: Request, call_next):
        response = await call_next(request)
        if not request.url.path.startswith(("/api/", "/docs", "/redoc")):
            response.headers["Content-Security-Policy"] = policy
            response.headers["Referrer-Policy"] = "no-referrer"
        return response

    app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


def users_api(authz: JWTAuthz) -> APIRouter:
    """The API: four operations that need more and more."""
    api = APIRouter()
    names = ["ada", "grace"]

    @api.get("/me")
    async def me(token: Annotated[VerifiedToken, Security(authz)]):
        return {"sub": token.subject, "scopes": sorted(token.scopes)}

    @api.get("/users", dependencies=[authz.requires("read:users")])
    async def list_users():
        return {"users": names}

    @api.post("/users", dependencies=[authz.requires("write:users")])
    async def add_user():
        return {"users": [*names, "hedy"]}  # forgotten at once, so that the page can be tried again

    @api.get("/report", dependencies=[authz.requires(any_of("read:reports", "admin"))])
    async def report():
        return {"users": len(names)}

    return api
