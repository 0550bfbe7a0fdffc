"""One public key, and whether a signature is its own.

`Key.verify` is the hot path of the whole library: everything that can be built beforehand (padding, hash,
curve) is built with the key, so that what remains is a dictionary look-up and the call into cryptography.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
# Takes (signature, signed bytes) and raises, whatever it raises, unless they belong together.
Check: TypeAlias = "Callable[[bytes, bytes], object]"

CURVES: Final[Mapping[str, str]] = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_ECDSA: Final[Mapping[str, ECDSA]] = {size: ECDSA(digest) for size, digest in _HASHES.items()}
_ES: Final[Mapping[str, str]] = {"P-256": "256", "P-384": "384", "P-521": "512"}  # RFC 7518 section 3.4


class Key:
    """A public key that verifies signatures of the algorithms it fits, and of no other.

    Keys are values: equal and hashed by key ID, algorithm and RFC 7638 thumbprint. Their repr shows no
    material. `alg` is the one algorithm the key is bound to, or None if its type alone decides.
    Raises ValueError for a key on another curve, or with an `alg` that is not for it.
    """

    __slots__ = ("_checks", "_hash", "_public", "alg", "bits", "crv", "kid", "kty", "thumbprint")

    kid: str | None
    kty: str
    crv: str | None
    bits: int
    alg: str | None
    thumbprint: str

    def __init__(self, public: PublicKey, *, kid: str | None = None, alg: str | None = None) -> None:
        kty, crv, members = _members(public)
        checks = _checks(public, crv)
        if alg is not None and alg not in checks:
            raise ValueError(f"its alg is {alg!a}, which is not for a key of type {crv or kty}")
        values = {
            "kid": kid,
            "kty": kty,
            "crv": crv,
            "bits": 256 if isinstance(public, Ed25519PublicKey) else public.key_size,
            "alg": alg,
            "thumbprint": _thumbprint(members),
            "_public": public,
            # RFC 7517 section 4.4: a key that names its algorithm is for that one alone.
            "_checks": checks if alg is None else {alg: checks[alg]},
            "_hash": hash((kid, alg, _thumbprint(members))),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def algorithms(self) -> frozenset[str]:
        """The algorithms that this key fits."""
        return frozenset(self._checks)

    @property
    def name(self) -> str:
        """What to call it in a log: its key ID, or else its thumbprint."""
        return self.kid if self.kid is not None else self.thumbprint

    def fits(self, alg: str) -> bool:
        """Whether a token of this algorithm may be checked with this key (RFC 8725 section 3.1)."""
        return alg in self._checks

    def verify(self, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over these bytes. Never raises, whatever it is given."""
        try:
            self._checks[alg](signature, signing_input)
        except Exception:  # noqa: BLE001  # there is no input for which "no" is the wrong answer here
            return False
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return (self.kid, self.alg, self.thumbprint) == (other.kid, other.alg, other.thumbprint)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        kind = f"{self.kty} {self.crv}" if self.crv else f"{self.kty} {self.bits} bits"
        return f"<Key kid={self.kid!a} {kind} alg={self.alg}>"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Key is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Key is immutable; cannot delete {name!r}")

    def __reduce__(self) -> tuple[Callable[..., Key], tuple[bytes, str | None, str | None]]:
        der = self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _unpickle, (der, self.kid, self.alg)

    # Written by __init__ through object.__setattr__; named here for type checkers.
    _public: PublicKey
    _checks: Mapping[str, Check]
    _hash: int


def _unpickle(der: bytes, kid: str | None, alg: str | None) -> Key:
    return Key(load_der_public_key(der), kid=kid, alg=alg)  # type: ignore[arg-type]  # Key refuses others


def _checks(public: PublicKey, crv: str | None) -> Mapping[str, Check]:
    """What verifies which algorithm with this key, all of its arguments built."""
    if isinstance(public, Ed25519PublicKey):
        # RFC 9864 renames EdDSA over this curve to Ed25519; they are one algorithm.
        return {"EdDSA": public.verify, "Ed25519": public.verify}
    if isinstance(public, RSAPublicKey):
        checks: dict[str, Check] = {}
        for size, digest in _HASHES.items():
            # RFC 7518 section 3.5: the salt is exactly as long as the hash.
            pss = PSS(mgf=MGF1(digest), salt_length=digest.digest_size)
            checks[f"RS{size}"] = partial(public.verify, padding=PKCS1v15(), algorithm=digest)
            checks[f"PS{size}"] = partial(public.verify, padding=pss, algorithm=digest)
        return checks
    size = _ES[crv or ""]
    return {f"ES{size}": partial(_verify_ecdsa, public, (public.key_size + 7) // 8, _ECDSA[size])}


def _verify_ecdsa(
    public: EllipticCurvePublicKey, width: int, algorithm: ECDSA, signature: bytes, signed: bytes
) -> None:
    """Check the raw R‖S form of RFC 7518 section 3.4: two numbers of the curve's full width, nothing else."""
    if len(signature) != 2 * width:
        raise ValueError("wrong length")
    r, s = int.from_bytes(signature[:width]), int.from_bytes(signature[width:])
    public.verify(encode_dss_signature(r, s), signed, algorithm)


def _members(public: PublicKey) -> tuple[str, str | None, dict[str, str]]:
    """Give `kty`, `crv` and the members that RFC 7638 section 3.2 makes a thumbprint of."""
    if isinstance(public, RSAPublicKey):
        rsa = public.public_numbers()
        return "RSA", None, {"kty": "RSA", "n": _uint(rsa.n), "e": _uint(rsa.e)}
    if isinstance(public, Ed25519PublicKey):
        return "OKP", "Ed25519", {"kty": "OKP", "crv": "Ed25519", "x": _text(public.public_bytes_raw())}
    if (crv := CURVES.get(public.curve.name)) is not None:
        point, width = public.public_numbers(), (public.key_size + 7) // 8
        x, y = _text(point.x.to_bytes(width)), _text(point.y.to_bytes(width))
        return "EC", crv, {"kty": "EC", "crv": crv, "x": x, "y": y}
    raise ValueError(f"its curve is {public.curve.name}, not P-256, P-384 or P-521")


def _thumbprint(members: Mapping[str, str]) -> str:
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _text(hashlib.sha256(canonical).digest())


def _uint(number: int) -> str:
    return _text(number.to_bytes((number.bit_length() + 7) // 8))


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _use_each_kind_once() -> None:
    """Let cryptography import what it imports at the first use of each kind of key.

    Done when this module is imported, before there are threads: a process that forks while another thread is in
    such an import leaves a child behind that waits for it for ever. Takes less than a millisecond.
    """
    generator = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )
    for public in (
        RSAPublicNumbers(65537, (1 << 2047) + 1).public_key(),
        EllipticCurvePublicNumbers(*generator, SECP256R1()).public_key(),
        Ed25519PublicKey.from_public_bytes(bytes([0x58]) + bytes([0x66]) * 31),
    ):
        key = Key(public)
        for algorithm in key.algorithms:
            key.verify(algorithm, b"", bytes(64))


_use_each_kind_once()
