"""From one JWK, or one PEM block, to a `Key`; strict about all that could make a weak or a wrong key.

RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2. `x5c` and its kin are not read: the key is what
the other members say, and trust in it comes from where the set was fetched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from jwtauthz.checks import ALGORITHMS, show
from jwtauthz.token import b64url_decode

from .key import Key, PublicKey
from .primality import is_prime

MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3: MUST be used
MAX_RSA_BITS: Final = 8192  # a larger one costs too much time per request
MAX_RSA_EXPONENT: Final = 2**32  # the same, and nobody uses one

_CURVES: Final[Mapping[str, EllipticCurve]] = {
    "P-256": SECP256R1(),
    "P-384": SECP384R1(),
    "P-521": SECP521R1(),
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})  # RFC 7518 sections 6.2 to 6.4
_ED25519_PRIME: Final = 2**255 - 19
# The y of a point of order 8; with its negative, 0 and ±1 these are all points whose order divides 8.
# Under such a key a signature is good for many messages.
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_ED25519_SMALL_ORDER: Final = frozenset({0, 1, _ED25519_PRIME - 1, _ORDER_8, _ED25519_PRIME - _ORDER_8})


class Unusable(ValueError):
    """This key cannot be used; the text says why, without its material.

    `alarming` means that private or symmetric material was there, where anybody can read it.
    """

    def __init__(self, reason: str, *, alarming: bool = False) -> None:
        super().__init__(reason)
        self.alarming = alarming


def key_from_jwk(jwk: object) -> Key:
    """Read one entry of a JWKS. Raises `Unusable`, and nothing else."""
    if not isinstance(jwk, Mapping):
        raise Unusable("it is not an object")
    if leaked := sorted(_PRIVATE.intersection(jwk)):
        raise Unusable(f"it holds private or symmetric material ({', '.join(leaked)})", alarming=True)
    kty, kid, alg = jwk.get("kty"), jwk.get("kid"), jwk.get("alg")
    if kty not in ("RSA", "EC", "OKP"):
        raise Unusable(f"its kty is {show(kty)}, not RSA, EC or OKP")
    if "kid" in jwk and not isinstance(kid, str):
        raise Unusable("its kid is not a string")
    _check_purpose(jwk)
    if "alg" in jwk and not (isinstance(alg, str) and alg in ALGORITHMS):
        raise Unusable(f"its alg is {show(alg)}, which is no signature algorithm that we verify")
    return key_from_public(_READERS[kty](jwk), kid=kid, alg=alg)


def key_from_pem(pem: bytes, *, kid: str | None, alg: str | None) -> Key:
    """Read one PEM block: a public key or a certificate. Raises `Unusable`, and nothing else.

    Of a certificate only the key is taken: whoever pins it answers for its dates and its chain.
    """
    if b"PRIVATE KEY-----" in pem:
        raise Unusable("it is a private key: give the public one, a verifier needs no more", alarming=True)
    if pem.count(b"-----BEGIN ") != 1:
        raise Unusable("it must hold exactly one PEM block (in a chain, the issuer's own certificate)")
    try:
        is_certificate = b"-----BEGIN CERTIFICATE-----" in pem
        public = load_pem_x509_certificate(pem).public_key() if is_certificate else load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable("it is neither a public key nor a certificate that can be read") from None
    if not isinstance(public, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise Unusable("it is not an RSA, EC or Ed25519 key")
    return key_from_public(public, kid=kid, alg=alg)


def key_from_public(public: PublicKey, *, kid: str | None, alg: str | None) -> Key:
    """Make the key that this public key is, if it is strong enough and fits the algorithm it names."""
    if isinstance(public, RSAPublicKey):
        numbers = public.public_numbers()
        _check_rsa(numbers.n, numbers.e)
    elif isinstance(public, Ed25519PublicKey):
        _check_ed25519(public.public_bytes_raw())
    try:
        return Key(public, kid=kid, alg=alg)
    except ValueError as error:
        raise Unusable(str(error)) from None


def _check_purpose(jwk: Mapping[str, object]) -> None:
    """Refuse keys that are for something else than verifying (RFC 7517 sections 4.2 and 4.3)."""
    use, operations = jwk.get("use"), jwk.get("key_ops")
    if "use" in jwk and use != "sig":
        raise Unusable(f"its use is {show(use)}, not 'sig'")
    if "key_ops" not in jwk:
        return
    if not isinstance(operations, list) or not all(isinstance(item, str) for item in operations):
        raise Unusable("its key_ops is not a list of strings")
    if len(set(operations)) != len(operations):
        raise Unusable("its key_ops names an operation twice")
    if "verify" not in operations:
        raise Unusable("its key_ops lacks 'verify'")
    if use == "sig" and not {"sign", "verify"}.issuperset(operations):
        raise Unusable("its use and its key_ops contradict each other")


def _read_rsa(jwk: Mapping[str, object]) -> PublicKey:
    n, e = _uint(jwk, "n"), _uint(jwk, "e")
    _check_rsa(n, e)  # before cryptography sees them: some of these cost it time
    return _build(lambda: RSAPublicNumbers(e, n).public_key())


def _read_ec(jwk: Mapping[str, object]) -> PublicKey:
    crv = jwk.get("crv")
    curve = _CURVES.get(crv) if isinstance(crv, str) else None
    if curve is None:
        raise Unusable(f"its crv is {show(crv)}, not P-256, P-384 or P-521")
    width = (curve.key_size + 7) // 8
    x, y = (int.from_bytes(_octets(jwk, name, width)) for name in ("x", "y"))
    return _build(lambda: EllipticCurvePublicNumbers(x, y, curve).public_key())  # refuses points off the curve


def _read_okp(jwk: Mapping[str, object]) -> PublicKey:
    if (crv := jwk.get("crv")) != "Ed25519":
        raise Unusable(f"its crv is {show(crv)}, not Ed25519")
    x = _octets(jwk, "x", 32)
    return _build(lambda: Ed25519PublicKey.from_public_bytes(x))


_READERS: Final = {"RSA": _read_rsa, "EC": _read_ec, "OKP": _read_okp}


def _build(make: Callable[[], PublicKey]) -> PublicKey:
    try:
        return make()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Unusable("its numbers are no valid public key") from None


def _check_rsa(n: int, e: int) -> None:
    if not MIN_RSA_BITS <= n.bit_length() <= MAX_RSA_BITS:
        raise Unusable(f"its modulus has {n.bit_length()} bits, not {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    if n % 2 == 0:
        raise Unusable("its modulus is even")
    # With e = 1 every padded hash is its own signature.
    if e % 2 == 0 or not 3 <= e < MAX_RSA_EXPONENT:
        raise Unusable("its exponent is not an odd number of 3 or more and below 2^32")
    if is_prime(n):
        raise Unusable("its modulus is prime, so that anybody can compute the private key")


def _check_ed25519(encoded: bytes) -> None:
    y = int.from_bytes(encoded, "little") % 2**255  # the top bit is the sign of x
    if y >= _ED25519_PRIME or y in _ED25519_SMALL_ORDER:
        raise Unusable("its point is of small order or not in its canonical form")


def _uint(jwk: Mapping[str, object], name: str) -> int:
    octets = _octets(jwk, name)
    if octets[:1] in (b"", b"\0"):
        raise Unusable(f"its {name} is not a base64urlUInt (RFC 7518 section 2): empty, zero or led by zeros")
    return int.from_bytes(octets)


def _octets(jwk: Mapping[str, object], name: str, length: int | None = None) -> bytes:
    """Decode base64url as RFC 7515 section 2 has it: no padding, no other characters, no stray bits."""
    text = jwk.get(name)
    if not isinstance(text, str):
        raise Unusable(f"it has no {name}" if name not in jwk else f"its {name} is not a string")
    octets = b64url_decode(text.encode("ascii", "replace"))
    if octets is None:
        raise Unusable(f"its {name} is not canonical base64url")
    if length is not None and len(octets) != length:
        raise Unusable(f"its {name} has {len(octets)} octets, not {length}")
    return octets
