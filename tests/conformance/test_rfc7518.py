"""RFC 7518: the algorithms, and the keys that they may have."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from jwtauthz import ConfigurationError, KeySet
from jwtauthz.testing import FakeIssuer

from .tools import b64url, judge, line, row, server_for


def rsa_jwk(n: int, e: int = 65537, **members) -> dict:
    """An RSA key of these numbers."""
    n_, e_ = (b64url(number.to_bytes((number.bit_length() + 7) // 8, "big")) for number in (n, e))
    return {"kty": "RSA", "kid": "bad", "n": n_, "e": e_, **members}


GOOD_N = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n


class TestRSAKeys:
    @pytest.mark.parametrize(
        "bits", [row("R7518-01", f"{bits} bits are too few", bits) for bits in (512, 1024, 2040, 2047)]
    )
    def test_that_are_too_small(self, bits):
        with pytest.raises(ConfigurationError, match=f"{bits} bits"):
            KeySet.from_jwks({"keys": [rsa_jwk((1 << bits - 1) + 1)]})

    @line("R7518-01", "2048 bits are enough")
    def test_that_are_just_large_enough(self):
        assert KeySet.from_jwks({"keys": [rsa_jwk(GOOD_N)]}).keys[0].bits == 2048

    @pytest.mark.parametrize(
        "jwk",
        [
            row("R7518-02", "an exponent of 1 is refused", rsa_jwk(GOOD_N, 1)),
            row("R7518-02", "an exponent of 2 is refused", rsa_jwk(GOOD_N, 2)),
            row("R7518-02", "an even exponent is refused", rsa_jwk(GOOD_N, 65536)),
            row("R7518-02", "a huge exponent is refused", rsa_jwk(GOOD_N, (1 << 2000) + 1)),
            row("R7518-02", "an empty exponent is refused", rsa_jwk(GOOD_N) | {"e": ""}),
            row("R7518-02", "an exponent of zero is refused", rsa_jwk(GOOD_N) | {"e": "AA"}),
            row("R7518-02", "an exponent that is a number is refused", rsa_jwk(GOOD_N) | {"e": 65537}),
            row(
                "R7518-02",
                "a modulus with a leading zero is refused",
                rsa_jwk(GOOD_N) | {"n": b64url(b"\0" + GOOD_N.to_bytes(256, "big"))},
            ),
            row(
                "R7518-02",
                "a modulus with padding is refused",
                rsa_jwk(GOOD_N) | {"n": rsa_jwk(GOOD_N)["n"] + "=="},
            ),
            row("R7518-02", "an even modulus is refused", rsa_jwk(GOOD_N - 1)),
            row("R7518-02", "a modulus of 16,384 bits is refused", rsa_jwk((1 << 16383) + 1)),
            row("R7518-02", "a key without a modulus is refused", {"kty": "RSA", "kid": "bad", "e": "AQAB"}),
        ],
    )
    def test_of_odd_numbers(self, jwk):
        with pytest.raises(ConfigurationError, match="no usable key"):
            KeySet.from_jwks({"keys": [jwk]})


class TestSignatures:
    @pytest.mark.parametrize(
        ("salt", "let_in"),
        [
            row("R7518-03", "a salt of 32 octets is the salt of PS256", 32, True),
            row("R7518-03", "no salt is refused", 0, False),
            row("R7518-03", "a salt of 20 octets is refused", 20, False),
            row("R7518-03", "the longest salt is refused", 222, False),
        ],
    )
    def test_salt_of_ps256(self, clock, salt, let_in):
        issuer = FakeIssuer(network=False, algorithm="PS256", clock=clock)
        signing_input = issuer.token().rpartition(".")[0]
        private = issuer._signing_key()._private
        signature = private.sign(
            signing_input.encode(), padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256()
        )
        verdict = judge(server_for(issuer, clock=clock), f"{signing_input}.{b64url(signature)}")
        assert verdict.code == (None if let_in else "bad_signature")

    @pytest.mark.parametrize(
        ("encode", "let_in"),
        [
            row("R7518-04", "R and S of 32 octets each are a signature of ES256", lambda rs: rs, True),
            row(
                "R7518-04",
                "their DER form is none",
                lambda rs: encode_dss_signature(int.from_bytes(rs[:32], "big"), int.from_bytes(rs[32:], "big")),
                False,
            ),
            row("R7518-04", "an octet more is none", lambda rs: rs + b"\0", False),
            row("R7518-04", "an octet in front is none", lambda rs: b"\0" + rs, False),
            row("R7518-04", "an octet less is none", lambda rs: rs[:-1], False),
            row(
                "R7518-04", "a zero in front of both is none", lambda rs: b"\0" + rs[:32] + b"\0" + rs[32:], False
            ),
            row("R7518-04", "zeros alone are none", lambda rs: bytes(64), False),
        ],
    )
    def test_form_of_es256(self, es_mint, clock, encode, let_in):
        signing_input = es_mint.token().rpartition(".")[0]
        raw = es_mint._signing_key().sign(signing_input.encode())
        verdict = judge(server_for(es_mint, clock=clock), f"{signing_input}.{b64url(encode(raw))}")
        assert verdict.code == (None if let_in else "bad_signature")
