"""One small adapter per library, so that all of them can be asked the same: is this token good?

Each is set up as its documentation says, with the default settings but for two: keys are kept for `TTL`
seconds, so that the rig need not run for an hour, and the JWKS is on loopback without TLS.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from jwtauthz.testing import FakeIssuer

TTL = 40
THREADS = 40  # as many as Starlette gives to synchronous code


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"  # as a bad token is
    UNAVAILABLE = "unavailable"  # told apart: an application can answer 503


class Peer:
    """A library with a key set of its own, fresh and empty."""

    name: ClassVar[str]
    package: ClassVar[str]
    python: ClassVar[tuple[int, int]] = (3, 11)

    def __init__(self, issuer: FakeIssuer) -> None:
        raise NotImplementedError

    async def check(self, token: str) -> Verdict:
        raise NotImplementedError

    def token(self, issuer: FakeIssuer, **options: object) -> str:
        return issuer.token(**options)  # type: ignore[arg-type]

    @classmethod
    def version(cls) -> str:
        return version(cls.package)

    @classmethod
    def missing(cls) -> str | None:
        """Why this library cannot be asked here; None if it can."""
        if sys.version_info[:2] < cls.python:
            return f"needs Python {cls.python[0]}.{cls.python[1]} or newer"
        try:
            cls.version()
        except PackageNotFoundError:
            return f"{cls.package} is not installed; see benchmarks/README.md"
        return None


def _jwks_url(issuer: FakeIssuer) -> str:
    return f"{issuer.url}.well-known/jwks.json"


class Jwtauthz(Peer):
    name = "jwtauthz"
    package = "jwtauthz"

    def __init__(self, issuer: FakeIssuer) -> None:
        from jwtauthz import Issuer, ResourceServer
        from jwtauthz.keys.remote import RemoteKeySet, Timing

        keys = RemoteKeySet(_jwks_url(issuer), timing=Timing(ttl=TTL, ttl_floor=TTL))
        self._server = ResourceServer(Issuer(issuer.url, key_set=keys), issuer.audience)

    async def check(self, token: str) -> Verdict:
        from jwtauthz import AccessDenied, authenticated

        try:
            await self._server.aauthorize(f"Bearer {token}", authenticated())
        except AccessDenied as denied:
            return Verdict.UNAVAILABLE if denied.status == 503 else Verdict.REFUSED
        return Verdict.ACCEPTED


class PyJWT(Peer):
    """As a synchronous FastAPI dependency or a Flask view would run it: in a pool of threads."""

    name = "PyJWKClient"
    package = "PyJWT"

    def __init__(self, issuer: FakeIssuer) -> None:
        import jwt

        self._client = jwt.PyJWKClient(_jwks_url(issuer), lifespan=TTL)
        self._audience = issuer.audience
        self._pool = ThreadPoolExecutor(THREADS)

    async def check(self, token: str) -> Verdict:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._check, token)

    def _check(self, token: str) -> Verdict:
        import jwt

        try:
            key = self._client.get_signing_key_from_jwt(token)
            jwt.decode(token, key, algorithms=["RS256"], audience=self._audience)
        except jwt.PyJWKClientConnectionError:
            return Verdict.UNAVAILABLE
        except jwt.PyJWTError:
            return Verdict.REFUSED
        return Verdict.ACCEPTED


class FastMCP(Peer):
    name = "FastMCP JWTVerifier"
    package = "fastmcp"

    def __init__(self, issuer: FakeIssuer) -> None:
        from fastmcp.server.auth.providers.jwt import JWTVerifier

        self._verifier = JWTVerifier(jwks_uri=_jwks_url(issuer), issuer=issuer.url, audience=str(issuer.audience))
        self._verifier._cache_ttl = TTL  # noqa: SLF001  # there is no setting for it

    async def check(self, token: str) -> Verdict:
        return Verdict.REFUSED if await self._verifier.verify_token(token) is None else Verdict.ACCEPTED


class Auth0(Peer):
    """It speaks https only, so its `custom_fetch` makes the same request over http."""

    name = "auth0-api-python"
    package = "auth0-api-python"

    def __init__(self, issuer: FakeIssuer) -> None:
        from auth0_api_python import ApiClient, ApiClientOptions

        options = ApiClientOptions(
            domain=_host(issuer),
            audience=str(issuer.audience),
            cache_ttl_seconds=TTL,
            custom_fetch=self._fetch,
        )
        self._client = ApiClient(options)

    @staticmethod
    async def _fetch(url: str) -> dict[str, object]:
        import httpx

        async with httpx.AsyncClient() as client:
            response = await client.get(url.replace("https://", "http://"))
            response.raise_for_status()
        document = response.json()
        if "issuer" in document:
            document["issuer"] = document["issuer"].replace("http://", "https://")
        return document

    def token(self, issuer: FakeIssuer, **options: object) -> str:
        return super().token(issuer, iss=f"https://{_host(issuer)}/", **options)

    async def check(self, token: str) -> Verdict:
        from auth0_api_python.errors import VerifyAccessTokenError

        try:
            await self._client.verify_access_token(token)
        except VerifyAccessTokenError:
            return Verdict.REFUSED
        return Verdict.ACCEPTED


def _host(issuer: FakeIssuer) -> str:
    return issuer.url.removeprefix("http://").rstrip("/")


class Ryjwt(Peer):
    name = "ryjwt JWKSClient"
    package = "ryjwt"
    python = (3, 12)

    def __init__(self, issuer: FakeIssuer) -> None:
        import ryjwt

        self._client = ryjwt.JWKSClient(
            _jwks_url(issuer),
            algorithms=["RS256"],
            audience=str(issuer.audience),
            issuer=issuer.url,
            cache_lifetime=TTL,
            min_cache_lifetime=TTL,
        )

    async def check(self, token: str) -> Verdict:
        import ryjwt

        try:
            await self._client.adecode(token)
        except ryjwt.JWKSFetchError:
            return Verdict.UNAVAILABLE
        except ryjwt.RYJWTError:
            return Verdict.REFUSED
        return Verdict.ACCEPTED


PEERS: tuple[type[Peer], ...] = (Jwtauthz, PyJWT, FastMCP, Auth0, Ryjwt)
