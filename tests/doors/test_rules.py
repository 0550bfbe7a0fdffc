"""Rules by route at every door: what comes in, what is refused, and no way around a closed rule."""

from __future__ import annotations

import asyncio
import logging
import warnings
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse as FastAPIText
from flask import Blueprint, Flask
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WSGIClient
from werkzeug.test import EnvironBuilder

from authorizing import MINT, case, server_for
from jwtauthz import ConfigurationError, RouteTable, all_of, authenticated, organization, public
from jwtauthz.flask import JWTAuthz, current_token, requires
from jwtauthz.starlette import JWTAuthzMiddleware, token_from
from jwtauthz.starlette import requires as starlette_requires
from jwtauthz.starlette_routes import route_path

SERVER = server_for()
# To come in anywhere a valid token will do; only what is secret asks for more.
RULES: dict[str, Any] = {
    "/admin/*": "admin",
    "/secret/{number:int}": "admin",
    "/own/{name}": "admin",
    "GET,POST /method": "admin",
    "/*": authenticated(),
}
Send = Any


def bearer(**claims: Any) -> str:
    return f"Bearer {MINT.token(**claims)}"


ORDINARY, ADMIN = bearer(scope="read"), bearer(scope="admin")


# ── applications whose closed views say SECRET ──


async def secret(request: Any) -> PlainTextResponse:
    return PlainTextResponse("SECRET")


async def plain(request: Any) -> PlainTextResponse:
    return PlainTextResponse("in")


class SecretClass(HTTPEndpoint):
    async def get(self, request: Any) -> PlainTextResponse:
        return PlainTextResponse("SECRET")

    post = get


ROUTES = [
    Route("/admin", secret, methods=["GET", "POST", "DELETE"]),
    Route("/admin/{rest:path}", secret),
    Route("/secret/{number:int}", secret),
    Route("/own/{name}", secret),
    Route("/method", SecretClass),
    Route("/{rest:path}", plain),
]


def asgi(app: Any, prefix: str = "", **more: Any) -> Send:
    """Requests straight through ASGI, where no client normalises a path."""

    def send(
        path: str, authorization: str | None = ORDINARY, method: str = "GET", **headers: str
    ) -> tuple[int, str]:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def answer(message: Any) -> None:
            sent.append(message)

        lines = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()]
        if authorization is not None:
            lines.append((b"authorization", authorization.encode()))
        scope = {
            "type": "http", "method": method, "path": prefix + path, "raw_path": b"", "query_string": b"",
            "headers": lines, "root_path": "", "scheme": "http", "http_version": "1.1", **more,
        }  # fmt: skip
        asyncio.run(app(scope, receive, answer))
        body = b"".join(message.get("body", b"") for message in sent)
        return int(sent[0]["status"]), body.decode()

    return send


def starlette_app(rules: Any = RULES, routes: Any = ROUTES, **settings: Any) -> Starlette:
    middleware = [Middleware(JWTAuthzMiddleware, server=SERVER, rules=rules, **settings)]
    return Starlette(routes=routes, middleware=middleware)


def mounted_outside() -> Send:
    rules = {f"/v1{path[path.index('/'):]}" if path[0] == "/" else path.replace("/", "/v1/", 1): needed
             for path, needed in RULES.items()}  # fmt: skip
    rules["/*"] = authenticated()
    return asgi(starlette_app(rules, [Mount("/v1", routes=ROUTES)]), "/v1")


def mounted_inside() -> Send:
    inner = Middleware(JWTAuthzMiddleware, server=SERVER, rules=RULES)
    return asgi(Starlette(routes=[Mount("/v1", routes=ROUTES, middleware=[inner])]), "/v1")


def fastapi_app(**settings: Any) -> FastAPI:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # root_path is deprecated, and people have it
        app, router = FastAPI(openapi_url=None, **settings), APIRouter()

    @router.api_route("/admin", methods=["GET", "POST", "DELETE"])
    @router.get("/admin/{rest:path}")
    @router.get("/own/{rest}")
    async def hidden(rest: str = "") -> FastAPIText:
        return FastAPIText("SECRET")

    @router.get("/secret/{number}")
    async def number(number: int) -> FastAPIText:
        return FastAPIText("SECRET")

    router.add_route("/method", SecretClass)
    app.include_router(router)

    @app.get("/{rest:path}")
    async def other(rest: str) -> FastAPIText:
        return FastAPIText("in")

    return app


def fastapi_inside() -> Send:
    app = fastapi_app()
    app.add_middleware(JWTAuthzMiddleware, server=SERVER, rules=RULES)
    return asgi(app)


def flask_app(rules: Any = RULES, *, strict_slashes: bool = True) -> Flask:
    app = Flask(__name__)
    app.url_map.strict_slashes = strict_slashes
    JWTAuthz(SERVER).init_app(app, rules=rules)
    for number, (path, methods) in enumerate(
        {
            "/admin": ["GET", "POST", "DELETE"],
            "/admin/<path:rest>": ["GET"],
            "/secret/<int(signed=True):rest>": ["GET"],
            "/own/<rest>": ["GET"],
            "/method": ["GET", "POST"],
        }.items()
    ):
        app.add_url_rule(path, str(number), lambda rest="": "SECRET", methods=methods)
    app.add_url_rule("/", "root", lambda: "in")
    app.add_url_rule("/<path:rest>", "rest", lambda rest: "in")
    return app


def wsgi(app: Any, script_name: str = "") -> Send:
    """Requests straight through WSGI."""

    def send(
        path: str, authorization: str | None = ORDINARY, method: str = "GET", **headers: str
    ) -> tuple[int, str]:
        environ = EnvironBuilder(
            method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
        ).get_environ()
        environ["PATH_INFO"] = (script_name + path).encode().decode("latin-1")
        environ["REQUEST_METHOD"] = method
        if authorization is not None:
            environ["HTTP_AUTHORIZATION"] = authorization
        response = WSGIClient(app).run_wsgi_app(environ)
        return int(response[1].split()[0]), b"".join(response[0]).decode()

    return send


SENDERS: dict[str, Any] = {
    "Starlette": lambda: asgi(starlette_app()),
    "Starlette, rules around it": lambda: asgi(JWTAuthzMiddleware(Starlette(routes=ROUTES), SERVER, rules=RULES)),
    "Starlette below a root path": lambda: asgi(starlette_app(), "/api", root_path="/api"),
    "Starlette whose server has taken the root path off": lambda: asgi(starlette_app(), root_path="/api"),
    "a mount, rules outside": mounted_outside,
    "a mount, rules inside": mounted_inside,
    "FastAPI": fastapi_inside,
    "FastAPI with a root path, rules around it": lambda: asgi(
        JWTAuthzMiddleware(fastapi_app(root_path="/api"), SERVER, rules=RULES), "/api"
    ),
    "FastAPI with a root path inside other middleware": lambda: asgi(
        JWTAuthzMiddleware(GZipMiddleware(fastapi_app(root_path="/api")), SERVER, rules=RULES), "/api"
    ),
    "Flask": lambda: wsgi(flask_app()),
    "Flask without strict slashes": lambda: wsgi(flask_app(strict_slashes=False)),
    "Flask below a script name": lambda: wsgi(
        DispatcherMiddleware(Flask("outer"), {"/api": flask_app()}), "/api"
    ),
}  # fmt: skip
APPS = pytest.mark.parametrize("send", [pytest.param(make(), id=name) for name, make in SENDERS.items()])

TRICKS = [
    "/admin", "/admin/", "/admin/users", "//admin", "///admin", "/admin//", "/admin//users", "/./admin",
    "/x/../admin", "/x/..;/admin", "/admin/..", "/admin/../admin", "/ADMIN", "/Admin/users", "/admin;x=1",
    "/admin;x=1/users", "/admin.", "/admin ", "/admin?x", "/admin#x", "/?/admin",
    "/adm\u200bin", "/ admin", "/admin\n", "/admin\r\n", "/admin\0", "/admin\t",
    "/%61dmin", "/admin%2fusers", "/x/%2e%2e/admin", "/admin%0a", "\\admin", "/\\admin", "/x\\..\\admin",
    "/\uff41\uff44\uff4d\uff49\uff4e", "/x\uff0f../admin", "/secret/5", "/secret/\u0663", "/secret/\uff13",
    "/secret/-5", "/secret/+5", "/secret/5/",
    "/secret/5\n", "/secret/05", "/secret/1_0", "/own/x", "/own/x/", "/own/x\n", "/own/é", "/own/;", "/own/.x",
    "/own/%", "/own/ ", "/method", "/method/", "/method\n", "", "*", "admin", "http://x/admin",
    "/" + "../" * 9_000 + "admin", "/" * 30_000 + "admin", "/" + "a/" * 9_000 + "../" * 9_000 + "admin",
]  # fmt: skip
PIECES = [*"5x;\n\\. ", "", "..", "admin", "ADMIN", "secret", "\u0663", "own", "method", "%2f"]
METHODS = ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "get", "Post", "TRACE", "BREW", "WEBSOCKET"]


@APPS
def test_it_tells_the_one_from_the_other(send: Send) -> None:
    """Or else the tests below would hold of an app that refuses everything."""
    assert send("/admin", ADMIN) == (200, "SECRET")
    assert send("/admin/users", ADMIN) == (200, "SECRET")
    assert send("/secret/5", ADMIN) == (200, "SECRET")
    assert send("/anything/else") == (200, "in")
    assert send("/admin")[0] == 403
    assert send("/anything/else", None)[0] == 401


@APPS
@pytest.mark.parametrize("path", TRICKS, ids=lambda path: ascii(path[:40]))
def test_no_odd_path_leads_around_a_closed_rule(send: Send, path: str) -> None:
    for method in METHODS:
        for token in (ORDINARY, None):
            status, body = send(path, token, method)
            assert "SECRET" not in body, (method, token)
            assert status < 500, (method, token)


@APPS
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(PIECES), max_size=6),
    st.sampled_from(["/", "", "//", "/./"]),
)
def test_no_made_up_path_does(send: Send, parts: list[str], between: str) -> None:
    for path in ("/" + between.join(parts), "/" + "/".join(parts)):
        status, body = send(path)
        event(f"{status}")
        assert "SECRET" not in body
        assert status < 500


@APPS
@pytest.mark.parametrize(
    "header", ["X_HTTP_Method_Override", "X_Original_URL", "X_Rewrite_URL", "X_Forwarded_Prefix"]
)
def test_no_header_changes_what_is_asked_for(send: Send, header: str) -> None:
    for value in ("/anything", "OPTIONS", "HEAD"):
        assert send("/admin", ORDINARY, "GET", **{header: value})[0] == 403


@APPS
def test_a_preflight_passes_as_everywhere_and_nothing_else_does(send: Send) -> None:
    asks = {"Origin": "https://app.example.com", "Access_Control_Request_Method": "GET"}
    assert "SECRET" not in send("/admin", None, "OPTIONS", **asks)[1]
    assert send("/admin", None, "OPTIONS", **asks)[0] not in {401, 403}
    assert send("/admin", None, "GET", **asks)[0] == 401
    assert send("/admin", ORDINARY, "OPTIONS", **asks)[0] == 403


# ── what no rule covers ──

FEW: dict[str, Any] = {"GET /admin": "admin", "/health": public()}


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(asgi(starlette_app(FEW)), id="Starlette"),
        pytest.param(asgi(JWTAuthzMiddleware(fastapi_app(), SERVER, rules=FEW)), id="FastAPI"),
        pytest.param(wsgi(flask_app(FEW)), id="Flask"),
    ],
)
@pytest.mark.parametrize(
    ("path", "method"),
    [
        case("a route without a rule", "/own/x", "GET"),
        case("a method without a rule", "/admin", "POST"),
        case("a method that the route has not", "/admin", "PUT"),
        case("a path that the app has not", "/nowhere/at/all", "GET"),
        case("the static files of Flask", "/static/app.css", "GET"),
        case("the documentation of FastAPI", "/docs", "GET"),
        case("OPTIONS that is no preflight", "/own/x", "OPTIONS"),
        case("an open path with a slash more", "/health/", "GET"),
        case("an open path in capitals", "/HEALTH", "GET"),
        case("an open path and a line break", "/health\n", "GET"),
        case("an open path and one more segment", "/health/x", "GET"),
    ],
)
def test_what_no_rule_covers_is_closed(send: Send, path: str, method: str, caplog: Any) -> None:
    assert send(path, None, method)[0] == 401
    caplog.clear()
    status, body = send(path, ADMIN, method)
    assert status == 403
    assert '"error_description":"This API lets nobody do this"' in body
    assert "no_rule" in caplog.text or not caplog.text  # rate-limited


@pytest.mark.parametrize(
    "send",
    [pytest.param(asgi(starlette_app(FEW)), id="Starlette"), pytest.param(wsgi(flask_app(FEW)), id="Flask")],
)
def test_an_open_path_needs_no_token_and_looks_at_none(send: Send) -> None:
    assert send("/health", None)[1] == send("/health", "Bearer garbage")[1] == "in"


# ── path parameters ──

PARAMS = {
    "/orgs/{org_id}/docs/*": all_of("read:{org_id}", organization("org_id")),
    "/own/{name}": lambda token, request: token.subject == request.path_params["name"],
}


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(asgi(starlette_app(PARAMS, [Route("/{rest:path}", plain)])), id="Starlette"),
        pytest.param(wsgi(flask_app(PARAMS)), id="Flask"),
    ],
)
def test_rules_read_the_parameters_of_their_path(send: Send) -> None:
    member = bearer(scope="read:org_1", org_id="org_1", sub="ada")
    assert send("/orgs/org_1/docs/7", member) == (200, "in")
    assert send("/orgs/org_2/docs/7", member)[0] == 403
    assert send("/orgs/org_1%20read:org_2/docs/7", member)[0] == 403
    assert send("/own/ada", member)[0] == 200
    assert send("/own/eve", member)[0] == 403


# ── together with decorators; the token is verified once ──


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    verify = type(SERVER.verifier).verify

    def counting(self: Any, text: str, *rest: Any) -> Any:
        seen.append(text)
        return verify(self, text, *rest)

    monkeypatch.setattr(type(SERVER.verifier), "verify", counting)
    return seen


def test_in_starlette_both_must_hold(verified: list[str]) -> None:
    @starlette_requires("write")
    async def view(request: Any) -> PlainTextResponse:
        return PlainTextResponse(token_from(request).subject or "")

    send = asgi(starlette_app({"/docs": "read"}, [Route("/docs", view)]))
    assert send("/docs", bearer(scope="read write", sub="ada")) == (200, "ada")
    assert len(verified) == 1
    assert send("/docs", bearer(scope="read"))[0] == send("/docs", bearer(scope="write"))[0] == 403


def test_in_flask_both_must_hold(verified: list[str]) -> None:
    app = Flask(__name__)
    authz = JWTAuthz(SERVER, app, rules={"/docs": "read"})
    blueprint = Blueprint("docs", __name__)
    authz.protect(blueprint, "blue")

    @blueprint.get("/docs")
    @requires("write")
    def view() -> str:
        return current_token.subject or ""

    app.register_blueprint(blueprint)
    send = wsgi(app)
    assert send("/docs", bearer(scope="read write blue", sub="ada")) == (200, "ada")
    assert len(verified) == 1
    for scope in ("read write", "read blue", "write blue"):
        assert send("/docs", bearer(scope=scope))[0] == 403


# ── WebSockets ──


async def echo(websocket: Any) -> None:
    await websocket.accept()
    await websocket.send_text("in")
    await websocket.close()


@pytest.mark.parametrize(
    ("rules", "authorization", "status"),
    [
        case("a rule for it", {"WEBSOCKET /feed": "admin"}, ADMIN, 101),
        case("a token that may not", {"WEBSOCKET /feed": "admin"}, ORDINARY, 403),
        case("no token", {"WEBSOCKET /feed": "admin"}, None, 401),
        case("a rule for all methods", {"/feed": "admin"}, ORDINARY, 403),
        case("a rule for GET is none for it", {"GET /feed": "read"}, ORDINARY, 403),
        case("open for GET is not open for it", {"GET /feed": public(), "/*": authenticated()}, None, 401),
        case("open", {"WEBSOCKET /feed": public()}, None, 101),
    ],
)
def test_a_handshake_is_asked_by_its_own_rules(rules: Any, authorization: str | None, status: int) -> None:
    routes = [WebSocketRoute("/feed", echo), Route("/feed", plain)]
    http = TestClient(starlette_app(rules, routes))
    headers = {"Authorization": authorization} if authorization else {}
    if status == 101:
        with http.websocket_connect("/feed", headers=headers) as websocket:
            assert websocket.receive_text() == "in"
        return
    with pytest.raises(WebSocketDenialResponse) as refused, http.websocket_connect("/feed", headers=headers):
        pass
    assert refused.value.status_code == status


# ── rules that are for no route ──

DEAD = [
    case("a path with a typo", {"/admn": "x"}, "The rule '/admn' is for no route"),
    case("a method that the route has not", {"PUT /admin": "x"}, "is for PUT; the application has"),
    case("one of two methods", {"GET,PATCH /admin": "x"}, "is for PATCH; the application has"),
    case("a path that goes on", {"/secret/{n}/more": "x"}, "is for no route"),
    case("a handshake where there is none", {"WEBSOCKET /admin": "x"}, "is for WEBSOCKET"),
]
ALIVE = [
    case("a rule for each", RULES),
    case("a narrower one than its route", {"/own/me": "x", "/admin/users/*": "y"}),
    case("OPTIONS, which CORS middleware answers", {"OPTIONS /admin": public()}),
    case("HEAD where there is GET", {"HEAD /admin": "x"}),
]


def few_routes() -> list[Any]:
    return ROUTES[:-1]


@pytest.mark.parametrize(("rules", "said"), DEAD)
def test_starlette_does_not_start_with_a_rule_for_no_route(rules: Any, said: str) -> None:
    app = starlette_app(rules, few_routes())
    with pytest.raises(ConfigurationError, match=said), TestClient(app):
        pass


@pytest.mark.parametrize(("rules", "said"), DEAD)
def test_a_server_that_would_go_on_is_told_that_the_start_has_failed(rules: Any, said: str) -> None:
    """Some take an exception for "knows no lifespan"; a message they do not."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(ConfigurationError):
        asyncio.run(starlette_app(rules, few_routes())({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert said.split("'", maxsplit=1)[0] in sent[0]["message"]


@pytest.mark.parametrize("rules", ALIVE)
def test_it_starts_with_rules_that_are_for_some(rules: Any) -> None:
    rules = {key: needed for key, needed in rules.items() if key != "/*"} | {"/method": "x", "/*": "y"}
    rules.pop("GET,POST /method", None)
    with TestClient(starlette_app(rules, few_routes())):
        pass


def test_fastapi_does_not_start_either() -> None:
    inner = FastAPI()
    inner.get("/deep/{number}")(lambda number: "")
    for rules, starts in (
        ({"GET /admin": "x"}, True),
        ({"/sub/deep/*": "x"}, True),
        ({"/sub/docs": "x"}, True),
        ({"/sub/deeep/{n}": "x"}, False),
        ({"/opaque/whatever": "x"}, True),
        ({"PATCH /admin": "x"}, False),
    ):
        app = FastAPI()
        router = APIRouter(prefix="/admin")
        router.get("")(lambda: "")
        app.include_router(router)
        app.mount("/sub", inner)
        app.mount("/opaque", lambda scope, receive, send: None)  # type: ignore[arg-type,return-value]
        app.add_middleware(JWTAuthzMiddleware, server=SERVER, rules=rules)
        if starts:
            with TestClient(app):
                pass
        else:
            with pytest.raises(ConfigurationError, match="The rule"), TestClient(app):
                pass


def test_where_the_routes_can_not_be_seen_nothing_is_refused() -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("in")(scope, receive, send)

    send = asgi(JWTAuthzMiddleware(bare, SERVER, rules={"/anywhere": "admin"}))
    assert send("/anywhere", ADMIN) == (200, "in")


class Metrics:
    """A middleware of somebody else that answers a path of its own."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_where_another_middleware_may_answer_it_is_only_logged(caplog: Any) -> None:
    guard = Middleware(JWTAuthzMiddleware, server=SERVER, rules={"/metrics": public(), "/own/*": "x"})
    app = Starlette(routes=few_routes(), middleware=[guard, Middleware(Metrics)])
    with caplog.at_level(logging.ERROR), TestClient(app):
        pass
    assert "'/metrics' is for no route" in caplog.text


@pytest.mark.parametrize(("rules", "said"), [row for row in DEAD if "WEBSOCKET" not in str(row.values)])
def test_flask_logs_them_at_the_first_request(rules: Any, said: str, caplog: Any) -> None:
    app = Flask(__name__, static_folder=None)
    JWTAuthz(SERVER).init_app(app, rules=rules)
    app.add_url_rule("/admin", "admin", lambda: "", methods=["GET", "POST"])
    app.add_url_rule("/secret/<int(signed=True):n>", "secret", lambda n: "")
    send = wsgi(app)
    with caplog.at_level(logging.ERROR):
        send("/x")
        send("/x")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert said.split("'", maxsplit=1)[0] in record.getMessage()


def test_a_table_may_serve_two_apps() -> None:
    table = RouteTable(RULES)
    assert (
        asgi(starlette_app(table))("/admin", ADMIN) == wsgi(flask_app(table))("/admin", ADMIN) == (200, "SECRET")
    )


# ── Flask alone ──


def test_rules_come_before_every_other_function_of_flask() -> None:
    app = Flask(__name__)
    app.before_request(lambda: "SECRET")
    JWTAuthz(SERVER).init_app(app, rules=RULES)
    send = wsgi(app)
    assert send("/admin", None)[0] == 401
    assert send("/admin", ORDINARY)[0] == 403
    assert send("/admin", ADMIN) == (200, "SECRET")


def test_a_redirect_is_answered_to_nobody_who_may_not_come_in() -> None:
    app = Flask(__name__)
    JWTAuthz(SERVER).init_app(app, rules={"/folder": "admin"})
    app.add_url_rule("/folder/", "folder", lambda: "SECRET")
    send = wsgi(app)
    assert [send("/folder", token)[0] for token in (None, ORDINARY, ADMIN)] == [401, 403, 308]
    assert [send("/folder/", token)[0] for token in (None, ORDINARY, ADMIN)] == [401, 403, 200]


def test_an_app_has_one_table() -> None:
    app = Flask(__name__)
    authz = JWTAuthz(SERVER, app, rules=RULES)
    with pytest.raises(ConfigurationError, match="has rules already"):
        authz.init_app(app, rules=RULES)
    with pytest.raises(ConfigurationError, match=r"Write init_app\(app, rules=...\)"):
        JWTAuthz(SERVER, rules=RULES)


# ── settings of the middleware ──


@pytest.mark.parametrize(
    ("more", "said"),
    [
        case("needs", {"needs": "read"}, "needs= and rules= both say"),
        case("optional", {"optional": True}, "optional=True and rules= both say"),
        case("a public path that has a rule", {"public": ["/admin/*"]}, "for the same requests"),
        case("everything public", {"public": ["/*"]}, "leaves nothing to protect"),
    ],
)
def test_settings_that_contradict_rules_are_refused(more: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        JWTAuthzMiddleware(Starlette(), SERVER, rules=RULES, **more)


def test_public_paths_stand_beside_rules() -> None:
    send = asgi(starlette_app(RULES, public=["/health", "/admin/help", "/health", "/health/"]))
    assert send("/health/", None)[0] == 200
    assert send("/health", None)[0] == 200
    assert send("/admin/help", None) == (200, "SECRET")
    assert send("/admin/help/", None)[0] == 401


def test_public_paths_may_have_parameters_and_methods_mean_nothing_there() -> None:
    app = Starlette(
        routes=ROUTES, middleware=[Middleware(JWTAuthzMiddleware, server=SERVER, public=["/own/{name}"])]
    )
    assert asgi(app)("/own/ada", None) == (200, "SECRET")
    assert asgi(app)("/own/ada/more", None)[0] == 401
    assert asgi(app)("/admin//x", ORDINARY) == (200, "SECRET")  # without rules any valid token will do


@given(st.text("/ab", max_size=8), st.text("/ab", max_size=4))
def test_the_path_is_the_one_that_starlette_will_match(path: str, root: str) -> None:
    scope = {"type": "http", "path": path, "root_path": root}
    assert route_path(scope) == get_route_path(scope)
