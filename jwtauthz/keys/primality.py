"""Whether an RSA modulus is prime, which would let anybody compute the private key: a blunder worth catching."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017 section 9.2, note 1


def is_prime(n: int) -> bool:
    """Test an odd modulus of 2048 to 3072 bits by Fermat; a larger one is never called prime.

    For a prime n, raising to the power n - 2 gives the inverse. So the "public key" with this exponent accepts
    the inverse of a padded message as its signature, and for a composite n it does not. That takes OpenSSL 2 ms
    at 2048 bits, where Python's own `pow` holds up all threads for 20. OpenSSL refuses such an exponent
    beside a larger modulus, at once.
    """
    width = (n.bit_length() + 7) // 8
    tail = b"\0" + _SHA256_INFO + hashlib.sha256(b"").digest()
    padded = b"\0\1" + b"\xff" * (width - 2 - len(tail)) + tail
    try:
        inverse = pow(int.from_bytes(padded), -1, n)
        RSAPublicNumbers(n - 2, n).public_key().verify(inverse.to_bytes(width), b"", PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True
