"""A Flask app in threads and an ASGI app on an event loop, in one process, with one server between them (F85)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import flask
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from werkzeug.serving import make_server

from jwtauthz import Issuer, ResourceServer
from jwtauthz import flask as flask_door
from jwtauthz import starlette as starlette_door
from jwtauthz.testing import behaviours as b


@pytest.fixture
def server(issuer):
    with ResourceServer(Issuer(issuer.url, algorithms="ES256"), issuer.audience) as server:
        yield server


@pytest.fixture
def flask_url(server):
    app = flask.Flask("api")
    flask_door.JWTAuthz(server).init_app(app)

    @app.get("/users")
    @flask_door.requires("read:users")
    def users():
        return {"sub": flask_door.current_token.subject}

    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def asgi_url(server):
    @starlette_door.requires("read:users")
    async def users(request):
        return JSONResponse({"sub": starlette_door.token_from(request).subject})

    middleware = [Middleware(starlette_door.JWTAuthzMiddleware, server=server)]
    app = Starlette(routes=[Route("/users", users)], middleware=middleware)
    http = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=http.run, daemon=True)
    thread.start()
    end = time.monotonic() + 10
    while not http.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    yield f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}"
    http.should_exit = True
    thread.join(10)


def ask(url, token):
    return httpx.get(f"{url}/users", headers={"Authorization": f"Bearer {token}"}, timeout=15, trust_env=False)


def ask_both(issuer, flask_url, asgi_url, count=10):
    """Each app so often, all at once, each time with a token of its own: the statuses."""
    asked = [(url, issuer.token(scope="read:users", n=n)) for n in range(count) for url in (flask_url, asgi_url)]
    with ThreadPoolExecutor(len(asked)) as pool:
        return {answer.status_code for answer in pool.map(lambda each: ask(*each), asked)}


def test_f85_they_share_one_fetch(issuer, flask_url, asgi_url):
    issuer.behave(b.slow(0.5))
    assert ask_both(issuer, flask_url, asgi_url) == {200}
    assert issuer.fetches() == 1


def test_f85_they_share_an_outage_and_its_end(issuer, flask_url, asgi_url):
    issuer.behave(b.failing(503))
    assert ask_both(issuer, flask_url, asgi_url) == {503}
    assert issuer.fetches() <= 2
    answers = [ask(url, issuer.token(scope="read:users")) for url in (flask_url, asgi_url)]
    assert answers[0].headers["retry-after"] == answers[1].headers["retry-after"]
    assert answers[0].json() == answers[1].json()
    issuer.behave(None)
    time.sleep(1.1)
    assert ask_both(issuer, flask_url, asgi_url) == {200}
    assert issuer.fetches() <= 3


def test_f85_what_one_of_them_learns_of_a_rotation_the_other_one_knows(issuer, flask_url, asgi_url):
    assert ask(flask_url, issuer.token(scope="read:users")).status_code == 200
    time.sleep(2)
    issuer.rotate()
    new = issuer.token(scope="read:users")
    assert [ask(asgi_url, new).status_code, ask(flask_url, new).status_code] == [200, 200]
    assert issuer.fetches() == 2
