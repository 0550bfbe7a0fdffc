"""What doors do for tokens that stand elsewhere: bodies are read twice, tokens go nowhere they don't belong."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import FastAPI, Form, WebSocket
from fastapi import Request as FastAPIRequest
from flask import Flask
from flask import request as flask_request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

import jwtauthz.asgi
from jwtauthz import Issuer, ResourceServer, authenticated
from jwtauthz.credentials import cookie, form, header, query, subprotocol
from jwtauthz.fastapi import JWTAuthz
from jwtauthz.flask import JWTAuthz as FlaskJWTAuthz
from jwtauthz.flask import requires as flask_requires
from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from
from jwtauthz.testing import FakeIssuer

from .test_starlette import _UPGRADE, exchange, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

ISSUER = FakeIssuer(network=False)
T = ISSUER.token(scope="a")
FORM = "application/x-www-form-urlencoded"
BODY = f"name=Zo%C3%A9&access_token={T}"


def server(*token_from: Any) -> ResourceServer:
    issuer = Issuer(ISSUER.url, key_set=ISSUER.key_set)
    return ResourceServer(issuer, ISSUER.audience, token_from=token_from or [header(), form()])


# ── a body is read twice ──


def starlette_app(*routes: Any, public: Any = (), before: Any = (), sources: Any = ()) -> TestClient:
    guard = Middleware(JWTAuthzMiddleware, server=server(*sources), public=public)
    return TestClient(Starlette(routes=routes, middleware=[*before, guard]))


@requires("a")
async def in_form(request: Request) -> JSONResponse:
    return JSONResponse((await request.form())["name"])


@requires("a")
async def in_body(request: Request) -> JSONResponse:
    return JSONResponse((await request.body()).decode())


@requires("a")
async def in_stream(request: Request) -> JSONResponse:
    return JSONResponse(b"".join([chunk async for chunk in request.stream()]).decode())


@requires("a")
def in_thread(request: Request) -> JSONResponse:
    return JSONResponse(token_from(request).subject)


@pytest.mark.parametrize("public", [[], ["/"]], ids=["closed path", "public path"])
@pytest.mark.parametrize(
    ("view", "reads"), [(in_form, "Zoé"), (in_body, BODY), (in_stream, BODY), (in_thread, "user-1")]
)
def test_a_starlette_view_reads_the_body_too(view: Any, reads: str, public: list[str]) -> None:
    http = starlette_app(Route("/", view, methods=["POST"]), public=public)
    answer = http.post("/", content=BODY, headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json()) == (200, reads)


def test_a_body_is_read_through_other_middleware() -> None:
    class Around(BaseHTTPMiddleware):
        async def dispatch(self, request: Any, call_next: Any) -> Any:
            await request.body()
            return await call_next(request)

    inside = Starlette(routes=[Route("/", in_form, methods=["POST"])], middleware=[Middleware(Around)])
    for app in (
        starlette_app(Route("/", in_form, methods=["POST"]), before=[Middleware(Around)]),
        starlette_app(Mount("/", inside)),
        starlette_app(Mount("/", inside), public=["/"]),
    ):
        assert app.post("/", content=BODY, headers={"Content-Type": FORM}).json() == "Zoé"


def test_an_upload_is_neither_read_nor_kept() -> None:
    """A large body of another type passes piece by piece, as it comes."""
    pieces = [{"type": "http.request", "body": b"x" * 1_000, "more_body": True} for _ in range(100)]
    taken: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        taken.extend([len((await receive())["body"]) for _ in range(3)])
        await PlainTextResponse("in")(scope, receive, send)

    sent = run(app, pieces, method="POST", headers=[(b"content-type", b"text/plain"), *BEARER])
    assert sent[0]["status"] == 200
    assert taken == [1_000] * 3
    assert len(pieces) == 97


@pytest.mark.parametrize("behind", [False, True], ids=["init_app alone", "behind the middleware"])
@pytest.mark.parametrize("path", ["/field", "/request", "/nothing", "/sync"])
def test_a_fastapi_view_reads_the_body_too(path: str, behind: bool) -> None:
    app, decides = FastAPI(), server()
    authz = JWTAuthz(decides)
    authz.init_app(app)
    asked = authz.requires("a")

    @app.post("/field")
    async def field(name: Annotated[str, Form()], token: Any = asked) -> str:
        return name

    @app.post("/request")
    async def request(request: FastAPIRequest, token: Any = asked) -> Any:
        return (await request.form())["name"]

    @app.post("/nothing", dependencies=[asked])
    async def nothing() -> str:
        return "Zoé"

    @app.post("/sync", dependencies=[asked, authz.requires(authenticated())])
    def sync(name: Annotated[str, Form()]) -> str:
        return name

    if behind:
        app.add_middleware(JWTAuthzMiddleware, server=decides)
    http = TestClient(app)
    answer = http.post(path, content=BODY, headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json()) == (200, "Zoé")
    assert http.post(path, content="name=x", headers={"Content-Type": FORM}).status_code == 401


def test_a_fastapi_app_without_init_app_is_loud_and_not_open() -> None:
    app, authz = FastAPI(), JWTAuthz(server())

    @app.post("/", dependencies=[authz.requires("a")])
    async def view() -> None: ...

    with pytest.raises(RuntimeError, match=r"authz\.init_app\(app\)"):
        TestClient(app).post("/", content=BODY, headers={"Content-Type": FORM})


FLASK_READS: dict[str, Callable[[], Any]] = {
    "form": lambda: flask_request.form["name"],
    "data": lambda: flask_request.get_data(as_text=True),
    "stream": lambda: flask_request.stream.read().decode(),
    "input": lambda: flask_request.environ["wsgi.input"].read().decode(),
    "values": lambda: flask_request.values["name"],
}


# (what the application has read before, what the view reads), as far as Flask itself lets it
FLASK_ORDERS = [
    *((None, reads) for reads in FLASK_READS),
    ("form", "form"),
    ("form", "values"),
    ("data", "data"),
    ("data", "form"),
    ("data", "values"),
]


@pytest.mark.parametrize(("first", "reads"), FLASK_ORDERS)
def test_a_flask_view_reads_the_body_too(first: str | None, reads: str) -> None:
    app = Flask("body")
    if first:

        @app.before_request
        def look() -> None:
            FLASK_READS[first]()

    FlaskJWTAuthz(server(), app)

    @app.post("/")
    @flask_requires("a")
    @flask_requires(authenticated())
    def view() -> Any:
        return [FLASK_READS[reads]()]

    answer = app.test_client().post("/", data=BODY, content_type=FORM)
    assert (answer.status_code, answer.json) == (200, ["Zoé" if reads in {"form", "values"} else BODY])


def test_a_flask_app_that_has_read_a_form_hides_no_second_token() -> None:
    app = Flask("body")
    app.before_request(lambda: flask_request.form and None)
    FlaskJWTAuthz(server(), app)
    app.post("/")(flask_requires("a")(lambda: "in"))
    twice = app.test_client().post("/", data=f"access_token={T}&%61ccess_token={T}", content_type=FORM)
    assert (twice.status_code, twice.json["error"]) == (400, "invalid_request")


# ── bodies that never end ──

BEARER = [(b"authorization", f"Bearer {T}".encode())]
URLENCODED = (b"content-type", FORM.encode())


def run(app: Any, pieces: list[Message], **scope: Any) -> list[Any]:
    """What an app behind the middleware sends; when there are no pieces left, the client is silent."""
    sent: list[Any] = []

    async def receive() -> Message:
        if not pieces:
            await asyncio.Event().wait()
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {"type": "http", "method": "POST", "path": "/", "headers": [], **scope}
    asyncio.run(JWTAuthzMiddleware(app, server())(whole, receive, send))
    return sent


async def answers(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("in")(scope, receive, send)


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        pytest.param(100, [], id="nothing comes"),
        pytest.param(100, [piece(b"access_")], id="it stops in the middle"),
        pytest.param(100, [piece(b"a=b", more=False)], id="less comes than was said"),
        pytest.param(3, [piece(b"a=b&"), piece(b"c" * 10)], id="more comes than was said"),
        pytest.param(100, [piece(b"a="), {"type": "http.disconnect"}], id="the client goes away"),
        pytest.param(100, [piece(b"")] * 50, id="empty pieces"),
    ],
)
def test_a_form_that_does_not_arrive_whole_is_refused(
    length: int, pieces: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwtauthz.asgi, "BODY_TIMEOUT", 0.05)
    started = time.monotonic()
    headers = [URLENCODED, (b"content-length", str(length).encode()), *BEARER]
    sent = run(answers, list(pieces), headers=headers)
    assert sent[0]["status"] == 400
    assert time.monotonic() - started < 5


def test_a_form_of_unknown_length_is_refused_without_reading() -> None:
    pieces = [piece(b"x" * 1_000)] * 10
    for headers in ([URLENCODED], [URLENCODED, (b"transfer-encoding", b"chunked"), (b"content-length", b"10")]):
        assert run(answers, pieces, headers=[*headers, *BEARER])[0]["status"] == 400
    assert len(pieces) == 10


def test_a_form_whose_deadline_has_a_limit() -> None:
    assert 0 < jwtauthz.asgi.BODY_TIMEOUT <= 30


# ── answers to requests with a token in their URL ──


def cached(value: str | None) -> Any:
    headers = {} if value is None else {"Cache-Control": value}

    async def view(request: Request) -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"in"

        return StreamingResponse(body(), headers=headers)

    return view


@pytest.mark.parametrize(
    ("says", "sends"),
    [
        (None, "private"),
        ("public, max-age=60", "private, max-age=60"),
        ("no-store", "no-store"),
        ("private, max-age=1", "private, max-age=1"),
    ],
)
def test_answers_are_private(says: str | None, sends: str) -> None:
    sources = (header(), query("t"))
    starlette = starlette_app(Route("/", cached(says)), sources=sources)
    fastapi, authz = FastAPI(), JWTAuthz(server(*sources))
    authz.init_app(fastapi)
    fastapi.add_api_route("/", cached_in_fastapi(says), dependencies=[authz.requires("a")], response_model=None)
    flask = Flask("cached")
    FlaskJWTAuthz(server(*sources), flask)
    flask.get("/")(flask_requires("a")(lambda: ("in", {} if says is None else {"Cache-Control": says})))
    for client in (starlette, TestClient(fastapi), flask.test_client()):
        with_token, without = client.get(f"/?t={T}"), client.get("/", headers={"Authorization": f"Bearer {T}"})
        assert (with_token.status_code, without.status_code) == (200, 200)
        assert with_token.headers["Cache-Control"] == sends
        assert without.headers.get("Cache-Control") == says


def cached_in_fastapi(says: str | None) -> Any:
    async def view() -> PlainTextResponse:
        return PlainTextResponse("in", headers={} if says is None else {"Cache-Control": says})

    return view


def test_an_answer_to_a_token_in_the_url_of_no_route_is_private() -> None:
    http = starlette_app(sources=[query("t")], public=["/nowhere"])
    assert http.get(f"/nowhere?t={T}").headers["cache-control"] == "private"


def test_no_log_holds_a_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "jwtauthz")
    http = starlette_app(Route("/", in_thread), sources=[header(), query("t")])
    http.get(f"/?t={T}&t={T}")
    http.get(f"/?t={T}x")
    assert len(caplog.records) == 2
    assert T not in caplog.text


# ── WebSockets ──

SOCKETS = (header(), subprotocol(), cookie("t", origins=["https://app.example.com"]))


@requires("a")
async def talk(websocket: Any) -> None:
    await websocket.accept(subprotocol=websocket.query_params.get("choose"))
    await websocket.send_json([token_from(websocket).subject, websocket.scope["subprotocols"]])
    await websocket.close()


def sockets(*, public: bool = False) -> TestClient:
    return starlette_app(WebSocketRoute("/", talk), sources=SOCKETS, public=["/"] if public else [])


def fastapi_sockets() -> TestClient:
    app, authz = FastAPI(), JWTAuthz(server(*SOCKETS))
    authz.init_app(app)
    asked = authz.requires("a")

    async def view(websocket: WebSocket, token: Any = asked) -> None:
        await websocket.accept(subprotocol=websocket.query_params.get("choose"))
        await websocket.send_json([token.subject, websocket.scope["subprotocols"]])
        await websocket.close()

    view.__annotations__ = {"websocket": WebSocket, "token": Any}
    app.websocket("/")(view)
    return TestClient(app)


EVERY_SOCKET = pytest.mark.parametrize(
    "make", [sockets, lambda: sockets(public=True), fastapi_sockets], ids=["closed", "public", "fastapi"]
)


@EVERY_SOCKET
@pytest.mark.parametrize(
    ("offered", "chooses", "chosen", "seen"),
    [
        pytest.param(["bearer", T], "", "bearer", [], id="the marker is chosen"),
        pytest.param(["bearer", T, "chat"], "", "bearer", ["chat"], id="whatever else is offered"),
        pytest.param(["chat", "bearer", T], "?choose=chat", "chat", ["chat"], id="unless the view chooses"),
        pytest.param(["bearer", T], f"?choose={T}", "bearer", [], id="but the token never is"),
        pytest.param(["bearer", T], f"?choose=bearer,{T}", "bearer", [], id="nor the whole header"),
    ],
)
def test_a_token_among_the_subprotocols(
    make: Callable[[], TestClient], offered: list[str], chooses: str, chosen: str, seen: list[str]
) -> None:
    with make().websocket_connect(f"/{chooses}", subprotocols=offered) as websocket:
        assert websocket.receive_json() == ["user-1", seen]
        assert websocket.accepted_subprotocol == chosen


@EVERY_SOCKET
def test_a_token_in_the_header_leaves_subprotocols_alone(make: Callable[[], TestClient]) -> None:
    bearer = {"Authorization": f"Bearer {T}"}
    with make().websocket_connect("/?choose=chat", subprotocols=["chat"], headers=bearer) as websocket:
        assert websocket.receive_json() == ["user-1", ["chat"]]
        assert websocket.accepted_subprotocol == "chat"
    with make().websocket_connect("/", headers=bearer) as websocket:
        assert websocket.accepted_subprotocol is None


@EVERY_SOCKET
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Origin": "https://app.example.com"}, 200, id="the page that is named"),
        pytest.param({"Origin": "http://testserver"}, 200, id="the own page"),
        pytest.param({"Origin": "https://evil.example.com"}, 400, id="a page of another site"),
        pytest.param({"Origin": "null"}, 400, id="a sandboxed page"),
        pytest.param({}, 400, id="a client that shows nothing"),
        pytest.param({"Sec-Fetch-Site": "cross-site"}, 400, id="what the browser calls another site"),
    ],
)
def test_a_handshake_with_a_cookie(make: Callable[[], TestClient], headers: dict[str, str], status: int) -> None:
    http = make()
    connect = http.websocket_connect("/", headers={"Cookie": f"t={T}", **headers})
    if status == 200:
        with connect as websocket:
            assert websocket.receive_json()[0] == "user-1"
    else:
        with pytest.raises(WebSocketDenialResponse) as refused, connect:
            pass
        assert refused.value.status_code == status


def test_subprotocols_over_a_real_server(cannot_run: Callable[[str], None]) -> None:
    """The handshake is answered with the marker, and the token is nowhere in the answer."""
    try:
        import websockets  # noqa: F401
    except ImportError:
        cannot_run("uvicorn serves no WebSocket without the package websockets")
    with served(sockets().app) as port:
        answer = exchange(port, "/", *_UPGRADE, f"Sec-WebSocket-Protocol: bearer, {T}")
        assert answer.startswith("HTTP/1.1 101")
        assert "sec-websocket-protocol: bearer\r\n" in answer.lower()
        assert T not in answer.partition("\r\n\r\n")[0]
        hijacked = exchange(port, "/", *_UPGRADE, f"Cookie: t={T}", "Origin: https://evil.example.com")
        assert hijacked.startswith("HTTP/1.1 400")


# ── over a real server ──


def post(port: int, *headers: str, body: str = "") -> str:
    """What a server answers to one POST."""
    import socket

    lines = ["POST / HTTP/1.1", f"Host: localhost:{port}", "Connection: close", *headers, "", body]
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1"))
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    return received.decode("latin-1")


def test_forms_and_cookies_over_a_real_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwtauthz.asgi, "BODY_TIMEOUT", 0.2)
    app = starlette_app(Route("/", in_form, methods=["POST"]), sources=[header(), form(), cookie("t")]).app
    type_, length = f"Content-Type: {FORM}", f"Content-Length: {len(BODY)}"
    with served(app) as port:
        assert post(port, type_, length, body=BODY).endswith('"Zoé"'.encode().decode("latin-1"))
        chunked = post(port, type_, "Transfer-Encoding: chunked", body=f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n")
        assert chunked.startswith("HTTP/1.1 400")
        endless = post(port, type_, "Transfer-Encoding: chunked", body="1\r\na\r\n")
        assert endless.startswith("HTTP/1.1 400")
        slow = post(port, type_, length, body="access_token=")
        assert slow.startswith("HTTP/1.1 400")
        form_of_another = [f"Cookie: t={T}", "Content-Type: text/plain", "Content-Length: 0"]
        assert post(port, *form_of_another, "Origin: https://evil.example.com").startswith("HTTP/1.1 400")
        assert post(port, *form_of_another, f"Origin: http://127.0.0.1:{port}").startswith("HTTP/1.1 400")
        two_lines = post(port, f"Cookie: t={T}", f"Cookie: t={T}", "Sec-Fetch-Site: same-origin")
        assert two_lines.startswith("HTTP/1.1 400")


# ── OpenAPI ──


def schemes(*sources: Any) -> tuple[Any, Any]:
    app, authz = FastAPI(), JWTAuthz(server(*sources))
    authz.init_app(app)

    @app.get("/", dependencies=[authz.requires("a", optional=True)])
    async def view() -> None: ...

    app.openapi()
    document = app.openapi()
    parameters = document["paths"]["/"]["get"].get("parameters", [])
    assert parameters == []
    return document["paths"]["/"]["get"]["security"], document["components"]["securitySchemes"]


IN_HEADER = {"type": "http", "bearerFormat": "JWT", "scheme": "bearer"}
TOKEN = "An access token (JWT)"
IN_COOKIE = {"type": "apiKey", "in": "cookie", "name": "t", "description": TOKEN}
IN_QUERY = {"type": "apiKey", "in": "query", "name": "q", "description": TOKEN}


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param([header()], [IN_HEADER], id="the header"),
        pytest.param([cookie("t")], [IN_COOKIE], id="a cookie"),
        pytest.param([query("q")], [IN_QUERY], id="a query"),
        pytest.param([header(), cookie("t"), query("q")], [IN_HEADER, IN_COOKIE, IN_QUERY], id="any of three"),
        pytest.param(
            [form()],
            [{**IN_HEADER, "description": f"{TOKEN}, in the form field access_token"}],
            id="a form, for which OpenAPI has no word",
        ),
    ],
)
def test_openapi_says_where_the_token_is(sources: list[Any], expected: list[dict[str, str]]) -> None:
    security, found = schemes(*sources)
    names = ["jwtauthz", "jwtauthz-2", "jwtauthz-3"][: len(expected)]
    assert security == [*({name: ["a"]} for name in names), {}]
    assert found == dict(zip(names, expected, strict=True))
