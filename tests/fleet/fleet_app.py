"""A Flask app for gunicorn: a member of a fleet in each of its workers."""

import os

import httpcore  # noqa: F401  # loaded now: eight processes that do it in their first flight take seconds for it
import httpx  # noqa: F401
from flask import Flask

from jwtauthz import Issuer, ResourceServer
from jwtauthz.flask import JWTAuthz, current_token, requires
from jwtauthz.keys.fleet import Fleet

# A machine that runs many tests at once may take more than the 100 ms of the default for a switch of threads.
fleet = Fleet.from_url(os.environ["REDIS"], integrity_key=os.environ.get("FLEET_KEY"), timeout=1.0, local_for=1.0)
server = ResourceServer(Issuer(os.environ["ISSUER"], algorithms="ES256"), "https://api.example.com", fleet=fleet)
app = Flask(__name__)
JWTAuthz(server).init_app(app)


@app.get("/users")
@requires("read")
def users():
    """Who asks, and who answers."""
    return {"sub": current_token.subject, "pid": os.getpid()}
