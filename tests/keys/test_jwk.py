"""Which JWKs and PEMs become keys, which key is meant, and what it verifies."""

from __future__ import annotations

import copy
import json
import pickle
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from jwtauthz.checks import ALGORITHMS
from jwtauthz.errors import ConfigurationError
from jwtauthz.keys.jwk import Found, Key, KeySet, KeyUnknown

from .tools import (
    b64,
    jwk_ec,
    jwk_ed,
    jwk_rsa,
    jwks,
    key_set,
    private_ec,
    private_ed25519,
    private_rsa,
    sign_rs256,
    uint,
)

PRIME = 2**2048 - 1557
ED_PRIME = 2**255 - 19
ED_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def ed_point(y: int, sign: int = 0) -> str:
    return b64((y | sign << 255).to_bytes(32, "little"))


def modulus(bits: int) -> str:
    return uint((1 << (bits - 1)) | 0b1011)


def other_key_x5c() -> list[str]:
    return ["MIIB-not-even-a-certificate"]


USABLE = [
    pytest.param(jwk_rsa(), id="an RSA key"),
    pytest.param(jwk_rsa(alg=None, use=None, kid=None), id="F58 an RSA key without kid, alg and use"),
    pytest.param(jwk_rsa(key_ops=["verify"]), id="key_ops and use that agree"),
    pytest.param(jwk_rsa(use=None, key_ops=["verify", "sign"]), id="key_ops alone"),
    pytest.param(
        jwk_rsa(x5c=other_key_x5c(), x5t="AAAA"), id="F59 x5c of another key is not read, n and e decide"
    ),
    pytest.param(jwk_rsa(colour="green", iat=1), id="R7517-02 unknown members are ignored"),
    pytest.param(jwk_rsa(e=uint(3)), id="the smallest exponent"),
    pytest.param(jwk_ec("P-256"), id="a P-256 key"),
    pytest.param(jwk_ec("P-384", alg="ES384"), id="a P-384 key"),
    pytest.param(jwk_ec("P-521"), id="a P-521 key"),
    pytest.param(jwk_ed(), id="an Ed25519 key"),
    pytest.param(jwk_ed(alg="Ed25519"), id="an Ed25519 key that says so (RFC 9864)"),
]

SKIPPED = [
    pytest.param("a string", "not an object", id="F58 an entry that is a string"),
    pytest.param(None, "not an object", id="F58 an entry that is null"),
    pytest.param(["RSA"], "not an object", id="F58 an entry that is a list"),
    pytest.param(jwk_rsa(kid=5), "kid is not a string", id="F58 a kid that is a number"),
    pytest.param(jwk_rsa(kty=None), "kty", id="F45 no kty"),
    pytest.param(jwk_rsa(kty="XYZ"), "kty", id="R7517-04 an unknown kty"),
    pytest.param(jwk_rsa(kty=["RSA"]), "kty", id="a kty that is a list"),
    pytest.param(jwk_rsa(n=None), "no n", id="F45 no n"),
    pytest.param(jwk_rsa(e=None), "no e", id="F45 no e"),
    pytest.param(jwk_ec(x=None), "no x", id="F45 no x"),
    pytest.param(jwk_ec(y=None), "no y", id="F45 no y"),
    pytest.param(jwk_ec(crv=None), "crv", id="F45 no crv"),
    pytest.param(jwk_rsa(n=7), "n is not a string", id="an n that is a number"),
    pytest.param(
        jwk_rsa(n=uint(N := private_rsa().public_key().public_numbers().n) + "="), "base64url", id="padding"
    ),
    pytest.param(jwk_rsa(n="+" + uint(N)[1:]), "base64url", id="base64 that is not base64url"),
    pytest.param(jwk_rsa(n="é" + uint(N)[1:]), "base64url", id="an n that is not ASCII"),
    pytest.param(jwk_rsa(n=""), "base64urlUInt", id="an empty n"),
    pytest.param(jwk_rsa(n=b64(b"\0" + N.to_bytes(256))), "base64urlUInt", id="R7518-02 an n led by zeros"),
    pytest.param(jwk_rsa(e="AQAC"), "exponent", id="F47 e even"),
    pytest.param(jwk_rsa(e="AQAB\n"), "base64url", id="an e with a line break"),
    pytest.param(jwk_rsa(n=uint(N - 1)), "even", id="F46 an even modulus"),
    pytest.param(jwk_rsa(n="AA"), "base64urlUInt", id="F46 n = 0"),
    pytest.param(jwk_rsa(n="AQ"), "1 bits", id="F46 n = 1"),
    pytest.param(jwk_rsa(n=uint(PRIME)), "prime", id="F46 n prime"),
    pytest.param(jwk_rsa(e="AA"), "base64urlUInt", id="F47 e = 0"),
    pytest.param(jwk_rsa(e="AQ"), "exponent", id="F47 e = 1, under which each padded hash is its own signature"),
    pytest.param(jwk_rsa(e="Ag"), "exponent", id="F47 e = 2"),
    pytest.param(jwk_rsa(n=modulus(512)), "512 bits", id="F48 RSA 512"),
    pytest.param(jwk_rsa(n=modulus(1024)), "1024 bits", id="F48 RSA 1024"),
    pytest.param(jwk_rsa(n=modulus(2047)), "2047 bits", id="R7518-01 RSA 2047"),
    pytest.param(jwk_rsa(n=modulus(16384)), "16384 bits", id="F49 RSA 16384"),
    pytest.param(jwk_rsa(e=uint(2**32 + 1)), "exponent", id="F50 e above 2^32"),
    pytest.param(jwk_rsa(e=modulus(2048)), "exponent", id="F50 e of 2048 bits"),
    pytest.param(jwk_ec(x=b64(bytes(32))), "no valid public key", id="F51 a point off the curve"),
    pytest.param(jwk_ec(x=b64(bytes(31))), "31 octets", id="F51 a coordinate that is too short"),
    pytest.param(jwk_ec(crv="secp256k1"), "crv", id="F51 a curve that we do not verify"),
    pytest.param(jwk_ec(crv="P-384"), "32 octets", id="F51 coordinates of another curve"),
    pytest.param(jwk_ec(crv=["P-256"]), "crv", id="a crv that is a list"),
    pytest.param(jwk_ed(x=b64(bytes(31) + b"\1" * 2)), "33 octets", id="F52 an Ed25519 key that is too long"),
    pytest.param(jwk_ed(x=ed_point(0)), "small order", id="F52 Ed25519 of order 4"),
    pytest.param(jwk_ed(x=ed_point(1)), "small order", id="F52 Ed25519 of order 1"),
    pytest.param(jwk_ed(x=ed_point(1, 1)), "small order", id="F52 Ed25519 of order 1 with a sign"),
    pytest.param(jwk_ed(x=ed_point(ED_PRIME - 1)), "small order", id="F52 Ed25519 of order 2"),
    pytest.param(jwk_ed(x=ed_point(ED_ORDER_8)), "small order", id="F52 Ed25519 of order 8"),
    pytest.param(
        jwk_ed(x=ed_point(ED_PRIME - ED_ORDER_8, 1)), "small order", id="F52 Ed25519 of order 8, negated"
    ),
    pytest.param(jwk_ed(x=ed_point(ED_PRIME + 3)), "canonical", id="F52 Ed25519 that is not canonical"),
    pytest.param(jwk_ed(crv="X25519"), "crv", id="a key for key agreement"),
    pytest.param(jwk_ed(crv="Ed448"), "crv", id="Ed448"),
    pytest.param(jwk_rsa(use="enc"), "use", id="F55 R7517-05 use=enc"),
    pytest.param(jwk_rsa(use=None, key_ops=["sign"]), "lacks 'verify'", id="F55 R7517-06 key_ops without verify"),
    pytest.param(jwk_rsa(use=None, key_ops=["verify", "verify"]), "twice", id="R7517-06 key_ops with a duplicate"),
    pytest.param(jwk_rsa(key_ops=["verify", "encrypt"]), "contradict", id="R7517-06 key_ops against use"),
    pytest.param(jwk_rsa(use=None, key_ops="verify"), "list of strings", id="key_ops that is a string"),
    pytest.param(jwk_rsa(use=None, key_ops=[["verify"]]), "list of strings", id="key_ops that nests"),
    pytest.param(jwk_rsa(alg="ES256"), "not for a key of type RSA", id="F55 F60 an alg of another family"),
    pytest.param(jwk_ec("P-256", alg="ES384"), "not for a key of type P-256", id="F60 an alg of another curve"),
    pytest.param(jwk_rsa(alg="HS256"), "no signature algorithm", id="F60 a symmetric alg on an RSA key"),
    pytest.param(jwk_rsa(alg="RSA-OAEP"), "no signature algorithm", id="F60 an alg for encryption"),
    pytest.param(jwk_rsa(alg="MADE-UP"), "no signature algorithm", id="F60 a made-up alg"),
    pytest.param(jwk_rsa(alg=None) | {"alg": None}, "no signature algorithm", id="an alg that is null"),
    pytest.param(jwk_rsa(alg={"RS256": 1}), "no signature algorithm", id="an alg that is an object"),
    pytest.param({"kty": "oct", "kid": "s"}, "kty", id="F53 an oct key without k"),
]

ALARMING = [
    pytest.param({"kty": "oct", "kid": "s", "k": "c2VjcmV0"}, id="F53 R7517-10 a symmetric key"),
    pytest.param(jwk_rsa(d="c2VjcmV0"), id="F54 R7517-10 an RSA key with d"),
    pytest.param(jwk_rsa(p="c2VjcmV0", q="c2VjcmV0"), id="F54 an RSA key with p and q"),
    pytest.param(jwk_ec(d="c2VjcmV0"), id="F54 an EC key with d"),
    pytest.param(jwk_ed(d=""), id="F54 an Ed25519 key with an empty d"),
]


@pytest.mark.parametrize("jwk", USABLE)
def test_usable_keys_are_kept(jwk: dict) -> None:
    keys = KeySet.read({"keys": [jwk]})
    assert len(keys.keys) == 1
    assert not keys.skipped


@pytest.mark.parametrize(("jwk", "reason"), SKIPPED)
def test_bad_entries_are_skipped_and_the_good_one_kept(jwk: object, reason: str) -> None:
    keys = KeySet.read({"keys": [jwk, jwk_rsa("good")]})
    assert [key.kid for key in keys.keys] == ["good"]
    (skipped,) = keys.skipped
    assert skipped.index == 0
    assert reason in skipped.reason
    assert not skipped.alarming


@pytest.mark.parametrize("jwk", ALARMING)
def test_published_secrets_are_dropped_with_an_alarm_that_does_not_repeat_them(jwk: dict) -> None:
    keys = KeySet.read({"keys": [jwk, jwk_rsa("good")]})
    assert [key.kid for key in keys.keys] == ["good"]
    (skipped,) = keys.skipped
    assert skipped.alarming
    assert "c2VjcmV0" not in repr(skipped)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param([], id="F36 a list"),
        pytest.param("keys", id="F36 a string"),
        pytest.param(None, id="F36 null"),
        pytest.param({}, id="F37 no keys"),
        pytest.param({"keys": None}, id="F37 keys null"),
        pytest.param({"keys": {"kty": "RSA"}}, id="F37 keys an object"),
        pytest.param({"keys": "abc"}, id="F37 keys a string"),
        pytest.param({"keys": [jwk_rsa()] * 101}, id="F40 more than 100 keys"),
    ],
)
def test_what_is_no_key_set_is_refused_as_a_whole(document: object) -> None:
    with pytest.raises(ValueError):
        KeySet.read(document)
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks(document)  # type: ignore[arg-type]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y", "x5c"]), inner
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from([jwk_rsa(), jwk_ec(), jwk_ed()]),
)
def test_no_entry_whatever_raises_or_hides_a_good_one(odd: object, base: dict) -> None:
    entries = [odd, {**base, **odd} if isinstance(odd, dict) else odd, jwk_ec("P-384", kid="good")]
    assert "good" in [key.kid for key in KeySet.read({"keys": entries}).keys]


def test_a_hundred_keys_cost_little_time() -> None:
    entries = [
        jwk_rsa(n=uint((1 << 3071) | (1 << 1500) | 2 * number + 1), kid=str(number)) for number in range(100)
    ]
    started = time.process_time()
    KeySet.read({"keys": entries})
    assert time.process_time() - started < 2, "F40 F49"


def test_a_huge_key_costs_no_time() -> None:
    entries = [jwk_rsa(n=modulus(16384)), jwk_rsa(e=modulus(4096)), jwk_rsa(n=modulus(8192), kid="big")]
    started = time.perf_counter()
    keys = KeySet.read({"keys": entries})
    keys.keys[0].verify("RS256", b"data", bytes(1024))
    assert time.perf_counter() - started < 0.5, "F49 F50"


# Which key is meant


RSA_AND_EC = [jwk_rsa("same"), jwk_ec("P-256", kid="same")]
FIND = [
    pytest.param(["one", "two"], "one", "RS256", ["one"], id="a key is found by its ID"),
    pytest.param(["one"], "One", "RS256", None, id="key IDs are compared exactly"),
    pytest.param(["one"], "two", "RS256", None, id="an unknown key ID"),
    pytest.param(["one"], "one", "RS384", None, id="R7517-07 the key's alg is another"),
    pytest.param(["one"], "one", "ES256", None, id="the key's type is another"),
    pytest.param([jwk_rsa(alg=None)], "one", "PS512", ["one"], id="a key without alg does all of its type"),
    pytest.param(RSA_AND_EC, "same", "ES256", ["same"], id="F57 R7517-08 one ID over two types: the type decides"),
    pytest.param(RSA_AND_EC, "same", "RS256", ["same"], id="F57 and for the other type as well"),
    pytest.param(
        [jwk_rsa("one", kid="x"), jwk_rsa("two", kid="x")],
        "x",
        "RS256",
        ["x", "x"],
        id="F56 one ID, one type: each is tried",
    ),
    pytest.param(["one"], None, "RS256", ["one"], id="R7517-09 no key ID, and a single key fits"),
    pytest.param(["one", "two"], None, "RS256", None, id="R7517-09 no key ID, and two keys fit"),
    pytest.param(["one", jwk_ec()], None, "ES256", ["P-256"], id="no key ID, and a single key fits the alg"),
    pytest.param(["one", "one"], None, "RS256", ["one"], id="the same key twice is one key"),
    pytest.param([jwk_rsa(kid=None)], "one", "RS256", None, id="a key without ID is not meant by an ID"),
    pytest.param([jwk_rsa(kid="")], "", "RS256", [""], id="an empty key ID is a key ID"),
    pytest.param([jwk_rsa(kid="")], None, "RS256", [""], id="and may be left out like any other"),
]


@pytest.mark.parametrize(("entries", "kid", "alg", "expected"), FIND)
def test_find(entries: list, kid: str | None, alg: str, expected: list[str] | None) -> None:
    keys = key_set(*entries)
    if expected is None:
        with pytest.raises(KeyUnknown):
            keys.find(kid, alg)
    else:
        assert [key.kid for key in keys.find(kid, alg).keys] == expected


def test_of_many_keys_with_one_id_four_are_tried() -> None:
    entries = [jwk_rsa(str(number), kid="x") for number in range(6)]
    assert len(key_set(*entries).find("x", "RS256").keys) == 4, "R7517-08"


def test_unknown_says_why_without_repeating_what_a_stranger_wrote() -> None:
    with pytest.raises(KeyUnknown) as unknown:
        key_set("one").find("evil\n" * 100, "RS256")
    assert "\n" not in unknown.value.reason
    assert len(unknown.value.reason) < 200
    assert not unknown.value.ambiguous
    with pytest.raises(KeyUnknown, match="names no key") as unknown:
        key_set("one", "two").find(None, "RS256")
    assert unknown.value.ambiguous


def test_keys_that_are_known_already_stay_the_same_objects() -> None:
    old = key_set("one", "two")
    new = KeySet.read(json.loads(jwks("two", "three")), reuse=old.keys)
    assert new.keys[0] is old.keys[1]
    assert new.keys[1] not in old.keys


# What it verifies

SIGNED = b"eyJhbGciOi.eyJzdWIi"


def raw(private: ec.EllipticCurvePrivateKey, digest: hashes.HashAlgorithm) -> bytes:
    width = (private.key_size + 7) // 8
    r, s = decode_dss_signature(private.sign(SIGNED, ec.ECDSA(digest)))
    return r.to_bytes(width) + s.to_bytes(width)


def signature(alg: str) -> bytes:
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}.get(alg[2:])
    if digest is None:
        return private_ed25519().sign(SIGNED)
    if alg.startswith("RS"):
        return private_rsa().sign(SIGNED, padding.PKCS1v15(), digest)
    if alg.startswith("PS"):
        pss = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)
        return private_rsa().sign(SIGNED, pss, digest)
    return raw(private_ec({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg]), digest)


ALL = key_set(jwk_rsa(alg=None), jwk_ec("P-256"), jwk_ec("P-384"), jwk_ec("P-521"), jwk_ed())


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_each_algorithm_verifies_with_the_one_key_that_fits_it(alg: str) -> None:
    good = signature(alg)
    fitting = [key for key in ALL.keys if key.fits(alg)]
    assert len(fitting) == 1
    for key in ALL.keys:
        assert key.verify(alg, SIGNED, good) == (key in fitting)
    (key,) = fitting
    assert not key.verify(alg, SIGNED + b"x", good)
    assert not key.verify(alg, SIGNED, good[:-1] + bytes([good[-1] ^ 1]))
    assert not key.verify(alg, SIGNED, good[:-1])
    assert not key.verify(alg, SIGNED, good + b"\0")
    assert not key.verify(alg, SIGNED, b"")


def test_every_algorithm_that_may_be_set_can_be_verified() -> None:
    assert frozenset().union(*(key.algorithms for key in ALL.keys)) == ALGORITHMS


def test_pss_wants_a_salt_as_long_as_the_hash() -> None:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=20)
    assert not ALL.keys[0].verify("PS256", SIGNED, private_rsa().sign(SIGNED, pss, hashes.SHA256())), "R7518-03"


def test_ecdsa_wants_raw_numbers_of_full_width() -> None:
    key, der = ALL.keys[1], private_ec().sign(SIGNED, ec.ECDSA(hashes.SHA256()))
    assert not key.verify("ES256", SIGNED, der), "R7518-04"
    assert not key.verify("ES256", SIGNED, bytes(64)), "R = S = 0 is no signature"
    assert not key.verify("ES256", SIGNED, b"\xff" * 64)


@given(
    st.one_of(st.sampled_from(sorted(ALGORITHMS)), st.none(), st.lists(st.none())),
    st.one_of(st.binary(max_size=600), st.none(), st.text(max_size=3)),
    st.one_of(st.binary(max_size=20), st.none()),
)
def test_verify_never_raises_and_never_says_yes_to_noise(alg: object, noise: object, data: object) -> None:
    for key in ALL.keys:
        assert key.verify(alg, data, noise) is False  # type: ignore[arg-type]


# Keys as values


def test_thumbprint_is_that_of_rfc_7638() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCi"
        "FV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb"
        "9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls"
        "1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    (key,) = KeySet.read({"keys": [{"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}]}).keys
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_keys_are_values_that_show_no_material() -> None:
    one, again, unbound = (key_set(jwk).keys[0] for jwk in (jwk_rsa(), jwk_rsa(use=None), jwk_rsa(alg=None)))
    assert one == again
    assert hash(one) == hash(again)
    assert one != unbound
    assert one != "one"
    assert jwk_rsa()["n"] not in repr(one)
    assert "one" in repr(one)
    assert one.bits == 2048
    with pytest.raises(AttributeError):
        one.kid = "two"
    with pytest.raises(AttributeError):
        del one.kid


@pytest.mark.parametrize("through", [lambda keys: pickle.loads(pickle.dumps(keys)), copy.deepcopy])
def test_a_fixed_set_can_be_pickled_and_copied(through) -> None:
    keys = through(ALL)
    assert keys.keys == ALL.keys, "F84"
    assert keys.find("one", "RS256").keys[0].verify("RS256", SIGNED, signature("RS256"))


# PEM and files


def public_pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def certificate(private: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example")])
    past = datetime.now(UTC) - timedelta(days=400)
    built = x509.CertificateBuilder(name, name, private.public_key(), 1, past, past + timedelta(days=30))
    return built.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_pem_of_a_public_key_answers_for_any_key_id() -> None:
    keys = KeySet.from_pem(public_pem(private_rsa()).decode())
    for kid in ("anything", None):
        (key,) = keys.find(kid, "RS256").keys
        assert key.verify("RS256", SIGNED, sign_rs256(SIGNED))
    with pytest.raises(KeyUnknown):
        keys.find(None, "ES256")


def test_pem_with_an_id_and_an_algorithm_answers_for_those_alone() -> None:
    keys = KeySet.from_pem(certificate(private_rsa()), kid="one", algorithm="RS256")
    assert keys.find("one", "RS256") == Found(keys.keys)
    for kid, alg in (("two", "RS256"), ("one", "RS512")):
        with pytest.raises(KeyUnknown):
            keys.find(kid, alg)


PRIVATE_PEM = private_rsa().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
SMALL_PEM = public_pem(rsa.generate_private_key(65537, 1024))


@pytest.mark.parametrize(
    ("pem", "options", "message"),
    [
        pytest.param(PRIVATE_PEM, {}, "private key", id="a private key"),
        pytest.param(
            certificate(private_rsa()) * 2, {}, "exactly one", id="a chain, whose root could sign tokens"
        ),
        pytest.param(
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", {}, "can be read", id="rubbish"
        ),
        pytest.param(b"", {}, "exactly one", id="nothing"),
        pytest.param(SMALL_PEM, {}, "1024 bits", id="R7518-01 a small key"),
        pytest.param(public_pem(private_ec()), {"algorithm": "RS256"}, "not for", id="another algorithm"),
        pytest.param(public_pem(private_rsa()), {"algorithm": "HS256"}, "HS256", id="a symmetric algorithm"),
        pytest.param(
            public_pem(ec.generate_private_key(ec.SECP256K1())), {}, "curve", id="a curve that we do not verify"
        ),
    ],
)
def test_pem_that_is_refused(pem: bytes, options: dict, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        KeySet.from_pem(pem, **options)
    assert "MII" not in str(refused.value)


@pytest.mark.parametrize("content", [jwks("one"), public_pem(private_rsa())], ids=["a JWKS", "a PEM"])
def test_from_file_tells_by_the_content(tmp_path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)
    assert KeySet.from_file(tmp_path / "keys").find("one", "RS256")


def test_a_file_that_cannot_be_read_is_a_configuration_error(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        KeySet.from_file(tmp_path / "absent")


@pytest.mark.parametrize("form", [jwks("one"), jwks("one").decode(), json.loads(jwks("one"))], ids=["b", "s", "m"])
def test_from_jwks_takes_text_and_mappings(form) -> None:
    assert KeySet.from_jwks(form).find("one", "RS256")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param('{"keys":[]}', "empty", id="no key at all"),
        pytest.param(
            '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', "key 0: it holds private or symmetric", id="a secret"
        ),
        pytest.param('{"keys":[],"keys":[]}', "JSON object", id="R7517-03 a name twice"),
        pytest.param("\ufeff{}", "JSON object", id="F42 a byte order mark"),
        pytest.param("\ud800", "cannot be used", id="a lone surrogate"),
    ],
)
def test_a_fixed_set_without_a_usable_key_says_why(document: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        KeySet.from_jwks(document)


def test_a_fixed_set_has_the_life_of_a_remote_one(tmp_path) -> None:
    keys = key_set("one", {"kty": "oct"})
    assert keys.ready is True
    assert keys.warm_up(1) is None
    assert keys.close() is None
    assert keys.recheck(keys.find("one", "RS256")) is None
    assert keys.health() == {"state": "static", "keys": ["one"], "skipped": 1}
    assert "one" in repr(keys)


def test_a_key_needs_a_curve_that_we_verify() -> None:
    with pytest.raises(ValueError, match="curve"):
        Key(ec.generate_private_key(ec.SECP256K1()).public_key())
