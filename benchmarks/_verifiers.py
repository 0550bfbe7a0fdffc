"""One adapter per library for `peers`: how an API that uses it turns the text of a token into its claims.

Each checks signature, issuer, audience and expiry, in its own way, with its keys at hand; each raises for a bad
token, which is tried out before anything is measured. What it checks beyond that is its own affair.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

from . import _workload
from ._peers import Auth0 as Auth0Fetching

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwtauthz.testing import FakeIssuer


class Verifier:
    """A library, and what it takes of a token."""

    name: ClassVar[str]
    package: ClassVar[str]
    python: ClassVar[tuple[int, int]] = (3, 11)
    algorithms: ClassVar[tuple[str, ...]] = ("RS256", "ES256", "EdDSA")
    # What its tokens hold otherwise than those of the others.
    claims: ClassVar[dict[str, Any]] = {}

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer
        self.algorithm = issuer.algorithm

    def call(self) -> Callable[[str], Any]:
        """What is measured: a function of the token, or a coroutine function."""
        raise NotImplementedError

    def url(self) -> str:
        """`iss` of the tokens; some take no http."""
        return self.issuer.url

    @classmethod
    def version(cls) -> str:
        return version(cls.package)

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be measured here; None if it can."""
        if sys.version_info[:2] < cls.python:
            return f"needs Python {cls.python[0]}.{cls.python[1]} or newer"
        try:
            cls.version()
        except PackageNotFoundError:
            return f"{cls.package} is not installed; see benchmarks/README.md"
        return None


class Jwtauthz(Verifier):
    name = "jwtauthz authorize, policy included"
    package = "jwtauthz"

    @classmethod
    def missing(cls) -> str | None:
        return None

    def call(self) -> Callable[[str], Any]:
        authorize = _workload.a_server(self.issuer).authorize
        return lambda token: authorize(f"Bearer {token}", *_workload.NEEDS, claim=_workload.CLAIM)


class PyJWT(Verifier):
    name = "PyJWT decode, PyJWK at hand"
    package = "PyJWT"

    def call(self) -> Callable[[str], Any]:
        import jwt

        key, algorithms = jwt.PyJWK(self.issuer.jwks()["keys"][0]), [self.algorithm]
        audience, url = _workload.AUDIENCE, self.url()
        return lambda token: jwt.decode(token, key, algorithms, audience=audience, issuer=url)


class PyJWKClient(Verifier):
    name = "PyJWT decode, PyJWKClient"
    package = "PyJWT"

    def call(self) -> Callable[[str], Any]:
        import jwt

        client, algorithms = jwt.PyJWKClient(self.issuer.jwks_url), [self.algorithm]
        audience, url = _workload.AUDIENCE, self.url()

        def check(token: str) -> Any:
            key = client.get_signing_key_from_jwt(token)
            return jwt.decode(token, key, algorithms, audience=audience, issuer=url)

        return check


class Joserfc(Verifier):
    name = "joserfc"
    package = "joserfc"

    def call(self) -> Callable[[str], Any]:
        from joserfc import jwt
        from joserfc.jwk import KeySet

        keys, algorithms = KeySet.import_key_set(self.issuer.jwks()), [self.algorithm]  # type: ignore[arg-type]
        registry = jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.url()},
            aud={"essential": True, "value": _workload.AUDIENCE},
            exp={"essential": True},
        )

        def check(token: str) -> Any:
            decoded = jwt.decode(token, keys, algorithms)
            registry.validate(decoded.claims)
            return decoded

        return check


class Authlib(Verifier):
    name = "Authlib"
    package = "Authlib"

    def call(self) -> Callable[[str], Any]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it announces joserfc as its successor
            from authlib.jose import JsonWebKey, JsonWebToken

            keys = JsonWebKey.import_key_set(self.issuer.jwks())
            jwt = JsonWebToken([self.algorithm])
        options = {
            "iss": {"essential": True, "value": self.url()},
            "aud": {"essential": True, "value": _workload.AUDIENCE},
            "exp": {"essential": True},
        }

        def check(token: str) -> Any:
            claims = jwt.decode(token, keys, claims_options=options)
            claims.validate()
            return claims

        return check


class PythonJose(Verifier):
    name = "python-jose, key built once"
    package = "python-jose"
    algorithms = ("RS256", "ES256")

    def call(self) -> Callable[[str], Any]:
        from jose import jwk, jwt

        key, algorithms = jwk.construct(self.issuer.jwks()["keys"][0], self.algorithm), [self.algorithm]
        audience, url = _workload.AUDIENCE, self.url()
        return lambda token: jwt.decode(token, key, algorithms, audience=audience, issuer=url)


class Auth0(Verifier):
    """It speaks https only, so its `custom_fetch` makes the same request over http."""

    name = "auth0-api-python"
    package = "auth0-api-python"
    algorithms = ("RS256",)

    def url(self) -> str:
        return self.issuer.url.replace("http://", "https://")

    def call(self) -> Callable[[str], Any]:
        return Auth0Fetching(self.issuer)._client.verify_access_token  # noqa: SLF001  # set up there already


class FastMCP(Verifier):
    name = "FastMCP JWTVerifier"
    package = "fastmcp"

    def call(self) -> Callable[[str], Any]:
        from fastmcp.server.auth.providers.jwt import JWTVerifier

        verifier = JWTVerifier(
            jwks_uri=self.issuer.jwks_url,
            issuer=self.url(),
            audience=_workload.AUDIENCE,
            algorithm=self.algorithm,
        )

        async def check(token: str) -> Any:
            found = await verifier.verify_token(token)
            if found is None:
                raise ValueError("refused")
            return found

        return check


class FastapiAuth0(Verifier):
    """Its dependency, called as FastAPI calls it; handed the keys, which it would fetch over https when built."""

    name = "fastapi-auth0"
    package = "fastapi-auth0"
    algorithms = ("RS256",)

    def url(self) -> str:
        return self.issuer.url.replace("http://", "https://")

    def call(self) -> Callable[[str], Any]:
        from fastapi.security import HTTPAuthorizationCredentials, SecurityScopes
        from fastapi_auth0 import Auth0 as Dependency

        document = mock.Mock()
        document.read.return_value = json.dumps(self.issuer.jwks())
        with mock.patch("urllib.request.urlopen", return_value=document):
            domain = self.url().removeprefix("https://").rstrip("/")
            auth = Dependency(domain=domain, api_audience=_workload.AUDIENCE)
        scopes = SecurityScopes(["openid"])

        async def check(token: str) -> Any:
            return await auth.get_user(scopes, HTTPAuthorizationCredentials(scheme="Bearer", credentials=token))

        return check


class Ryjwt(Verifier):
    """Rust, with a signature check of its own."""

    name = "ryjwt JWKSClient"
    package = "ryjwt"
    python = (3, 12)

    def call(self) -> Callable[[str], Any]:
        import ryjwt

        client = ryjwt.JWKSClient(
            self.issuer.jwks_url,
            algorithms=[self.algorithm],  # type: ignore[list-item]
            audience=_workload.AUDIENCE,
            issuer=self.url(),
        )
        return client.decode


class Clasp(Verifier):
    """Rust, with a signature check of its own; gives JSON, so reading it is part of the work.

    It has no setting for issuer and audience, and refuses tokens that name an audience: here they name none.
    """

    name = "clasp-jwt JwksClient, no aud"
    package = "clasp-jwt"
    claims: ClassVar[dict[str, Any]] = {"aud": None}

    def call(self) -> Callable[[str], Any]:
        import clasp

        client, algorithm = clasp.JwksClient(self.issuer.jwks_url), self.algorithm
        return lambda token: json.loads(client.verify(token, algorithm))


VERIFIERS: tuple[type[Verifier], ...] = (
    Jwtauthz,
    Ryjwt,
    Clasp,
    Authlib,
    PythonJose,
    Joserfc,
    PyJWT,
    FastMCP,
    FastapiAuth0,
    Auth0,
    PyJWKClient,
)


def check(verifier: Verifier, token: str, forged: str) -> Callable[[str], Any]:
    """What to measure, once it has taken the good token and refused the forged one."""
    call = verifier.call()
    asyncio.run(_tried(verifier, call, token, forged))
    return call


async def _tried(verifier: Verifier, call: Callable[[str], Any], token: str, forged: str) -> None:
    async def ask(text: str) -> None:
        answer = call(text)
        if asyncio.iscoroutine(answer):
            await answer

    await ask(token)
    try:
        await ask(forged)
    except Exception:  # noqa: BLE001  # each library has errors of its own
        return
    raise AssertionError(f"{verifier.name} takes a forged token")
