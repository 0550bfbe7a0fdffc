"""The demo's API in Flask, served by Werkzeug."""

from flask import Flask

from jwtauthz import ResourceServer
from jwtauthz.flask import JWTAuthz, current_token, requires

from ._serve import serve_wsgi as serve

__all__ = ["create_app", "serve"]


def create_app(server: ResourceServer) -> Flask:
    """The API, protected by this server."""
    app = Flask("demo")
    JWTAuthz(server).init_app(app)

    @app.get("/users")
    @requires("read:users")
    def users() -> dict[str, str | None]:
        return {"sub": current_token.subject}

    @app.get("/staff")
    @requires("read:users", claim="permissions")
    def staff() -> dict[str, str | None]:
        return {"sub": current_token.subject}

    return app
