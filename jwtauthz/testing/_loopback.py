"""A small HTTP server on loopback that hands out JSON documents and can fall silent and come back."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Document = Callable[[str], dict[str, Any] | None]

HOST = "127.0.0.1"


class DocumentServer:
    """Answers GET with what `document(path)` returns, as JSON with an ETag; 404 where that is None.

    Args:
        document: Called in the server's threads with the path, without its query.
        cache_control: The `Cache-Control` of every answer; None sends none.
    """

    def __init__(self, document: Document, *, cache_control: str | None) -> None:
        self.document = document
        self.cache_control = cache_control
        self.port = 0  # the system chooses; from the first start on it stays the same
        self._server: _HTTPServer | None = None
        self._lock = threading.Lock()
        self._paths: list[str] = []

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths asked for so far, in order."""
        with self._lock:
            return tuple(self._paths)

    def start(self) -> None:
        """Listen, on the same port as the last time; no effect while it listens already."""
        if self._server is not None:
            return
        self._server = _HTTPServer((HOST, self.port), _handler_for(self))
        self.port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="FakeIssuer", daemon=True
        ).start()

    def stop(self) -> None:
        """Stop listening: from now on a connection is refused. No effect while it is stopped."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    def record(self, path: str) -> None:
        """Remember that `path` was asked for."""
        with self._lock:
            self._paths.append(path)


class _HTTPServer(ThreadingHTTPServer):
    """Starts again on the port it had, and asks no resolver for its own name."""

    daemon_threads = True
    request_queue_size = 128  # with the usual 5, a crowd of clients would see delays that are not theirs
    block_on_close = False
    allow_reuse_address = True
    allow_reuse_port = False  # a second issuer on the same port would be a riddle, not a feature

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # the parent's own looks its host name up, which may take seconds
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up: tests do it on purpose, and stderr is theirs."""


def _handler_for(server: DocumentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            server.record(path)
            document = server.document(path)
            status = 200 if document is not None else 404
            body = json.dumps(document if document is not None else {"error": "not_found"}).encode()
            etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            if status == 200 and self.headers.get("If-None-Match") == etag:
                status, body = 304, b""
            self.send_response(status)
            if server.cache_control is not None and status != 404:
                self.send_header("Cache-Control", server.cache_control)
            if status != 404:
                self.send_header("ETag", etag)
            if status != 304:
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
            # One connection, one answer: nothing is left open that would outlive `stop`.
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr; `DocumentServer.paths` is the log."""

    return Handler
