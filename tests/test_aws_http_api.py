"""`Issuer.aws_http_api(...)`: what the JWT authorizer of an AWS HTTP API lets in, is let in here, and the reverse.

Each row begins with its line of the list: RAWS-01 the identity source, -02 algorithms, -03 the key ID, -04 the
issuer, -05 audience or client, -06 times, -07 scopes, -08 answers, -09 ID tokens.
"""

from __future__ import annotations

from typing import Any

import pytest

from authorizing import case
from jwtauthz import AccessDenied, Claim, Code, ConfigurationError, Issuer, KeySet, ResourceServer, any_of
from jwtauthz import authenticated as any_token
from jwtauthz.credentials import header
from jwtauthz.testing import FakeClock, FakeIssuer

NOW, AUDIENCE, URL = 1_800_000_000, "my-api", "https://issuer.test/"
CLOCK = FakeClock()
RSA = FakeIssuer(network=False, clock=CLOCK, audience=AUDIENCE)
OTHERS = {
    name: FakeIssuer(network=False, clock=CLOCK, audience=AUDIENCE, algorithm=name)
    for name in ("RS384", "RS512", "PS256", "ES256", "EdDSA")
}
MINTS = {"RS256": RSA, **OTHERS}
KEYS = KeySet.from_jwks({"keys": [key for mint in MINTS.values() for key in mint.jwks()["keys"]]})


def aws(audience: Any = AUDIENCE, **settings: Any) -> ResourceServer:
    """As AWS has it: no leeway, and nothing but what its settings can say."""
    issuer = Issuer.aws_http_api(URL, key_set=KEYS, **settings)
    return ResourceServer(issuer, audience, token_from=header(bare_token=True), leeway=0, clock=CLOCK)


def status(server: ResourceServer, credentials: str | None, *needs: Any) -> int:
    decided = 200
    try:
        server.authorize(credentials, *needs)
    except AccessDenied as denied:
        decided = denied.status
    assert server.explain(credentials, *needs).status == decided
    return decided


def token(alg: str = "RS256", **claims: Any) -> str:
    return MINTS[alg].token(**claims)


class TestTheIdentitySource:
    @pytest.mark.parametrize(
        ("before", "expected"),
        [
            case("RAWS-01 the token behind the word Bearer", "Bearer ", 200),
            case("RAWS-01 the word in lower case", "bearer ", 200),
            case("RAWS-01 the token alone", "", 200),
            case("RAWS-01 behind another word", "Token ", 401),
        ],
    )
    def test_is_the_header(self, before, expected):
        assert status(aws(), before + token(), any_token()) == expected


class TestAlgorithms:
    @pytest.mark.parametrize(
        ("alg", "expected"),
        [
            case("RAWS-02 RS256", "RS256", 200),
            case("RAWS-02 RS384", "RS384", 200),
            case("RAWS-02 RS512", "RS512", 200),
            case("RAWS-02 elliptic curves are refused", "ES256", 401),
            case("RAWS-02 EdDSA is refused", "EdDSA", 401),
            case("RAWS-02 so is PSS, of which the documentation says nothing", "PS256", 401),
        ],
    )
    def test_are_those_of_rsa(self, alg, expected):
        assert status(aws(), f"Bearer {token(alg)}", any_token()) == expected

    @pytest.mark.parametrize(
        "alg", [case("RAWS-02 a shared secret", "HS256"), case("RAWS-02 no signature", "none")]
    )
    def test_nothing_else_signs(self, alg):
        assert status(aws(), f"Bearer {RSA.token(headers={'alg': alg})}", any_token()) == 401

    def test_another_may_be_asked_for(self):
        assert status(aws(algorithms=("ES256",)), f"Bearer {token('ES256')}", any_token()) == 200


class TestTheKey:
    @pytest.mark.parametrize(
        ("kid", "expected"),
        [
            case("RAWS-03 the one that signed", ..., 200),
            case("RAWS-03 none", None, 401),
            case("RAWS-03 an unknown one", "key-9", 401),
            case("RAWS-03 an empty one", "", 401),
            case("RAWS-03 another key of the same issuer", OTHERS["RS384"].kid, 401),
        ],
    )
    def test_is_named_and_listed(self, kid, expected):
        assert status(aws(), f"Bearer {RSA.token(kid=kid)}", any_token()) == expected


class TestTheIssuer:
    @pytest.mark.parametrize(
        ("iss", "expected"),
        [
            case("RAWS-04 the one that is set", URL, 200),
            case("RAWS-04 without its slash", URL.rstrip("/"), 401),
            case("RAWS-04 in capitals", URL.upper(), 401),
            case("RAWS-04 another", "https://other.test/", 401),
            case("RAWS-04 none", None, 401),
            case("RAWS-04 a list", [URL], 401),
        ],
    )
    def test_is_compared_letter_by_letter(self, iss, expected):
        assert status(aws(), f"Bearer {token(iss=iss)}", any_token()) == expected


class TestTheAudience:
    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            case("RAWS-05 the one that is set", {}, 200),
            case("RAWS-05 one of a list", {"aud": ["x", AUDIENCE]}, 200),
            case("RAWS-05 another", {"aud": "x"}, 401),
            case("RAWS-05 a client where there is no audience", {"aud": None, "client_id": AUDIENCE}, 200),
            case("RAWS-05 another client", {"aud": None, "client_id": "x"}, 401),
            case("RAWS-05 a client is not looked at beside an audience", {"aud": "x", "client_id": AUDIENCE}, 401),
            case("RAWS-05 nor beside an empty one", {"aud": [], "client_id": AUDIENCE}, 401),
            case("RAWS-05 an audience beside another client", {"client_id": "x"}, 200),
            case("RAWS-05 neither", {"aud": None}, 401),
        ],
    )
    def test_or_the_client(self, claims, expected):
        from jwtauthz.testing._signing import compact

        full = {"iss": URL, "aud": AUDIENCE, "iat": NOW, "exp": NOW + 60, **claims}
        full = {name: value for name, value in full.items() if value is not None}
        text = compact({"alg": "RS256", "typ": "JWT", "kid": RSA.kid}, full, RSA._signing_key())
        assert status(aws(), f"Bearer {text}", any_token()) == expected

    @pytest.mark.parametrize("number", [0, 49])
    def test_one_of_fifty(self, number):
        audiences = [f"api-{each}" for each in range(50)]
        assert status(aws(audiences), f"Bearer {token(aud=audiences[number])}", any_token()) == 200

    @pytest.mark.parametrize("count", [case("RAWS-05 fifty-one are refused", 51)])
    def test_but_no_more(self, count):
        with pytest.raises(ConfigurationError):
            aws([f"api-{each}" for each in range(count)])


class TestTimes:
    @pytest.mark.parametrize(
        ("claims", "expected"),
        [
            case("RAWS-06 an expiry to come", {"exp": NOW + 1}, 200),
            case("RAWS-06 an expiry now", {"exp": NOW}, 401),
            case("RAWS-06 an expiry gone by", {"exp": NOW - 1}, 401),
            case("RAWS-06 none", {"exp": None}, 401),
            case("RAWS-06 a time to begin gone by", {"nbf": NOW - 1}, 200),
            case("RAWS-06 a time to begin to come", {"nbf": NOW + 1}, 401),
            case("RAWS-06 issued a moment ago", {"iat": NOW - 1}, 200),
            case("RAWS-06 issued in the future", {"iat": NOW + 1}, 401),
            case("RAWS-06 without nbf and iat", {"nbf": None, "iat": None}, 200),
        ],
    )
    def test_are_those_of_the_authorizer(self, claims, expected):
        assert status(aws(), f"Bearer {token(**claims)}", any_token()) == expected


class TestScopes:
    ROUTE = any_of("read", "write")

    @pytest.mark.parametrize(
        ("claims", "needed", "expected"),
        [
            case("RAWS-07 one of the route's in scope", {"scope": "x write"}, ROUTE, 200),
            case("RAWS-07 one of the route's in scp", {"scp": "write"}, ROUTE, 200),
            case("RAWS-07 a list in scp", {"scp": ["write"]}, ROUTE, 200),
            case("RAWS-07 one in scp beside another scope", {"scope": "x", "scp": "read"}, ROUTE, 200),
            case("RAWS-07 none of them", {"scope": "x", "scp": "y"}, ROUTE, 403),
            case("RAWS-07 no scope at all", {}, ROUTE, 403),
            case("RAWS-07 a part of one", {"scope": "rea"}, ROUTE, 403),
            case("RAWS-07 capitals", {"scope": "READ"}, ROUTE, 403),
            case("RAWS-07 another claim", {"permissions": ["read"]}, ROUTE, 403),
            case("RAWS-07 a route without scopes", {}, any_token(), 200),
            case("RAWS-07 all of them, as requires() has it", {"scope": "read"}, "write", 403),
        ],
    )
    def test_any_one_is_enough(self, claims, needed, expected):
        assert status(aws(), f"Bearer {token(**claims)}", needed) == expected

    def test_ten_of_them(self):
        ten = any_of(*(f"s{number}" for number in range(10)))
        assert status(aws(), f"Bearer {token(scope='s9')}", ten) == 200

    def test_another_claim_may_be_named(self):
        assert (
            status(aws(scopes_from=Claim("permissions")), f"Bearer {token(permissions=['read'])}", self.ROUTE)
            == 200
        )


class TestAnswers:
    @pytest.mark.parametrize(
        ("credentials", "needed", "expected"),
        [
            case("RAWS-08 no token", None, any_token(), 401),
            case("RAWS-08 an empty header", "", any_token(), 401),
            case("RAWS-08 no JWT", "Bearer x", any_token(), 401),
            case("RAWS-08 a forged token", f"Bearer {RSA.forged_token()}", any_token(), 401),
            case("RAWS-08 an expired token", f"Bearer {RSA.token(expires_in=-1)}", any_token(), 401),
            case("RAWS-08 a short scope", f"Bearer {RSA.token()}", "read", 403),
            case("RAWS-08 a scope that fits", f"Bearer {RSA.token(scope='read')}", "read", 200),
            # RFC 6750 section 3.1 has its own answer here, and every door gives it.
            case("RAWS-08 two tokens are 400, not 401", "Bearer a b", any_token(), 400),
        ],
    )
    def test_are_401_and_403(self, credentials, needed, expected):
        assert status(aws(), credentials, needed) == expected


class TestIDTokens:
    @pytest.mark.parametrize(
        ("claims", "code"),
        [
            case("RAWS-09 with a nonce", {"nonce": "n"}, Code.ID_TOKEN),
            case("RAWS-09 with a hash", {"at_hash": "h"}, Code.ID_TOKEN),
            case("RAWS-09 of Cognito", {"token_use": "id"}, Code.ID_TOKEN),
        ],
    )
    def test_are_refused_even_where_no_scope_is_asked_for(self, claims, code):
        with pytest.raises(AccessDenied) as denied:
            aws().authorize(f"Bearer {token(**claims)}", any_token())
        assert denied.value.finding.code is code

    @pytest.mark.parametrize(
        "settings",
        [case("RAWS-09 but let in by compat='exact'", {"compat": "exact"})],
    )
    def test_as_aws_does(self, settings):
        assert status(aws(**settings), f"Bearer {token(nonce='n')}", any_token()) == 200
        assert status(aws(**settings), f"Bearer {token(token_use='id')}", any_token()) == 200
        assert status(aws(**settings), f"Bearer {token(nonce='n')}", "read") == 403
        assert status(aws(**settings), f"Bearer {RSA.forged_token(nonce='n')}", any_token()) == 401

    @pytest.mark.parametrize("compat", [case("RAWS-09 True says not what", True), case("RAWS-09 nor None", None)])
    def test_by_that_word_alone(self, compat):
        with pytest.raises(ConfigurationError, match="compat='exact'"):
            aws(compat=compat)


class TestWhatIsStricterHere:
    """Tokens that the documentation of the authorizer says nothing against; we refuse them all the same."""

    @pytest.mark.parametrize(
        "text",
        [
            case("RAWS-09 of another type", lambda: RSA.token(headers={"typ": "logout+jwt"})),
            case("RAWS-09 bound to a key", lambda: RSA.token(cnf={"jkt": "x"})),
            case("RAWS-06 with an expiry in quotes", lambda: RSA.token(exp=str(NOW + 60))),
            case("RAWS-05 with a number for a subject", lambda: RSA.token(sub=5)),
        ],
    )
    def test_on_purpose(self, text):
        assert status(aws(), f"Bearer {text()}", any_token()) == 401
