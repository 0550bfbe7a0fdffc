"""Rules in a TOML file: each form that a value may have, and where the message points when it has none."""

from __future__ import annotations

import re

import pytest

from authorizing import case
from jwtauthz import (
    ConfigurationError,
    RouteTable,
    all_of,
    any_of,
    authenticated,
    claim_equals,
    claim_includes,
    organization,
    shadow,
    step_up,
)
from jwtauthz.policy import requirement


def table(tmp_path, text: str) -> RouteTable:
    path = tmp_path / "rules.toml"
    path.write_bytes(text.encode())
    return RouteTable.from_toml(path)


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        case("a scope", '"read"', requirement("read")),
        case("a scope of the path", '"read:{org}"', requirement("read:{org}")),
        case("a scope in a claim", '{ scope = "read", claim = "perms" }', requirement("read", claim="perms")),
        case("a path of claims", '{ scope = "a", claim = ["x", "y"] }', requirement("a", claim=("x", "y"))),
        case("all of", '{ all_of = ["a", "b"] }', all_of("a", "b")),
        case("one of, in a claim", '{ any_of = ["a", "b"], claim = "roles" }', any_of("a", "b", claim="roles")),
        case("nested", '{ all_of = ["a", { any_of = ["b", "c"] }] }', all_of("a", any_of("b", "c"))),
        case("a claim's value", '{ claim = "plan", equals = "gold" }', claim_equals("plan", "gold")),
        case("a claim's value that is true", '{ claim = "paid", equals = true }', claim_equals("paid", True)),
        case("a claim's values", '{ claim = "r", includes = ["x", "y"] }', claim_includes("r", "x", "y")),
        case("one value", '{ claim = "r", includes = "x" }', claim_includes("r", "x")),
        case("an organization in the path", '{ organization = "org" }', organization("org")),
        case(
            "in a claim of its own", '{ organization = "org", claim = "orgs" }', organization("org", claim="orgs")
        ),
        case("in a header", '{ organization = { header = "X-Org" } }', organization(header="X-Org")),
        case("a better login", '{ step_up = { acr = "mfa", max_age = 60 } }', step_up("mfa", max_age=60)),
        case("one of two logins", '{ step_up = { acr = ["a", "b"] } }', step_up("a", "b")),
        case("tried out", '{ shadow = { any_of = ["a", "b"] } }', shadow(any_of("a", "b"))),
        case("any token", "{ authenticated = true }", authenticated()),
        case("open", "{ public = true }", None),
    ],
)
def test_what_a_value_means(tmp_path, value, needed):
    [rule] = table(tmp_path, f'[rules]\n"GET /orgs/{{org}}" = {value}\n').rules
    assert (rule.text, rule.needed) == ("GET /orgs/{org}", needed)


def test_a_rule_may_be_a_table_of_its_own(tmp_path):
    [rule] = table(tmp_path, '[rules."/a"]\nany_of = [\n  "x",\n  "y",\n]\nclaim = "roles"\n').rules
    assert rule.needed == any_of("x", "y", claim="roles")


def test_it_is_read_whatever_editor_has_written_it(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_bytes('\ufeff[rules]\r\n"/café" = "x"\r\n'.encode())
    assert RouteTable.from_toml(str(path)).find("GET", "/café").rule.text == "/café"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        case("an unknown word", '{ role = "admin" }', "role }.*asks for nothing known"),
        case("a word with a typo beside a good one", '{ any_of = ["a"], clam = "x" }', "'clam' is unknown here"),
        case("two words", '{ any_of = ["a"], all_of = ["b"] }', "all_of and any_of"),
        case("a scope and a step-up", '{ scope = "a", step_up = { max_age = 1 } }', "scope and step_up"),
        case("an empty table", "{}", "asks for nothing known"),
        case("a list", '["a", "b"]', "leaves open whether"),
        case("a number", "7", "is no scope"),
        case("a switch", "true", "is no scope"),
        case("nothing", '""', "asks for nothing"),
        case("all of nothing", "{ all_of = [] }", "asks for nothing"),
        case("all of one that is no list", '{ all_of = "a" }', "takes a list"),
        case("two scopes in one string", '"a b"', "a b"),
        case("open, and a scope", '{ public = true, scope = "a" }', "'scope' is unknown here"),
        case("not open", "{ public = false }", "public = true is all"),
        case("not authenticated", "{ authenticated = false }", "authenticated = true is all"),
        case("open as a part", '{ any_of = ["a", { public = true }] }', "nothing known"),
        case("a claim alone", '{ claim = "plan" }', "asked for one thing"),
        case("a claim for two things", '{ claim = "p", equals = "a", includes = ["b"] }', "asked for one thing"),
        case("an organization nowhere", "{ organization = {} }", "one place"),
        case("an organization in a cookie", '{ organization = { cookie = "o" } }', "'cookie' is unknown here"),
        case("an organization that is a number", "{ organization = 7 }", "name a path parameter"),
        case("a step-up that is a text", '{ step_up = "mfa" }', "write step_up = "),
        case("a step-up to nothing", "{ step_up = {} }", "asks for nothing"),
        case("a step-up with a typo", "{ step_up = { maxage = 1 } }", "'maxage' is unknown here"),
        case("a claim that is no name", '{ scope = "a", claim = 7 }', "7"),
        case("a date", "2027-01-01", "is no scope"),
        case("a class that is a number", "{ step_up = { acr = 7 } }", "a class .acr. is"),
        case("an unknown parameter", '"read:{nobody}"', "'nobody', which '/a' has not"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_line_and_rule(tmp_path, value, said):
    text = f'# rules of the house\n[rules]\n"/first" = "x"\n"GET /a" = {value}\n'
    with pytest.raises(ConfigurationError, match=said) as refused:
        table(tmp_path, text)
    assert "GET /a" in str(refused.value)
    assert re.match(r"rules\.toml, line 4: ", str(refused.value))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        case("an empty file", "", "holds no rule"),
        case("an empty table", "[rules]", "holds no rule"),
        case("rules that are no table", 'rules = "x"', "holds no rule"),
        case("another table", '[rules]\n"/a" = "x"\n[rulez]\n"/b" = "y"', "holds the key 'rulez'"),
        case("rules without their table", '"/a" = "x"', "holds the key '/a'"),
        case("no TOML", '[rules]\n"/a" = x\n"/b" = "y"', r"is no TOML: .*line 2"),
        case("a rule twice", '[rules]\n"/a" = "x"\n"/a" = "y"', "is no TOML"),
        case("no text", b"\xff\xfe", "is no TOML"),
        case("a path without quotes", '[rules]\nusers = "x"', "has no path"),
        case("two that are the same", '[rules]\n"/a" = "x"\n"/a/" = "y"', "rules.toml: .*same requests"),
        case("depth without end", '[rules]\n"/a" = ' + "[" * 5_000, "is no TOML"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, text, said):
    path = tmp_path / "rules.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError, match=said):
        RouteTable.from_toml(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        RouteTable.from_toml(tmp_path / "nowhere.toml")
