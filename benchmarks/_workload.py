"""What is measured with: tokens as Auth0 writes them, all different, and the API that takes them."""

from __future__ import annotations

import logging
import os
from base64 import urlsafe_b64decode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from jwtauthz import Issuer, ResourceServer
from jwtauthz.testing import FakeIssuer
from jwtauthz.testing._signing import resign, stranger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jwtauthz.keys.key import Key

AUDIENCE = "https://api.example.com"
CLAIM = "permissions"
NEEDS = ("read:users", "update:users")
MISSING = "erase:users"
PERMISSIONS = [
    f"{verb}:{noun}" for noun in ("users", "orders") for verb in ("create", "read", "update", "delete", "list")
]
# Four times as many as there are places for marks (4,096), so that going round among them hardly ever meets one
# that has left a mark.
TOKENS = 16_000

_PADDING, _DIGEST, _ECDSA = PKCS1v15(), SHA256(), ECDSA(SHA256())


def claims(number: int) -> dict[str, Any]:
    """What a token holds beside `iss`, `iat` and `exp`: fifteen claims in all, two of which tell tokens apart."""
    return {
        "subject": f"auth0|66d1f0c2a9b7{number:012x}",
        "audience": [AUDIENCE, "https://tenant.eu.auth0.com/userinfo"],
        "scope": "openid profile email offline_access",
        "permissions": PERMISSIONS,
        "azp": "Xk3PqW8sTzV1nB5yRmC7dLgH2fJ9aE4u",
        "gty": "password",
        "jti": f"Zq8{number:018x}",
        "sid": "n7Yb2KpQe5RtUwXzAcDf",
        "org_id": "org_Yh3kT9vLmQ2s",
        "org_name": "example-company",
        "auth_time": 1_700_000_000,
        "https://example.com/roles": ["editor", "auditor"],
    }


def tokens(issuer: FakeIssuer, count: int, **more: Any) -> list[str]:
    """So many tokens, no two alike, good for a day."""
    return [issuer.token(expires_in=86_400, **claims(number), **more) for number in range(count)]


@contextmanager
def an_issuer(algorithm: str = "RS256") -> Iterator[FakeIssuer]:
    """An issuer on loopback, so that the keys come as they do in earnest: fetched, and refreshed in time."""
    with FakeIssuer(algorithm=algorithm, audience=AUDIENCE) as issuer:
        yield issuer


def a_server(issuer: FakeIssuer, **settings: Any) -> ResourceServer:
    """An API with the default settings, its keys at hand."""
    server = ResourceServer(Issuer(issuer.url, algorithms=(issuer.algorithm,)), AUDIENCE, **settings)
    server.warm_up()
    return server


@contextmanager
def quiet_log() -> Iterator[None]:
    """Denials are logged as in earnest, formatted and written, but to where nobody reads."""
    logger = logging.getLogger("jwtauthz")
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # it is no path of ours
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        propagate, logger.propagate = logger.propagate, False
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.propagate = propagate


def bare_verify(key: Key, tokens: Sequence[str]) -> tuple[Callable[..., None], list[tuple[Any, ...]]]:
    """`public_key.verify` itself, and its arguments for each token, in the form that cryptography takes."""
    public: Any = key._public  # noqa: SLF001  # a Key shows its material to nobody, and this is the yardstick
    inputs: list[tuple[Any, ...]] = []
    for token in tokens:
        message, _, segment = token.rpartition(".")
        signature = urlsafe_b64decode(segment + "==")
        if key.kty == "RSA":
            inputs.append((signature, message.encode(), _PADDING, _DIGEST))
        elif key.kty == "EC":
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
            inputs.append((encode_dss_signature(r, s), message.encode(), _ECDSA))
        else:
            inputs.append((signature, message.encode()))
    return public.verify, inputs


def forged(token: str, algorithm: str) -> str:
    """The token with a signature that is one, but a stranger's: it is refused by the last step, not the first."""
    return resign(token, stranger(algorithm))
