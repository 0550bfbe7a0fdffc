"""`jwt_authz` decides as express-jwt-authz does, where that is safe."""

from __future__ import annotations

from typing import Any

import pytest

from jwtauthz import AccessDenied, ConfigurationError, Issuer, ResourceServer
from jwtauthz.compat import jwt_authz
from jwtauthz.testing import FakeIssuer

ISSUER = FakeIssuer(network=False)
SERVER = ResourceServer(
    # The claims that the issuer has in general say nothing: `custom_scope_key` names the one that is read.
    Issuer(ISSUER.url, key_set=ISSUER.key_set, scopes_from=("scp",)),
    audience=ISSUER.audience,
)
TWO = ["read:users", "admin"]


@pytest.mark.parametrize(
    ("claims", "settings", "allowed"),
    [
        pytest.param({"scope": "read:users"}, {}, True, id="one of two scopes is enough"),
        pytest.param({"scope": "other admin"}, {}, True, id="so is the other one"),
        pytest.param({"scope": "other"}, {}, False, id="none of two is not"),
        pytest.param({}, {}, False, id="a token without the claim has none"),
        pytest.param({"scope": "admin read:users"}, {"check_all_scopes": True}, True, id="all of two are all"),
        pytest.param({"scope": "admin"}, {"check_all_scopes": True}, False, id="one of two is not all"),
        pytest.param({"scope": ["admin"]}, {}, True, id="a list is taken element by element"),
        pytest.param({"scope": ["admin read:users"]}, {}, False, id="an element of a list is not split"),
        pytest.param({"scope": [["admin"], 1, None]}, {}, False, id="odd elements never match"),
        pytest.param({"scope": {"admin": True}}, {}, False, id="an object grants nothing"),
        pytest.param({"scope": "Admin"}, {}, False, id="capitals make another scope"),
        pytest.param({"scope": "admin\tread:users"}, {}, False, id="a tab does not separate"),
        pytest.param({"scp": "admin"}, {}, False, id="what else the issuer calls its scopes is not read"),
        pytest.param(
            {"permissions": ["admin"]}, {"custom_scope_key": "permissions"}, True, id="another claim is read"
        ),
        pytest.param({"scope": "admin"}, {"custom_scope_key": "permissions"}, False, id="and then `scope` is not"),
        pytest.param(
            {"a.b": "admin"}, {"custom_scope_key": "a.b"}, True, id="a dot in the name of a claim means nothing"
        ),
        pytest.param({"a": {"b": "admin"}}, {"custom_scope_key": "a.b"}, False, id="a dotted name is no path"),
    ],
)
def test_it_decides_as_in_express(claims: dict[str, Any], settings: dict[str, Any], allowed: bool) -> None:
    """The same token, the same scopes, the same decision."""
    header = f"Bearer {ISSUER.token(**claims)}"
    needed = jwt_authz(TWO, **settings)
    if allowed:
        assert SERVER.authorize(header, needed)
    else:
        with pytest.raises(AccessDenied) as denied:
            SERVER.authorize(header, needed)
        assert denied.value.status == 403


def test_without_a_token_it_is_a_401() -> None:
    """Express-jwt-authz answers 403 there; the client needs the challenge of a 401."""
    with pytest.raises(AccessDenied) as denied:
        SERVER.authorize(None, jwt_authz(TWO))
    assert denied.value.status == 401


def test_a_scope_named_twice_counts_once() -> None:
    """What the client reads is not longer for it."""
    assert jwt_authz(["a", "a", "b"]).describe() == [{"any_of": ["a", "b"]}]


@pytest.mark.parametrize(
    ("scopes", "settings", "said"),
    [
        pytest.param("read:users", {}, "takes a list", id="a string is no list"),
        pytest.param(None, {}, "takes a list", id="nothing is no list"),
        pytest.param({"read:users"}, {}, "takes a list", id="a set is no list"),
        pytest.param([], {}, "asks for nothing", id="an empty list"),
        pytest.param([""], {}, "asks for nothing", id="an empty scope"),
        pytest.param(["a b"], {}, "holds a space", id="two scopes in one string"),
        pytest.param(["a", 7], {}, "7 is no scope", id="a number among the scopes"),
        pytest.param([["a"]], {}, "is no scope", id="a list in the list"),
        pytest.param(TWO, {"custom_scope_key": ("a", "b")}, "names no claim", id="a path as the claim"),
        pytest.param(TWO, {"custom_scope_key": ""}, "names no claim", id="an empty claim name"),
        pytest.param(TWO, {"custom_scope_key": None}, "names no claim", id="no claim name"),
        pytest.param(TWO, {"check_all_scopes": "false"}, "neither True nor False", id="a boolean in quotes"),
        pytest.param(TWO, {"fail_with_error": True}, "always is an exception", id="fail_with_error"),
        pytest.param(TWO, {"fail_with_error": False}, "always is an exception", id="fail_with_error off"),
        pytest.param(TWO, {"custom_user_key": "auth"}, "one place only", id="custom_user_key"),
    ],
)
def test_what_makes_no_sense_is_refused(scopes: Any, settings: dict[str, Any], said: str) -> None:
    """At once, and with a message that says what to write."""
    with pytest.raises(ConfigurationError, match=said):
        jwt_authz(scopes, **settings)
