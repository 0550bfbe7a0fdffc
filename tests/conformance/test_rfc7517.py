"""RFC 7517: a set of keys, and which of them may verify what."""

from __future__ import annotations

import copy
import json
import logging
import queue

import pytest

from jwtauthz import ConfigurationError, Issuer, KeySet, RemoteKeySet, ResourceServer
from jwtauthz.events import KeyDropped
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.testing._signing import SigningKey, compact

from .origin import Origin, Reply
from .tools import AUDIENCE, good_claims, judge, line, row


@pytest.fixture(scope="module")
def good() -> SigningKey:
    return SigningKey("ES256", name="good")


@pytest.fixture(scope="module")
def rsa_key() -> SigningKey:
    return SigningKey("RS256", name="rsa")


def server_of(jwks, clock, *, algorithms=("ES256", "RS256", "PS256", "ES384")) -> ResourceServer:
    key_set = KeySet.from_jwks(jwks)
    return ResourceServer(
        Issuer("https://issuer.test/", key_set=key_set, algorithms=algorithms), AUDIENCE, clock=clock
    )


def token_of(key: SigningKey, *, kid=..., alg=None) -> str:
    """A good token, signed by this key; `kid=None` leaves the key ID out."""
    header = {"alg": alg or key.algorithm, "typ": "JWT", "kid": key.kid if kid is ... else kid}
    if kid is None:
        del header["kid"]
    claims = {**good_claims(FakeIssuer(network=False, clock=FakeClock()))}
    return compact(header, claims, key)


class TestTheDocument:
    @pytest.mark.parametrize(
        "body",
        [
            row("R7517-01", "a list is no key set", []),
            row("R7517-01", "an object without keys is none", {}),
            row("R7517-01", "keys that are an object are none", {"keys": {}}),
            row("R7517-01", "keys that are null are none", {"keys": None}),
            row("R7517-01", "keys that are a string are none", {"keys": "[]"}),
            row("R7517-01", "no JSON is none", b"<html>"),
            row("R7517-01", "nothing is none", b""),
        ],
    )
    def test_that_is_no_key_set(self, good, clock, body):
        with pytest.raises(ConfigurationError, match="JWKS"):
            KeySet.from_jwks(body)
        with Origin({"/jwks": Reply(body)}) as origin:
            keys = RemoteKeySet(f"{origin.url}/jwks")
            issuer = Issuer("https://issuer.test/", key_set=keys, algorithms="ES256")
            with ResourceServer(issuer, AUDIENCE, clock=clock) as server:
                assert judge(server, token_of(good)).status == 503
            assert "/jwks" in origin.paths()

    @line("R7517-02", "members that nobody knows are passed over, in the set and in its keys")
    def test_unknown_members(self, good, clock):
        jwks = {"keys": [{**good.jwk, "nickname": {"a": [1]}}], "issued": 5, "x": None}
        assert judge(server_of(jwks, clock), token_of(good))

    @pytest.mark.parametrize(
        "where",
        [
            row("R7517-03", "a second keys member makes a set unusable", '{"keys":[%s],"keys":[%s]}'),
            row("R7517-03", "so does a name that stands twice in a key", '{"keys":[{"kty":"RSA",%s,%s]}'),
        ],
    )
    def test_duplicate_members(self, good, where):
        key = json.dumps(good.jwk)
        if '"kty"' in where:
            key = key[1:-1]
            text = where.replace("%s,%s", f"{key}}}")
        else:
            text = where % (key, key)
        assert json.loads(text)  # a reader that is less strict takes it
        with pytest.raises(ConfigurationError):
            KeySet.from_jwks(text)

    @pytest.mark.parametrize(
        "bad",
        [
            row("R7517-04", "an unknown kty is skipped", lambda jwk: {**jwk, "kty": "PQ"}),
            row("R7517-04", "a missing kty is skipped", lambda jwk: {**jwk, "kty": None}),
            row("R7517-04", "a missing coordinate is skipped", lambda jwk: {**jwk, "y": None}),
            row("R7517-04", "an unknown curve is skipped", lambda jwk: {**jwk, "crv": "P-192"}),
            row("R7517-04", "a point off the curve is skipped", lambda jwk: {**jwk, "y": jwk["x"]}),
            row("R7517-04", "a coordinate that is a number is skipped", lambda jwk: {**jwk, "x": 5}),
            row("R7517-04", "a kid that is a number is skipped", lambda jwk: {**jwk, "kid": 5}),
            row("R7517-04", "a string among the keys is skipped", lambda jwk: "key"),
            row("R7517-04", "a null among the keys is skipped", lambda jwk: None),
            row("R7517-04", "a list among the keys is skipped", lambda jwk: [jwk]),
        ],
    )
    def test_one_unusable_key_beside_a_good_one(self, good, clock, bad):
        other = SigningKey("ES256", name="bad")
        spoilt = bad(copy.deepcopy(other.jwk))
        if isinstance(spoilt, dict):
            spoilt = {name: value for name, value in spoilt.items() if value is not None}
        for keys in ([spoilt, good.jwk], [good.jwk, spoilt]):
            server = server_of({"keys": keys}, clock)
            assert judge(server, token_of(good))
            assert judge(server, token_of(other)).code == "key_unknown"


class TestThePurpose:
    @pytest.mark.parametrize(
        ("members", "usable"),
        [
            row("R7517-05", "a key for signatures verifies", {"use": "sig"}, True),
            row("R7517-05", "a key without a use verifies", {"use": ...}, True),
            row("R7517-05", "a key for encryption does not", {"use": "enc"}, False),
            row("R7517-05", "nor does one for anything else", {"use": "tls"}, False),
            row("R7517-05", "nor one whose use is in capitals", {"use": "SIG"}, False),
            row("R7517-05", "nor one whose use is null", {"use": None}, False),
            row("R7517-06", "a key that may verify verifies", {"key_ops": ["verify"]}, True),
            row("R7517-06", "one that may only sign does not", {"key_ops": ["sign"]}, False),
            row("R7517-06", "nor one that may do nothing", {"key_ops": []}, False),
            row("R7517-06", "nor one that may verify twice", {"key_ops": ["verify", "verify"]}, False),
            row("R7517-06", "nor one whose operations are a string", {"key_ops": "verify"}, False),
            row("R7517-06", "nor one whose use says something else", {"use": "enc", "key_ops": ["verify"]}, False),
            row("R7517-06", "nor the other way round", {"use": "sig", "key_ops": ["verify", "encrypt"]}, False),
            row("R7517-07", "a key of the token's algorithm verifies", {"alg": "ES256"}, True),
            row("R7517-07", "a key without an algorithm verifies", {"alg": ...}, True),
            row("R7517-07", "a key of another algorithm does not", {"alg": "ES384"}, False),
            row("R7517-07", "nor a key for encryption by its algorithm", {"alg": "ECDH-ES"}, False),
        ],
    )
    def test_of_a_key(self, good, rsa_key, clock, members, usable):
        jwk = {name: value for name, value in {**good.jwk, **members}.items() if value is not ...}
        server = server_of({"keys": [jwk, rsa_key.jwk]}, clock)
        assert judge(server, token_of(good)).code == (None if usable else "key_unknown")

    @line("R7517-07", "a key of PS256 does not verify what it signed by RS256")
    def test_one_key_one_algorithm(self, rsa_key, clock):
        server = server_of({"keys": [{**rsa_key.jwk, "alg": "PS256"}]}, clock)
        assert judge(server, token_of(rsa_key)).code == "key_unknown"


class TestTheKeyID:
    @line("R7517-08", "keys of one ID are told apart by their type and algorithm")
    def test_shared_by_keys_of_several_types(self, good, rsa_key, clock):
        server = server_of({"keys": [{**rsa_key.jwk, "kid": "k"}, {**good.jwk, "kid": "k"}]}, clock)
        assert judge(server, token_of(good, kid="k"))
        assert judge(server, token_of(rsa_key, kid="k"))

    @line("R7517-08", "of keys that still look alike, four are tried")
    def test_shared_by_keys_of_one_type(self, clock):
        keys = [SigningKey("ES256") for _ in range(5)]
        server = server_of({"keys": [{**key.jwk, "kid": "k"} for key in keys]}, clock)
        codes = [judge(server, token_of(key, kid="k")).code for key in keys]
        assert codes == [None, None, None, None, "bad_signature"]

    @line("R7517-09", "without a key ID, a token is verified by the only key that fits")
    def test_left_out(self, good, rsa_key, clock):
        server = server_of({"keys": [good.jwk, rsa_key.jwk]}, clock)
        assert judge(server, token_of(good, kid=None))
        assert judge(server, token_of(rsa_key, kid=None))

    @line("R7517-09", "where two keys fit, a token without a key ID is refused")
    def test_left_out_and_ambiguous(self, good, clock):
        server = server_of({"keys": [good.jwk, SigningKey("ES256").jwk]}, clock)
        assert judge(server, token_of(good))
        assert judge(server, token_of(good, kid=None)).code == "key_unknown"


class TestSecrets:
    @pytest.mark.parametrize(
        "members",
        [
            row("R7517-10", "a published private key verifies nothing", {"d": "AQAB"}),
            row("R7517-10", "nor does one of which only a factor is published", {"p": "AQAB"}),
            row("R7517-10", "nor does a shared secret", {"kty": "oct", "k": "c2VjcmV0"}),
            row("R7517-10", "nor a shared secret in the clothes of a public key", {"k": "c2VjcmV0"}),
        ],
    )
    def test_in_a_published_set_are_dropped_with_an_alarm(self, good, clock, caplog, members):
        leaked = SigningKey("ES256", name="leaked")
        jwks = {"keys": [{**leaked.jwk, **members}, good.jwk]}
        assert [skip.alarming for skip in KeySet.from_jwks(jwks).skipped] == [True]
        with Origin({"/jwks": Reply(jwks)}) as origin:
            events = queue.SimpleQueue()
            keys = RemoteKeySet(f"{origin.url}/jwks", on_event=events.put)
            issuer = Issuer("https://issuer.test/", key_set=keys, algorithms=("ES256",))
            with caplog.at_level(logging.ERROR), ResourceServer(issuer, AUDIENCE, clock=clock) as server:
                assert judge(server, token_of(good))
                assert judge(server, token_of(leaked)).code == "key_unknown"
        # The thread that fetched tells of it after it has let the requests go on.
        while not isinstance(event := events.get(timeout=5), KeyDropped):
            pass
        assert event.kid == leaked.kid
        assert f"{leaked.kid!r} dropped" in caplog.text
        assert not any(value in caplog.text for value in members.values() if value != "oct")
