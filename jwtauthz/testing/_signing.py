"""Private keys that sign: made to fit an algorithm, shown to the world as a JWK."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from jwtauthz.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

ALGORITHMS = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    *("EdDSA", "Ed25519"),
)
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: dict[str, tuple[str, ec.EllipticCurve]] = {
    "ES256": ("P-256", ec.SECP256R1()),
    "ES384": ("P-384", ec.SECP384R1()),
    "ES512": ("P-521", ec.SECP521R1()),
}


class SigningKey:
    """A private key, the one algorithm it signs with, and its key ID.

    Args:
        algorithm: One of `ALGORITHMS`.
        name: What the key ID begins with; the rest is drawn from the key, so no two keys share one.
        kid: The key ID, if it is not to be drawn.
    """

    def __init__(self, algorithm: str, *, name: str = "key", kid: str | None = None) -> None:
        self.algorithm = algorithm
        self._private = _generate(algorithm)
        members = _public_members(self._private, algorithm)
        self.kid = f"{name}-{_thumbprint(members)[:6]}" if kid is None else kid
        self.jwk: dict[str, str] = {**members, "kid": self.kid, "use": "sig", "alg": algorithm}

    @property
    def private_jwk(self) -> dict[str, str]:
        """The JWK with its private members (RFC 7518 section 6), which no issuer may publish."""
        return {**self.jwk, **_private_members(self._private)}

    def sign(self, message: bytes) -> bytes:
        """The signature of `message` in the form that a JWS carries (RFC 7518 section 3)."""
        key = self._private
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        digest = _HASHES[self.algorithm[2:]]
        if isinstance(key, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
            size = _coordinate_size(key)
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        if self.algorithm.startswith("PS"):
            return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        return key.sign(message, padding.PKCS1v15(), digest)


@cache
def stranger(algorithm: str) -> SigningKey:
    """A key that no issuer publishes, to forge with. Made once per algorithm: RSA keys take their time."""
    return SigningKey(algorithm, name="stranger")


def check_algorithm(algorithm: str) -> None:
    """Raise `ConfigurationError` for an algorithm that no `SigningKey` can be made for."""
    if algorithm not in ALGORITHMS:
        raise ConfigurationError(
            f"algorithm={algorithm!r} is none that access tokens are signed with; "
            f"write one of {', '.join(ALGORITHMS)}"
        )


def compact(header: Mapping[str, Any], claims: Mapping[str, Any], key: SigningKey) -> str:
    """The compact serialization of a signed token (RFC 7515 section 3.1)."""
    signing_input = ".".join(_text(_json(part)) for part in (header, claims))
    return resign(f"{signing_input}.", key)


def resign(token: str, key: SigningKey | None) -> str:
    """The token with its signature replaced by that of `key`, or by an empty one."""
    signing_input = token.rpartition(".")[0]
    signature = b"" if key is None else key.sign(signing_input.encode())
    return f"{signing_input}.{_text(signature)}"


def _generate(algorithm: str) -> PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm][1])
    if algorithm.startswith("Ed"):
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _public_members(key: PrivateKey, algorithm: str) -> dict[str, str]:
    """The members of the JWK that RFC 7638 takes a thumbprint of, and no others."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": _text(key.public_key().public_bytes_raw())}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        point, size = key.public_key().public_numbers(), _coordinate_size(key)
        x, y = (_text(number.to_bytes(size, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": _CURVES[algorithm][0], "x": x, "y": y}
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "n": _uint(public.n), "e": _uint(public.e)}


def _private_members(key: PrivateKey) -> dict[str, str]:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"d": _text(key.private_bytes_raw())}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"d": _text(key.private_numbers().private_value.to_bytes(_coordinate_size(key), "big"))}
    numbers = key.private_numbers()
    values = {"d": numbers.d, "p": numbers.p, "q": numbers.q}
    values |= {"dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    return {name: _uint(value) for name, value in values.items()}


def _uint(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _coordinate_size(key: ec.EllipticCurvePrivateKey) -> int:
    return (key.curve.key_size + 7) // 8


def _thumbprint(members: Mapping[str, str]) -> str:
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
