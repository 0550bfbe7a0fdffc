"""`jwtauthz routes`: every route of an app, in each framework, and what stands before it."""

from __future__ import annotations

import json
import textwrap

import pytest
from click.testing import CliRunner

from authorizing import case
from jwtauthz.cli.commands import cli

HEAD = """
from typing import Annotated
from jwtauthz import *
server = ResourceServer("https://tenant.eu.auth0.com/", "https://api.example.com")
"""

FLASK = """
from flask import Blueprint, Flask
from flask.views import MethodView
from jwtauthz.flask import JWTAuthz, protect, requires

app = Flask(__name__)
authz = JWTAuthz(server, app)

@app.get("/users")
@requires("read:users", claim="permissions")
def users(): ...

@app.get("/open")
def opened(): ...

@app.get("/maybe")
@requires(authenticated(), optional=True)
def maybe(): ...

outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__)
authz.protect(outer, "outer")

@inner.route("/x/<int:number>", methods=["GET", "POST"])
def x(number): ...

outer.register_blueprint(inner)
app.register_blueprint(outer)

class Item(MethodView):
    @requires("get")
    def get(self): ...
    def post(self): ...

class Whole(MethodView):
    decorators = [requires(any_of("a", "b"))]
    def get(self): ...

app.add_url_rule("/item", view_func=Item.as_view("item"))
app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from jwtauthz.starlette import JWTAuthzMiddleware, requires

@requires("read:users")
async def users(request): ...
def opened(request): ...
async def feed(websocket): ...
async def raw(scope, receive, send): ...

class Item(HTTPEndpoint):
    @requires("get")
    def get(self, request): ...

@requires("whole")
class Whole(WebSocketEndpoint): ...

guard = Middleware(JWTAuthzMiddleware, server=server, public=["/open"], needs="inner")
app = Starlette(routes=[
    Route("/users", users),
    Route("/open", opened),
    Route("/item", Item),
    WebSocketRoute("/feed", feed),
    WebSocketRoute("/whole", Whole),
    Mount("/v1/{tenant}", middleware=[guard], routes=[
        Route("/open", opened),
        Route("/x", opened, methods=["PUT"]),
    ]),
    Mount("/raw", app=raw),
    Route("/guarded", opened, middleware=[Middleware(JWTAuthzMiddleware, server=server)]),
])
wrapped = JWTAuthzMiddleware(Starlette(routes=[Route("/a", opened), Route("/b", opened)]), server, public=["/b"])
optional = JWTAuthzMiddleware(Starlette(routes=[Route("/a", opened)]), server, optional=True)
"""

FASTAPI = """
from fastapi import APIRouter, Depends, FastAPI, Security
from jwtauthz.fastapi import JWTAuthz
from jwtauthz.starlette import JWTAuthzMiddleware

authz = JWTAuthz(server)
app = FastAPI(openapi_url=None)

@app.get("/users")
async def users(token: Annotated[VerifiedToken, authz.requires("read:users", step_up(max_age=60))]): ...

@app.get("/any", dependencies=[Depends(authz)])
async def any_token(): ...

@app.get("/open")
async def opened(): ...

@app.get("/maybe", dependencies=[authz.requires("x", optional=True)])
async def maybe(): ...

inner, router = APIRouter(prefix="/deep"), APIRouter(prefix="/admin")

@inner.post("/{number}", dependencies=[authz.requires("deep")])
async def deep(number: int): ...

router.include_router(inner)
app.include_router(router, prefix="/api", dependencies=[Security(authz, scopes=["admin"])])
sub = FastAPI(openapi_url=None, dependencies=[authz.requires("sub", shadow=True)])

@sub.get("/x")
async def x(): ...

app.mount("/sub", sub)
"""

RULES = """
from fastapi import FastAPI
from jwtauthz.starlette import JWTAuthzMiddleware

def owner(token, request): return False

app = FastAPI()
app.add_middleware(JWTAuthzMiddleware, server=server, public=["/docs"], rules={
    "/items/{item}": all_of("read", owner),
    "PUT /items/me": claim_equals("plan", "gold"),
    "/orgs/{o}": any_of(organization(header="Org"), step_up("mfa")),
    "GET /regions": claim_includes("regions", "eu"),
    "/later": shadow("later"),
    "/typo": "x",
})
app.api_route("/items/{number}", methods=["GET", "PUT"])(lambda number: "")
app.get("/orgs/{o}")(lambda o: "")
app.api_route("/regions", methods=["GET", "POST"])(lambda: "")
app.get("/later")(lambda: "")
app.get("/unruled")(lambda: "")
"""

FLASK_RULES = """
from flask import Flask
from jwtauthz.flask import JWTAuthz

def create_app():
    app = Flask(__name__)
    rules = {"/users/<name>": "read", "/static/*": public(), "PATCH /users/<name>": "x"}
    JWTAuthz(server).init_app(app, rules=rules)
    app.add_url_rule("/users/<int:number>", "users", lambda number: "")
    return app
"""


@pytest.fixture
def routes(tmp_path, monkeypatch):
    """The command on a module of this text."""
    monkeypatch.chdir(tmp_path)
    numbers = iter(range(100))

    def run(text: str, *options: str, app: str = "app"):
        name = f"{tmp_path.name.replace('-', '_')}_{next(numbers)}"
        (tmp_path / f"{name}.py").write_text(HEAD + textwrap.dedent(text))
        monkeypatch.syspath_prepend(str(tmp_path))
        return CliRunner().invoke(cli, ["routes", f"{name}:{app}", *options], catch_exceptions=False)

    return run


def listed(result) -> list[tuple[str, str, str, str]]:
    """The rows: methods, path, status, and what each layer needs."""
    return [
        (
            ",".join(row["methods"]),
            row["path"],
            row["status"],
            "; ".join(
                f"{layer['needs'] or 'public()'}{' optional' if layer['optional'] else ''}"
                for layer in row["layers"]
            ),
        )
        for row in json.loads(result.stdout)["routes"]
    ]


@pytest.mark.parametrize(
    ("text", "app", "rows"),
    [
        case(
            "Flask: decorators, blueprints in each other, methods of a class",
            FLASK,
            "app",
            [
                ("GET", "/static/<path:filename>", "unprotected", ""),
                ("GET", "/users", "protected", "read:users (in permissions)"),
                ("GET", "/open", "unprotected", ""),
                ("GET", "/maybe", "public", "authenticated() optional"),
                ("GET,POST", "/outer/x/<int:number>", "protected", "outer"),
                ("GET", "/item", "protected", "get"),
                ("POST", "/item", "unprotected", ""),
                ("GET", "/whole", "protected", "any_of(a, b)"),
            ],
        ),
        case(
            "Flask: rules, of an app that a function makes",
            FLASK_RULES,
            "create_app()",
            [
                ("GET", "/static/<path:filename>", "public", "public()"),
                ("GET", "/users/<int:number>", "protected", "read"),
            ],
        ),
        case(
            "Starlette: decorators, classes, handshakes, mounts and middleware of a mount",
            STARLETTE,
            "app",
            [
                ("GET", "/users", "protected", "read:users"),
                ("GET", "/open", "unprotected", ""),
                ("GET", "/item", "protected", "get"),
                ("WEBSOCKET", "/feed", "unprotected", ""),
                ("WEBSOCKET", "/whole", "protected", "whole"),
                ("GET", "/v1/{tenant}/open", "public", "public()"),
                ("PUT", "/v1/{tenant}/x", "protected", "inner"),
                ("*", "/raw/*", "unprotected", ""),
                ("GET", "/guarded", "protected", "authenticated()"),
            ],
        ),
        case(
            "Starlette: middleware around the app",
            STARLETTE,
            "wrapped",
            [("GET", "/a", "protected", "authenticated()"), ("GET", "/b", "public", "public()")],
        ),
        case(
            "Starlette: a middleware that lets anonymous requests in",
            STARLETTE,
            "optional",
            [("GET", "/a", "public", "authenticated() optional")],
        ),
        case(
            "FastAPI: dependencies, included routers, mounted apps",
            FASTAPI,
            "app",
            [
                ("GET", "/users", "protected", "all_of(read:users, step_up(max_age=60))"),
                ("GET", "/any", "protected", "authenticated()"),
                ("GET", "/open", "unprotected", ""),
                ("GET", "/maybe", "public", "x optional"),
                ("POST", "/api/admin/deep/{number}", "protected", "deep; admin"),
                ("GET", "/sub/x", "protected", "shadow(sub)"),
            ],
        ),
        case(
            "FastAPI: rules, and what none of them covers",
            RULES,
            "app",
            [
                ("GET", "/openapi.json", "protected", "nobody"),
                ("GET", "/docs", "public", "public()"),
                ("GET", "/docs/oauth2-redirect", "protected", "nobody"),
                ("GET", "/redoc", "protected", "nobody"),
                ("GET", "/items/{number}", "protected", "all_of(read, owner())"),
                ("PUT", "/items/{number}", "protected", "all_of(read, owner()); claim_equals(plan, 'gold')"),
                ("GET", "/orgs/{o}", "protected", "any_of(organization(the header Org in org_id), step_up(mfa))"),
                ("GET", "/regions", "protected", "claim_includes(regions, 'eu')"),
                ("POST", "/regions", "protected", "nobody"),
                ("GET", "/later", "protected", "shadow(later)"),
                ("GET", "/unruled", "protected", "nobody"),
            ],
        ),
    ],
)  # fmt: skip
def test_every_route_is_there_with_what_it_needs(routes, text, app, rows):
    assert listed(routes(text, "--json", app=app)) == rows


def test_the_table_is_for_people(routes):
    result = routes(FLASK)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "GET /users protected read:users (in permissions) (@requires)" in lines
    assert "GET /open UNPROTECTED" in lines
    assert "GET,POST /outer/x/<int:number> protected outer (blueprint outer)" in lines


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        case("a route that nothing protects", FLASK, (), 1),
        case(
            "routes that may be open",
            FLASK,
            ("--public", "/open", "--public", "/static/*", "--public", "/item"),
            0,
        ),
        case("one of them left", FLASK, ("--public", "/open", "--public", "/static/*"), 1),
        case("a rule for no route", RULES, (), 1),
        case("all in order", RULES.replace('"/typo": "x",', ""), (), 0),
        case("a factory, and a rule for a method that no route has", FLASK_RULES, (), 1),
    ],
)
def test_check_exits_with_1_where_something_is_wrong(routes, text, options, status):
    app = "create_app()" if "create_app" in text else "app"
    assert routes(text, "--check", *options, app=app).exit_code == status
    assert routes(text, *options, app=app).exit_code == 0


def test_a_rule_for_no_route_is_told(routes):
    assert "The rule '/typo' is for no route of the application." in routes(RULES).stdout
    assert json.loads(routes(RULES, "--json").stdout)["rules_without_route"] == [
        "The rule '/typo' is for no route of the application."
    ]


def test_a_rule_for_a_part_of_a_route_is_shown_with_its_path(routes):
    assert "at /items/me: claim_equals(plan, 'gold') (rule 'PUT /items/me')" in " ".join(
        routes(RULES).stdout.split()
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        case("no app in the name", "json", "Write it as module:app"),
        case("no such module", "nowhere_at_all:app", "can't be loaded"),
        case("no such name", "json:app", "can't be loaded"),
        case("something else", "json:__name__", "is no app of Flask, Starlette or FastAPI"),
        case("a class", "json:JSONDecoder", "is no app of Flask, Starlette or FastAPI"),
    ],
)
def test_what_is_no_app_is_a_mistake_in_the_command(target, said):
    result = CliRunner().invoke(cli, ["routes", target])
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_so_is_an_odd_public_path(routes):
    result = routes(FLASK, "--public", "open")
    assert result.exit_code == 2
    assert "--public" in result.stderr


def test_a_setting_that_makes_no_sense_is_told_without_a_traceback(routes):
    result = routes('def make(): return RouteTable({"/a": ""})', app="make()")
    assert result.exit_code == 1
    assert "The rule '/a'" in result.stderr
