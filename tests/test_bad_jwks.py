"""A JWKS with one unusable entry still serves the good one, and the unusable one never verifies anything.

Each row is such an entry. Where somebody could sign with it, the row really does: the signature is right by the
mathematics of the key, and the token must be refused all the same, whatever key ID it names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import time
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from jwtauthz import AccessDenied, Code, ConfigurationError, Issuer, KeySet, ResourceServer
from jwtauthz.testing import FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

URL, AUDIENCE = "https://issuer.example.test/", "https://api.example.test"
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
REFUSALS = {Code.KEY_UNKNOWN, Code.BAD_SIGNATURE}


@dataclass(frozen=True)
class Bad:
    """An entry of a JWKS, and what somebody who holds its private half signs with it.

    Where there is no such half, somebody signs with a key of their own. `skipped` is False for an entry that the
    key set keeps; then another check refuses the token.
    """

    entry: Any
    sign: Callable[[bytes], bytes]
    alg: str = "RS256"
    skipped: bool = True
    alarming: bool = False


# ── making keys, sound and not ──


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def uint(number: int) -> str:
    return text(number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def rsa_jwk(name: str = "bad", *, drop: Sequence[str] = (), **members: Any) -> dict[str, Any]:
    numbers = rsa_key(name).public_key().public_numbers()
    jwk = {"kty": "RSA", "kid": name, "n": uint(numbers.n), "e": uint(numbers.e), **members}
    return {member: value for member, value in jwk.items() if member not in drop}


def rs256(data: bytes, name: str = "bad") -> bytes:
    return rsa_key(name).sign(data, padding.PKCS1v15(), hashes.SHA256())


def padded(data: bytes, size: int) -> int:
    """What RS256 signs (RFC 8017 section 9.2), as a number."""
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(data).digest()
    return int.from_bytes(b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest)


def odd_rsa(primes: Sequence[int], e: int = 65537, **members: Any) -> Bad:
    """An RSA key that no library would make, of any number of primes, and its real signatures."""
    n = prod(primes)
    size = (n.bit_length() + 7) // 8

    def sign(data: bytes) -> bytes:
        message, signature = padded(data, size), 0
        for prime in primes:  # by the Chinese remainder theorem: a modulus of 16,384 bits is slow as a whole
            others = n // prime
            part = pow(message % prime, pow(e, -1, prime - 1) if prime > 2 else 1, prime)
            signature += part * others * pow(others, -1, prime)
        signature %= n
        assert pow(signature, e, n) == message
        return signature.to_bytes(size)

    return Bad({"kty": "RSA", "kid": "bad", "n": uint(n), "e": uint(e), **members}, sign)


@cache
def small_primes(bits: int, count: int) -> tuple[int, ...]:
    """Primes close below 2^bits, so that products of them have all the bits; the same in each run."""
    draw, found = random.Random(bits), []
    while len(found) < count:
        candidate = 2**bits - draw.randrange(1, 2 ** (bits - 8), 2)
        if all(pow(base, candidate - 1, candidate) == 1 for base in (2, 3, 5, 7)):
            found.append(candidate)
    return tuple(found)


@cache
def primes() -> tuple[int, int]:
    """The two primes of a sound RSA key of 2048 bits."""
    numbers = rsa_key("bad").private_numbers()
    return numbers.p, numbers.q


def exponent(least: int) -> int:
    """The first odd number from here on that can be the exponent of that key."""
    p, q = primes()
    return next(e for e in range(least | 1, least + 1000, 2) if (p - 1) % e and (q - 1) % e and _fits(e))


def _fits(e: int) -> bool:
    try:
        return bool([pow(e, -1, prime - 1) for prime in primes()])
    except ValueError:
        return False


def prime_modulus() -> Bad:
    return odd_rsa([rsa.generate_private_key(public_exponent=65537, key_size=4096).private_numbers().p])


@cache
def ec_key(curve: type[ec.EllipticCurve], name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def coordinates(curve: type[ec.EllipticCurve], name: str) -> tuple[bytes, bytes]:
    key = ec_key(curve, name)
    point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    return point.x.to_bytes(size), point.y.to_bytes(size)


def es256(data: bytes, curve: type[ec.EllipticCurve], name: str) -> bytes:
    key = ec_key(curve, name)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size) + s.to_bytes(size)


def ec_bad(*, drop: Sequence[str] = (), curve: type[ec.EllipticCurve] = ec.SECP256R1, **members: Any) -> Bad:
    """A sound EC key, but for these members; one that is a function is made from the coordinates."""
    x, y = coordinates(curve, "bad")
    jwk = {"kty": "EC", "kid": "bad", "crv": "P-256", "x": text(x), "y": text(y)}
    jwk |= {name: value(x, y) if callable(value) else value for name, value in members.items()}
    return Bad(
        {name: value for name, value in jwk.items() if name not in drop},
        lambda data: es256(data, curve, "bad"),
        alg="ES256",
    )


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def ed_bad(x: bytes | None = None, *, drop: Sequence[str] = (), **members: Any) -> Bad:
    encoded = ed_key().public_key().public_bytes_raw() if x is None else x
    jwk = {"kty": "OKP", "kid": "bad", "crv": "Ed25519", "x": text(encoded), **members}
    return Bad(
        {name: value for name, value in jwk.items() if name not in drop},
        lambda data: ed_key().sign(data),
        alg="EdDSA",
    )


ED25519_PRIME = 2**255 - 19
# The y of a point of order 8.
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


def small_order(y: int, *, sign_bit: bool = False) -> Bad:
    """A point of small order: with R = the neutral point and S = 0 about one message in eight is "signed"."""
    encoded = (y | sign_bit << 255).to_bytes(32, "little")
    forged = (1).to_bytes(32, "little") + bytes(32)
    return replace(ed_bad(encoded), sign=lambda data: forged)


def hs256(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.new(secret, data, hashlib.sha256).digest()


def rsa_bad(*, drop: Sequence[str] = (), alarming: bool = False, **members: Any) -> Bad:
    """A sound RSA key, but for these members."""
    return Bad(rsa_jwk(drop=drop, **members), rs256, alarming=alarming)


def private_rsa(*names: str) -> Bad:
    numbers = rsa_key("bad").private_numbers()
    members = {"d": numbers.d, "p": numbers.p, "q": numbers.q}
    return rsa_bad(alarming=True, **{name: uint(members[name]) for name in names})


def spelled(change: Callable[[str], str], member: str = "n") -> Bad:
    changed = change(rsa_jwk()[member])
    assert changed != rsa_jwk()[member]
    return rsa_bad(**{member: changed})


SECRET = b"a secret that was published in a key set"

ROWS: dict[str, Callable[[], Bad]] = {
    # symmetric and private material
    "an oct key with k": lambda: Bad(
        {"kty": "oct", "kid": "bad", "k": text(SECRET)}, hs256(SECRET), alarming=True
    ),
    "an oct key that says RS256": lambda: Bad(
        {"kty": "oct", "kid": "bad", "alg": "RS256", "k": text(SECRET)}, hs256(SECRET), alarming=True
    ),
    "an oct key without k": lambda: Bad({"kty": "oct", "kid": "bad"}, hs256(b"")),
    "an RSA key with its private exponent": lambda: private_rsa("d", "p", "q"),
    "an RSA key with one of its primes": lambda: private_rsa("p"),
    "an EC key with its private number": lambda: replace(
        ec_bad(d=uint(ec_key(ec.SECP256R1, "bad").private_numbers().private_value)), alarming=True
    ),
    "an Ed25519 key with its private half": lambda: replace(
        ed_bad(d=text(ed_key().private_bytes_raw())), alarming=True
    ),
    "an RSA key with an empty d": lambda: rsa_bad(alarming=True, d=""),
    # members that are missing or of another type
    "an RSA key without n": lambda: rsa_bad(drop=["n"]),
    "an RSA key without e": lambda: rsa_bad(drop=["e"]),
    "an RSA key without kty": lambda: rsa_bad(drop=["kty"]),
    "an RSA key whose n is a number": lambda: rsa_bad(n=3),
    "an RSA key whose n is null": lambda: rsa_bad(n=None),
    "an RSA key whose n is empty": lambda: rsa_bad(n=""),
    "an RSA key whose e is a number": lambda: rsa_bad(e=65537),
    "an RSA key whose e is a list": lambda: rsa_bad(e=["AQAB"]),
    "an EC key without x": lambda: ec_bad(drop=["x"]),
    "an EC key without y": lambda: ec_bad(drop=["y"]),
    "an EC key without crv": lambda: ec_bad(drop=["crv"]),
    "an EC key whose crv is a list": lambda: ec_bad(crv=["P-256"]),
    "an Ed25519 key without x": lambda: ed_bad(drop=["x"]),
    "an Ed25519 key without crv": lambda: ed_bad(drop=["crv"]),
    "an Ed25519 key whose x is an object": lambda: replace(ed_bad(), entry={**ed_bad().entry, "x": {}}),
    # no key at all
    "null": lambda: Bad(None, rs256),
    "a number": lambda: Bad(3, rs256),
    "a string": lambda: Bad("bad", rs256),
    "a list": lambda: Bad([], rs256),
    "true": lambda: Bad(True, rs256),
    "an empty object": lambda: Bad({}, rs256),
    # unknown types
    "a key of an unknown type": lambda: rsa_bad(kty="DSA"),
    "a key type in lower case": lambda: rsa_bad(kty="rsa"),
    "a key type that is a list": lambda: rsa_bad(kty=["RSA"]),
    "a key type that is an object": lambda: rsa_bad(kty={"RSA": 1}),
    "an RSA key that says it is EC": lambda: rsa_bad(kty="EC"),
    "a post-quantum key": lambda: Bad({"kty": "AKP", "kid": "bad", "alg": "ML-DSA-44", "pub": "AAAA"}, rs256),
    # weak numbers
    "an RSA key of 512 bits": lambda: odd_rsa(small_primes(256, 2)),
    "an RSA key of 1,024 bits": lambda: odd_rsa(small_primes(256, 4)),
    "an RSA key of 16,384 bits": lambda: odd_rsa(small_primes(256, 64)),
    "an RSA key whose modulus is prime": prime_modulus,
    "an RSA key whose modulus is even": lambda: odd_rsa([2, *primes()]),
    "an RSA key whose modulus is zero": lambda: rsa_bad(n="AA"),
    "e = 1: a signature is the padded hash itself": lambda: odd_rsa(primes(), e=1),
    "e = 0": lambda: rsa_bad(e="AA"),
    "e = 2": lambda: rsa_bad(e="Ag"),
    "e is even": lambda: rsa_bad(e=uint(65536)),
    "e is just over 32 bits": lambda: odd_rsa(primes(), e=exponent(2**32)),
    "e is huge": lambda: odd_rsa(primes(), e=exponent(2**1000)),
    "a point that is not on its curve": lambda: ec_bad(y=lambda x, y: text((int.from_bytes(y) ^ 1).to_bytes(32))),
    "the point 0, 0": lambda: ec_bad(x=text(bytes(32)), y=text(bytes(32))),
    "a P-384 point that says P-256": lambda: ec_bad(curve=ec.SECP384R1),
    "a P-256 point that says P-384": lambda: ec_bad(crv="P-384"),
    "a key on secp256k1": lambda: ec_bad(curve=ec.SECP256K1, crv="secp256k1"),
    "a key on secp256k1 that says P-256": lambda: ec_bad(curve=ec.SECP256K1),
    "an EC coordinate that is too short": lambda: ec_bad(x=lambda x, y: text(x[1:])),
    "an EC coordinate with a zero before it": lambda: ec_bad(x=lambda x, y: text(b"\0" + x)),
    "an Ed25519 key of 31 octets": lambda: ed_bad(ed_key().public_key().public_bytes_raw()[:31]),
    "an Ed25519 key of 33 octets": lambda: ed_bad(ed_key().public_key().public_bytes_raw() + b"\0"),
    "an Ed25519 key that is no point": lambda: replace(  # nobody looks before a signature is checked
        ed_bad((2).to_bytes(32, "little")), skipped=False
    ),
    "the neutral point of Ed25519": lambda: small_order(1),
    "the neutral point of Ed25519, x negative": lambda: small_order(1, sign_bit=True),
    "the neutral point of Ed25519, not reduced": lambda: small_order(ED25519_PRIME + 1),
    "an Ed25519 point of order 2": lambda: small_order(ED25519_PRIME - 1),
    "an Ed25519 point of order 4": lambda: small_order(0),
    "an Ed25519 point of order 4, not reduced": lambda: small_order(ED25519_PRIME),
    "an Ed25519 point of order 8": lambda: small_order(ORDER_8),
    "an Ed25519 point of order 8, x negative": lambda: small_order(ORDER_8, sign_bit=True),
    "the other Ed25519 point of order 8": lambda: small_order(ED25519_PRIME - ORDER_8),
    "an Ed448 key": lambda: Bad(
        {
            "kty": "OKP",
            "kid": "bad",
            "crv": "Ed448",
            "x": text(ed448.Ed448PrivateKey.generate().public_key().public_bytes_raw()),
        },
        rs256,
    ),
    "an X25519 key": lambda: ed_bad(crv="X25519"),
    # for something else than verifying
    "use: enc": lambda: rsa_bad(use="enc"),
    "use: SIG": lambda: rsa_bad(use="SIG"),
    "use is empty": lambda: rsa_bad(use=""),
    "use is null": lambda: rsa_bad(use=None),
    "use is a list": lambda: rsa_bad(use=["sig"]),
    "key_ops without verify": lambda: rsa_bad(key_ops=["sign"]),
    "key_ops: encrypt": lambda: rsa_bad(key_ops=["encrypt", "wrapKey"]),
    "key_ops is empty": lambda: rsa_bad(key_ops=[]),
    "key_ops is a string": lambda: rsa_bad(key_ops="verify"),
    "key_ops is null": lambda: rsa_bad(key_ops=None),
    "key_ops holds a list": lambda: rsa_bad(key_ops=["verify", []]),
    "key_ops that contradicts use": lambda: rsa_bad(use="sig", key_ops=["verify", "encrypt"]),
    # for another algorithm
    "an RSA key that says ES256": lambda: rsa_bad(alg="ES256"),
    "an RSA key that says HS256": lambda: rsa_bad(alg="HS256"),
    "an RSA key that says none": lambda: rsa_bad(alg="none"),
    "an RSA key that says RSA-OAEP": lambda: rsa_bad(alg="RSA-OAEP"),
    "an RSA key that says rs256": lambda: rsa_bad(alg="rs256"),
    "an RSA key whose alg is null": lambda: rsa_bad(alg=None),
    "an RSA key whose alg is a number": lambda: rsa_bad(alg=256),
    "an RSA key whose alg is a list": lambda: rsa_bad(alg=["RS256"]),
    "an RSA key whose alg is an object": lambda: rsa_bad(alg={"RS256": 1}),
    "an EC key that says RS256": lambda: ec_bad(alg="RS256"),
    "a P-256 key that says ES384": lambda: ec_bad(alg="ES384"),
    "an RSA key for PS256, used for RS256": lambda: replace(rsa_bad(alg="PS256"), skipped=False),
    # key IDs
    "no kid, beside a key that fits as well": lambda: replace(rsa_bad(drop=["kid"]), skipped=False),
    "kid is a number": lambda: rsa_bad(kid=1),
    "kid is null": lambda: rsa_bad(kid=None),
    "kid is a list": lambda: rsa_bad(kid=["bad"]),
    # spellings
    "n with padding": lambda: spelled(lambda n: n + "=="),
    "n in the plain alphabet": lambda: spelled(lambda n: n.replace("-", "+").replace("_", "/")),
    "n with a line break": lambda: spelled(lambda n: n[:64] + "\n" + n[64:]),
    "n with a space": lambda: spelled(lambda n: " " + n),
    "n with bits that no octet takes": lambda: spelled(lambda n: n[:-1] + chr(ord(n[-1]) + 1)),
    "n with a letter that is not ASCII": lambda: spelled(lambda n: n + "é"),
    "n with a lone surrogate": lambda: spelled(lambda n: n + "\ud800"),
    "n with a zero before it": lambda: rsa_bad(
        n=text(b"\0" + rsa_key("bad").public_key().public_numbers().n.to_bytes(256))
    ),
    "e with a zero before it": lambda: rsa_bad(e=text(b"\0\1\0\1")),
    "e in decimal digits": lambda: rsa_bad(e="65537"),
}


# ── tokens and servers ──


def good_jwk() -> dict[str, Any]:
    """The good key of what is served; EC keys are read fast."""
    x, y = map(text, coordinates(ec.SECP256R1, "good"))
    return {"kty": "EC", "crv": "P-256", "kid": "good", "use": "sig", "alg": "ES256", "x": x, "y": y}


def rival_jwk() -> dict[str, Any]:
    """The good key of what is refused: one that a forger would like to be taken for."""
    return rsa_jwk("good", use="sig", alg="RS256")


def token(sign: Callable[[bytes], bytes], alg: str, kid: Any, *, issuer: str = URL, number: int = 0) -> str:
    header = {"alg": alg} if kid is None else {"alg": alg, "kid": kid}
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": "user-1",
        "iat": now,
        "exp": now + 600,
        "jti": str(number),
    }
    signing_input = ".".join(text(json.dumps(part).encode()) for part in (header, claims))
    return f"{signing_input}.{text(sign(signing_input.encode()))}"


def good_token() -> str:
    return token(lambda data: es256(data, ec.SECP256R1, "good"), "ES256", "good")


def server_with(*entries: Any) -> ResourceServer:
    key_set = KeySet.from_jwks({"keys": list(entries)})
    return ResourceServer(Issuer(URL, key_set=key_set, algorithms=ALGORITHMS), AUDIENCE)


def refusal(server: ResourceServer, text: str) -> Code:
    with pytest.raises(AccessDenied) as denied:
        server.authorize(f"Bearer {text}", lambda token, request: True)
    assert denied.value.status == 401
    return denied.value.finding.code


def under(kid: str, entry: Any) -> Any:
    return {**entry, "kid": kid} if isinstance(entry, dict) and entry.get("kid") == "bad" else entry


@cache
def row(sentence: str) -> Bad:
    return ROWS[sentence]()


@cache
def server_against(sentence: str, kid: str) -> ResourceServer:
    return server_with(under(kid, row(sentence).entry), rival_jwk())


every_row = pytest.mark.parametrize("sentence", ROWS)


# ── what must hold for each of them ──


@every_row
def test_the_good_key_is_served_whether_it_stands_before_or_behind(sentence):
    bad = row(sentence)
    for entries in ([bad.entry, good_jwk()], [good_jwk(), bad.entry]):
        verified = server_with(*entries).authorize(f"Bearer {good_token()}", lambda token, request: True)
        assert verified is not None
        assert verified.subject == "user-1"


@every_row
def test_the_good_key_is_served_even_if_the_bad_one_has_its_key_id(sentence):
    bad = row(sentence)
    for entries in ([under("good", bad.entry), good_jwk()], [good_jwk(), under("good", bad.entry)]):
        assert server_with(*entries).authorize(f"Bearer {good_token()}", lambda token, request: True)


@every_row
def test_it_is_skipped_with_a_reason_that_shows_no_material(sentence):
    bad = row(sentence)
    key_set = KeySet.from_jwks({"keys": [bad.entry, good_jwk()]})
    assert [skip.index for skip in key_set.skipped] == ([0] if bad.skipped else [])
    for skip in key_set.skipped:
        assert skip.reason
        assert skip.alarming is bad.alarming
        for name, value in bad.entry.items() if isinstance(bad.entry, dict) else ():
            assert name in {"kty", "kid", "use", "alg", "crv"} or str(value)[:20] not in skip.reason or not value


@every_row
@pytest.mark.parametrize("kid", ["bad", "good", None], ids=["its-own-kid", "the-good-kid", "no-kid"])
def test_what_it_signs_is_refused(sentence, kid):
    bad = row(sentence)
    assert refusal(server_against(sentence, "bad"), token(bad.sign, bad.alg, kid)) in REFUSALS


@every_row
def test_what_it_signs_is_refused_even_if_it_has_the_key_id_of_the_good_one(sentence):
    bad = row(sentence)
    if bad.skipped:
        assert refusal(server_against(sentence, "good"), token(bad.sign, bad.alg, "good")) in REFUSALS


@pytest.mark.parametrize(
    "sentence", [sentence for sentence in ROWS if "Ed25519" in sentence and "order" in sentence]
)
def test_no_forgery_under_a_point_of_small_order_is_taken(sentence):
    """One message in eight, or every one, has the forged signature: enough messages are tried to meet some."""
    bad = row(sentence)
    server = server_with(bad.entry, good_jwk())
    public = ed25519.Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(bad.entry["x"] + "="))
    would_have_passed = 0
    for number in range(100):
        forged = token(bad.sign, bad.alg, "bad", number=number)
        signing_input, _, signature = forged.rpartition(".")
        try:
            public.verify(base64.urlsafe_b64decode(signature + "=="), signing_input.encode())
            would_have_passed += 1
        except Exception:  # noqa: BLE001
            continue
        finally:
            assert refusal(server, forged) in REFUSALS
    assert would_have_passed, "the forgery is none: this test would prove nothing"


def test_an_hmac_under_a_published_secret_is_refused_by_its_algorithm():
    server = server_with(row("an oct key with k").entry, good_jwk())
    assert refusal(server, token(hs256(SECRET), "HS256", "bad")) is Code.ALGORITHM_NOT_ALLOWED


def test_the_key_that_is_good_for_another_algorithm_verifies_that_one():
    """The counter-test: rows that are not skipped are refused for what the token says, not by accident."""
    bad = row("an RSA key for PS256, used for RS256")
    server = server_with(bad.entry, good_jwk())
    sha = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(sha), sha.digest_size)
    signed = token(lambda data: rsa_key("bad").sign(data, pss, sha), "PS256", "bad")
    assert server.authorize(f"Bearer {signed}", lambda token, request: True)


class _Mixed(FakeIssuer):
    """An issuer whose JWKS holds every bad entry, and its own good key last."""

    def jwks(self):
        bad = [row(sentence).entry for sentence in ROWS if row(sentence).skipped and "surrogate" not in sentence]
        return {"keys": [*bad[-99:], *super().jwks()["keys"]]}


def test_over_the_network_all_of_them_at_once_leave_the_good_key_in_service():
    with _Mixed(audience=AUDIENCE) as issuer:
        server = ResourceServer(Issuer(issuer.url, algorithms=ALGORITHMS), AUDIENCE)
        assert server.authorize(f"Bearer {issuer.token()}", lambda token, request: True)
        bad = row("use: enc")
        assert refusal(server, token(bad.sign, bad.alg, "bad", issuer=issuer.url)) in REFUSALS
        server.close()


@pytest.mark.parametrize(
    "entry",
    [
        '{"kty": "RSA", "n": "\\ud800", "e": "AQAB"}',
        '{"kty": "RSA", "kty": "EC"}',
        '{"kty": "RSA", "n": NaN}',
    ],
    ids=["a lone surrogate", "a name that stands there twice", "a number that is none"],
)
def test_a_document_that_is_no_strict_json_is_refused_as_a_whole(entry):
    """There are no entries to skip in what is not JSON (RFC 8259, RFC 7517 section 4 for unique names)."""
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks(f'{{"keys": [{entry}, {json.dumps(good_jwk())}]}}')
