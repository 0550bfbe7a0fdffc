"""One fetch over a real socket: what counts as an answer, and that everything else ends in time."""

from __future__ import annotations

import gzip
import json
import logging
import ssl
import time
import zlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jwtauthz.events import FailureKind
from jwtauthz.keys import fetch as fetch_module
from jwtauthz.keys.fetch import MAX_BODY, Answer, Fetcher, FetchFailed
from jwtauthz.keys.source import Memory, Source
from jwtauthz.keys.states import EMPTY, Kind, Plan
from jwtauthz.keys.timing import Timing

from .tools import Request, Server, answer, hang, jwk_rsa, jwks, key_set, serving

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT = Timing(connect=0.3, read=0.4, flight=0.7)
GOOD = jwks("one")


def plan(kind: Kind = Kind.REFRESH, **fields: Any) -> Plan:
    return Plan(
        **(
            {"number": 1, "kind": kind, "started": 0.0, "deadline": 5.0, "wanted": None}
            | fields
            | {"after_failure": False}
        )
    )


def get(server: Server, kind: Kind = Kind.RECHECK, **options: Any):
    """Fetch the server's keys once; a recheck, because that makes no second attempt."""
    source = Source(Fetcher(SHORT, options.get("client")), jwks_url=f"{server.url}/jwks?code=secret", issuer=None)
    return source.fetch(plan(kind), options.get("memory", Memory()), options.get("keys", EMPTY.keys), [])


def write(*pieces: bytes, pause: float = 0.0) -> Callable[[Request], None]:
    """A handler that sends these bytes, one after the other."""

    def handler(request: Request) -> None:
        for piece in pieces:
            request.connection.sendall(piece)
            time.sleep(pause)

    return handler


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DEEP = b'{"keys":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"


def always(**headers: Any) -> Callable[[Request], bytes]:
    return lambda _: answer(**headers)


BAD = [
    # connection
    pytest.param(hang, FailureKind.TIMEOUT, id="F03 accepts and never answers"),
    pytest.param(
        write(HEAD + b"Content-Length: 50\r\n\r\n", *[b" "] * 50, pause=0.05),
        FailureKind.TIMEOUT,
        id="F05 a dripping body",
    ),
    pytest.param(write(), FailureKind.CONNECTION, id="F07 closed before the status line"),
    pytest.param(
        write(HEAD + b"Content-Length: 5000\r\n\r\n" + GOOD), FailureKind.CONNECTION, id="F08 cut off in mid body"
    ),
    pytest.param(write(CHUNKED + b'5\r\n{"key'), FailureKind.CONNECTION, id="F09 a chunked body cut off"),
    pytest.param(write(b"SSH-2.0-OpenSSH\r\n"), FailureKind.CONNECTION, id="not HTTP at all"),
    # status
    pytest.param(always(status="500 Oops"), FailureKind.STATUS, id="F18 500"),
    pytest.param(always(status="503 Busy"), FailureKind.STATUS, id="F18 503"),
    pytest.param(
        always(status="401 No", www_authenticate="Basic"), FailureKind.STATUS, id="F20 F31 401 with a challenge"
    ),
    pytest.param(always(status="404 Not Found", body=GOOD), FailureKind.STATUS, id="F20 404, even with keys"),
    pytest.param(always(status="410 Gone"), FailureKind.STATUS, id="F20 410"),
    pytest.param(always(status="201 Created", body=GOOD), FailureKind.STATUS, id="201"),
    pytest.param(always(status="204 No Content"), FailureKind.STATUS, id="F21 204"),
    pytest.param(always(), FailureKind.MALFORMED, id="F21 200 with an empty body"),
    pytest.param(
        always(status="304 Not Modified"), FailureKind.STATUS, id="F24 R9111-10 304 although nothing was asked"
    ),
    pytest.param(always(status="302 Found", location="/jwks"), FailureKind.REDIRECT, id="F25 a redirect loop"),
    pytest.param(
        always(status="302 Found", location="file:///etc/passwd"),
        FailureKind.REDIRECT,
        id="F26 a redirect to a file",
    ),
    pytest.param(
        always(status="307 Go", location="https://127.0.0.1:9/"),
        FailureKind.REDIRECT,
        id="F27 a redirect to another port",
    ),
    pytest.param(
        always(status="301 Go", location="http://169.254.169.254/"),
        FailureKind.REDIRECT,
        id="F28 a redirect elsewhere",
    ),
    # body
    pytest.param(
        always(body=b"<html>Sign in</html>", content_type="text/html"), FailureKind.MALFORMED, id="F22 HTML"
    ),
    pytest.param(
        write(HEAD + b"Content-Length: 100000000\r\n\r\n", *[b" " * 65536] * 16),
        FailureKind.TOO_LARGE,
        id="F32 100 MB",
    ),
    pytest.param(
        write(CHUNKED, *[b"10000\r\n" + b" " * 65536 + b"\r\n"] * 16),
        FailureKind.TOO_LARGE,
        id="F33 a body without end",
    ),
    pytest.param(
        always(body=gzip.compress(bytes(50_000_000)), content_encoding="gzip"),
        FailureKind.TOO_LARGE,
        id="F34 a gzip bomb",
    ),
    pytest.param(
        always(body=gzip.compress(GOOD)[:-9], content_encoding="gzip"), FailureKind.MALFORMED, id="gzip cut off"
    ),
    pytest.param(
        always(body=gzip.compress(GOOD) + b"more", content_encoding="gzip"),
        FailureKind.MALFORMED,
        id="gzip with more behind it",
    ),
    pytest.param(always(body=GOOD, content_encoding="gzip"), FailureKind.MALFORMED, id="gzip that is none"),
    pytest.param(always(body=GOOD[:-5]), FailureKind.MALFORMED, id="F35 truncated JSON"),
    pytest.param(always(body=b"[]"), FailureKind.MALFORMED, id="F36 a list"),
    pytest.param(always(body=b'"keys"'), FailureKind.MALFORMED, id="F36 a string"),
    pytest.param(always(body=b"null"), FailureKind.MALFORMED, id="F36 null"),
    pytest.param(always(body=b"{}"), FailureKind.MALFORMED, id="F37 no keys"),
    pytest.param(always(body=b'{"keys":{}}'), FailureKind.MALFORMED, id="F37 keys that are an object"),
    pytest.param(always(body=b'{"keys":[]}'), FailureKind.NO_USABLE_KEY, id="F38 an empty set"),
    pytest.param(
        always(body=jwks({"kty": "oct", "k": "c2VjcmV0"})),
        FailureKind.NO_USABLE_KEY,
        id="F53 only a symmetric key",
    ),
    pytest.param(always(body=DEEP), FailureKind.MALFORMED, id="F39 a nesting bomb"),
    pytest.param(always(body=jwks(*[{"kty": "RSA"}] * 10_000)), FailureKind.MALFORMED, id="F40 10 000 keys"),
    pytest.param(always(body=b"\xef\xbb\xbf" + GOOD), FailureKind.MALFORMED, id="F42 a byte order mark"),
    pytest.param(always(body=b'{"keys":["\xff"]}'), FailureKind.MALFORMED, id="F43 invalid UTF-8"),
    pytest.param(always(body=GOOD.decode().encode("utf-16")), FailureKind.MALFORMED, id="F43 UTF-16"),
    pytest.param(always(body=b'{"keys":[NaN]}'), FailureKind.MALFORMED, id="F43 NaN"),
    pytest.param(always(body=b'{"keys":[],' + GOOD[1:]), FailureKind.MALFORMED, id="F43 a duplicate member"),
    pytest.param(
        always(body=zlib.compress(GOOD), content_encoding="deflate"), FailureKind.MALFORMED, id="F44 deflate"
    ),
    pytest.param(always(body=GOOD, content_encoding="br"), FailureKind.MALFORMED, id="F44 br"),
    pytest.param(always(body=GOOD, content_encoding="gzip, gzip"), FailureKind.MALFORMED, id="F44 gzip twice"),
]


@pytest.mark.parametrize(("handler", "kind"), BAD)
def test_bad_answers(handler: Callable, kind: FailureKind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    started = time.monotonic()
    with serving(handler) as server, pytest.raises(FetchFailed) as failed:
        get(server)
    assert failed.value.kind is kind, str(failed.value)
    assert time.monotonic() - started < SHORT.flight + 0.5, "F05: one limit for all of it"
    said = str(failed.value)
    assert "secret" not in said, "F17"
    assert "<html>" not in said, "F22"


GOOD_ONES = [
    pytest.param(always(body=GOOD), id="plain"),
    pytest.param(always(body=GOOD, content_type="text/plain"), id="F41 text/plain"),
    pytest.param(always(body=gzip.compress(GOOD), content_encoding="gzip"), id="gzip"),
    pytest.param(always(body=gzip.compress(GOOD), content_encoding="X-GZIP"), id="gzip by its old name"),
    pytest.param(always(body=GOOD, content_encoding="identity"), id="identity"),
    pytest.param(write(CHUNKED + f"{len(GOOD):x}\r\n".encode() + GOOD + b"\r\n0\r\n\r\n"), id="chunked"),
    pytest.param(write(HEAD + b"\r\n" + GOOD), id="no length, ended by closing"),
    pytest.param(write(HEAD + f"Content-Length: {len(GOOD)}\r\n\r\n".encode(), GOOD, pause=0.3), id="F04 slow"),
    pytest.param(always(body=GOOD + b" " * (MAX_BODY - len(GOOD))), id="exactly as large as allowed"),
    pytest.param(always(body=jwks("one", {"kty": "EC"}, 7)), id="F45 bad keys beside a good one"),
]


@pytest.mark.parametrize("handler", GOOD_ONES)
def test_good_answers(handler: Callable) -> None:
    with serving(handler) as server:
        arrived, memory = get(server)
    assert [key.kid for key in arrived.keys.keys] == ["one"]
    assert memory.url


def test_a_dead_port_is_a_failed_fetch() -> None:
    with serving(b"") as server:
        pass
    with pytest.raises(FetchFailed, match="refused") as failed:
        get(server)
    assert failed.value.kind is FailureKind.CONNECTION, "F01"


def test_the_request_asks_for_what_can_be_read_and_carries_no_cookie() -> None:
    def handler(_: Request) -> bytes:
        return answer(GOOD, set_cookie="session=1; Path=/")

    client = httpx.Client(cookies={"mine": "1"}, trust_env=False)
    with serving(handler) as server:
        get(server, client=lambda: client)
        get(server)
    for request in server.requests:
        assert "cookie" not in request.headers, "F31"
        assert request.headers["accept-encoding"] == "gzip", "F44"
        assert "json" in request.headers["accept"]
        assert request.headers["cache-control"] == "no-cache", "past caches, since it is a recheck"


def test_what_a_fetch_remembers_is_asked_again_and_304_renews_it() -> None:
    def handler(request: Request) -> bytes:
        if request.headers.get("if-none-match") == 'W/"v1"':
            return answer(status="304 Not Modified", age="100")
        return answer(
            GOOD, etag='W/"v1"', last_modified="Sun, 06 Nov 1994 08:49:37 GMT", cache_control="max-age=300"
        )

    with serving(handler) as server:
        first, memory = get(server, kind=Kind.REFRESH)
        second, again = get(server, kind=Kind.REFRESH, memory=memory, keys=first.keys)
    request = server.requests[1]
    assert request.headers["if-none-match"] == 'W/"v1"', "R9111-08"
    assert request.headers["if-modified-since"] == "Sun, 06 Nov 1994 08:49:37 GMT", "R9111-09"
    assert "cache-control" not in request.headers
    assert second.keys is first.keys, "F23"
    assert second.freshness.lifetime == 200, "R9111-10: its own headers first, the old ones where it has none"
    assert again.headers == memory.headers


def test_the_same_document_gives_the_same_set_and_the_same_key_the_same_object() -> None:
    documents = [jwks("one", "two"), jwks("one", "two"), jwks("two", "three")]
    with serving(lambda _: answer(documents.pop(0))) as server:
        first, memory = get(server)
        second, memory = get(server, memory=memory, keys=first.keys)
        third, _ = get(server, memory=memory, keys=second.keys)
    assert second.keys is first.keys
    assert third.keys.keys[0] is first.keys.keys[1]


def test_a_validator_that_no_header_can_carry_is_not_sent_back() -> None:
    with serving(lambda _: answer(GOOD).replace(b"\r\n", b'\r\nETag: "\xe9"\r\n', 1)) as server:
        arrived, memory = get(server)
        get(server, memory=memory, keys=arrived.keys)
    assert "if-none-match" not in server.requests[1].headers


@pytest.mark.parametrize(
    ("first", "kind", "requests"),
    [
        pytest.param(answer(status="503 Busy"), Kind.REFRESH, 2, id="F18 a 503 is tried once more"),
        pytest.param(answer(status="408 Slow"), Kind.MANUAL, 2, id="a 408 is tried once more"),
        pytest.param(None, Kind.REFRESH, 2, id="F07 F10 a reset is tried once more"),
        pytest.param(answer(status="503 Busy"), Kind.MISS, 1, id="not for an unknown key ID"),
        pytest.param(answer(status="503 Busy"), Kind.RECHECK, 1, id="not for a bad signature"),
        pytest.param(answer(status="503 Busy", retry_after="9"), Kind.REFRESH, 1, id="not if it says when"),
        pytest.param(answer(status="404 No"), Kind.REFRESH, 1, id="not after a 404"),
        pytest.param(answer(GOOD[:-1]), Kind.REFRESH, 1, id="not after a bad body"),
    ],
)
def test_one_retry(first: bytes | None, kind: Kind, requests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "_RETRY_PAUSE", (0.0, 0.01))
    answers = [first, answer(GOOD)]
    with serving(lambda _: answers.pop(0)) as server:
        if requests == 2:
            assert get(server, kind=kind)[0].keys.keys
        else:
            with pytest.raises(FetchFailed) as failed:
                get(server, kind=kind)
            assert failed.value.retry_after in (None, 9.0), "F19"
    assert len(server.requests) == requests


def test_a_second_failure_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_module, "_RETRY_PAUSE", (0.0, 0.01))
    with serving(lambda _: answer(status="500 Oops")) as server, pytest.raises(FetchFailed):
        get(server, kind=Kind.REFRESH)
    assert len(server.requests) == 2


def test_the_environments_proxy_is_not_for_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(GOOD) as server:
        assert get(server)[0].keys.keys, "F16"


class Odd(httpx.Client):
    """An injected client that fails in its own way."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(trust_env=False)
        self.error = error

    def send(self, *_: Any, **__: Any) -> Any:
        raise self.error


class ConnectError(Exception):
    """Of a client library that is not httpx."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(ValueError("https://u:secret@i.example"), FailureKind.CLIENT, id="an error of its own"),
        pytest.param(httpx.ConnectTimeout("x"), FailureKind.TIMEOUT, id="a time-out"),
        pytest.param(
            httpx.ProxyError("https://u:secret@proxy"), FailureKind.CONNECTION, id="a proxy that refuses"
        ),
        pytest.param(OSError(113, "secret"), FailureKind.CONNECTION, id="an error of the system"),
        pytest.param(ConnectError("secret"), FailureKind.CLIENT, id="one with a name that we know"),
        pytest.param(RecursionError(), FailureKind.CLIENT, id="a recursion without end"),
    ],
)
def test_whatever_an_injected_client_raises_is_a_failed_fetch(error: Exception, kind: FailureKind) -> None:
    with serving(GOOD) as server, pytest.raises(FetchFailed) as failed:
        get(server, client=lambda: Odd(error))
    assert failed.value.kind is kind
    assert "secret" not in str(failed.value)


def test_a_client_that_closes_badly_spoils_nothing() -> None:
    class Sticky(httpx.Client):
        def __exit__(self, *_: object) -> None:
            super().__exit__(*_)  # type: ignore[arg-type]
            raise RuntimeError("cannot close")

    with serving(GOOD) as server:
        assert get(server, client=lambda: Sticky(trust_env=False))[0].keys.keys


def test_a_certificate_error_is_told_in_words() -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = cause = ssl.SSLCertVerificationError()
    cause.verify_message = "certificate has expired"
    with serving(GOOD) as server, pytest.raises(FetchFailed, match="certificate has expired"):
        get(server, client=lambda: Odd(error))


def test_an_answer_is_data() -> None:
    assert Answer(200, {}, b"") == Answer(200, {}, b"")
    assert json.loads(GOOD)["keys"] == [jwk_rsa()]
    assert key_set("one").keys
