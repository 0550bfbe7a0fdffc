"""Part D of the scenarios: entries of a key set that must not count, beside one that does."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest

from jwtauthz.testing import FakeIssuer
from jwtauthz.testing import behaviours as b

RS = FakeIssuer(network=False, algorithm="RS256")
ES = FakeIssuer(network=False, algorithm="ES256")
ED = FakeIssuer(network=False, algorithm="EdDSA")
RSA, EC, OKP = (dict(issuer.jwks()["keys"][0]) for issuer in (RS, ES, ED))
ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def uint(number: int) -> str:
    return b64(number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


def modulus(bits: int) -> str:
    """An odd number of so many bits that is not prime; nobody needs to know its factors."""
    return uint((1 << (bits - 1)) | 1)


PRIME = (1 << 2203) - 1  # a Mersenne prime
N = int.from_bytes(base64.urlsafe_b64decode(RSA["n"] + "=="))
ENTRIES = {
    **{f"F45 RSA without {name}": {k: v for k, v in RSA.items() if k != name} for name in ("n", "e", "kty")},
    **{f"F45 EC without {name}": {k: v for k, v in EC.items() if k != name} for name in ("x", "y", "crv", "kty")},
    **{f"F45 OKP without {name}": {k: v for k, v in OKP.items() if k != name} for name in ("x", "crv", "kty")},
    **{f"F45 n is {value!r}": RSA | {"n": value} for value in (None, 1, "", "=", "ä", [], {})},
    "F45 oct without k": {"kty": "oct"},
    "F46 even modulus": RSA | {"n": uint(N + 1)},
    "F46 n = 0": RSA | {"n": uint(0)},
    "F46 n = 1": RSA | {"n": uint(1)},
    "F46 n is prime": RSA | {"n": uint(PRIME)},
    **{f"F47 e = {e}": RSA | {"e": uint(e)} for e in (0, 1, 2, 4, 65536)},
    **{f"F48 RSA {bits}": RSA | {"n": modulus(bits)} for bits in (512, 768, 1024, 2047)},
    **{f"F49 RSA {bits}": RSA | {"n": modulus(bits)} for bits in (8193, 16384, 65536)},
    "F50 e of 2048 bits": RSA | {"e": modulus(2048)},
    "F50 e of 33 bits": RSA | {"e": modulus(33)},
    "F51 a point off the curve": EC | {"y": b64(bytes(31) + b"\1")},
    "F51 the point at nowhere": EC | {"x": b64(bytes(32)), "y": b64(bytes(32))},
    "F51 coordinates too short": EC | {"x": b64(b"\1" * 31)},
    "F51 coordinates too long": EC | {"x": b64(b"\0" + base64.urlsafe_b64decode(EC["x"] + "=="))},
    **{f"F51 crv {crv}": EC | {"crv": crv} for crv in ("secp256k1", "P-384", "P-256K", "", 1, None)},
    "F52 Ed25519 of small order": OKP | {"x": b64(bytes(32))},
    "F52 Ed25519 of order 1": OKP | {"x": b64(b"\1" + bytes(31))},
    "F52 Ed25519 too short": OKP | {"x": b64(b"\1" * 31)},
    "F52 Ed448": OKP | {"crv": "Ed448", "x": b64(b"\1" * 57)},
    "F52 X25519": OKP | {"crv": "X25519"},
    "F53 oct": {"kty": "oct", "k": b64(b"secret" * 8), "alg": "HS256"},
    "F53 oct that calls itself RS256": {"kty": "oct", "k": b64(b"secret" * 8), "alg": "RS256", "use": "sig"},
    **{f"F54 {name}": RSA | {name: "AQAB"} for name in ("d", "p", "q", "dp", "dq", "qi")},
    "F54 EC d": EC | {"d": "AQAB"},
    "F54 an empty d": OKP | {"d": ""},
    "F55 use=enc": RSA | {"use": "enc"},
    "F55 use=1": RSA | {"use": 1},
    "F55 key_ops without verify": RSA | {"key_ops": ["encrypt"]},
    "F55 key_ops is no list": RSA | {"key_ops": "verify"},
    "F55 alg of another family": RSA | {"alg": "ES256"},
    "F55 alg of another curve": EC | {"alg": "ES384"},
    **{f"F58 an entry that is {value!r}": value for value in (None, 1, "key", [], [[]], True, {})},
    **{f"F58 kid is {kid!r}": RSA | {"kid": kid} for kid in (1, None, [], {}, True)},
    **{f"F60 alg {alg!r}": RSA | {"alg": alg} for alg in ("RS257", "HS256", "none", "RSA-OAEP", "", 1, None)},
}  # fmt: skip


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in ENTRIES.items()])
def test_an_entry_that_cannot_be_used_is_skipped_and_the_rest_is_used(make_rig, entry):
    entry = entry | {"kid": "bad"} if isinstance(entry, dict) and isinstance(entry.get("kid"), str) else entry
    rig = make_rig(b.publishing(entry), algorithms=ALL)
    assert rig.status() == 200
    health = rig.keys.health()
    assert health["keys"] == [rig.issuer.kid]
    assert len(health["skipped"]) == 1
    rig.clock.advance(3)
    kids = ["bad"] if isinstance(entry, dict) and entry.get("kid") == "bad" else [None]
    for kid in kids:
        token = RS.token(iss=rig.issuer.url, scope="read:users", kid=kid)
        assert rig.status(token) == 401  # the RSA key of the table would have verified it


def test_f47_a_signature_without_a_key_is_refused(make_rig):
    """With e = 1 the padded hash itself is the signature: anybody can write it."""
    rig = make_rig(b.publishing(RSA | {"e": uint(1), "kid": "bad"}), algorithms=ALL)
    signing_input = RS.token(iss=rig.issuer.url, scope="read:users", kid="bad").rpartition(".")[0]
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = prefix + hashlib.sha256(signing_input.encode()).digest()
    padded = b"\0\1" + b"\xff" * (256 - len(digest) - 3) + b"\0" + digest
    assert rig.status(f"{signing_input}.{b64(padded)}") == 401


def test_f49_f50_keys_that_are_slow_on_purpose_cost_no_time(make_rig):
    rig = make_rig(
        b.publishing(*[RSA | {"n": modulus(16384), "e": modulus(16383), "kid": f"k{n}"} for n in range(20)])
    )
    began = time.process_time()
    assert rig.status() == 200
    assert time.process_time() - began < 1


def test_f49_a_hundred_keys_of_a_usual_size_cost_no_time_either(make_rig):
    keys = [RSA | {"n": uint((1 << 3071) | (1 << 1500) | 2 * n + 1), "kid": f"k{n}"} for n in range(99)]
    rig = make_rig(b.publishing(*keys))
    began = time.process_time()
    assert rig.status() == 200
    assert time.process_time() - began < 2


def test_f49_the_largest_key_that_is_used_costs_little_per_request(make_rig):
    rig = make_rig(b.publishing(RSA | {"n": modulus(8192), "kid": "slow"}), algorithms=ALL)
    rig.prime()
    tokens = [RS.token(iss=rig.issuer.url, scope="read:users", kid="slow", n=n) for n in range(50)]
    began = time.process_time()
    assert {rig.status(token) for token in tokens} == {401}
    assert time.process_time() - began < 1


@pytest.mark.parametrize("alg", ["HS256", "RS256", "none"])
def test_f53_a_token_signed_with_what_everybody_can_read_is_refused(make_rig, alg):
    secret = b"secret" * 8
    rig = make_rig(b.publishing({"kty": "oct", "k": b64(secret), "kid": "shared"}), algorithms=ALL)
    claims = {"iss": rig.issuer.url, "sub": "me", "aud": rig.issuer.audience, "exp": int(time.time()) + 60}
    parts = ({"alg": alg, "typ": "JWT", "kid": "shared"}, claims | {"scope": "read:users"})
    signing_input = ".".join(b64(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(secret, signing_input.encode(), "sha256")
    assert rig.status(f"{signing_input}.{b64(signature)}") == 401


def test_f55_a_key_that_may_verify_too_is_used(make_rig):
    rig = make_rig(
        b.publishing(RSA | {"key_ops": ["sign", "verify"], "use": "sig", "kid": "both"}), algorithms=ALL
    )
    assert rig.status(RS.token(iss=rig.issuer.url, scope="read:users", kid="both")) == 200


def test_f56_several_keys_under_one_key_id_are_each_tried(make_rig):
    others = [FakeIssuer(network=False, algorithm="ES256") for _ in range(2)]
    same = [dict(other.jwks()["keys"][0], kid="same") for other in others]
    rig = make_rig(b.publishing(*same))
    for other in others:
        assert rig.status(other.token(iss=rig.issuer.url, scope="read:users", kid="same")) == 200
    assert rig.status(rig.issuer.token(scope="read:users", kid="same")) == 401


def test_f56_of_many_keys_under_one_key_id_a_few_are_tried(make_rig):
    many = [RSA | {"kid": "same", "n": uint(N - 2 * n)} for n in range(1, 9)]
    rig = make_rig(b.publishing(*many), algorithms=ALL)
    rig.prime()
    assert 1 <= len(rig.keys.find("same", "RS256").keys) <= 4
    assert rig.status(RS.token(iss=rig.issuer.url, scope="read:users", kid="same")) == 401


def test_f57_an_rsa_and_an_ec_key_share_a_key_id(make_rig):
    rig = make_rig(
        b.publishing(RSA | {"kid": "same"}, EC | {"kid": "same"}, OKP | {"kid": "same"}), algorithms=ALL
    )
    for issuer in (RS, ES, ED):
        assert rig.status(issuer.token(iss=rig.issuer.url, scope="read:users", kid="same")) == 200


def test_f58_a_key_without_a_key_id_is_used_for_a_token_without_one(make_rig):
    nameless = {name: value for name, value in RSA.items() if name != "kid"}
    rig = make_rig(b.publishing(nameless), algorithms=ALL)
    assert rig.status(RS.token(iss=rig.issuer.url, scope="read:users", kid=None)) == 200
    assert rig.status() == 200


def test_f59_a_certificate_that_holds_another_key_counts_for_nothing(make_rig, ca):
    der = ca.cert_pem.bytes().decode().replace("\n", "").split("-----")[2]
    entry = RSA | {"kid": "certified", "x5c": [der], "x5t": "AAAA", "x5u": "http://127.0.0.1:9/"}
    rig = make_rig(b.publishing(entry, RSA | {"kid": "odd", "x5c": 17}), algorithms=ALL)
    for kid in ("certified", "odd"):
        assert rig.status(RS.token(iss=rig.issuer.url, scope="read:users", kid=kid)) == 200
