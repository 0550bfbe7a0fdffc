"""A Flask API that lets requests in by their access tokens.

export JWTAUTHZ_ISSUER=https://tenant.eu.auth0.com/ JWTAUTHZ_AUDIENCE=https://api.example.com
flask --app examples/flask_api run
"""

from flask import Blueprint, Flask

from jwtauthz import ResourceServer, any_of, authenticated
from jwtauthz.flask import JWTAuthz, current_token, health_endpoint, protect, requires

# Everything in the blueprint asks for this permission, in Auth0's claim for it.
admin = Blueprint("admin", __name__, url_prefix="/admin")
protect(admin, "read:reports", claim="permissions")


@admin.get("/report")
def report():
    return {"for": current_token.subject}


def create_app(server: ResourceServer | None = None) -> Flask:
    app = Flask(__name__)
    authz = JWTAuthz(server or ResourceServer.from_env())
    authz.init_app(app)
    app.register_blueprint(admin)
    app.add_url_rule("/health", view_func=health_endpoint(authz.server))

    @app.get("/me")
    @requires(authenticated())
    def me():
        return {"sub": current_token.subject, "scopes": sorted(current_token.scopes)}

    @app.get("/users")
    @requires(any_of("read:users", "admin"))
    def users():
        return {"users": ["ada", "grace"]}

    return app
