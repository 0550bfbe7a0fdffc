"""A Flask app for gunicorn --preload: what stands here runs in the parent, before it forks."""

import os
import threading
import time

import httpcore  # noqa: F401  # loaded now, so that "in flight" below means that and not "being imported"
import httpx  # noqa: F401
from flask import Flask

from jwtauthz import Issuer, ResourceServer
from jwtauthz.flask import JWTAuthz, current_token, requires

server = ResourceServer(Issuer(os.environ["ISSUER"], algorithms="ES256"), "https://api.example.com")
app = Flask(__name__)
JWTAuthz(server).init_app(app)

if os.environ["BEFORE_FORK"] == "warm":
    server.warm_up()
if os.environ["BEFORE_FORK"] == "in flight":
    threading.Thread(target=server.warm_up, daemon=True).start()
    time.sleep(0.6)


@app.get("/users")
@requires("read:users")
def users():
    """Who asks, and who answers."""
    return {"sub": current_token.subject, "pid": os.getpid()}
