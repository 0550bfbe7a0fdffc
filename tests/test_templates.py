"""Scopes and claims that depend on the request: `"read:{org_id}"`, `("orgs", "{org_id}")`."""

from __future__ import annotations

import uuid

import pytest

from authorizing import ask, ask_async, bearer, case, every_door, request_for, server_for
from jwtauthz import Claim, Code, ConfigurationError, Request, all_of, any_of, authenticated, organization

ROLES = {"admin": ["read", "write"], "viewer": ["read"]}

# Values that no path parameter may put into the name of a scope or of a claim.
HOSTILE = {
    "nothing": "",
    "a space, which would make two scopes": "a b",
    "a scope behind a space": "a admin",
    "a colon, which would make another part": "a:write",
    "a slash": "a/b",
    "a comma": "a,b",
    "a line feed": "a\n",
    "a line feed alone": "\n",
    "a carriage return": "a\r\nX: 1",
    "a null byte": "a\x00",
    "an escape sequence": "\x1b[0m",
    "a tab": "a\t",
    "a no-break space": "a\u00a0b",
    "braces": "{org_id}",
    "doubled braces": "{{a}}",
    "a format": "{org_id.__class__}",
    "a quotation mark": 'a"',
    "a backslash": "a\\",
    "a percent sign": "%61",
    "a star": "*",
    "a letter beyond ASCII": "é",
    "a letter that looks alike": "\u0430",
    "digits of another script": "\u0661",
    "an emoji": "😀",
    "a lone surrogate": "\udc80",
    "257 characters": "a" * 257,
    "10 kB": "a" * 10_000,
    "None": None,
    "true": True,
    "false": False,
    "a fraction": 1.5,
    "a list": ["a"],
    "an object": {"a": 1},
    "bytes": b"a",
}


class TestAScopeOfTheRequest:
    @pytest.mark.parametrize(
        ("needed", "scope", "path_params", "allowed"),
        [
            case("is the token's", "read:{org_id}", "read:a", {"org_id": "a"}, True),
            case("is another's", "read:{org_id}", "read:b", {"org_id": "a"}, False),
            case("of a route without the parameter", "read:{org_id}", "read:a", {}, False),
            case("of a route with another parameter", "read:{org_id}", "read:a", {"id": "a"}, False),
            case("is not granted by its template", "read:{org_id}", "read:{org_id}", {"org_id": "a"}, False),
            case("is not granted by what stands before it", "read:{org_id}", "read: read", {"org_id": "a"}, False),
            case("with a number", "read:{org_id}", "read:7", {"org_id": 7}, True),
            case("with a number below zero", "read:{n}", "read:-1", {"n": -1}, True),
            case("with 256 characters", "read:{n}", "read:" + "a" * 256, {"n": "a" * 256}, True),
            case("with every character that may be", "{n}", "aZ09_.~@|-", {"n": "aZ09_.~@|-"}, True),
            case("of two parameters", "{a}:{b}", "x:y", {"a": "x", "b": "y"}, True),
            case("of two parameters the other way round", "{a}:{b}", "y:x", {"a": "x", "b": "y"}, False),
            case("of two parameters, one missing", "{a}:{b}", "x:", {"a": "x"}, False),
            case("with one parameter twice", "{a}:{a}", "x:x", {"a": "x"}, True),
            case("in the middle", "org:{a}:read", "org:x:read", {"a": "x"}, True),
            case("alone", "{a}", "x", {"a": "x"}, True),
            case(
                "with a UUID, as a route may read it",
                "read:{a}",
                f"read:{uuid.UUID(int=7)}",
                {"a": uuid.UUID(int=7)},
                True,
            ),
        ],
    )
    def test_decides(self, needed, scope, path_params, allowed):
        verdict = ask(needed, claims={"scope": scope}, path_params=path_params)
        assert bool(verdict) is allowed
        assert verdict.status == (200 if allowed else 403)

    @pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
    def test_is_never_made_of_a_hostile_value(self, value):
        everything = f"read: read:a read:{str(value)[:300]} read:None read:True read:1.5 admin a b"
        scopes = [everything.encode("ascii", "replace").decode(), *everything.split(" ")]
        claims = {"scope": [scope for scope in scopes if "\udc80" not in scope]}
        verdict = ask("read:{org_id}", claims=claims, path_params={"org_id": value})
        assert verdict.codes == [Code.SCOPE_MISSING]
        assert verdict.scope is None
        assert "read:{org_id}" in verdict.findings[0].detail
        assert len(verdict.findings[0].detail) < 300

    def test_stands_in_the_challenge_as_the_request_makes_it(self):
        verdict = ask("read:{org_id}", "me", claims={"scope": "me"}, path_params={"org_id": "a"})
        assert verdict.scope == "read:a me"
        assert verdict.denied.required == ("read:{org_id}", "me")

    @pytest.mark.parametrize(
        ("needed", "scope", "status"),
        [
            case("one of several holds", any_of("admin", "read:{o}"), "read:a", 200),
            case("another holds", any_of("admin", "read:{o}"), "admin", 200),
            case("none holds", any_of("admin", "read:{o}"), "read:b", 403),
            case("all hold", all_of("me", "read:{o}", "write:{o}"), "me read:a write:a", 200),
            case("not all hold", all_of("me", "read:{o}", "write:{o}"), "me read:a write:b", 403),
            case("three levels deep", any_of("x", all_of("me", any_of("read:{o}"))), "me read:a", 200),
        ],
    )
    def test_nests(self, needed, scope, status):
        for question in (ask, ask_async):
            assert question(needed, claims={"scope": scope}, path_params={"o": "a"}).status == status

    @pytest.mark.parametrize(
        ("template", "granted", "meant", "made_by"),
        [
            case("a hyphen between two", "read:{a}-{b}", "read:x-y-z", ("x", "y-z"), ("x-y", "z")),
            case("a dot between two", "read:{a}.{b}", "read:x.y.z", ("x", "y.z"), ("x.y", "z")),
            case("nothing between two", "read:{a}{b}", "read:xyz", ("x", "yz"), ("xy", "z")),
            case("letters between two", "{a}and{b}", "xandandy", ("x", "andy"), ("xand", "y")),
        ],
    )
    def test_of_two_parameters_that_run_together_is_refused(self, template, granted, meant, made_by):
        assert granted == template.format(a=meant[0], b=meant[1]) == template.format(a=made_by[0], b=made_by[1])
        with pytest.raises(ConfigurationError):
            all_of(template)

    def test_of_two_parameters_with_a_colon_between_can_be_read_in_one_way(self):
        for a, b in (("x:y", "z"), ("x", "y:z"), ("x:y:z", "")):
            assert not ask("{a}:{b}", claims={"scope": "x:y:z"}, path_params={"a": a, "b": b})

    def test_doubled_braces_are_braces(self):
        assert ask("a{{b}}", claims={"scope": "a{b}"})


class TestAClaimOfTheRequest:
    ORGS = ("orgs", "{org_id}")

    @pytest.mark.parametrize(
        ("claims", "org_id", "allowed"),
        [
            case("the map has it", {"orgs": {"a": ["write"]}}, "a", True),
            case("the map has it for another", {"orgs": {"b": ["write"]}}, "a", False),
            case("the map has something else for it", {"orgs": {"a": ["read"], "b": ["write"]}}, "a", False),
            case("the map has a string", {"orgs": {"a": "read write"}}, "a", True),
            case("the map has true", {"orgs": {"a": True}}, "a", False),
            case("the map has an object", {"orgs": {"a": {"write": True}}}, "a", False),
            case("there is no map", {"scope": "write"}, "a", False),
            case("the map is a list", {"orgs": ["a", "write"]}, "a", False),
            case("the map is a string", {"orgs": "write"}, "a", False),
            case("a number", {"orgs": {"7": ["write"]}}, 7, True),
            case("a key with dots", {"orgs": {"a.b": ["write"]}}, "a.b", True),
            case("dots are no path", {"orgs": {"a": {"b": ["write"]}}}, "a.b", False),
        ],
    )
    def test_decides(self, claims, org_id, allowed):
        verdict = ask("write", claim=self.ORGS, claims=claims, path_params={"org_id": org_id})
        assert bool(verdict) is allowed

    @pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
    def test_is_never_found_by_a_hostile_value(self, value):
        key = value if isinstance(value, str) and value != "\udc80" else str(value)
        claims = {"orgs": {key if key.isprintable() else "x": ["write"], "None": ["write"], "True": ["write"]}}
        verdict = ask("write", claim=self.ORGS, claims=claims, path_params={"org_id": value})
        assert verdict.codes == [Code.SCOPE_MISSING]

    def test_and_a_scope_of_the_request_at_once(self):
        claims = {"orgs": {"a": ["docs:read"]}}
        for kind, status in (("docs", 200), ("mail", 403)):
            verdict = ask("{kind}:read", claim=self.ORGS, claims=claims, path_params={"org_id": "a", "kind": kind})
            assert verdict.status == status

    def test_two_parameters_in_one_path(self):
        claim, claims = ("orgs", "{org_id}", "{team}"), {"orgs": {"a": {"t": ["write"]}}}
        for team, status in (("t", 200), ("u", 403)):
            verdict = ask("write", claim=claim, claims=claims, path_params={"org_id": "a", "team": team})
            assert verdict.status == status

    def test_a_literal_key_is_literal_whatever_it_holds(self):
        assert ask(
            "write", claim="perms_{org_id}", claims={"perms_{org_id}": ["write"]}, path_params={"org_id": "a"}
        )

    @pytest.mark.parametrize(
        ("needed", "claim", "claims", "allowed"),
        [
            case(
                "roles at a path of the request",
                "write",
                Claim(("orgs", "{org_id}"), grants=ROLES),
                {"orgs": {"a": ["admin"]}},
                True,
            ),
            case(
                "keys at a path of the request",
                "write",
                Claim(("orgs", "{org_id}"), read="keys"),
                {"orgs": {"a": {"write": True}}},
                True,
            ),
            case(
                "roles that grant a scope of the request",
                "read:{org_id}",
                Claim(("app", "roles"), grants={"reader": ["read:a"]}),
                {"app": {"roles": ["reader"]}},
                True,
            ),
            case(
                "a name without the prefix",
                "read:{org_id}",
                Claim(("app", "roles"), prefix="api:"),
                {"app": {"roles": ["read:a"]}},
                False,
            ),
            case(
                "a role with the name of a scope",
                "read:{org_id}",
                Claim(("app", "roles"), grants={"x": ["y"]}),
                {"app": {"roles": ["read:a"]}},
                False,
            ),
            case(
                "a name with the prefix, in a claim that is no path",
                "read:{org_id}",
                Claim("roles", prefix="api:"),
                {"roles": ["api:read:a"]},
                True,
            ),
        ],
    )
    def test_is_read_as_a_claim_says(self, needed, claim, claims, allowed):
        verdict = ask(needed, claim=claim, claims=claims, path_params={"org_id": "a"})
        assert bool(verdict) is allowed

    def test_leaves_nothing_behind_in_a_remembered_token(self):
        server, sent = server_for(), request_for({"orgs": {"a": ["write"]}})
        for number in range(100):
            path_params = {"org_id": f"org_{number}"}
            server.explain(Request(sent.authorization, path_params=path_params), all_of("write", claim=self.ORGS))
        token = server.authorize(sent, authenticated())
        assert len(token._readings) < 50


class TestOrganizations:
    """The recipe: a map in the token, and the organization of the path."""

    NEEDED = all_of(organization("org_id", claim="orgs"), any_of("write", claim=("orgs", "{org_id}")))
    CLAIMS = {"orgs": {"a": ["read", "write"], "b": ["read"]}}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("org_id", "first"),
        [
            case("an admin of A may", "a", None),
            case("a viewer of B may not", "b", Code.SCOPE_IN_OTHER_CLAIM),
            case("nobody of C may not", "c", Code.ORGANIZATION_MISMATCH),
        ],
    )
    def test_each_has_its_own_scopes(self, org_id, first):
        verdict = ask(self.NEEDED, claims=self.CLAIMS, path_params={"org_id": org_id})
        assert verdict.codes[:1] == ([first] if first else [])
        assert verdict.status == (403 if first else 200)


class TestBehindEveryDoor:
    @every_door
    def test_the_path_parameter_is_filled_in(self, door):
        client = door(server_for(), "read:{org_id}")
        token = bearer(scope="read:a read:b:c")
        answers = {
            name: client(f"/orgs/{name}/things", token).status
            for name in ("a", "b", "b:c", "a%20", "%61", "{org_id}", "a%0A", "x" * 10_000)
        }
        assert answers == {
            "a": 200,
            "b": 403,
            "b:c": 403,
            "a%20": 403,
            "%61": 200,
            "{org_id}": 403,
            "a%0A": 403,
            "x" * 10_000: 403,
        }

    @every_door
    def test_the_challenge_is_that_of_the_request(self, door):
        client = door(server_for(), "read:{org_id}")
        refused = client("/orgs/b/things", bearer(scope="read:a"))
        assert refused.challenge.endswith('scope="read:b"')
        assert refused.body["required"] == ["read:{org_id}"]


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("template", "says"),
        [
            case("a brace that stays open", "read:{org_id", "path parameter"),
            case("a brace that was never opened", "read:org_id}", "path parameter"),
            case("braces with nothing in them", "read:{}", "braces hold a path parameter's name"),
            case("a number in braces", "read:{0}", "braces hold a path parameter's name"),
            case("an attribute", "read:{org.id}", "braces hold a path parameter's name"),
            case("an element", "read:{org[0]}", "braces hold a path parameter's name"),
            case("a conversion", "read:{org!r}", "braces hold a path parameter's name"),
            case("a format", "read:{org:>10}", "braces hold a path parameter's name"),
            case("a format in a format", "read:{org:{x}}", "braces hold a path parameter's name"),
            case("a hyphen in a name", "read:{org-id}", "braces hold a path parameter's name"),
            case("a converter of Flask", "read:<org_id> {x}", "a space"),
            case("a space", "read {org_id}", "holds a space"),
        ],
    )
    @pytest.mark.parametrize("form", [all_of, any_of], ids=["all_of", "any_of"])
    def test_say_what_to_write(self, form, template, says):
        with pytest.raises(ConfigurationError, match=says):
            form(template)

    @pytest.mark.parametrize("part", ["{", "{}", "{a.b}", "{a!r}"])
    def test_of_a_path_too(self, part):
        with pytest.raises(ConfigurationError, match="path parameter"):
            all_of("read", claim=("orgs", part))
