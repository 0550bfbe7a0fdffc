"""Every vector of Wycheproof's JSON Web Signature file, through the real parser and the real key set.

The payloads are no JWT claim sets ("foo", or nothing at all), so a vector is judged one level below a token:
the library's own base64url and JSON reading, `KeySet.from_jwks` of the group's public key, `find` and
`Key.verify`. Vectors under a shared secret can't verify here, by design; those of them that are about base64url
are judged by the same reading, with an HMAC that the test computes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jwtauthz import ConfigurationError, Finding, KeySet
from jwtauthz.keys.jwk import KeyUnknown
from jwtauthz.token import UnverifiedToken, b64url_decode, json_object, parse

FILE = Path(__file__).parent / "vectors" / "wycheproof" / "json_web_signature_test.json"
GROUPS: list[dict[str, Any]] = json.loads(FILE.read_text())["testGroups"]

# The key's `alg` forbids what its group wants. A key that names its algorithm is for that one alone (RFC 7517
# section 4.4), so the key refuses as published, and verifies once `alg` says what the token is signed with.
KEY_NAMES_ANOTHER_ALGORITHM = {
    346: ("PS256", "PS384"),  # RFC 7520 section 4.2 signs with PS384; the group wrote PS256 into its key
    350: ("PS256", "PS384"),
    347: ("ES521", "ES512"),  # ES521 is no algorithm at all: the curve is P-521, the algorithm ES512
    351: ("ES521", "ES512"),
}

# The label says one thing and the data another. All four are made from tcId 357, whose MAC is right.
LABEL_CONTRADICTS_DATA = {
    367: "named invalidBase64Padding and labelled invalid, but it has no padding: it is tcId 357 once more",
    370: "named invalidBase64PaddingInPayload and labelled invalid, but it is tcId 357 once more, too",
    372: "labelled valid, but its header segment ends in `J?9`: `?` is in no base64url alphabet",
    373: "labelled valid, but its payload segment is `VGVzdA?`: `?` is in no base64url alphabet",
}


def _vectors(*, symmetric: bool, comment: str | None = None) -> list[Any]:
    return [
        pytest.param(group, test, id=f"{test['tcId']}-{test['comment']}-{test['result']}")
        for group in GROUPS
        for test in group["tests"]
        if (_jwk(group)["kty"] == "oct") == symmetric and comment in (None, group["comment"])
    ]


def _jwk(group: dict[str, Any]) -> dict[str, Any]:
    return group.get("public") or group["private"]  # a shared secret has no public part


def segments(jws: str) -> tuple[dict[str, Any], bytes, bytes] | None:
    """Header, signing input and signature of a compact JWS; None if its form is wrong anywhere."""
    signing_input, _, signature_segment = jws.encode("ascii").rpartition(b".")
    header_segment, dot, payload_segment = signing_input.partition(b".")
    document, payload = b64url_decode(header_segment), b64url_decode(payload_segment)
    signature = b64url_decode(signature_segment)
    if not dot or document is None or payload is None or signature is None or b"." in payload_segment:
        return None
    header = json_object(document)
    return None if header is None else (header, signing_input, signature)


@cache
def _key_set(jwk: str) -> KeySet | None:
    try:
        return KeySet.from_jwks({"keys": [json.loads(jwk)]})
    except ConfigurationError:
        return None


def verdict(jws: str, jwk: dict[str, Any]) -> str:
    """What the library makes of a JWS under a JWKS of one key."""
    parts = segments(jws)
    key_set = _key_set(json.dumps(jwk))
    if parts is None or key_set is None:
        return "invalid"
    header, signing_input, signature = parts
    try:
        found = key_set.find(header.get("kid"), header["alg"])
    except KeyUnknown:
        return "invalid"
    held = any(key.verify(header["alg"], signing_input, signature) for key in found.keys)
    return "valid" if held else "invalid"


@pytest.mark.parametrize(("group", "test"), _vectors(symmetric=False))
def test_an_asymmetric_signature_is_judged_as_the_vector_says(group, test):
    jwk = _jwk(group)
    if test["tcId"] in KEY_NAMES_ANOTHER_ALGORITHM:
        written, meant = KEY_NAMES_ANOTHER_ALGORITHM[test["tcId"]]
        assert jwk["alg"] == written
        assert verdict(test["jws"], jwk) == "invalid"
        jwk = {**jwk, "alg": meant}
    assert verdict(test["jws"], jwk) == test["result"]


@pytest.mark.parametrize(
    "group", [group for group in GROUPS if "public" in group], ids=lambda group: group["comment"]
)
def test_a_key_set_that_publishes_the_private_key_verifies_nothing(group):
    assert {verdict(test["jws"], group["private"]) for test in group["tests"]} == {"invalid"}


@pytest.mark.parametrize(("group", "test"), _vectors(symmetric=True))
def test_nothing_verifies_under_a_shared_secret(group, test):
    assert verdict(test["jws"], _jwk(group)) == "invalid"
    key_set = KeySet.read({"keys": [_jwk(group)]})
    assert key_set.keys == ()
    assert key_set.skipped[0].alarming


@pytest.mark.parametrize(("group", "test"), _vectors(symmetric=True, comment="base64"))
def test_base64url_and_json_are_read_as_the_vector_says(group, test):
    parts = segments(test["jws"])
    secret = b64url_decode(_jwk(group)["k"].encode())
    assert secret is not None
    held = parts is not None and hmac.compare_digest(hmac.new(secret, parts[1], hashlib.sha256).digest(), parts[2])
    result = "valid" if held else "invalid"
    if test["tcId"] in LABEL_CONTRADICTS_DATA:
        assert result != test["result"], LABEL_CONTRADICTS_DATA[test["tcId"]]
    else:
        assert result == test["result"]


def test_the_four_labels_really_contradict_their_data():
    jws = {test["tcId"]: test["jws"] for group in GROUPS for test in group["tests"]}
    result = {test["tcId"]: test["result"] for group in GROUPS for test in group["tests"]}
    assert result[357] == "valid"
    assert jws[367] == jws[370] == jws[357]
    assert result[367] == result[370] == "invalid"
    assert jws[372].split(".")[0].endswith("J?9")
    assert jws[373].split(".")[1] == "VGVzdA?"
    assert result[372] == result[373] == "valid"


@pytest.mark.parametrize(("group", "test"), [*_vectors(symmetric=False), *_vectors(symmetric=True)])
def test_the_token_parser_reads_the_same_parts_or_says_what_is_wrong(group, test):
    parsed, parts = parse(test["jws"], {}), segments(test["jws"])
    if isinstance(parsed, Finding):
        # Either the form is wrong, or the payload is no claim set; nothing else is refused here.
        assert parts is None or json_object(b64url_decode(test["jws"].split(".")[1].encode()) or b"") is None
    else:
        assert isinstance(parsed, UnverifiedToken)
        assert (parsed.header.members, parsed.signing_input, parsed.signature) == parts


def test_every_vector_of_the_file_is_run():
    kinds = Counter(_jwk(group)["kty"] for group in GROUPS for _ in group["tests"])
    assert kinds == {"RSA": 318, "EC": 43, "oct": 40}
