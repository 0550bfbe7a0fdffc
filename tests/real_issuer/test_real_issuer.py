"""The issuer that is not ours does what the tests built on it take for granted."""

from __future__ import annotations

import httpx
import jwt
import pytest


def verify(issuer, token):
    """Let PyJWT judge the token, with the issuer's own JWKS."""
    key = jwt.PyJWKSet.from_dict(issuer.jwks())[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["RS256"], audience=issuer.audience, issuer=issuer.url)


def test_its_discovery_document_names_the_url_it_was_fetched_from(real_issuer):
    metadata = real_issuer.metadata()
    assert metadata["issuer"] == real_issuer.url
    assert metadata["jwks_uri"].startswith(real_issuer.url)


def test_its_jwks_holds_keys_of_more_than_one_kind_and_no_private_member(real_issuer):
    keys = real_issuer.jwks()["keys"]
    assert {key["kty"] for key in keys} == {"RSA", "EC"}
    assert not any(key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"} for key in keys)


def test_its_access_tokens_are_rs256_at_jwt(real_issuer):
    header = jwt.get_unverified_header(real_issuer.token())
    assert (header["alg"], header["typ"]) == ("RS256", "at+jwt")


@pytest.mark.parametrize("scope", ["read:users", "write:users", "read:users write:users"])
def test_its_tokens_carry_the_scope_asked_for_and_verify_with_its_jwks(real_issuer, scope):
    claims = verify(real_issuer, real_issuer.token(scope))
    assert claims["scope"] == scope
    assert claims["aud"] == "https://api.example.com"


def test_after_a_rotation_old_tokens_still_verify_and_new_ones_have_the_new_key(own_real_issuer):
    old = own_real_issuer.token()
    kid = own_real_issuer.rotate()
    assert verify(own_real_issuer, old)
    assert jwt.get_unverified_header(own_real_issuer.token())["kid"] == kid


def test_a_key_that_was_forgotten_is_gone_from_the_jwks(own_real_issuer):
    old = jwt.get_unverified_header(own_real_issuer.token())["kid"]
    own_real_issuer.rotate(keep_old=False)
    assert old not in {key["kid"] for key in own_real_issuer.jwks()["keys"]}


def test_it_refuses_connections_while_stopped_and_comes_back_as_the_same_issuer(own_real_issuer):
    url, token = own_real_issuer.url, own_real_issuer.token()
    own_real_issuer.stop()
    with pytest.raises(httpx.ConnectError):
        own_real_issuer.metadata()
    own_real_issuer.start()
    assert own_real_issuer.url == url
    assert verify(own_real_issuer, token)
