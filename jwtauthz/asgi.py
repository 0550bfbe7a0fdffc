"""What a server that finds tokens elsewhere than in headers does around an ASGI application.

It reads a form before the application does, and gives it to the application once more; it keeps a token among the
subprotocols of a WebSocket to itself; it marks answers to requests with a token in their URL as private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from starlette.datastructures import Headers, MutableHeaders

from .credentials import private
from .request import Request
from .sources import NOT_WHOLE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .credentials import Credentials
    from .errors import Finding

BODY_TIMEOUT: Final = 10.0  # seconds for a whole form
_KEY: Final = "jwtauthz.exchanges"
_OF_WEBSOCKETS: Final = {"http": "ws", "https": "wss"}


class Exchange:
    """One request, or one WebSocket: what passes between the server and the application."""

    def __init__(self, credentials: Credentials, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._private = credentials.stands_in_query(_query(scope))
        # Of a form: how long it says it is, its messages, and how many of them the application has had.
        self._length = credentials.form_length(_with_headers_only(scope))
        self._messages: list[Message] = []
        self._handed_on = 0
        self._complete = False
        # Of a WebSocket: the marker, and the tokens behind it, which nobody on the way back may learn.
        self._marker: str | None = None
        self._tokens: list[str] = []
        offered, source = list(scope.get("subprotocols") or ()), credentials.subprotocol
        if source is not None and source.marker in offered:
            self._marker = source.marker
            self._tokens, scope["subprotocols"] = source.split(offered)

    async def form(self) -> bytes | Finding | None:
        """The form, or why it could not be read; None if there is none in which a token may stand."""
        if not isinstance(self._length, int):
            return self._length
        size = 0
        with anyio.move_on_after(BODY_TIMEOUT):
            while not self._complete and size <= self._length:
                await self._read()
                size = sum(len(message.get("body", b"")) for message in self._messages)
        body = b"".join(message.get("body", b"") for message in self._messages)
        return body if self._complete and len(body) == self._length else NOT_WHOLE

    async def receive(self) -> Message:
        """What the application calls: a form once more, then whatever comes."""
        if self._handed_on == len(self._messages):
            if self._complete or not isinstance(self._length, int):
                return await self._receive()
            await self._read()
        self._handed_on += 1
        return self._messages[self._handed_on - 1]

    async def _read(self) -> None:
        message = await self._receive()
        self._messages.append(message)
        self._complete = message["type"] != "http.request" or not message.get("more_body", False)

    async def send(self, message: Message) -> None:
        """What the application calls with its answer."""
        if message["type"] == "http.response.start" and self._private:
            message = {**message, "headers": list(message.get("headers", ()))}
            headers = MutableHeaders(raw=message["headers"])
            told = private(", ".join(headers.getlist("cache-control")))
            del headers["cache-control"]
            headers["Cache-Control"] = told
        elif message["type"] == "websocket.accept" and self._marker is not None:
            # A browser wants one of those that it offered. Some applications choose the whole header.
            chosen = message.get("subprotocol") or ""
            if not chosen or any(token in chosen for token in self._tokens):
                message = {**message, "subprotocol": self._marker}
        await self._send(message)


class Exchanges:
    """ASGI middleware that makes the exchanges, and does nothing else."""

    def __init__(self, app: ASGIApp, credentials: Credentials) -> None:
        self.app = app
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in {"http", "websocket"}:
            receive, send = around(self._credentials, scope, receive, send)
        await self.app(scope, receive, send)


def around(credentials: Credentials, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Change a connection into what the application is to see of it."""
    if credentials in scope.get(_KEY, ()):
        return receive, send  # by a middleware further out
    exchange = Exchange(credentials, scope, receive, send)
    scope[_KEY] = {**scope.get(_KEY, {}), credentials: exchange}
    return exchange.receive, exchange.send


async def place(request: Request, scope: Scope, credentials: Credentials) -> None:
    """Tell a request what sources beside the headers read.

    Raises:
        RuntimeError: there is a form to be read, and nobody has seen to it that the application can read it too.
    """
    request.query, request.scheme = _query(scope), _scheme(scope)
    if credentials.need_exchange:
        try:
            exchange: Exchange = scope[_KEY][credentials]
        except KeyError:
            raise RuntimeError(
                f"{credentials!r} needs something around the application. Call authz.init_app(app) before its "
                "first request; a mounted application needs its own call."
            ) from None
        request.form = await exchange.form()


def _with_headers_only(scope: Scope) -> Request:
    return Request((), method=scope.get("method", "GET"), headers=Headers(scope=scope), scheme=_scheme(scope))


def _query(scope: Scope) -> str:
    query: bytes = scope.get("query_string") or b""
    return query.decode("latin-1")


def _scheme(scope: Scope) -> str:
    scheme: str = scope.get("scheme") or "http"
    return _OF_WEBSOCKETS.get(scheme, scheme) if scope["type"] == "websocket" else scheme
