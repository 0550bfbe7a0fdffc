"""What only Starlette has: the middleware, public paths, `request.user`, WebSockets, and ways to go wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from jwtauthz import AccessDenied, ConfigurationError, InvalidToken, Issuer, ResourceServer, any_of
from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from
from jwtauthz.testing import FakeIssuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from starlette.websockets import WebSocket

ISSUER = FakeIssuer(network=False)


def server(**settings: Any) -> ResourceServer:
    return ResourceServer(Issuer(ISSUER.url, key_set=ISSUER.key_set), audience=ISSUER.audience, **settings)


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {ISSUER.token(**claims)}"}


async def who(request: Request) -> JSONResponse:
    user = request.user
    return JSONResponse(
        {
            "authenticated": user.is_authenticated,
            "name": user.display_name,
            "identity": user.identity,
            "scopes": request.auth.scopes,
        }
    )


def client(*routes: Any, handlers: Any = None, before: Any = (), **settings: Any) -> TestClient:
    settings.setdefault("server", server())
    middleware = [*before, Middleware(JWTAuthzMiddleware, **settings)]
    return TestClient(
        Starlette(routes=routes or [Route("/", who)], middleware=middleware, exception_handlers=handlers)
    )


# ── the middleware ──


def test_it_fills_in_user_and_auth() -> None:
    assert client().get("/", headers=bearer(scope="b a")).json() == {
        "authenticated": True,
        "name": "user-1",
        "identity": "user-1",
        "scopes": ["authenticated", "a", "b"],
    }


def test_a_token_without_a_subject_is_named_by_its_client() -> None:
    answer = client().get("/", headers=bearer(subject=None, client_id="worker")).json()
    assert (answer["name"], answer["identity"]) == ("worker", "")


@pytest.mark.parametrize("settings", [{"public": ["/"]}, {"optional": True}], ids=["public", "optional"])
def test_an_anonymous_request_has_a_user_too(settings: dict[str, Any]) -> None:
    answer = client(**settings).get("/").json()
    assert answer == {"authenticated": False, "name": "", "identity": "", "scopes": []}


def test_an_optional_middleware_refuses_bad_tokens() -> None:
    assert client(optional=True).get("/", headers=bearer(expires_in=-60)).status_code == 401


def test_every_path_is_closed_even_one_that_does_not_exist() -> None:
    http = client()
    assert [http.get(path).status_code for path in ("/", "/docs", "/nowhere")] == [401, 401, 401]
    assert http.get("/nowhere", headers=bearer()).status_code == 404


def test_it_may_ask_every_token_for_something() -> None:
    http = client(needs=any_of("a", "b"))
    assert http.get("/", headers=bearer(scope="b")).status_code == 200
    assert http.get("/", headers=bearer(scope="c")).json()["required"] == [{"any_of": ["a", "b"]}]


def test_starlettes_own_requires_works_with_its_plain_answer() -> None:
    @starlette_requires(["authenticated", "a"])
    async def view(request: Request) -> PlainTextResponse:
        return PlainTextResponse("in")

    http = client(Route("/", view), public=["/"])
    assert http.get("/").status_code == 403
    http = client(Route("/", view))
    assert http.get("/", headers=bearer(scope="a")).text == "in"
    assert http.get("/", headers=bearer(scope="b")).status_code == 403


def test_lifespan_passes_through() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        yield {"state": "kept"}

    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse(request.state.state))],
        middleware=[Middleware(JWTAuthzMiddleware, server=server(), public=["/"])],
        lifespan=lifespan,
    )
    with TestClient(app) as http:
        assert http.get("/").text == "kept"


def test_an_answer_that_has_begun_is_not_answered_again() -> None:
    async def view(request: Request) -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"begun"
            request.scope["jwtauthz"].server.authorize(None, "a")

        return StreamingResponse(body())

    with pytest.raises(AccessDenied):
        client(Route("/", view)).get("/", headers=bearer())


def test_a_denial_that_a_view_raises_is_answered() -> None:
    async def view(request: Request) -> None:
        server().authorize(None, "a")

    answer = client(Route("/", view)).get("/", headers=bearer())
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')


def test_cors_answers_preflights_around_it() -> None:
    cors = Middleware(CORSMiddleware, allow_origins=["https://app.example.com"])
    http = client(before=[cors])
    asks = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}
    assert http.options("/", headers=asks).status_code == 200
    answer = http.get("/", headers={"Origin": "https://app.example.com"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


# ── public paths ──

_PUBLIC = ["/", "/health", "/static/*"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/", 200, id="an exact path"),
        pytest.param("/health", 200, id="another exact path"),
        pytest.param("/static/app.css", 200, id="a path below a prefix"),
        pytest.param("/static/a/b/c.js", 200, id="a path far below a prefix"),
        pytest.param("/static/", 200, id="the prefix itself"),
        pytest.param("/static/..data/.well-known", 200, id="dots in a name are no dot segment"),
        pytest.param("/health/", 401, id="a slash more"),
        pytest.param("/healthy", 401, id="a letter more"),
        pytest.param("/HEALTH", 401, id="other case"),
        pytest.param("/static", 401, id="a prefix without its slash"),
        pytest.param("/staticfiles", 401, id="a prefix that goes on"),
        pytest.param("/static/../secret", 401, id="a dot segment"),
        pytest.param("/static/./app.css", 401, id="a single dot"),
        pytest.param("/static/..", 401, id="a dot segment at the end"),
        pytest.param("/static//secret", 401, id="an empty segment"),
        pytest.param("//health", 401, id="an empty segment before"),
        pytest.param("/static/..\\secret", 401, id="a backslash"),
        pytest.param("/static/%2e%2e/secret", 401, id="an encoding that is still there after decoding"),
        pytest.param("/health\n", 401, id="a line break behind"),
    ],
)
def test_public_paths_are_matched_to_the_letter(path: str, status: int) -> None:
    assert status_of({"path": path}, _PUBLIC) == status


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        pytest.param("/api", "/api/health", 200, id="the root path is taken off"),
        pytest.param("/api", "/health", 200, id="a server may have taken it off already"),
        pytest.param("/api", "/apihealth", 401, id="only whole segments of it are"),
        pytest.param("/static", "/static/secret", 401, id="a root path is no public path"),
    ],
)
def test_public_paths_stand_below_the_root_path(root_path: str, path: str, status: int) -> None:
    assert status_of({"path": path, "root_path": root_path}, _PUBLIC) == status


def status_of(scope: dict[str, Any], public: list[str]) -> int:
    """The status that a scope gets straight through ASGI, where no client normalises its path."""
    sent: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("in")(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    whole = {"type": "http", "method": "GET", "headers": [], **scope}
    asyncio.run(JWTAuthzMiddleware(app, server(), public=public)(whole, receive, send))
    return int(sent[0]["status"])


def test_below_a_mount_public_paths_are_relative_to_it() -> None:
    inner = Middleware(JWTAuthzMiddleware, server=server(), public=["/health"])
    app = Starlette(routes=[Mount("/v1", routes=[Route("/health", who), Route("/", who)], middleware=[inner])])
    assert [TestClient(app).get(path).status_code for path in ("/v1/health", "/v1/")] == [200, 401]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"public": "/health"}, r"Write public=\['/health'\]", id="public as a string"),
        pytest.param({"public": ["health"]}, "first slash", id="a path without a slash"),
        pytest.param({"public": [""]}, "first slash", id="an empty path"),
        pytest.param({"public": [7]}, "first slash", id="a path that is a number"),
        pytest.param({"public": ["/*"]}, "leaves nothing to protect", id="everything public"),
        pytest.param({"public": ["/static*"]}, "wrong place", id="a star without a slash"),
        pytest.param({"public": ["/*/static"]}, "wrong place", id="a star in the middle"),
        pytest.param({"public": ["/a/*/*"]}, "wrong place", id="two stars"),
        pytest.param({"public": ["/users/{id:float}"]}, "do not agree", id="a kind that routers read differently"),
        pytest.param({"public": ["/a?b=c"]}, "can't match", id="a query"),
        pytest.param({"public": ["/a/../b"]}, "can't match", id="a dot segment"),
        pytest.param({"public": ["//"]}, "can't match", id="an empty segment"),
        pytest.param({"public": ["/caf%C3%A9"]}, "can't match", id="an encoded path"),
        pytest.param({"needs": []}, "leaves open whether", id="needs as a list"),
        pytest.param({"needs": ""}, "asks for nothing", id="empty needs"),
        pytest.param({"server": "https://issuer.example.com/"}, "decides nothing", id="no server"),
    ],
)
def test_what_makes_no_sense_is_refused_when_built(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        JWTAuthzMiddleware(Starlette(), **{"server": server(), **settings})


# ── requires ──


def _view(other: object) -> None: ...


def _sync_socket(websocket: object) -> None: ...


@pytest.mark.parametrize(
    ("decorate", "said"),
    [
        pytest.param(lambda: requires(lambda request: None), "parentheses are missing", id="without parentheses"),
        pytest.param(requires, "asks for nothing", id="asking for nothing"),
        pytest.param(lambda: requires(["a"]), "leaves open whether", id="asking with a list"),
        pytest.param(lambda: requires("a")(_view), "no argument called request", id="on a view without request"),
        pytest.param(lambda: requires("a")(_sync_socket), "has to be async", id="on a sync WebSocket"),
        pytest.param(lambda: requires("a")(Starlette), "can't protect", id="on another class"),
        pytest.param(lambda: requires("a")("view"), "can't protect", id="on no view at all"),  # type: ignore[type-var]
    ],
)
def test_what_can_not_be_protected_is_refused_at_once(decorate: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        decorate()


@requires("a")
async def async_view(request: Request) -> JSONResponse:
    return JSONResponse(token_from(request).subject)


@requires("a")
def sync_view(request: Request) -> JSONResponse:
    return JSONResponse([token_from(request).subject, threading.current_thread() is threading.main_thread()])


@requires("a")
class EndpointClass(HTTPEndpoint):
    async def get(self, request: Request) -> JSONResponse:
        return JSONResponse(token_from(request).subject)


class DerivedClass(EndpointClass):
    async def post(self, request: Request) -> JSONResponse:
        return JSONResponse(token_from(request).subject)


@pytest.mark.parametrize("view", [async_view, sync_view, EndpointClass], ids=["async", "sync", "class"])
def test_without_the_middleware_it_is_loud_and_not_open(view: Any) -> None:
    app = Starlette(routes=[Route("/", view)])
    with pytest.raises(RuntimeError, match=r"Middleware\(JWTAuthzMiddleware, server=server\)"):
        TestClient(app).get("/", headers=bearer(scope="a"))
    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


def test_a_class_that_derives_from_a_protected_one_is_protected() -> None:
    http = client(Route("/", DerivedClass))
    assert http.post("/", headers=bearer(scope="b")).status_code == 403
    assert http.post("/", headers=bearer(scope="a")).json() == "user-1"


def test_a_sync_view_stays_in_its_thread() -> None:
    for public in ([], ["/"]):
        http = client(Route("/", sync_view), public=public)
        assert http.get("/", headers=bearer(scope="a")).json()[0] == "user-1"


def test_a_sync_view_runs_outside_of_the_loop() -> None:
    seen: list[bool] = []

    @requires("a")
    def view(request: Request) -> PlainTextResponse:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            seen.append(True)
        return PlainTextResponse("in")

    assert client(Route("/", view)).get("/", headers=bearer(scope="a")).text == "in"
    assert seen == [True]


def test_the_token_is_verified_once() -> None:
    asked: list[object] = []

    def revoked(token: object) -> bool:
        asked.append(token)
        return False

    view = requires("a")(requires("b")(who))
    for public in ([], ["/"]):
        asked.clear()
        http = client(Route("/", view), server=server(revoked=revoked), public=public)
        assert http.get("/", headers=bearer(scope="a b")).status_code == 200
        assert len(asked) == 1
        assert http.get("/", headers=bearer(scope="a")).json()["required"] == ["b"]
        assert http.get("/", headers=bearer(scope="b")).json()["required"] == ["a"]


def test_on_a_public_path_requires_fills_in_the_user() -> None:
    http = client(Route("/", requires("a")(who)), public=["/"])
    assert http.get("/", headers=bearer(scope="a")).json()["identity"] == "user-1"


def test_under_an_optional_middleware_requires_still_wants_a_token() -> None:
    http = client(Route("/", async_view), optional=True)
    assert http.get("/").headers["www-authenticate"] == 'Bearer realm="api"'


def test_a_check_sees_the_path_parameters_and_the_request() -> None:
    seen: list[Any] = []

    def look(token: Any, request: Any) -> bool:
        seen.append((request.method, request.path, request.path_params, request.headers["x-a"], request.source))
        return True

    routes = [Mount("/v1", routes=[Route("/users/{number:int}", requires(look)(who))])]
    assert client(*routes).get("/v1/users/7", headers={**bearer(), "X-A": "b"}).status_code == 200
    ((method, path, params, header, source),) = seen
    assert (method, path, params, header) == ("GET", "/v1/users/7", {"number": 7}, "b")
    assert source.url.path == "/v1/users/7"


def test_token_from_takes_a_request_and_a_scope_and_says_what_is_wrong() -> None:
    def view(request: Request) -> JSONResponse:
        both = token_from(request, optional=True), token_from(request.scope, optional=True)
        if both[0] is None:
            token_from(request)
        return JSONResponse(both[0] is both[1])

    http = client(Route("/", view), optional=True)
    assert http.get("/", headers=bearer()).json() is True
    with pytest.raises(RuntimeError, match="This request brought no token"):
        http.get("/")
    with pytest.raises(RuntimeError, match="no JWTAuthzMiddleware around this"):
        TestClient(Starlette(routes=[Route("/", view)])).get("/")


# ── answers of the app's own ──


def teapot(request: Any, denied: AccessDenied) -> JSONResponse:
    return JSONResponse({"because": str(denied.finding.code)}, 418)


async def async_teapot(request: Any, denied: AccessDenied) -> JSONResponse:
    return teapot(request, denied)


@pytest.mark.parametrize("handler", [teapot, async_teapot], ids=["sync", "async"])
@pytest.mark.parametrize("view", [async_view, sync_view, EndpointClass], ids=["async", "sync", "class"])
def test_a_handler_of_the_app_answers_for_the_middleware_and_for_requires(handler: Any, view: Any) -> None:
    http = client(Route("/", view), handlers={AccessDenied: handler})
    assert http.get("/").json() == {"because": "no_credentials"}
    assert http.get("/", headers=bearer(scope="b")).json() == {"because": "scope_missing"}


def test_a_handler_for_one_kind_of_denial_answers_that_kind() -> None:
    http = client(Route("/", async_view), handlers={InvalidToken: teapot})
    assert http.get("/", headers=bearer(expires_in=-60)).status_code == 418
    assert http.get("/").status_code == 401


def test_a_handler_for_every_exception_leaves_denials_alone() -> None:
    http = client(Route("/", async_view), handlers={Exception: teapot})
    assert [http.get("/").status_code, http.get("/", headers=bearer()).status_code] == [401, 403]


def test_a_handler_answers_for_the_apps_that_are_mounted_below() -> None:
    mounted = Mount("/v1", Starlette(routes=[Route("/", async_view)]))
    http = client(mounted, handlers={AccessDenied: teapot})
    assert http.get("/v1/", headers=bearer(scope="b")).status_code == 418


def test_a_handler_of_a_mounted_app_answers_there() -> None:
    app = Starlette(routes=[Route("/", async_view)], exception_handlers={AccessDenied: teapot})
    http = client(Mount("/v1", app), Route("/", async_view))
    assert [http.get(path, headers=bearer()).status_code for path in ("/v1/", "/")] == [418, 403]


# ── WebSockets ──


@requires("a")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_json(token_from(websocket).subject)
    await websocket.close()


class Talk(WebSocketEndpoint):
    @requires("a")
    async def on_connect(self, websocket: WebSocket) -> None:
        await talk(websocket)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        if token_from(websocket, optional=True) is None:
            pytest.fail("a connection that was refused has nothing to clean up")


@requires("a")
class TalkClass(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket) -> None:
        await talk(websocket)


TALKS = pytest.mark.parametrize("endpoint", [talk, Talk, TalkClass], ids=["function", "on_connect", "class"])
PUBLIC = pytest.mark.parametrize("public", [[], ["/"]], ids=["closed path", "public path"])


@TALKS
@PUBLIC
def test_a_websocket_with_a_good_token_is_accepted(endpoint: Any, public: list[str]) -> None:
    http = client(WebSocketRoute("/", endpoint), public=public)
    with http.websocket_connect("/", headers=bearer(scope="a")) as websocket:
        assert websocket.receive_json() == "user-1"


@TALKS
@PUBLIC
@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        pytest.param({}, 401, 'Bearer realm="api"', id="without a token"),
        pytest.param(bearer(scope="b"), 403, 'scope="a"', id="with another scope"),
        pytest.param({"Authorization": "Bearer"}, 400, 'error="invalid_request"', id="with bad credentials"),
    ],
)
def test_a_websocket_is_refused_with_status_and_challenge(
    endpoint: Any, public: list[str], headers: dict[str, str], status: int, challenge: str
) -> None:
    http = client(WebSocketRoute("/", endpoint), public=public)
    with pytest.raises(WebSocketDenialResponse) as refused, http.websocket_connect("/", headers=headers):
        pass
    assert refused.value.status_code == status
    assert challenge in refused.value.headers["www-authenticate"]
    assert "error" in refused.value.json()


@TALKS
@PUBLIC
def test_a_websocket_is_closed_where_the_server_knows_no_other_answer(endpoint: Any, public: list[str]) -> None:
    app = client(WebSocketRoute("/", endpoint), public=public).app

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "extensions": None}, receive, send)

    with (
        pytest.raises(WebSocketDisconnect) as refused,
        TestClient(plain).websocket_connect("/", headers=bearer(scope="b")),
    ):
        pass
    assert refused.value.code == 1008
    assert refused.value.reason == ("insufficient_scope")


def test_a_websocket_that_is_open_already_is_closed() -> None:
    class Chatty(WebSocketEndpoint):
        encoding = "text"

        @requires("a")
        async def on_receive(self, websocket: WebSocket, data: str) -> None: ...

    http = client(WebSocketRoute("/", Chatty))
    with http.websocket_connect("/", headers=bearer(scope="b")) as websocket:
        websocket.send_text("hello")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_text()
    assert closed.value.code == 1008


def test_a_handler_of_the_app_answers_for_a_websocket_too() -> None:
    http = client(WebSocketRoute("/", talk), handlers={AccessDenied: teapot})
    for headers in ({}, bearer(scope="b")):
        with pytest.raises(WebSocketDenialResponse) as refused, http.websocket_connect("/", headers=headers):
            pass
        assert refused.value.status_code == 418


def test_a_handler_may_close_a_websocket_by_itself() -> None:
    async def close(websocket: WebSocket, denied: AccessDenied) -> None:
        await websocket.close(4401)

    http = client(WebSocketRoute("/", talk), handlers={AccessDenied: close})
    for headers in ({}, bearer(scope="b")):
        with pytest.raises(WebSocketDisconnect) as refused, http.websocket_connect("/", headers=headers):
            pass
        assert refused.value.code == 4401


def test_without_the_middleware_a_websocket_is_not_open() -> None:
    app = Starlette(routes=[WebSocketRoute("/", talk)])
    with pytest.raises(RuntimeError, match="no JWTAuthzMiddleware"), TestClient(app).websocket_connect("/"):
        pass


# ── over a real server ──


@contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    """Serve an app on loopback, and give its port."""
    import uvicorn

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    running = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield listening.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()


def exchange(port: int, path: str, *headers: str) -> str:
    """What a server sends to one GET, until it closes or has sent the answer to a handshake."""
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
            if received.startswith(b"HTTP/1.1 101") and b"\r\n\r\n" in received:
                break
    return received.decode("latin-1")


_UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def test_over_a_real_server() -> None:
    """Bytes in, bytes out: a good, a repeated and a short credential."""
    good = f"Authorization: {bearer(scope='a')['Authorization']}"
    short = f"Authorization: {bearer(scope='b')['Authorization']}"
    app = client(Route("/", async_view), WebSocketRoute("/talk", talk)).app
    with served(app) as port:
        assert exchange(port, "/", good, "Connection: close").endswith('"user-1"')
        twice = exchange(port, "/", good, good, "Connection: close")
        assert twice.startswith("HTTP/1.1 400")
        assert 'www-authenticate: Bearer realm="api", error="invalid_request"' in twice
        denied = exchange(port, "/", short, "Connection: close")
        assert denied.startswith("HTTP/1.1 403")
        assert 'scope="a"' in denied


def test_websockets_over_a_real_server(cannot_run: Callable[[str], None]) -> None:
    """A handshake is refused before it is accepted, and the client can read why."""
    try:
        import websockets  # noqa: F401
    except ImportError:
        cannot_run("uvicorn serves no WebSocket without the package websockets")
    app = client(WebSocketRoute("/talk", talk)).app
    good = f"Authorization: {bearer(scope='a')['Authorization']}"
    short = f"Authorization: {bearer(scope='b')['Authorization']}"
    with served(app) as port:
        assert exchange(port, "/talk", *_UPGRADE, good).startswith("HTTP/1.1 101")
        anonymous = exchange(port, "/talk", *_UPGRADE)
        assert anonymous.startswith("HTTP/1.1 401")
        assert 'www-authenticate: Bearer realm="api"' in anonymous.lower().replace("bearer", "Bearer")
        denied = exchange(port, "/talk", *_UPGRADE, short)
        assert denied.startswith("HTTP/1.1 403")
        assert '"required":["a"]' in denied
