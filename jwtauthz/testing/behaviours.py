"""What an issuer can do wrong, each thing by its name, for `MisbehavingIssuer`.

::

    issuer.behave(behaviours.hanging())
    issuer.behave(behaviours.failing(503), at="metadata")
    issuer.behave(behaviours.alternating(None, behaviours.html()))

A behaviour is a function of an `Exchange`; what is missing here is quickly written::

    def shy(exchange):
        exchange.wait(2)
        exchange.reply(exchange.good.with_body(b"{}"))

    issuer.behave(shy)

A few are not about an answer but about the port: `refusing`, `unreachable` and `presenting`. Those hold for
whatever is asked for.
"""

from __future__ import annotations

import gzip
import json
import struct
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ._exchange import Exchange, Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

__all__ = [
    "Behaviour",
    "Exchange",
    "Reply",
    "altered",
    "alternating",
    "at_first",
    "closing_kept_connections",
    "cut_off",
    "dripping_body",
    "dripping_headers",
    "empty",
    "endless",
    "failing",
    "gzip_bomb",
    "hanging",
    "html",
    "huge",
    "leaking_private_keys",
    "miscoded",
    "nested",
    "not_modified",
    "presenting",
    "publishing",
    "redirecting",
    "refusing",
    "resetting",
    "rotating",
    "sending",
    "slow",
    "throttling",
    "too_many_keys",
    "truncated",
    "unreachable",
    "with_headers",
]

_JSON: Final = {"Content-Type": "application/json"}
_CHUNK: Final = 256 * 1024


class Port(Enum):
    """What becomes of a connection, if not an exchange."""

    CLOSED = "closed"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Presenting:
    """Another certificate than the issuer's own; None is no TLS at all."""

    tls: ssl.SSLContext | None


Answering: TypeAlias = Callable[[Exchange], None]
Behaviour: TypeAlias = Answering | Port | Presenting


# The connection


def refusing() -> Behaviour:
    """Nobody listens: the connection is refused at once."""
    return Port.CLOSED


def unreachable() -> Behaviour:
    """A black hole: the packets of whoever connects are dropped (Linux), and nobody says so."""
    return Port.FULL


def presenting(tls: ssl.SSLContext | None) -> Behaviour:
    """Other certificates than its own: expired, for another host, of an unknown CA. None stops speaking TLS.

    It needs an issuer that was made with `tls=`.
    """
    return Presenting(tls)


def hanging() -> Behaviour:
    """Accepts, reads the request, and never answers."""
    return lambda exchange: exchange.wait()


def slow(seconds: float) -> Behaviour:
    """Answers well, but not before so many seconds have passed."""

    def act(exchange: Exchange) -> None:
        exchange.wait(seconds)
        exchange.reply(exchange.good)

    return act


def dripping_body(interval: float = 1.0) -> Behaviour:
    """Answers well, but sends the body byte by byte with such a pause after each: no single read is slow."""

    def act(exchange: Exchange) -> None:
        head, body = _framed(exchange.whole)
        exchange.send(head)
        _drip(exchange, body, interval)

    return act


def dripping_headers(interval: float = 1.0) -> Behaviour:
    """As `dripping_body`, from the first byte of the status line on."""

    def act(exchange: Exchange) -> None:
        head, body = _framed(exchange.whole)
        _drip(exchange, head + body, interval)

    return act


def resetting() -> Behaviour:
    """Breaks the connection off once it has read the request ("connection reset by peer")."""
    return lambda exchange: exchange.reset()


def cut_off(*, chunked: bool = False) -> Behaviour:
    """Hangs up in mid body: before its `Content-Length` is reached, or without the last chunk."""

    def act(exchange: Exchange) -> None:
        good = exchange.whole
        half = good.body[: len(good.body) // 2]
        if chunked:
            head = good.with_headers({"Transfer-Encoding": "chunked"}).head()
            exchange.send(head + f"{len(half):x}\r\n".encode() + half + b"\r\n")
        else:
            exchange.send(_framed(good)[0] + half)
        exchange.hang_up()

    return act


def closing_kept_connections() -> Behaviour:
    """Answers well and offers to keep the connection, then breaks it off when the next request comes on it."""

    def act(exchange: Exchange) -> None:
        if exchange.number > 1:
            exchange.reset()
        exchange.keep_open = True
        exchange.reply(exchange.good)

    return act


# Status and headers


def failing(status: int = 503, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answers with this status, whatever is asked for."""
    return _replying(Reply(status, headers or {}, body))


def throttling(retry_after: float | str | None = 60) -> Behaviour:
    """429 with this `Retry-After`: seconds, an HTTP date, rubbish, or none."""
    return failing(429, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


def redirecting(to: str | None = None, *, status: int = 302) -> Behaviour:
    """Redirects to that URL; by default to the one that was asked for, which is a loop."""
    return lambda exchange: exchange.reply(Reply(status, {"Location": exchange.path if to is None else to}))


def not_modified() -> Behaviour:
    """304, whether or not the client has anything that could be unmodified."""
    return _replying(Reply(304))


def with_headers(headers: Mapping[str, str | None]) -> Behaviour:
    """Answers well, but with these headers in place of its own of those names; None takes one away."""
    return lambda exchange: exchange.reply(exchange.good.with_headers(headers))


# The body


def sending(body: bytes, *, content_type: str | None = "application/json") -> Behaviour:
    """200 with these bytes."""
    return _replying(Reply(200, {} if content_type is None else {"Content-Type": content_type}, body))


def empty(status: int = 200) -> Behaviour:
    """An answer without a body."""
    return _replying(Reply(status, _JSON if status == 200 else {}))


def html() -> Behaviour:
    """200 with a web page, as captive portals and firewalls answer."""
    return sending(b"<!doctype html><title>Welcome</title><h1>Please log in</h1>", content_type="text/html")


def truncated() -> Behaviour:
    """A good document that ends in the middle, in an HTTP answer that is whole."""
    return _with_body(lambda body: body[: len(body) // 2])


def huge(size: int = 100_000_000) -> Behaviour:
    """A good document with so many bytes of blanks in it."""

    def act(exchange: Exchange) -> None:
        good = exchange.whole
        body = good.with_headers({"ETag": None, "Content-Length": str(len(good.body) + size)})
        exchange.send(body.head() + good.body[:1])
        for _ in range(size // _CHUNK):
            exchange.send(b" " * _CHUNK)
        exchange.send(b" " * (size % _CHUNK) + good.body[1:])

    return act


def endless() -> Behaviour:
    """A body without a length that goes on as long as anybody listens."""

    def act(exchange: Exchange) -> None:
        exchange.send(Reply(200, {**_JSON, "Connection": "close"}).head() + b"{")
        while True:
            exchange.send(b" " * _CHUNK)

    return act


def gzip_bomb(size: int = 100_000_000) -> Behaviour:
    """A body of so many bytes that gzip has made a thousand times smaller. The document would be good."""

    def act(exchange: Exchange) -> None:
        body = _zipped(exchange.whole.body, size)
        exchange.reply(exchange.whole.with_body(body).with_headers({"Content-Encoding": "gzip"}))

    return act


def miscoded(coding: str) -> Behaviour:
    """A good document that is said to be in this `Content-Encoding`; with "gzip" it really is."""

    def act(exchange: Exchange) -> None:
        body = exchange.whole.body
        reply = exchange.whole.with_body(gzip.compress(body) if coding == "gzip" else body)
        exchange.reply(reply.with_headers({"Content-Encoding": coding}))

    return act


def nested(depth: int = 100_000) -> Behaviour:
    """JSON so deep that a recursive parser falls over."""
    return sending(b'{"keys": ' + b"[" * depth + b"]" * depth + b"}")


def altered(**members: object) -> Behaviour:
    """A good document with these members in place of its own; None takes one away.

    `altered(keys=[])` publishes no key, `altered(issuer="https://other.example/")` at the metadata names
    somebody else, and `altered(jwks_uri=...)` points elsewhere.
    """

    def alter(body: bytes) -> bytes:
        document = {**json.loads(body), **members}
        return _json({name: value for name, value in document.items() if value is not None})

    return _with_body(alter)


# The keys


def publishing(*entries: object, alone: bool = False) -> Behaviour:
    """These entries, good or bad, before the issuer's own keys; or alone."""

    def publish(body: bytes) -> bytes:
        document = json.loads(body)
        return _json({**document, "keys": [*entries, *([] if alone else document["keys"])]})

    return _with_body(publish)


def too_many_keys(count: int = 10_000) -> Behaviour:
    """The issuer's newest key again and again, each time under another key ID."""

    def repeat(body: bytes) -> bytes:
        document = json.loads(body)
        newest = document["keys"][0]
        return _json({"keys": [*document["keys"], *({**newest, "kid": f"copy-{n}"} for n in range(count))]})

    return _with_body(repeat)


def leaking_private_keys() -> Behaviour:
    """The issuer's keys with their private members, for everybody to read."""

    def act(exchange: Exchange) -> None:
        exchange.reply(exchange.whole.with_body(_json({"keys": exchange.issuer.private_jwks()})))

    return act


def rotating(*, keep_old: bool = False, same_kid: bool = False) -> Behaviour:
    """A new key at every fetch; with `same_kid=True` always under the same key ID."""

    def act(exchange: Exchange) -> None:
        exchange.issuer.rotate(keep_old=keep_old, same_kid=same_kid)
        exchange.reply(exchange.good)

    return act


# One after the other


def alternating(*turns: Behaviour | None) -> Behaviour:
    """These in turn, request by request, over and over; None is a good answer."""
    return _in_turn(turns, lambda number: number % len(turns))


def at_first(behaviour: Behaviour, times: int = 1) -> Behaviour:
    """So for the first requests, good from then on."""
    return _in_turn((behaviour, None), lambda number: int(number >= times))


def _in_turn(turns: tuple[Behaviour | None, ...], choose: Callable[[int], int]) -> Behaviour:
    acts = [_answering(turn) for turn in turns]
    lock, asked = threading.Lock(), 0

    def act(exchange: Exchange) -> None:
        nonlocal asked
        with lock:
            number, asked = asked, asked + 1
        acts[choose(number)](exchange)

    return act


def _answering(behaviour: Behaviour | None) -> Answering:
    if isinstance(behaviour, (Port, Presenting)):
        raise TypeError(f"{behaviour} is about the whole port, so it cannot change from request to request")
    return behaviour or (lambda exchange: exchange.reply(exchange.good))


def _replying(reply: Reply) -> Behaviour:
    return lambda exchange: exchange.reply(reply)


def _with_body(change: Callable[[bytes], bytes]) -> Behaviour:
    """A good answer with another body; never a 304, which has none."""
    return lambda exchange: exchange.reply(exchange.whole.with_body(change(exchange.whole.body)))


def _framed(reply: Reply) -> tuple[bytes, bytes]:
    framing = {"Content-Length": str(len(reply.body)), "Connection": "close"}
    return reply.with_headers(framing).head(), reply.body


def _drip(exchange: Exchange, data: bytes, interval: float) -> None:
    for byte in data:
        exchange.send(bytes([byte]))
        exchange.wait(interval)


def _zipped(body: bytes, size: int) -> bytes:
    """The body with so many blanks after its first byte, as gzip; the blanks are packed only once."""
    packer, blanks = zlib.compressobj(9, zlib.DEFLATED, -15), b" " * _CHUNK
    begin, block = (packer.compress(part) + packer.flush(zlib.Z_FULL_FLUSH) for part in (body[:1], blanks))
    end = packer.compress(body[1:]) + packer.flush()
    count = -(-size // _CHUNK)
    checksum = zlib.crc32(body[:1])
    for _ in range(count):
        checksum = zlib.crc32(blanks, checksum)
    checksum = zlib.crc32(body[1:], checksum)
    header = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"  # RFC 1952 section 2.3
    trailer = struct.pack("<II", checksum, len(body) + count * _CHUNK)
    return header + begin + block * count + end + trailer


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
