"""An HTTP server on loopback that lets a function answer, and can fall silent in several ways and come back."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from ._exchange import Exchange, Gone

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

HOST = "127.0.0.1"


class LoopbackServer:
    """Gives each GET (and HEAD) to `answer`, in a thread of its own.

    Args:
        answer: Answers one request.
        tls: Makes it speak https; may be set anew at any time, for the connections that come.
    """

    def __init__(self, answer: Callable[[Exchange], None], *, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.port = 0  # the system chooses; from the first start on it stays the same
        self.connections = 0
        self._server: _HTTPServer | None = None
        self._held: list[socket.socket] = []
        self._lock = threading.Lock()
        self._log: list[tuple[str, Mapping[str, str]]] = []

    @property
    def log(self) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """Path and headers of each request so far, in order."""
        with self._lock:
            return tuple(self._log)

    def start(self) -> None:
        """Listen, on the same port as the last time; no effect while it listens already."""
        if self._server is not None:
            return
        self._let_go()
        self._server = _HTTPServer(self)
        self.port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="FakeIssuer", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening and break off what goes on: from now on a connection is refused."""
        self._let_go()
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.break_off()

    def refuse(self) -> None:
        """As `stop`, but the port stays ours: nobody else can take it meanwhile."""
        self.stop()
        self._held = [_bound(self.port)]
        self.port = self._held[0].getsockname()[1]

    def black_hole(self) -> None:
        """Be there, but accept nobody: the queue of the port is full, so connecting takes for ever."""
        self.stop()
        full = _bound(self.port)
        self.port = full.getsockname()[1]
        full.listen(0)
        self._held = [full]
        for _ in range(8):  # one or two are queued, the next one shows that it is full
            waiting = socket.socket()
            self._held.append(waiting)
            waiting.settimeout(0.1)
            try:
                waiting.connect((HOST, self.port))
            except OSError:
                return

    def record(self, path: str, headers: Mapping[str, str]) -> None:
        """Remember a request."""
        with self._lock:
            self._log.append((path, headers))

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for each in held:
            each.close()


def _bound(port: int) -> socket.socket:
    """A socket that owns the port and does not listen: whoever connects is refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, port))
    return holder


class _HTTPServer(ThreadingHTTPServer):
    """Starts again on the port it had, asks no resolver for its own name, and knows who is connected."""

    daemon_threads = True
    request_queue_size = 128  # with the usual 5, a crowd of clients would see delays that are not theirs
    block_on_close = False
    allow_reuse_address = True
    allow_reuse_port = False  # a second issuer on the same port would be a riddle, not a feature

    def __init__(self, owner: LoopbackServer) -> None:
        self._owner = owner
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((HOST, owner.port), _handler_for(owner))

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # the parent's own looks its host name up, which may take seconds
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request(self, request: object, client_address: object) -> None:
        """Count, then go on in a thread."""
        assert isinstance(request, socket.socket)  # noqa: S101  # TCPServer gives nothing else
        self._owner.connections += 1
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def finish_request(self, request: object, client_address: object) -> None:
        """In that thread: shake hands first, where we speak TLS."""
        assert isinstance(request, socket.socket)  # noqa: S101  # as above
        connection = request
        try:
            if self._owner.tls is not None:
                request.settimeout(10)
                connection = self._owner.tls.wrap_socket(request, server_side=True)
                with self._open_lock:
                    self._open.add(connection)
            super().finish_request(connection, client_address)
        finally:
            with self._open_lock:
                self._open -= {request, connection}
            if connection is not request:
                connection.close()

    def break_off(self) -> None:
        """End every exchange, and wait a moment for their threads to notice."""
        with self._open_lock:
            open_ = list(self._open)
        for connection in open_:
            with contextlib.suppress(OSError):
                # Not the method of an SSL socket, which another thread may be reading from.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        end = time.monotonic() + 1
        while self._open and time.monotonic() < end:
            time.sleep(0.002)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: tests do it on purpose, and stderr is theirs."""


def _handler_for(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def setup(self) -> None:
            super().setup()
            self.answered = 0

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.record(path, headers)
            self.answered += 1
            exchange = Exchange(
                self.connection, method=self.command, path=path, headers=headers, number=self.answered
            )
            self.close_connection = True
            with contextlib.suppress(Gone):
                server.answer(exchange)
                # One connection, one answer, unless asked for: nothing is left open that would outlive `stop`.
                self.close_connection = not exchange.keep_open

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr; `LoopbackServer.log` is the log."""

    return Handler
