"""A web server on loopback that sends whatever bytes a test wants, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl


@dataclass
class Reply:
    """One answer; a body that is no bytes is sent as JSON."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Asked:
    """One request: method, path and headers, names in lower case."""

    method: str
    path: str
    headers: dict[str, str]


class Origin:
    """Answers by path; 404 for every other. Use it in a `with` block."""

    def __init__(self, replies: dict[str, Reply] | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.replies = replies if replies is not None else {}
        self.asked: list[Asked] = []
        self._tls = tls

    def __enter__(self) -> Self:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                origin.asked.append(Asked(self.command, self.path, headers))
                reply = origin.replies.get(self.path, Reply(status=404))
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.content)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.content)

            do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(HTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """Clients hang up on purpose here."""

        self._server = Quiet(("127.0.0.1", 0), Handler)
        scheme = "http"
        if self._tls is not None:
            scheme = "https"
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]
