"""The health endpoint of each door: 200 or 503 for a load balancer, and nothing that a stranger need not know."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

import jwtauthz.fastapi
import jwtauthz.flask
import jwtauthz.starlette
from jwtauthz import ConfigurationError, Issuer, ResourceServer
from jwtauthz.testing import FakeIssuer, MisbehavingIssuer, behaviours

from .table import OutOfReach

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[], tuple[int, Any, Any]]


def flask_door(server: ResourceServer, **settings: bool) -> Ask:
    app = Flask(__name__)
    jwtauthz.flask.JWTAuthz(server).init_app(app)
    app.add_url_rule("/health", view_func=jwtauthz.flask.health_endpoint(server, **settings))

    def ask() -> tuple[int, Any, Any]:
        answer = app.test_client().get("/health")
        return answer.status_code, answer.json, answer.headers

    return ask


def asked_of(app: Any) -> Ask:
    def ask() -> tuple[int, Any, Any]:
        answer = TestClient(app).get("/health")
        return answer.status_code, answer.json(), answer.headers

    return ask


def starlette_door(server: ResourceServer, **settings: bool) -> Ask:
    endpoint = jwtauthz.starlette.health_endpoint(server, **settings)
    middleware = Middleware(jwtauthz.starlette.JWTAuthzMiddleware, server=server, public=["/health"])
    return asked_of(Starlette(routes=[Route("/health", endpoint)], middleware=[middleware]))


def fastapi_door(server: ResourceServer, **settings: bool) -> Ask:
    app = FastAPI()
    jwtauthz.fastapi.JWTAuthz(server).init_app(app)
    app.add_route("/health", jwtauthz.fastapi.health_endpoint(server, **settings))
    assert "/health" not in app.openapi()["paths"]
    return asked_of(app)


def fastapi_operation(server: ResourceServer, **settings: bool) -> Ask:
    app = FastAPI()
    app.add_api_route("/health", jwtauthz.fastapi.health_endpoint(server, **settings))
    assert "parameters" not in app.openapi()["paths"]["/health"]["get"]  # nothing that a client can fill
    return asked_of(app)


DOORS = [flask_door, starlette_door, fastapi_door, fastapi_operation]
pytestmark = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__.replace("_", " "))


@pytest.fixture
def issuer() -> Iterator[MisbehavingIssuer]:
    with MisbehavingIssuer(algorithm="ES256") as issuer:
        yield issuer


def server_of(issuer: FakeIssuer) -> ResourceServer:
    return ResourceServer(Issuer(issuer.url, algorithms="ES256"), issuer.audience)


def until_it_answers(ask: Ask, status: int) -> Any:
    end = time.monotonic() + 5
    while (answer := ask())[0] != status:
        assert time.monotonic() < end, answer
        time.sleep(0.02)
    return answer


def test_with_keys_it_is_ready_and_says_no_more(door, issuer):
    server = server_of(issuer)
    server.warm_up()
    status, body, headers = door(server)()
    assert (status, body) == (200, {"ready": True})
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("application/json", "no-store")


def test_keys_without_a_network_are_always_there(door):
    mint = FakeIssuer(network=False, algorithm="ES256")
    trusted = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
    assert door(ResourceServer(trusted, "x"))()[0] == 200


def test_without_keys_it_is_not_ready(door):
    server = ResourceServer(Issuer("https://issuer.test/", key_set=OutOfReach()), "x")
    assert door(server)()[:2] == (503, {"ready": False})


def test_one_issuer_of_several_without_keys_is_enough(door):
    mint = FakeIssuer(network=False, algorithm="ES256")
    good = Issuer(mint.url, key_set=mint.key_set, algorithms="ES256")
    server = ResourceServer([good, Issuer("https://other.test/", key_set=OutOfReach())], "x")
    assert door(server)()[0] == 503


def test_a_process_that_gets_no_requests_becomes_ready_by_being_asked(door, issuer):
    """It would get none as long as it is not ready; and the fetch keeps nobody waiting."""
    issuer.behave(behaviours.slow(0.3))
    ask = door(server_of(issuer))
    started = time.monotonic()
    assert ask()[0] == 503
    assert time.monotonic() - started < 0.3
    assert until_it_answers(ask, 200)[1] == {"ready": True}
    assert issuer.fetches() == 1


def test_being_asked_often_makes_no_more_fetches(door, issuer):
    issuer.behave(behaviours.failing(503))
    ask = door(server_of(issuer))
    until_it_answers(ask, 503)
    started = time.monotonic()
    while time.monotonic() - started < 0.4:
        assert ask()[0] == 503
    assert len(issuer.requests) <= 4  # discovery in both its forms, one retry; the pause is 0.5 s at least


def test_for_liveness_it_is_enough_to_answer(door):
    server = ResourceServer(Issuer("https://issuer.test/", key_set=OutOfReach()), "x")
    assert door(server, liveness=True)()[:2] == (200, {"ready": False})


def test_details_are_shown_by_a_word(door, issuer):
    server = server_of(issuer)
    server.warm_up()
    status, body, _ = door(server, details=True)()
    assert status == 200
    [shown] = body["issuers"]
    assert (body["ready"], shown["issuer"], shown["ready"]) == (True, issuer.url, True)
    assert shown["key_set"]["keys"] == [issuer.kid]


def test_details_hold_no_secret(door, issuer):
    url = f"{issuer.jwks_url}?api_key=hunter2"
    server = ResourceServer(Issuer(issuer.url, jwks_url=url, algorithms="ES256"), "x")
    issuer.behave(behaviours.failing(500))
    ask = door(server, details=True)
    until_it_answers(ask, 503)
    assert "hunter2" not in json.dumps(ask()[1])


@pytest.mark.parametrize("settings", [{"details": "yes"}, {"liveness": 1}])
def test_settings_that_make_no_sense_are_refused(door, settings):
    server = ResourceServer("https://issuer.test/", "x")
    with pytest.raises(ConfigurationError, match="write True or False"):
        door(server, **settings)


def test_it_needs_a_server(door):
    module = getattr(jwtauthz, door.__name__.partition("_")[0])
    with pytest.raises(ConfigurationError, match="has no server to ask"):
        module.health_endpoint("https://issuer.test/")
