"""The one look at everyday claims may never say yes where one of the checks objects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from authorizing import case
from jwtauthz import Issuer
from jwtauthz.checks import CLAIM_CHECKS, first_finding
from jwtauthz.plain_claims import plain_claims
from jwtauthz.testing import FakeClock, FakeIssuer
from jwtauthz.token import Header, UnverifiedToken

NOW, AUDIENCE, LEEWAY = 1_800_000_000, "https://api.example.com", 5.0
URL = "https://issuer.test/"
KEYS = FakeIssuer(network=False, clock=FakeClock()).key_set
EVERYDAY = {"iss": URL, "aud": AUDIENCE, "sub": "auth0|1", "exp": NOW + 60, "iat": NOW - 60}
GONE = object()


def rules(**settings: Any):
    return Issuer(URL, key_set=KEYS, **settings).rules(audience=frozenset({AUDIENCE, "b"}), leeway=LEEWAY)


def a_token(claims: dict[str, Any], typ: str | None = "JWT") -> UnverifiedToken:
    header = {"alg": "RS256", "typ": typ} if typ else {"alg": "RS256"}
    return UnverifiedToken(Header(header), claims, b"", b"", b"")


times = st.one_of(
    st.integers(NOW - 20, NOW + 20),
    st.floats(NOW - 20, NOW + 20),
    st.sampled_from([0, -1, True, None, "1", 10**20, 10**21, -(10**21), 10**400, -(10**400), [], GONE]),
)
texts = st.sampled_from(["a", "", None, 1, True, [], {}, GONE])
audiences = st.one_of(
    st.sampled_from([AUDIENCE, "b", "c", "", None, 1, {}, [], GONE]),
    st.lists(st.sampled_from([AUDIENCE, "b", "c", "", None, 1, [], {}]), max_size=3),
)
kinds = st.sampled_from(["id", "ID", "access", "Refresh", "x", None, {}])
odd = ("nonce", "at_hash", "c_hash", "s_hash", "token_use", "typ", "cnf", "scope", "x")
changes = {
    **dict.fromkeys(("exp", "iat", "nbf"), times),
    **dict.fromkeys(("sub", "jti", "client_id"), texts),
    **dict.fromkeys(odd, kinds),
    "aud": audiences,
}


@st.composite
def nearly_everyday(draw) -> dict[str, Any]:
    """The claims of an everyday token with up to three of them changed."""
    names = draw(st.lists(st.sampled_from([*changes, "exp", "nbf", "aud", "jti"]), max_size=2, unique=True))
    claims = {**EVERYDAY, **{name: draw(changes[name]) for name in names}}
    return {name: value for name, value in claims.items() if value is not GONE}


@settings(max_examples=1_500)
@given(nearly_everyday(), st.sampled_from(["JWT", "at+jwt", None]))
def test_what_passes_at_a_look_passes_every_check(claims, typ):
    token, of_issuer = a_token(claims, typ), rules()
    plain = plain_claims(of_issuer)(token, NOW)
    event("plain" if plain else "left to the checks")
    if plain:
        assert first_finding(CLAIM_CHECKS, token, of_issuer, NOW) is None


@pytest.mark.parametrize(
    "claims",
    [
        case("one audience", {}),
        case("a list of audiences", {"aud": ["c", AUDIENCE]}),
        case("no subject", {"sub": GONE}),
        case("no iat", {"iat": GONE}),
        case("with nbf", {"nbf": NOW}),
        case("expired within the leeway", {"exp": NOW - 4}),
        case("claims of its own", {"scope": "a b", "permissions": ["a"], "https://example.com/roles": ["x"]}),
    ],
)
def test_an_everyday_token_passes_at_a_look(claims):
    claims = {name: value for name, value in {**EVERYDAY, **claims}.items() if value is not GONE}
    assert plain_claims(rules())(a_token(claims), NOW)


@pytest.mark.parametrize(
    "settings",
    [
        case("the strict profile", {"profile": "rfc9068"}),
        case("an oldest age", {"max_token_age": 60}),
        case("one subject", {"subject": "auth0|1"}),
    ],
)
def test_an_issuer_with_rules_of_its_own_leaves_everything_to_the_checks(settings):
    assert not plain_claims(rules(**settings))(a_token(EVERYDAY), NOW)


@pytest.mark.parametrize(
    "claims",
    [
        case("too late", {"exp": NOW - 5}),
        case("not yet", {"nbf": NOW + 6}),
        case("from the future", {"iat": NOW + 6}),
        case("for somebody else", {"aud": "c"}),
        case("for somebody else, in a list", {"aud": ["c"]}),
        case("a list with a number beside the audience", {"aud": [AUDIENCE, 1]}),
        case("without an audience", {"aud": GONE}),
        case("an expiry in words", {"exp": str(NOW + 60)}),
        case("a subject that is a number", {"sub": 1}),
        case("a subject that is null", {"sub": None}),
        case("bound to a key", {"cnf": {}}),
        case("an ID token", {"nonce": "x"}),
    ],
)
def test_whatever_else_is_left_to_the_checks(claims):
    claims = {name: value for name, value in {**EVERYDAY, **claims}.items() if value is not GONE}
    assert not plain_claims(rules())(a_token(claims), NOW)
