"""`FakeIssuer` gives what a real issuer gives: PyJWT and a plain HTTP client are the judges."""

from __future__ import annotations

import gc
import threading

import httpx
import jwt
import pytest

from jwtauthz.errors import ConfigurationError
from jwtauthz.testing import FakeClock, FakeIssuer

AUDIENCE = "https://api.example.com"
# "Ed25519" is RFC 9864's name for what RFC 8037 calls "EdDSA"; PyJWT knows the older one alone.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def decode(issuer: FakeIssuer, token: str, **options) -> dict:
    """Let PyJWT judge the token, with the keys that the issuer publishes."""
    kid = jwt.get_unverified_header(token)["kid"]
    key = next(jwt.PyJWK(jwk) for jwk in issuer.jwks()["keys"] if jwk["kid"] == kid)
    audience = options.pop("audience", AUDIENCE)
    return jwt.decode(token, key, [issuer.algorithm], audience=audience, issuer=issuer.url, **options)


@pytest.fixture(scope="module")
def offline() -> FakeIssuer:
    """An issuer without a network; tests that rotate make their own."""
    return FakeIssuer(network=False)


@pytest.fixture
def online():
    """An issuer on loopback, of this test alone; an ES256 key is quickly made."""
    with FakeIssuer(algorithm="ES256") as issuer:
        yield issuer


class TestTokens:
    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    def test_verify_with_the_published_key_whatever_the_algorithm(self, algorithm):
        issuer = FakeIssuer(algorithm=algorithm, network=False)
        assert decode(issuer, issuer.token())["sub"] == "user-1"

    def test_of_ed25519_say_so_and_verify_as_eddsa(self):
        issuer = FakeIssuer(algorithm="Ed25519", network=False)
        token = issuer.token()
        jwk = issuer.jwks()["keys"][0]
        assert jwt.get_unverified_header(token)["alg"] == jwk["alg"] == "Ed25519"
        key = jwt.PyJWK({**jwk, "alg": "EdDSA"}).key
        signing_input, _, signature = token.rpartition(".")
        key.verify(jwt.utils.base64url_decode(signature), signing_input.encode())

    def test_carry_what_a_usual_access_token_carries(self):
        issuer = FakeIssuer(network=False, clock=FakeClock(1000.9))
        token = issuer.token(scope="read:users", permissions=("read:users",))
        assert decode(issuer, token, options={"verify_exp": False}) == {
            "iss": "https://issuer.test/",
            "sub": "user-1",
            "aud": AUDIENCE,
            "iat": 1000,
            "exp": 1600,
            "scope": "read:users",
            "permissions": ["read:users"],
        }
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": issuer.kid}

    def test_take_any_claim_and_leave_out_what_is_none(self, offline):
        token = offline.token(subject=None, iat=None, org_id="org_1", **{"https://example.com/roles": ["a"]})
        assert decode(offline, token).keys() == {"iss", "aud", "exp", "org_id", "https://example.com/roles"}

    def test_take_any_header_and_leave_out_what_is_none(self, offline):
        token = offline.token(kid=None, headers={"typ": "at+jwt", "x": 1})
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "at+jwt", "x": 1}
        assert "typ" not in jwt.get_unverified_header(offline.token(headers={"typ": None}))

    def test_have_the_audience_of_the_issuer_or_their_own(self):
        issuer = FakeIssuer(network=False, algorithm="ES256", audience=(AUDIENCE, "https://other.example"))
        assert decode(issuer, issuer.token())["aud"] == [AUDIENCE, "https://other.example"]
        assert decode(issuer, issuer.token(audience="x"), audience="x")["aud"] == "x"

    def test_of_the_past_have_expired(self, offline):
        with pytest.raises(jwt.ExpiredSignatureError):
            decode(offline, offline.token(expires_in=-60))

    def test_that_are_forged_are_right_in_all_but_the_signature(self, offline):
        good, forged = offline.token(iat=1), offline.forged_token(iat=1)
        assert good.rpartition(".")[0] == forged.rpartition(".")[0]
        with pytest.raises(jwt.InvalidSignatureError):
            decode(offline, forged)

    def test_that_are_unsigned_say_none_and_end_with_a_dot(self, offline):
        token = offline.unsigned_token(headers={"typ": "at+jwt"})
        assert token.endswith(".")
        assert jwt.get_unverified_header(token) == {"alg": "none", "typ": "at+jwt", "kid": offline.kid}

    def test_with_an_unknown_key_id_are_signed_with_the_current_key(self, offline):
        token = offline.token(kid="nobody")
        assert jwt.get_unverified_header(token)["kid"] == "nobody"
        assert jwt.decode(token, jwt.PyJWK(offline.jwks()["keys"][0]), ["RS256"], audience=AUDIENCE)


class TestKeys:
    def test_of_two_issuers_never_share_an_id(self):
        assert FakeIssuer(network=False).kid != FakeIssuer(network=False).kid

    def test_are_published_without_a_private_member(self, offline):
        (key,) = offline.jwks()["keys"]
        assert key.keys() == {"kty", "n", "e", "kid", "use", "alg"}

    def test_rotate_and_the_old_one_stays_published(self):
        issuer = FakeIssuer(network=False, algorithm="ES256")
        old_kid, old = issuer.kid, issuer.token()
        new_kid = issuer.rotate()
        assert [key["kid"] for key in issuer.jwks()["keys"]] == [new_kid, old_kid]
        assert jwt.get_unverified_header(issuer.token())["kid"] == issuer.kid == new_kid
        assert decode(issuer, old)
        assert decode(issuer, issuer.token(kid=old_kid))

    def test_that_are_old_can_be_forgotten_at_once_or_later(self):
        issuer = FakeIssuer(network=False, algorithm="ES256")
        issuer.rotate(keep_old=False)
        assert len(issuer.jwks()["keys"]) == 1
        issuer.rotate()
        issuer.forget_old_keys()
        assert [key["kid"] for key in issuer.jwks()["keys"]] == [issuer.kid]

    def test_are_made_once_however_many_threads_ask_first(self):
        issuer = FakeIssuer(network=False)
        kids: list[str] = []
        threads = [threading.Thread(target=lambda: kids.append(issuer.kid)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(kids)) == 1

    def test_come_as_a_key_set(self, offline):
        from jwtauthz.keys.jwk import KeySet

        assert isinstance(offline.key_set, KeySet)

    def test_of_another_kind_are_refused(self):
        with pytest.raises(ConfigurationError, match="HS256"):
            FakeIssuer(algorithm="HS256")


class TestNetwork:
    @pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
    def test_metadata_names_the_issuer_and_where_its_keys_are(self, online, document):
        metadata = httpx.get(f"{online.url}.well-known/{document}").json()
        assert metadata["issuer"] == online.url
        assert httpx.get(metadata["jwks_uri"]).json() == online.jwks()

    def test_the_jwks_can_be_cached_and_asked_for_again(self, online):
        url = f"{online.url}.well-known/jwks.json"
        first = httpx.get(url)
        assert first.headers["cache-control"] == "public, max-age=600"
        again = httpx.get(url, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        online.rotate()
        assert httpx.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == 200

    def test_cache_control_can_be_chosen_or_left_out(self):
        for value in ("no-store", None):
            with FakeIssuer(algorithm="ES256", cache_control=value) as issuer:
                answer = httpx.get(f"{issuer.url}.well-known/jwks.json")
            assert answer.headers.get("cache-control") == value

    def test_it_counts_what_was_fetched(self, online):
        for path in (".well-known/jwks.json", "nothing?here", ".well-known/jwks.json"):
            httpx.get(online.url + path)
        assert online.requests == ("/.well-known/jwks.json", "/nothing", "/.well-known/jwks.json")
        assert online.fetches() == 2
        assert online.fetches("/nothing") == 1

    def test_it_is_gone_while_stopped_and_comes_back_where_it_was(self, online):
        url = online.url
        online.stop()
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        assert decode(online, online.token())
        online.start()
        assert online.url == url
        assert httpx.get(url).status_code == 404

    def test_start_and_stop_twice_are_as_good_as_once(self, online):
        online.start()
        online.stop()
        online.stop()

    def test_it_has_no_url_before_it_has_started(self):
        with pytest.raises(RuntimeError, match="with FakeIssuer"):
            _ = FakeIssuer().url
        assert "not started" in repr(FakeIssuer())

    def test_one_that_was_never_stopped_leaves_no_warning(self):
        issuer = FakeIssuer(algorithm="ES256")
        issuer.start()
        assert httpx.get(issuer.url).status_code == 404
        del issuer
        gc.collect()  # warnings are errors here, also those of a destructor

    def test_without_a_network_it_has_a_url_and_no_socket(self, offline):
        with offline as issuer:
            assert issuer.url == "https://issuer.test/"
        assert issuer.requests == ()


def test_a_fake_clock_moves_only_when_told():
    clock = FakeClock(10.0)
    assert clock() == clock() == 10.0
    assert clock.advance(2.5) == clock() == clock.now == 12.5
