"""The challenge as data and as text."""

from __future__ import annotations

import pytest

from jwtauthz import AccessDenied, ConfigurationError, Issuer, ResourceServer
from jwtauthz.challenge import Challenge, realm_name
from jwtauthz.testing import FakeIssuer


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


SHORT = 'error="insufficient_scope", error_description="The token does not grant what this operation needs"'


@pytest.mark.parametrize(
    ("token", "needs", "text"),
    [
        case("without credentials: the realm alone", None, ["a"], 'Bearer realm="api"'),
        case(
            "a bad token: error and sentence, but no scope",
            {"expires_in": -60},
            ["a"],
            'Bearer realm="api", error="invalid_token", error_description="The token has expired"',
        ),
        case(
            "a short scope: all of it, the scopes in one parameter",
            {},
            ["a", "b"],
            f'Bearer realm="api", {SHORT}, scope="a b"',
        ),
        case(
            "a refusal that no scope would cure: no scope",
            {},
            [lambda token, request: False],
            f'Bearer realm="api", {SHORT}',
        ),
        case("what can't be told now: no challenge", {}, [lambda token, request: 1 / 0], None),
    ],
)
def test_of_a_denial(token, needs, text):
    issuer = FakeIssuer(network=False, algorithm="ES256")
    server = ResourceServer(Issuer(issuer.url, key_set=issuer.key_set, algorithms="ES256"), issuer.audience)
    with pytest.raises(AccessDenied) as denied:
        server.authorize(None if token is None else f"Bearer {issuer.token(**token)}", *needs)
    assert denied.value.headers.get("WWW-Authenticate") == text
    assert denied.value.challenge is None if text is None else str(denied.value.challenge) == text


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        case("plain text stands as it is", "api", '"api"'),
        case("a quotation mark is escaped", 'a"b', r'"a\"b"'),
        case("a backslash is escaped", "a\\b", r'"a\\b"'),
        case("both are, in that order", '\\"', r'"\\\""'),
    ],
)
def test_quoting(value, quoted):
    assert str(Challenge((("realm", value),))) == f"Bearer realm={quoted}"


def test_parameters_can_be_asked_for():
    challenge = Challenge((("realm", "api"), ("error", "invalid_token")))
    assert challenge["error"] == "invalid_token"
    assert challenge.get("scope") is None
    with pytest.raises(KeyError):
        challenge["scope"]


@pytest.mark.parametrize(
    "realm",
    [
        case("nothing", ""),
        case("a line break", "a\nb"),
        case("a tab", "a\tb"),
        case("a DEL", "a\x7f"),
        case("a letter beyond ASCII", "büro"),
        case("no string", 5),
        case("None", None),
    ],
)
def test_realms_that_are_refused(realm):
    with pytest.raises(ConfigurationError, match="printable ASCII"):
        realm_name(realm)
