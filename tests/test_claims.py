"""The reader of claim values: names, scopes, and where else a scope stands."""

from __future__ import annotations

import pytest

from jwtauthz import ConfigurationError
from jwtauthz.claims import (
    MAX_SCOPES,
    MISSING,
    claim_name,
    find_scope,
    lookup,
    read_scopes,
    scope_name,
    show_claim,
)


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


class TestNames:
    @pytest.mark.parametrize(
        ("setting", "name"),
        [
            case("a string is a literal key", "permissions", "permissions"),
            case("dots in it mean nothing", "a.b", "a.b"),
            case("nor do slashes and colons", "https://example.com/roles", "https://example.com/roles"),
            case("a tuple is a path", ("realm_access", "roles"), ("realm_access", "roles")),
            case("a list is a path", ["realm_access", "roles"], ("realm_access", "roles")),
            case("a path of one is a literal key", ("roles",), "roles"),
        ],
    )
    def test_that_are_taken(self, setting, name):
        assert claim_name(setting) == name

    @pytest.mark.parametrize(
        "setting",
        [
            case("an empty string", ""),
            case("an empty path", ()),
            case("a path with an empty part", ("a", "")),
            case("a path with a number", ("a", 1)),
            case("a path within a path", ("a", ("b",))),
            case("a number", 5),
            case("a set, which has no order", {"a", "b"}),
            case("an object", {"a": "b"}),
            case("bytes", b"scope"),
        ],
    )
    def test_that_are_refused(self, setting):
        with pytest.raises(ConfigurationError, match="claim='permissions'"):
            claim_name(setting)

    def test_are_shown_as_people_read_them(self):
        assert show_claim("a.b") == "a.b"
        assert show_claim(("a", "b")) == "a → b"


class TestScopesInSettings:
    @pytest.mark.parametrize(
        ("setting", "says"),
        [
            case("an empty one points to authenticated()", "", r"authenticated\(\)"),
            case("two in one string are shown apart", "a b", r"all_of\('a', 'b'\) or any_of\('a', 'b'\)"),
            case("a space at the end is no scope either", "a ", "holds a space"),
            case("a tab is no character of a scope", "a\tb", "RFC 6749"),
            case("nor is a letter beyond ASCII", "lire:é", "RFC 6749"),
            case("nor a quotation mark", 'a"', "RFC 6749"),
            case("a number is no scope", 5, "A scope is a string"),
            case("nor is None", None, "A scope is a string"),
        ],
    )
    def test_that_are_refused(self, setting, says):
        with pytest.raises(ConfigurationError, match=says):
            scope_name(setting)


NESTED = {"a.b": 1, "a": {"b": {"c": None}}, "list": [{"b": 1}], "text": "abc"}


class TestLookingUp:
    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            case("a literal key is found whatever dots it has", "a.b", 1),
            case("a path leads inward", ("a", "b"), {"c": None}),
            case("null is a value", ("a", "b", "c"), None),
            case("a dotted string is no path", "a.b.c", MISSING),
            case("a path ends at a list", ("list", "0"), MISSING),
            case("a path ends at a string", ("text", "0"), MISSING),
            case("a path ends at null", ("a", "b", "c", "d"), MISSING),
            case("a path that begins nowhere is missing", ("x", "b"), MISSING),
        ],
    )
    def test_a_claim(self, claim, value):
        found = lookup(NESTED, claim)
        assert found is value or found == value


class TestReadingScopes:
    @pytest.mark.parametrize(
        ("value", "granted"),
        [
            case("a string is split at spaces", "a b", {"a", "b"}),
            case("runs of them count once", "  a   b  ", {"a", "b"}),
            case("no other space separates", "a\tb\nc\u00a0d\u2003e", {"a\tb\nc\u00a0d\u2003e"}),
            case("a comma does not separate", "a,b", {"a,b"}),
            case("a list is taken element by element", ["a", "b c"], {"a", "b c"}),
            case("empty elements grant nothing", ["", "a"], {"a"}),
            case("a string without content grants nothing", "", set()),
            case("a list without content grants nothing", [], set()),
        ],
    )
    def test_without_a_problem(self, value, granted):
        reading = read_scopes({"scope": value}, "scope")
        assert (reading.granted, reading.problem) == (granted, None)

    @pytest.mark.parametrize(
        ("value", "granted", "problem"),
        [
            case(
                "elements that are no strings grant nothing", ["a", 1, None, ["b"], {"c": 1}], {"a"}, "no strings"
            ),
            case("null grants nothing", None, set(), "null"),
            case("true grants nothing", True, set(), "boolean"),
            case("a number grants nothing", 1, set(), "number"),
            case("a fraction grants nothing", 1.5, set(), "number"),
            case("an object grants nothing, its keys neither", {"a": True}, set(), "object"),
        ],
    )
    def test_of_odd_types(self, value, granted, problem):
        reading = read_scopes({"scope": value}, "scope")
        assert reading.granted == granted
        assert problem in reading.problem

    def test_of_a_claim_that_is_not_there(self):
        reading = read_scopes({}, "scope")
        assert reading.granted == frozenset()
        assert reading.problem == "is not in the token"

    @pytest.mark.parametrize("as_text", [case("as a string", True), case("as a list", False)])
    def test_up_to_a_thousand(self, as_text):
        names = [f"s{number}" for number in range(MAX_SCOPES + 1)]
        for count, granted in ((MAX_SCOPES, MAX_SCOPES), (MAX_SCOPES + 1, 0)):
            value = " ".join(names[:count]) if as_text else names[:count]
            reading = read_scopes({"scope": value}, "scope")
            assert len(reading.granted) == granted
            assert (reading.problem is None) is bool(granted)

    def test_of_a_path(self):
        claims = {"realm_access": {"roles": ["admin"]}, "realm_access.roles": ["other"]}
        assert read_scopes(claims, ("realm_access", "roles")).granted == {"admin"}


class TestFindingAScope:
    @pytest.mark.parametrize(
        ("claims", "where"),
        [
            case("in a list beside", {"permissions": ["x"]}, "permissions"),
            case("in a string beside", {"scp": "a x b"}, "scp"),
            case("in a claim named by a URL", {"https://e.com/roles": ["x"]}, "https://e.com/roles"),
            case("in an object", {"realm_access": {"roles": ["x"]}}, ("realm_access", "roles")),
            case("the outer one before the inner one", {"a": {"b": ["x"]}, "z": ["x"]}, "z"),
            case("four levels deep", {"a": {"b": {"c": {"d": ["x"]}}}}, ("a", "b", "c", "d")),
            case("not five levels deep", {"a": {"b": {"c": {"d": {"e": ["x"]}}}}}, None),
            case("not where it is looked for anyway", {"scope": "x"}, None),
            case("not as a part of another scope", {"scp": "xy"}, None),
            case("not as a key", {"roles": {"x": True}}, None),
            case("not in objects within lists", {"roles": [{"name": "x"}]}, None),
            case("nowhere", {}, None),
        ],
    )
    def test_in_another_claim(self, claims, where):
        assert find_scope(claims, "x", ["scope"]) == where

    def test_among_sixty_four_claims_and_no_more(self):
        padding = {f"c{number}": "" for number in range(63)}
        assert find_scope({**padding, "last": "x"}, "x", ["scope"]) == "last"
        assert find_scope({**padding, "one more": "", "last": "x"}, "x", ["scope"]) is None
