"""An issuer of access tokens for tests and demos: real keys, real signatures, real HTTP on loopback."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self

from ._exchange import json_reply
from ._loopback import HOST, LoopbackServer
from ._signing import SigningKey, check_algorithm, compact, resign, stranger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from types import EllipsisType, TracebackType

    from jwtauthz.issuer import Issuer
    from jwtauthz.keys.jwk import KeySet
    from jwtauthz.resource_server import ResourceServer

    from ._exchange import Exchange, Reply

JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATHS = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")


class FakeIssuer:
    """Issues tokens that verify, or that fail in the one way you ask for.

        with FakeIssuer() as issuer:
            server = ResourceServer(issuer=issuer.url, audience=issuer.audience)
            good = issuer.token(scope="read:users")
            late = issuer.token(scope="read:users", expires_in=-60)

    It serves its metadata (OpenID Connect Discovery, RFC 8414) and its JWKS from a thread, until the
    `with` block ends. With `network=False` there is no socket: give `issuer.key_set` to `Issuer(...)`.

    Args:
        algorithm: What it signs with: RS, PS or ES with 256, 384 or 512, `EdDSA` or `Ed25519`.
        audience: The `aud` of tokens that name none.
        network: Whether to listen on loopback. Without, `url` is `https://issuer.test/`.
        cache_control: The `Cache-Control` of what it serves; None sends none.
        tls: Serve https with this context instead of http. Its certificate should be one for 127.0.0.1.
        clock: Where "now" comes from, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        algorithm: str = "RS256",
        audience: str | Sequence[str] = "https://api.example.com",
        network: bool = True,
        cache_control: str | None = "public, max-age=600",
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_algorithm(algorithm)
        self.algorithm = algorithm
        self.audience = audience
        self.clock = clock
        self._lock = threading.Lock()
        self._keys: list[SigningKey] = []  # the newest first; made when first needed
        self._made = 0
        self._cache_control = cache_control
        self._jwks_path = JWKS_PATH
        self._scheme = "http" if tls is None else "https"
        self._http = LoopbackServer(self._answer, tls=tls) if network else None

    @property
    def url(self) -> str:
        """The issuer's URL, as `iss` carries it. With a network it is known once the issuer has started."""
        if self._http is None:
            return "https://issuer.test/"
        if not self._http.port:
            raise RuntimeError(
                "this issuer has no URL before it listens; write `with FakeIssuer() as issuer:`, "
                "call start(), or use FakeIssuer(network=False)"
            )
        return f"{self._scheme}://{HOST}:{self._http.port}/"

    def start(self) -> None:
        """Listen; after `stop` on the same port as before."""
        if self._http is not None:
            self._http.start()

    def stop(self) -> None:
        """Begin an outage: connections are refused until `start`. Tokens can still be made."""
        if self._http is not None:
            self._http.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def requests(self) -> tuple[str, ...]:
        """The paths that were fetched from it, in order."""
        return () if self._http is None else tuple(path for path, _ in self._http.log)

    def fetches(self, path: str | None = None) -> int:
        """How often `path` was fetched; the JWKS as it is found now, if none is named."""
        return self.requests.count(self._jwks_path if path is None else path)

    @property
    def jwks_url(self) -> str:
        """Where the JWKS is."""
        return self.url.removesuffix("/") + self._jwks_path

    @property
    def kid(self) -> str:
        """The key ID of the key that signs now."""
        return self._signing_key().kid

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWKS that it publishes, the newest key first."""
        self._signing_key()
        with self._lock:
            return {"keys": [dict(key.jwk) for key in self._keys]}

    def private_jwks(self) -> list[dict[str, str]]:
        """The published keys with their private members, for what must never be published."""
        self._signing_key()
        with self._lock:
            return [key.private_jwk for key in self._keys]

    @property
    def key_set(self) -> KeySet:
        """The published keys as a `KeySet`, for `Issuer(issuer.url, key_set=issuer.key_set)`."""
        from jwtauthz.keys.jwk import KeySet  # whoever only serves a JWKS needs none

        return KeySet.from_jwks(self.jwks())

    def as_issuer(self, **settings: Any) -> Issuer:
        """This issuer as an API trusts it; `settings` are those of `Issuer`.

        Without a network it has the keys that are published now: a server built before `rotate` does not learn
        of the new ones.
        """
        from jwtauthz.issuer import Issuer  # whoever only serves a JWKS needs none

        known: dict[str, Any] = {"algorithms": self.algorithm}
        if self._http is None and "jwks_url" not in settings:
            known["key_set"] = self.key_set
        return Issuer(self.url, **{**known, **settings})

    def server(self, **settings: Any) -> ResourceServer:
        """A server that trusts this issuer, for its audience and by its clock; `settings` are those of the server.

        `create_app(issuer.server())` is all that a test needs. It follows `clock`, whatever is put there later.
        """
        from jwtauthz.resource_server import ResourceServer

        known: dict[str, Any] = {
            "issuer": self.as_issuer(),
            "audience": self.audience,
            "clock": self._now,
        }
        return ResourceServer(**{**known, **settings})

    def rotate(self, *, keep_old: bool = True, same_kid: bool = False) -> str:
        """Sign with a new key from now on, and return its key ID.

        The old keys stay published until `forget_old_keys`, or go at once with `keep_old=False`. With
        `same_kid=True` the new key takes the place of the newest one under its key ID, as careless issuers
        do it.
        """
        old = self._signing_key()  # there is an old key, even if it has signed nothing yet
        with self._lock:
            fresh = self._new_key(old.kid if same_kid else None)
            kept = [key for key in self._keys if key.kid != fresh.kid] if keep_old else []
            self._keys = [fresh, *kept]
        return fresh.kid

    def forget_old_keys(self) -> None:
        """Publish only the key that signs now."""
        with self._lock:
            del self._keys[1:]

    def move_jwks(self, path: str) -> None:
        """Publish the keys under another path from now on; the metadata say so, the old path is 404."""
        self._jwks_path = "/" + path.lstrip("/")

    def token(
        self,
        *,
        audience: str | Sequence[str] | None = None,
        subject: str | None = "user-1",
        scope: str | None = None,
        permissions: Sequence[str] | None = None,
        expires_in: float = 600,
        headers: Mapping[str, Any] | None = None,
        kid: str | EllipsisType | None = ...,
        **claims: Any,
    ) -> str:
        """An access token with `iss`, `sub`, `aud`, `iat`, `exp`, and whatever else is asked for.

        A claim or header given as None is left out, one given by its own name (`iss=`, `exp=`) goes
        before what would stand there, and claims whose names are no Python names come as `**{"...": ...}`.

        Args:
            audience: Its `aud`; by default the issuer's own.
            subject: Its `sub`.
            scope: Its `scope`: names with a space between two.
            permissions: Its `permissions`, a list as Auth0 writes it.
            expires_in: Seconds from now until it expires; below zero, it has expired already.
            headers: Members of the header beside `alg`, `typ` and `kid`, or instead of them. The signature
                stays one of the issuer's algorithm, whatever `alg` says.
            kid: Which published key signs. A key ID of no such key is written into the header all the same,
                and the current key signs; None writes no `kid`.
            **claims: Any other claim.
        """
        key = self._signing_key(kid)
        now = int(self.clock())
        expires_at = now + int(expires_in)
        payload = {
            "iss": self.url,
            "sub": subject,
            "aud": _plain(self.audience if audience is None else audience),
            "iat": now if expires_in > 0 else expires_at - 600,
            "exp": expires_at,
            "scope": scope,
            "permissions": _plain(permissions),
            **claims,
        }
        header = {
            "alg": self.algorithm,
            "typ": "JWT",
            "kid": key.kid if kid is ... else kid,
            **(headers or {}),
        }
        return compact(_without_none(header), _without_none(payload), key)

    def headers(self, **options: Any) -> dict[str, str]:
        """The headers of a request that carries such a token; `options` are those of `token`."""
        return {"Authorization": f"Bearer {self.token(**options)}"}

    def forged_token(self, **options: Any) -> str:
        """What `token` gives, `kid` included, but signed with a stranger's key: its signature is wrong."""
        return resign(self.token(**options), stranger(self.algorithm))

    def unsigned_token(self, *, headers: Mapping[str, Any] | None = None, **options: Any) -> str:
        """What `token` gives, but with `"alg": "none"` and no signature (RFC 7518 section 3.6)."""
        return resign(self.token(headers={**(headers or {}), "alg": "none"}, **options), None)

    def __repr__(self) -> str:
        where = self.url if self._http is None or self._http.port else "not started"
        return f"FakeIssuer({where}, {self.algorithm}, keys={len(self._keys)})"

    def _now(self) -> float:
        return self.clock()

    def _signing_key(self, kid: str | EllipsisType | None = ...) -> SigningKey:
        """The published key of that ID, or else the newest one, which is made if there is none yet."""
        with self._lock:
            if not self._keys:
                self._keys = [self._new_key()]
            return next((key for key in self._keys if key.kid == kid), self._keys[0])

    def _new_key(self, kid: str | None = None) -> SigningKey:
        self._made += 1
        return SigningKey(self.algorithm, name=f"key-{self._made}", kid=kid)

    def _answer(self, exchange: Exchange) -> None:
        """Answer one request; in a thread of the server."""
        exchange.reply(self.reply_to(exchange.path, exchange.headers))

    def reply_to(self, path: str, headers: Mapping[str, str]) -> Reply:
        """What it answers when nothing is wrong with it; header names are in lower case."""
        return json_reply(self._document(path), headers, self._cache_control)

    def _document(self, path: str) -> dict[str, Any] | None:
        if path == self._jwks_path:
            return self.jwks()
        return self._metadata() if path in METADATA_PATHS else None

    def _metadata(self) -> dict[str, Any]:
        url = self.url
        return {
            "issuer": url,
            "jwks_uri": self.jwks_url,
            "authorization_endpoint": f"{url}authorize",
            "token_endpoint": f"{url}oauth/token",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "grant_types_supported": ["authorization_code", "client_credentials"],
            "id_token_signing_alg_values_supported": [self.algorithm],
        }


def _plain(value: str | Sequence[str] | None) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else list(value)


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
