"""The only HTTP of the library: one GET, bounded in time and size, and trusting as little as it can.

A fetch is told its limits, and everything that can go wrong comes out as one `FetchFailed` whose text holds
no secret of the URL and nothing of the body. Only the resolver and a server that drips its headers can hold
a thread past the limit; no synchronous client can bound those, so `remote` gives such a flight up.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
import zlib
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jwtauthz.failures import FailureKind

from .addresses import is_public
from .freshness import retry_after
from .urls import is_loopback, redacted

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    import httpx

    from .jwk import SkippedKey
    from .timing import Timing

MAX_BODY: Final = 256 * 1024
"""Bytes of an answer that are read, counted both as they come and decoded."""
_RETRIED_STATUS: Final = frozenset({408, *range(500, 600)})
# By name: an injected client may be of httpx or of a successor that has its own classes of these names.
_RETRIED_ERRORS: Final = frozenset({"ConnectError", "ConnectTimeout", "ReadError", "RemoteProtocolError"})
THREAD_NAME: Final = "jwtauthz-keys"
_VALIDATORS: Final = frozenset({"If-None-Match", "If-Modified-Since"})
_RETRY_PAUSE: Final = (0.2, 0.4)


# A child that is forked while another thread imports a module waits for that import for ever: so a fork waits
# for ours.
_loading = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


class _Quiet(logging.Filter):
    """Keeps the HTTP client's own lines about our fetches out of the log: they show the whole URL."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.threadName != THREAD_NAME


_quiet = _Quiet()


class FetchFailed(Exception):
    """A fetch brought nothing; the text is a sentence for the log, without a full stop.

    `status` is the HTTP status if there was one, `retry_after` what the server asked for, in seconds,
    `skipped` the keys of a set of which none can be used.
    """

    def __init__(
        self,
        kind: FailureKind,
        reason: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        skipped: tuple[SkippedKey, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.skipped = skipped
        self.kind = kind
        self.status = status
        self.retry_after = retry_after


class Answer(NamedTuple):
    """A 200 with its decoded body, or a 304 without one. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Fetcher:
    """Makes a session for each flight, and keeps what is worth keeping between them: the TLS context.

    `client` gives a new client for each flight, with its own CA, proxy or client certificate; it is closed
    afterwards. Redirects, cookies and limits are never up to it. `guarded` connections can be hung up, and with
    `public_only` nothing is sent to an address that is not one of the internet.
    """

    def __init__(self, timing: Timing, client: Callable[[], httpx.Client] | None = None) -> None:
        self.timing = timing
        self._make_client = client
        self.guarded = self.public_only = False
        self._watched: set[Session] = set()
        self._tls: ssl.SSLContext | None = None

    def hang_up(self) -> None:
        """End the guarded flights, so that no server can hold a thread that nobody waits for."""
        for session in list(self._watched):
            session.hang_up()

    def session(self, *, may_retry: bool, within: float) -> Session:
        """Open the session of one flight; its time, in seconds, runs from now."""
        session = Session(self, may_retry=may_retry, within=within)
        if self.guarded:
            self._watched.add(session)
        return session

    def ended(self, session: Session) -> None:
        """Told by a session that it is over."""
        self._watched.discard(session)

    def client(self, *, loopback: bool) -> httpx.Client:
        """Make a client for this machine itself, or for the world."""
        for name in ("httpx", "httpx2"):
            logging.getLogger(name).addFilter(_quiet)
        if self._make_client is not None:
            return self._make_client()
        with _loading:
            import httpx  # only now: importing the library must not cost an HTTP client

            if self._tls is None:
                self._tls = httpx.create_ssl_context()  # takes 20 ms, so it is done once
            # The first client imports httpcore, and the first look-up of a name imports a codec.
            "idna".encode("idna")
            # Proxies and the like come from the environment, but never for loopback.
            return httpx.Client(verify=self._tls, trust_env=not loopback)


class Session:
    """One flight's requests: one deadline, one retry, and clients that are gone when it ends."""

    def __init__(self, fetcher: Fetcher, *, may_retry: bool, within: float) -> None:
        self._fetcher = fetcher
        self._may_retry = may_retry
        self._within = within
        self._deadline = time.monotonic() + within
        self._clients: dict[bool, Any] = {}
        self._exits = ExitStack()
        self._lines: list[socket.socket] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(Exception):  # what was fetched is worth no less for a client that closes badly
            self._exits.close()
        self._fetcher.ended(self)
        for line in self._lines:
            line.close()

    def hang_up(self) -> None:
        """Let it end at once, whoever keeps it waiting; from any thread."""
        import socket  # as ssl is, with the HTTP client, at the first fetch

        self._deadline = 0.0
        for line in list(self._lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def connected(self, host: str, stream: Any, *, direct: bool) -> None:
        """Look at a guarded connection before a byte is sent.

        Its address is that of the connection itself, so that no second look-up of the name can give another. A
        proxy's is none of our business: it resolves the name, and it was not a stranger who chose it.
        """
        # A second handle: TLS takes the first one over, from its handshake on.
        self._lines.append(stream.get_extra_info("socket").dup())
        try:
            self._check_time(host)  # it may have been hung up since
            if direct and self._fetcher.public_only:
                _check_address(host, stream.get_extra_info("server_addr"))
        except FetchFailed:
            stream.close()
            raise

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Fetch a URL. 304 counts as an answer only where `headers` hold a validator. Raises FetchFailed."""
        try:
            return self._attempt(url, headers or {})
        except _Retriable as first:
            pause = random.uniform(*_RETRY_PAUSE)  # noqa: S311  # spreads load, hides nothing
            if not self._may_retry or first.failure.retry_after is not None or self._left() <= pause:
                raise first.failure from None
        self._may_retry = False
        time.sleep(pause)
        try:
            return self._attempt(url, headers or {})
        except _Retriable as second:
            raise second.failure from None

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _attempt(self, url: str, headers: Mapping[str, str]) -> Answer:
        where = redacted(url)
        self._check_time(where)
        try:
            response = self._send(url, headers)
        except FetchFailed:  # by the guard
            raise
        except Exception as error:  # noqa: BLE001  # whatever a client raises is a failed fetch
            failure = _from_exception(error, where)
            raise (_Retriable(failure) if type(error).__name__ in _RETRIED_ERRORS else failure) from None
        try:
            return self._receive(response, where, revalidating=not _VALIDATORS.isdisjoint(headers))
        except (FetchFailed, _Retriable):
            raise
        except Exception as error:  # noqa: BLE001  # the same
            raise _from_exception(error, where) from None
        finally:
            response.close()

    def _send(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        timing, left, loopback = self._fetcher.timing, self._left(), is_loopback(url)
        if loopback not in self._clients:
            self._clients[loopback] = self._exits.enter_context(self._fetcher.client(loopback=loopback))
        client: httpx.Client = self._clients[loopback]
        read = min(timing.read, left)
        request = client.build_request(
            "GET",
            url,
            headers={
                "Accept": "application/json, application/jwk-set+json, */*;q=0.1",
                "Accept-Encoding": "gzip",
                "User-Agent": "jwtauthz",
                **headers,
            },
            timeout=(min(timing.connect, left), read, read, read),
        )
        if self._fetcher.guarded:
            request.extensions["trace"] = _Guard(request.url.raw_host.decode("ascii"), self)
        request.headers.pop("Cookie", None)
        return client.send(request, stream=True, follow_redirects=False)

    def _receive(self, response: httpx.Response, where: str, *, revalidating: bool) -> Answer:
        status, headers = response.status_code, {k.lower(): v for k, v in response.headers.items()}
        if status == 200:
            return Answer(status, headers, self._read(response, headers, where))
        if status == 304 and revalidating:
            return Answer(status, headers, b"")
        if status in (301, 302, 303, 307, 308):
            raise FetchFailed(FailureKind.REDIRECT, f"{where} redirects ({status}), which is not followed")
        failure = FetchFailed(
            FailureKind.STATUS,
            f"{where} answered {status}",
            status=status,
            retry_after=retry_after(headers.get("retry-after"), wall=time.time()),
        )
        raise _Retriable(failure) if status in _RETRIED_STATUS else failure

    def _read(self, response: httpx.Response, headers: Mapping[str, str], where: str) -> bytes:
        coding = headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip"):
            raise FetchFailed(FailureKind.MALFORMED, f"{where} sent an encoding that was not asked for")
        unzip = zlib.decompressobj(wbits=31) if "gzip" in coding else None
        body, received = bytearray(), 0
        for chunk in response.iter_raw():
            self._check_time(where)
            received += len(chunk)
            # One byte more than allowed is asked for, so that "too large" is told from "just fits".
            body += chunk if unzip is None else unzip.decompress(chunk, MAX_BODY + 1 - len(body))
            if received > MAX_BODY or len(body) > MAX_BODY:
                raise FetchFailed(FailureKind.TOO_LARGE, f"{where} sent more than {MAX_BODY // 1024} KiB")
        if unzip is not None and (not unzip.eof or unzip.unused_data):
            raise FetchFailed(FailureKind.MALFORMED, f"{where} sent a gzip body that is not whole")
        return bytes(body)

    def _check_time(self, where: str) -> None:
        if self._left() <= 0:
            raise FetchFailed(FailureKind.TIMEOUT, f"{where} took longer than {self._within:g} s altogether")


def _check_address(host: str, address: tuple[str, int] | None) -> None:
    if not address or not is_public(address[0]):
        where = f" ({address[0]})" if address else ""
        raise FetchFailed(
            FailureKind.CONNECTION,
            f"{host} is at an address that is not public{where}, where only a token led to",
        )


class _Guard:
    """Tells a session of the connection of one request, as the HTTP client reports it."""

    def __init__(self, host: str, session: Session) -> None:
        self._host = host
        self._session = session
        self._direct = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self._direct = info["host"] == self._host  # else it is a proxy's
        elif event == "connection.connect_tcp.complete":
            self._session.connected(self._host, info["return_value"], direct=self._direct)


class _Retriable(Exception):
    def __init__(self, failure: FetchFailed) -> None:
        self.failure = failure


def _from_exception(error: BaseException, where: str) -> FetchFailed:
    """Say what happened in words that are known to hold no secret: a system's own, or a class name."""
    import socket
    import ssl

    name, link = type(error).__name__, error
    if isinstance(error, zlib.error):
        return FetchFailed(FailureKind.MALFORMED, f"{where} sent a gzip body that is not whole")
    kind = FailureKind.TIMEOUT if "Timeout" in name else FailureKind.CONNECTION
    for _ in range(8):
        if isinstance(link, ssl.SSLCertVerificationError):
            return FetchFailed(kind, f"{where} has no certificate to trust: {link.verify_message}")
        if isinstance(link, ssl.SSLError | socket.gaierror) and link.strerror:
            return FetchFailed(kind, f"{where} cannot be reached: {link.strerror}")
        if isinstance(link, OSError) and link.errno:
            return FetchFailed(kind, f"{where} cannot be reached: {os.strerror(link.errno)}")
        if (following := link.__cause__ or link.__context__) is None:
            break
        link = following
    if any(base.__name__ == "TransportError" for base in type(error).__mro__):  # by name, as above
        return FetchFailed(kind, f"{where} cannot be reached: {name}")
    return FetchFailed(FailureKind.CLIENT, f"{where} cannot be fetched: the client raised {name}")
