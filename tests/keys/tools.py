"""Real keys, a clock to turn, and a server on loopback that says what a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
import time
from base64 import urlsafe_b64encode
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from jwtauthz.errors import KeySetUnavailable
from jwtauthz.keys.jwk import Found, KeySet, KeyUnknown
from jwtauthz.keys.remote import Flight, MustWait, RemoteKeySet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[["Request"], bytes | None]


_MADE: dict[str, Any] = {}
_CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}


def private_rsa(name: str = "one") -> rsa.RSAPrivateKey:
    """The RSA key of this name, the same each time."""
    if name not in _MADE:
        _MADE[name] = rsa.generate_private_key(65537, 2048)
    return _MADE[name]


def private_ec(curve: str = "P-256") -> ec.EllipticCurvePrivateKey:
    """The key on this curve, the same each time."""
    if curve not in _MADE:
        _MADE[curve] = ec.generate_private_key(_CURVES[curve])
    return _MADE[curve]


@cache
def private_ed25519() -> ed25519.Ed25519PrivateKey:
    """An Ed25519 key, the same each time."""
    return ed25519.Ed25519PrivateKey.generate()


def b64(octets: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def uint(number: int) -> str:
    """Base64urlUInt."""
    return b64(number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


def jwk_rsa(name: str = "one", **members: Any) -> dict[str, Any]:
    """The JWK of the RSA key of this name, with its name as kid; a member given as None is left out."""
    numbers = private_rsa(name).public_key().public_numbers()
    return _without_none(
        {"kty": "RSA", "kid": name, "alg": "RS256", "use": "sig", "n": uint(numbers.n), "e": uint(numbers.e)}
        | members
    )


def jwk_ec(curve: str = "P-256", **members: Any) -> dict[str, Any]:
    """The JWK of the EC key on this curve."""
    public = private_ec(curve).public_key()
    width, point = (public.key_size + 7) // 8, public.public_numbers()
    x, y = b64(point.x.to_bytes(width)), b64(point.y.to_bytes(width))
    return _without_none({"kty": "EC", "kid": curve, "crv": curve, "x": x, "y": y} | members)


def jwk_ed(**members: Any) -> dict[str, Any]:
    """The JWK of the Ed25519 key."""
    x = b64(private_ed25519().public_key().public_bytes_raw())
    return _without_none({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": x} | members)


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def jwks(*keys: Any) -> bytes:
    """A JWKS of these JWKs; a string stands for the RSA key of that name."""
    return json.dumps({"keys": [jwk_rsa(key) if isinstance(key, str) else key for key in keys]}).encode()


def key_set(*keys: Any) -> KeySet:
    """What is read of such a JWKS."""
    return KeySet.read(json.loads(jwks(*keys)))


def sign_rs256(data: bytes, name: str = "one") -> bytes:
    """An RS256 signature by the RSA key of this name."""
    return private_rsa(name).sign(data, padding.PKCS1v15(), hashes.SHA256())


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Request:
    """A request as the server got it: path, headers by lower-case name, and the raw connection."""

    def __init__(self, connection: socket.socket, head: str, over: threading.Event) -> None:
        first, *lines = head.split("\r\n")
        self.connection = connection
        self.over = over  # set when the server closes
        self.path = first.split(" ")[1]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


class Server:
    """Answers each request with what `handler` returns; `requests` are those that came.

    A handler may also write to `request.connection` itself and return None; the connection is then closed.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._closing = False
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while not self._closing:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                data = b""
                while b"\r\n\r\n" not in data:
                    if not (chunk := connection.recv(65536)):
                        return
                    data += chunk
                request = Request(connection, data.split(b"\r\n\r\n")[0].decode(), self._over)
                self.requests.append(request)
                if answer := self.handler(request):
                    connection.sendall(answer)
            except OSError:
                return

    def close(self) -> None:
        """Stop listening, and let go of what hangs."""
        self._closing = True
        self._over.set()
        # Closing alone does not wake a thread that accepts.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(2)

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [request.path for request in self.requests]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """An HTTP answer; a header's name is written with underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given.setdefault("content-length", str(len(body)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status}\r\n{lines}connection: close\r\n\r\n".encode() + body


def hang(request: Request) -> None:
    """Never answer, as long as the test goes on."""
    request.over.wait(9)


@contextmanager
def serving(handler: Handler | bytes) -> Iterator[Server]:
    """A server for the time of a block; bytes are the body it always answers."""
    always = answer(handler) if isinstance(handler, bytes) else None
    server = Server(handler if always is None else lambda _: always)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def find(keys: RemoteKeySet, kid: str | None = "one", alg: str = "RS256") -> Found:
    """Look a key up as the verifier does: wait once where that is asked for."""
    after: Flight | None = None
    while True:
        try:
            return keys.find(kid, alg, after=after)
        except MustWait as wait:
            assert after is None, "a caller that has waited must get an answer"
            wait.flight.wait()
            after = wait.flight


def outcome(keys: RemoteKeySet, kid: str | None = "one", alg: str = "RS256") -> str:
    """What a token with this key ID would get: "ok", "stale" or the name of the exception."""
    try:
        return "stale" if find(keys, kid, alg).stale else "ok"
    except (KeyUnknown, KeySetUnavailable) as error:
        return type(error).__name__


def eventually(condition: Callable[[], Any], within: float = 3.0) -> bool:
    """Whether a condition comes true in time: for what another thread does."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
