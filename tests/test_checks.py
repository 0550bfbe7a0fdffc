"""What each check says of a token that it refuses: the code, the claim that it is about, and the cure."""

from __future__ import annotations

import pytest

from authorizing import MINT, NOW, ask, case, server_for
from jwtauthz import authenticated

ANYBODY = authenticated()
LEEWAY = 5
RFC9068 = {"client_id": "app", "jti": "1", "headers": {"typ": "at+jwt"}}


def refused(claims, **settings):
    """The one finding about a token with these claims."""
    verdict = ask(ANYBODY, claims=claims, server=server_for(**settings))
    assert verdict.status == 401
    assert len(verdict.findings) == 1
    return verdict.findings[0]


@pytest.mark.parametrize(
    ("claims", "code", "about"),
    [
        case("has no issuer", {"iss": None}, "missing_claim", "iss"),
        case("comes from another issuer", {"iss": "https://other.example/"}, "wrong_issuer", "iss"),
        case("has no audience", {"aud": None}, "missing_claim", "aud"),
        case("is meant for another API", {"aud": "https://other.example"}, "wrong_audience", "aud"),
        case("has a number for an audience", {"aud": 5}, "bad_claim", "aud"),
        case("has a number among its audiences", {"aud": ["https://api.example.com", 5]}, "bad_claim", "aud"),
        case("has no expiry", {"exp": None}, "missing_claim", "exp"),
        case("has an expiry in quotes", {"exp": str(NOW + 60)}, "bad_claim", "exp"),
        case("has expired", {"exp": NOW - LEEWAY}, "expired", "exp"),
        case("is not valid yet", {"nbf": NOW + LEEWAY + 1}, "not_yet_valid", "nbf"),
        case("has a nbf in quotes", {"nbf": str(NOW)}, "bad_claim", "nbf"),
        case("was issued in the future", {"iat": NOW + LEEWAY + 1}, "not_yet_valid", "iat"),
        case("has an iat that is true", {"iat": True}, "bad_claim", "iat"),
        case("has a date past all dates", {"exp": 10**21}, "bad_claim", "exp"),
        case("has a date before all dates", {"nbf": -(10**21)}, "bad_claim", "nbf"),
        case("has a number for a subject", {"subject": 5}, "bad_claim", "sub"),
        case("has a number for a jti", {"jti": 5}, "bad_claim", "jti"),
        case("has a list for a client_id", {"client_id": ["app"]}, "bad_claim", "client_id"),
        case("is bound to a key", {"cnf": {"jkt": "x"}}, "sender_constrained", "cnf"),
        case("is an ID token of Cognito", {"token_use": "id"}, "id_token", "token_use"),
        case("is an ID token of Keycloak", {"typ": "ID"}, "id_token", "typ"),
        case("is a refresh token of Keycloak", {"typ": "Refresh"}, "wrong_type", "typ"),
        case("is an offline token of Keycloak", {"typ": "Offline"}, "wrong_type", "typ"),
        case("is a logout token of Keycloak", {"typ": "Logout"}, "wrong_type", "typ"),
        case("holds a nonce", {"nonce": "n"}, "id_token", "nonce"),
        case("holds the hash of an access token", {"at_hash": "h"}, "id_token", "at_hash"),
        case("holds the hash of a code", {"c_hash": "h"}, "id_token", "c_hash"),
        case("holds the hash of a state", {"s_hash": "h"}, "id_token", "s_hash"),
    ],
)
def test_a_token_that(claims, code, about):
    finding = refused(claims)
    assert (str(finding.code), finding.claim) == (code, about)
    # Of a header that has been found good before, the claims are looked at in another way.
    server = server_for()
    assert ask(ANYBODY, server=server)
    again = ask(ANYBODY, claims=claims, server=server).findings[0]
    assert (again.code, again.claim) == (finding.code, finding.claim)


@pytest.mark.parametrize(
    ("claims", "settings", "code", "about"),
    [
        case("without an iat", {"iat": None}, {"max_token_age": 60}, "missing_claim", "iat"),
        case("with an iat in quotes", {"iat": str(NOW)}, {"max_token_age": 60}, "bad_claim", "iat"),
        case("issued too long ago", {"iat": NOW - 60 - LEEWAY - 1}, {"max_token_age": 60}, "token_too_old", "iat"),
        case("of another subject", {"sub": "user-2"}, {"subject": "user-1"}, "bad_claim", "sub"),
        case("without a subject", {"subject": None}, {"subject": "user-1"}, "bad_claim", "sub"),
        *(
            case(
                f"without {name} in the strict profile",
                {**RFC9068, name: None},
                {"profile": "rfc9068"},
                code,
                name,
            )
            for name, code in {
                "sub": "missing_claim",
                "client_id": "missing_claim",
                "jti": "missing_claim",
            }.items()
        ),
        case(
            "without iat in the strict profile",
            {**RFC9068, "iat": None},
            {"profile": "rfc9068"},
            "missing_claim",
            "iat",
        ),
    ],
)
def test_where_the_api_asks_for_more_a_token(claims, settings, code, about):
    finding = refused(claims, issuer=settings)
    assert (str(finding.code), finding.claim) == (code, about)


@pytest.mark.parametrize(
    "claims",
    [
        case("expires within the leeway", {"exp": NOW - LEEWAY + 1}),
        case("is valid within the leeway", {"nbf": NOW + LEEWAY}),
        case("was issued within the leeway", {"iat": NOW + LEEWAY}),
        case("names this API among others", {"aud": ["a", "https://api.example.com"]}),
        case("holds a nonce, and a scope", {"nonce": "n", "scope": "read:users"}),
        case("holds a nonce, and scp", {"nonce": "n", "scp": ["read:users"]}),
        case("holds a nonce, and says that it is an access token", {"nonce": "n", "headers": {"typ": "at+jwt"}}),
        case("says so in the long form", {"nonce": "n", "headers": {"typ": "application/at+jwt"}}),
        case("says that it is a JWT in the long form", {"headers": {"typ": "application/JWT"}}),
        case("says Bearer of itself, as Keycloak's do", {"typ": "Bearer"}),
        case("says access of itself, as Cognito's do", {"token_use": "access"}),
        case("says what its content is", {"headers": {"cty": "json"}}),
    ],
)
def test_a_token_is_let_in_that(claims):
    assert ask(ANYBODY, claims=claims)


@pytest.mark.parametrize(
    ("headers", "code", "told"),
    [
        case("holds another token", {"cty": "JWT"}, "unsupported_header", "nesting"),
        case("holds another token, in the long form", {"cty": "application/jwt"}, "unsupported_header", "nesting"),
        case("is critical", {"crit": ["exp"]}, "unsupported_header", "'crit'"),
        case("is compressed", {"zip": "DEF"}, "unsupported_header", "'zip'"),
        case("is not encoded", {"b64": False}, "unsupported_header", "'b64'"),
        case("is encrypted", {"enc": "A256GCM"}, "unsupported_header", "'enc'"),
        case("is of another type", {"typ": "dpop+jwt"}, "wrong_type", "none, JWT or at+jwt"),
        case("has a number for a type", {"typ": 5}, "wrong_type", "none, JWT or at+jwt"),
        case("has a key ID of 257 characters", {"kid": "k" * 257}, "malformed_token", "kid"),
        case("has a key ID with a line break", {"kid": "a\nb"}, "malformed_token", "kid"),
    ],
)
def test_a_token_whose_header_says_that_it(headers, code, told):
    finding = refused({"headers": headers})
    assert str(finding.code) == code
    assert told in finding.detail


def test_the_strict_profile_names_the_one_type_it_takes():
    finding = refused({**RFC9068, "headers": {"typ": "JWT"}}, issuer={"profile": "rfc9068"})
    assert finding.detail.endswith("an access token here has typ at+jwt.")
    assert finding.expected == "at+jwt"


def test_where_tokens_name_their_key_one_that_does_not_is_told_of_it():
    # The presets of issuers that always write a kid ask for it.

    from jwtauthz.checks import Rules, key_id
    from jwtauthz.token import parse

    rules = Rules(MINT.url, frozenset(), frozenset(), 5, "default")
    token = parse(MINT.token(kid=None), {})
    assert key_id(token, rules, NOW) is None
    finding = key_id(token, rules._replace(key_id_required=True), NOW)
    assert (str(finding.code), finding.claim) == ("malformed_token", "kid")


@pytest.mark.parametrize(
    ("algorithm", "hint"),
    [
        case("none", "none", "Nobody signed this token"),
        case("None", "None", "Nobody signed this token"),
        case("a shared secret", "HS256", "shared secret"),
        case("another algorithm that could be allowed", "RS512", "algorithms=('RS512',)"),
        case("one that nobody knows", "XX256", ""),
        case("a number", 5, ""),
    ],
)
def test_an_algorithm_that_is_not_allowed(algorithm, hint):
    finding = refused({"headers": {"alg": algorithm}})
    assert str(finding.code) == "algorithm_not_allowed"
    assert hint in (finding.hint or "")
    assert ("Nobody signed" in (finding.hint or "")) is (hint == "Nobody signed this token")


@pytest.mark.parametrize(
    ("iat", "hint"),
    [
        case("of the year 5138 is taken for seconds", 10**11, "clocks"),
        case("after that is taken for milliseconds", 10**11 + 1, "milliseconds"),
    ],
)
def test_a_time_of_issue(iat, hint):
    assert hint in refused({"iat": iat}).hint


def test_what_is_shown_of_a_token_is_cut_at_its_limit():
    from jwtauthz.checks import show

    assert show("x" * 6, limit=8) == "'xxxxxx'"
    assert show("x" * 7, limit=8) == "'xxxxxx…"
