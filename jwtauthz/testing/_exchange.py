"""One HTTP request at an issuer on loopback, and the ways to answer it, good and bad."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import time
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .issuer import FakeIssuer


class Gone(ConnectionError):
    """The exchange is over: the client has hung up, we have, or the issuer stops."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer as data."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def with_headers(self, headers: Mapping[str, str | None]) -> Reply:
        """The same with these headers instead of its own of those names; None takes one away."""
        replaced = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in replaced}
        return replace(
            self, headers={**kept, **{name: value for name, value in headers.items() if value is not None}}
        )

    def with_body(self, body: bytes) -> Reply:
        """The same with another body; the validator of the old one goes, for it would be a lie."""
        return replace(self.with_headers({"ETag": None}), status=200, body=body)

    def head(self) -> bytes:
        """The status line and the headers, as they stand on the wire."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Odd"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{k}: {v}" for k, v in self.headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def json_reply(document: Mapping[str, Any] | None, asked: Mapping[str, str], cache_control: str | None) -> Reply:
    """What a well-behaved issuer answers: the document with an ETag, 304 if the client has it, else 404."""
    if document is None:
        return Reply(404, {"Content-Type": "application/json"}, b'{"error": "not_found"}')
    body = json.dumps(document).encode()
    headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'}
    if cache_control is not None:
        headers["Cache-Control"] = cache_control
    if asked.get("if-none-match") == headers["ETag"]:
        return Reply(304, headers)
    return Reply(200, {**headers, "Content-Type": "application/json"}, body)


class Exchange:
    """A request that waits for its answer.

    A behaviour is a function that takes one: it reads what was asked and answers through the methods here,
    in as many steps and as badly as it likes. It runs in a thread of its own.

    Attributes:
        path: What was asked for, without the query.
        headers: The headers of the request, their names in lower case.
        number: Which request of its connection this is, counted from 1.
        issuer: Who is asked.
        keep_open: Whether the connection may carry another request after this one.
    """

    issuer: FakeIssuer

    def __init__(
        self,
        connection: socket.socket,
        *,
        method: str,
        path: str,
        headers: Mapping[str, str],
        number: int,
    ) -> None:
        self.path = path
        self.headers = headers
        self.number = number
        self.keep_open = False
        self._method = method
        self._connection = connection

    @property
    def good(self) -> Reply:
        """What a well-behaved issuer would answer now; 304 to a client that has the document already."""
        return self.issuer.reply_to(self.path, self.headers)

    @property
    def whole(self) -> Reply:
        """The same, but always with a body."""
        return self.issuer.reply_to(self.path, {})

    def reply(self, reply: Reply) -> None:
        """Send a whole answer, its length included. One connection carries one answer, unless told otherwise."""
        framing: dict[str, str | None] = {} if self.keep_open else {"Connection": "close"}
        if reply.status not in (204, 304):
            framing["Content-Length"] = str(len(reply.body))
        body = b"" if self._method == "HEAD" else reply.body
        self.send(reply.with_headers(framing).head() + body)

    def send(self, data: bytes) -> None:
        """Send bytes just as they are."""
        try:
            self._connection.sendall(data)
        except OSError:
            raise Gone from None

    def wait(self, seconds: float | None = None) -> None:
        """Do nothing for so many seconds, or for ever. Ends early, with `Gone`, once nobody waits any more."""
        usual, until = self._connection.gettimeout(), None
        if seconds is not None:
            until = time.monotonic() + seconds
        try:
            while until is None or time.monotonic() < until:
                self._connection.settimeout(None if until is None else max(0.001, until - time.monotonic()))
                if not self._connection.recv(1024):
                    raise Gone
        except TimeoutError:
            pass
        except OSError:
            raise Gone from None
        self._connection.settimeout(usual)

    def reset(self) -> NoReturn:
        """Break the connection off, so that the client sees "connection reset by peer"."""
        linger = struct.pack("ii", 1, 0)  # closing it sends no goodbye
        with contextlib.suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(self._connection.detach())
        raise Gone

    def hang_up(self) -> NoReturn:
        """Close the connection; what has been sent arrives."""
        raise Gone
