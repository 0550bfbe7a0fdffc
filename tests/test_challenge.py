"""The challenge as data and as text."""

from __future__ import annotations

import pytest

from jwtauthz import Code, ConfigurationError
from jwtauthz.challenge import Challenge, challenge_for, realm_name
from jwtauthz.errors import ANSWERS


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


@pytest.mark.parametrize(
    ("code", "scope", "text"),
    [
        case("without credentials: the realm alone", Code.NO_CREDENTIALS, ("a",), 'Bearer realm="api"'),
        case(
            "a bad token: error and sentence, but no scope",
            Code.EXPIRED,
            ("a",),
            'Bearer realm="api", error="invalid_token", error_description="The token has expired"',
        ),
        case(
            "a short scope: all of it, the scopes in one parameter",
            Code.SCOPE_MISSING,
            ("a", "b"),
            'Bearer realm="api", error="insufficient_scope", '
            'error_description="The token does not grant what this operation needs", scope="a b"',
        ),
        case(
            "a refusal that no scope would cure: no scope",
            Code.REFUSED_BY_CHECK,
            (),
            'Bearer realm="api", error="insufficient_scope", '
            'error_description="The token does not grant what this operation needs"',
        ),
    ],
)
def test_text(code, scope, text):
    assert str(challenge_for(ANSWERS[code], realm="api", scope=scope)) == text


@pytest.mark.parametrize("code", list(Code))
def test_no_parameter_stands_there_twice(code):
    challenge = challenge_for(ANSWERS[code], realm="api", scope=("a", "b"))
    if challenge is None:
        assert ANSWERS[code].status == 503
        return
    names = [name for name, _ in challenge.parameters]
    assert len(set(names)) == len(names)
    assert names[0] == "realm"


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
