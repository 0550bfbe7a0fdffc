"""Every way in which a claim says what a token may do, decided by a server from real tokens."""

from __future__ import annotations

import pytest

from authorizing import NOW, ODD, ask, bearer, case, every_door, server_for
from jwtauthz import Claim, Code, ConfigurationError, all_of, any_of, authenticated

ROLES = {"editor": ["read:docs", "write:docs"], "viewer": ["read:docs"]}


class TestSeparators:
    @pytest.mark.parametrize(
        ("separator", "value", "allowed"),
        [
            case("a space separates", " ", "x a y", True),
            case("a run of spaces counts once", " ", "x   a", True),
            case("a comma is a part of a name where nothing else is said", " ", "x,a", False),
            case("a tab separates nothing", " ", "x\ta", False),
            case("a line feed separates nothing", " ", "x\na", False),
            case("a no-break space separates nothing", " ", "x\u00a0a", False),
            case("a comma separates where it is told to", ",", "x,a,y", True),
            case("spaces around the comma are no part of a name", ",", "x , a , y", True),
            case("several commas count once", ",", ",,x,,a,,", True),
            case("a space separates nothing then", ",", "x a", False),
            case("a tab is a part of the name", ",", "x,\ta", False),
            case("elements of a list are not split at spaces", " ", ["x a"], False),
            case("nor at commas", ",", ["x,a"], False),
            case("an element of a list is a name", ",", ["x", "a"], True),
        ],
    )
    def test_between_names(self, separator, value, allowed):
        assert bool(ask("a", claim=Claim("perms", separator=separator), claims={"perms": value})) is allowed


class TestPrefixes:
    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            case("it is taken off", "https://api/a", True),
            case("of one name among others", "openid https://other/x https://api/a", True),
            case("in a list too", ["https://api/a"], True),
            case("a name without it grants nothing", "a", False),
            case("a name with another grants nothing", "https://other/a", False),
            case("capitals make it another", "HTTPS://API/a", False),
            case("alone it is no name", "https://api/", False),
            case("it is taken off once", "https://api/https://api/a", False),
            case("inside a name it is none", "xhttps://api/a", False),
        ],
    )
    def test_of_names(self, value, allowed):
        assert bool(ask("a", claim=Claim("scp", prefix="https://api/"), claims={"scp": value})) is allowed

    def test_the_full_name_is_no_scope_any_more(self):
        claim = Claim("scp", prefix="api/")
        assert not ask("api/a", claim=claim, claims={"scp": "api/a"})
        assert ask("api/a", claim=claim, claims={"scp": "api/api/a"})


class TestKeys:
    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            case("a key that is true", {"a": True}, True),
            case("a key with a number", {"a": 1}, True),
            case("a key with a text", {"a": "since May"}, True),
            case("a key with an object", {"a": {"by": "x"}}, True),
            case("one of several", {"x": True, "a": True}, True),
            case("a key that is false", {"a": False}, False),
            case("a key that is null", {"a": None}, False),
            case("a key that is zero", {"a": 0}, False),
            case("a key with an empty text", {"a": ""}, False),
            case("a key with an empty list", {"a": []}, False),
            case("a key with an empty object", {"a": {}}, False),
            case("a key further in", {"x": {"a": True}}, False),
            case("a list is a list all the same", ["a"], True),
            case("a string is none", "a", False),
        ],
    )
    def test_of_an_object(self, value, allowed):
        assert bool(ask("a", claim=Claim("features", read="keys"), claims={"features": value})) is allowed

    def test_are_not_read_unless_told(self):
        assert ask("a", claim="features", claims={"features": {"a": True}}).codes == [Code.SCOPE_CLAIM_UNREADABLE]

    def test_of_a_path(self):
        claim = Claim(("app", "features"), read="keys")
        assert ask("a", claim=claim, claims={"app": {"features": {"a": True}}})


class TestObjects:
    @pytest.mark.parametrize(
        ("value", "allowed"),
        [
            case("a value", [{"value": "a"}], True),
            case("a name", [{"name": "a"}], True),
            case("a value goes before a name", [{"value": "x", "name": "a"}], False),
            case("beside more members", [{"value": "a", "display": "A", "primary": True}], True),
            case("the second of two", [{"value": "x"}, {"value": "a"}], True),
            case("strings among objects", [{"value": "x"}, "a"], True),
            case("an object among strings", ["x", {"name": "a"}], True),
            case("another member", [{"id": "a"}], False),
            case("a value that is a list", [{"value": ["a"]}], False),
            case("a value that is an object", [{"value": {"value": "a"}}], False),
            case("a list in a list", [[{"value": "a"}]], False),
            case("one object without a list", {"value": "a"}, False),
            case("an odd one hides no other", [{"value": 5}, None, {"value": "a"}], True),
            case("names are not split", [{"value": "x a"}], False),
        ],
    )
    def test_in_a_list(self, value, allowed):
        assert bool(ask("a", claim=Claim("roles", read="objects"), claims={"roles": value})) is allowed

    def test_are_not_read_unless_told(self):
        assert not ask("a", claim="roles", claims={"roles": [{"value": "a"}]})


class TestRoles:
    @pytest.mark.parametrize(
        ("claim", "claims", "allowed"),
        [
            case("a role stands for scopes", Claim("roles", grants=ROLES), {"roles": ["editor"]}, True),
            case("one of two roles is enough", Claim("roles", grants=ROLES), {"roles": "viewer editor"}, True),
            case("another role stands for others", Claim("roles", grants=ROLES), {"roles": ["viewer"]}, False),
            case(
                "a role that nobody knows grants nothing", Claim("roles", grants=ROLES), {"roles": ["boss"]}, False
            ),
            case(
                "what a role stands for is no role", Claim("roles", grants=ROLES), {"roles": ["write:docs"]}, False
            ),
            case("roles at a path", Claim(("app", "roles"), grants=ROLES), {"app": {"roles": ["editor"]}}, True),
            case(
                "roles with a prefix",
                Claim("groups", prefix="docs-", grants=ROLES),
                {"groups": ["docs-editor"]},
                True,
            ),
            case(
                "roles without the prefix",
                Claim("groups", prefix="docs-", grants=ROLES),
                {"groups": ["editor"]},
                False,
            ),
            case(
                "roles between commas",
                Claim("roles", separator=",", grants=ROLES),
                {"roles": "x, editor"},
                True,
            ),
            case(
                "roles that are keys",
                Claim("roles", read="keys", grants=ROLES),
                {"roles": {"editor": True}},
                True,
            ),
            case(
                "roles that are keys and false",
                Claim("roles", read="keys", grants=ROLES),
                {"roles": {"editor": False}},
                False,
            ),
            case(
                "roles in objects",
                Claim("roles", read="objects", grants=ROLES),
                {"roles": [{"name": "editor"}]},
                True,
            ),
        ],
    )
    def test_and_what_they_grant(self, claim, claims, allowed):
        assert bool(ask("write:docs", claim=claim, claims=claims)) is allowed

    def test_a_role_itself_is_no_scope(self):
        assert not ask("editor", claim=Claim("roles", grants=ROLES), claims={"roles": ["editor"]})

    def test_may_be_a_source_of_the_issuer(self):
        server = server_for(issuer={"scopes_from": ("scope", Claim("roles", grants=ROLES))})
        verdict = ask("write:docs", "me", server=server, claims={"scope": "me", "roles": ["editor"]})
        assert verdict.token.scopes == {"me", "read:docs", "write:docs"}

    def test_what_they_grant_brings_along_what_that_implies(self):
        server = server_for(issuer={"scopes_from": Claim("roles", grants=ROLES)}, implies={"read:docs": ["list"]})
        assert ask("list", server=server, claims={"roles": ["viewer"]})


class TestOddValues:
    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    @pytest.mark.parametrize("read", ["names", "keys", "objects"])
    @pytest.mark.parametrize("more", [{}, {"separator": ","}, {"prefix": "x"}, {"grants": ROLES}], ids=repr)
    def test_grant_nothing_and_break_nothing(self, read, more, value):
        verdict = ask("a", claim=Claim("odd", read=read, **more), claims={"odd": value, "scope": "a"})
        assert verdict.status == 403
        assert verdict.codes[0].startswith("scope_")

    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    def test_hide_no_other_source(self, value):
        sources = ("scope", Claim("odd", read="keys"), Claim("odd", read="objects"), ("odd", "odd"))
        server = server_for(issuer={"scopes_from": sources})
        assert ask("a", server=server, claims={"odd": value, "scope": "a"})

    @pytest.mark.parametrize(
        "value",
        [
            case("in a string", " ".join(f"s{number}" for number in range(1001))),
            case("in a list", [f"s{number}" for number in range(1001)]),
            case("as keys", {f"s{number}": 1 for number in range(1001)}),
        ],
    )
    def test_more_than_a_thousand_names_grant_nothing(self, value):
        assert not ask("s1", claim=Claim("many", read="keys"), claims={"many": value})
        assert not ask("s1", claim=Claim("many"), claims={"many": value})

    @pytest.mark.parametrize(
        "value",
        ["a\u0000", "a\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u202ea", '"a"', "A"],
    )
    def test_a_name_that_only_looks_like_it_is_another(self, value):
        assert not ask("a", claim="p", claims={"p": [value]})


class TestSourcesOfAnIssuer:
    SOURCES = ("scope", "scp", "permissions", ("realm_access", "roles"), Claim("groups", prefix="api-"))

    @pytest.mark.parametrize(
        ("claims", "allowed"),
        [
            case("the first", {"scope": "a"}, True),
            case("another", {"scp": ["a"]}, True),
            case("a path", {"realm_access": {"roles": ["a"]}}, True),
            case("a claim that is read in its own way", {"groups": ["api-a"]}, True),
            case("an empty string hides no other", {"scope": "", "permissions": ["a"]}, True),
            case("null hides no other", {"scope": None, "scp": "", "permissions": ["a"]}, True),
            case("a number hides no other", {"scope": 5, "permissions": ["a"]}, True),
            case(
                "too many names hide no other",
                {"scope": "x " + " y".join(map(str, range(2000))), "scp": "a"},
                True,
            ),
            case("a claim that nobody named is not read", {"roles": ["a"]}, False),
            case("a dotted claim is no path", {"realm_access.roles": ["a"]}, False),
            case("none of them", {"scope": "x", "scp": ["y"]}, False),
        ],
    )
    def test_are_merged(self, claims, allowed):
        server = server_for(issuer={"scopes_from": self.SOURCES})
        assert bool(ask("a", server=server, claims=claims)) is allowed

    def test_two_scopes_may_come_from_two_of_them(self):
        server = server_for(issuer={"scopes_from": self.SOURCES})
        assert ask("a", "b", "c", server=server, claims={"scope": "a", "scp": ["b"], "groups": ["api-c"]})

    def test_one_source_needs_no_tuple(self):
        for one in ("permissions", Claim("permissions")):
            assert ask("a", server=server_for(issuer={"scopes_from": one}), claims={"permissions": ["a"]})

    def test_two_names_are_two_claims_and_no_path(self):
        server = server_for(issuer={"scopes_from": ("realm_access", "roles")})
        assert ask("a", server=server, claims={"roles": ["a"]})
        assert not ask("a", server=server, claims={"realm_access": {"roles": ["a"]}})

    def test_are_all_named_in_an_explanation(self):
        server = server_for(issuer={"scopes_from": self.SOURCES})
        explained = ask("a", server=server, claims={"scope": "x", "scp": ["y"], "groups": ["api-z"]}).explanation
        assert explained.reads == ("scope", "scp", "permissions", "realm_access → roles", "groups")
        assert explained.granted == ("x", "y", "z")
        assert explained.missing == ("a",)


class TestClaimsOfARequirement:
    ROLE = Claim("roles", grants=ROLES)

    @pytest.mark.parametrize(
        ("needed", "claims", "allowed"),
        [
            case(
                "every scope of all_of", all_of("read:docs", "write:docs", claim=ROLE), {"roles": ["editor"]}, True
            ),
            case("not every scope", all_of("read:docs", "write:docs", claim=ROLE), {"roles": ["viewer"]}, False),
            case("one of any_of", any_of("write:docs", "read:docs", claim=ROLE), {"roles": ["viewer"]}, True),
            case(
                "each part reads its own",
                all_of("me", any_of("write:docs", claim=ROLE), any_of("x", claim=Claim("features", read="keys"))),
                {"scope": "me", "roles": ["editor"], "features": {"x": True}},
                True,
            ),
            case(
                "and no other's",
                all_of("me", any_of("write:docs", claim=ROLE)),
                {"scope": "me write:docs", "roles": []},
                False,
            ),
            case(
                "a role, or a scope",
                any_of("write:docs", all_of("write:docs", claim=ROLE)),
                {"roles": ["editor"]},
                True,
            ),
            case(
                "three levels deep",
                any_of("x", all_of("me", any_of("y", all_of("read:docs", claim=ROLE)))),
                {"scope": "me", "roles": ["viewer"]},
                True,
            ),
        ],
    )
    def test_are_read_instead_of_the_issuers(self, needed, claims, allowed):
        assert bool(ask(needed, claims=claims)) is allowed

    def test_two_readings_of_one_claim_are_two(self):
        upper, lower = Claim("p", prefix="A-"), Claim("p", prefix="b-")
        assert ask(all_of("x", claim=upper), all_of("y", claim=lower), claims={"p": ["A-x", "b-y"]})
        assert not ask(all_of("y", claim=upper), claims={"p": ["A-x", "b-y"]})
        grants_a, grants_b = Claim("p", grants={"r": ["a"]}), Claim("p", grants={"r": ["b"]})
        assert not ask(all_of("b", claim=grants_a), any_of("b", claim=grants_b), claims={"p": ["r"]})

    def test_every_branch_keeps_its_reason(self):
        needed = any_of(all_of("a", claim="permissions"), all_of("a", claim=Claim("roles", read="keys")), "a")
        verdict = ask(needed, claims={"permissions": ["x"], "roles": 5, "scope": "z"})
        assert verdict.codes == [Code.SCOPE_MISSING, Code.SCOPE_CLAIM_UNREADABLE, Code.SCOPE_MISSING]
        assert [finding.claim for finding in verdict.findings] == ["permissions", "roles", "scope"]
        assert verdict.scope == "a"

    @every_door
    def test_are_read_behind_every_door(self, door):
        client = door(server_for(), all_of("write:docs", claim=self.ROLE))
        assert client("/orgs/1/things", bearer(roles=["editor"])).status == 200
        refused = client("/orgs/1/things", bearer(roles=["viewer"]))
        assert (refused.status, refused.body["required"]) == (403, ["write:docs"])
        assert refused.challenge.endswith(', scope="write:docs"')


class TestReasons:
    """A name that is there and grants nothing by its `Claim` must not be called absent."""

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            case("a prefix that is missing", Claim("p", prefix="api/"), "read:users"),
            case("another prefix", Claim("p", prefix="api/"), "other/read:users"),
            case("a role that nobody knows", Claim("p", grants=ROLES), ["boss"]),
            case("keys that are false", Claim("p", read="keys"), {"read:users": False}),
        ],
    )
    def test_names_that_grant_nothing_are_not_nothing(self, claim, value):
        (finding,) = ask("read:users", claim=claim, claims={"p": value}).findings
        assert "`p` is empty" not in finding.detail


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            case("no name", {"name": ""}, "names no claim"),
            case("an empty path", {"name": ()}, "names no claim"),
            case("a number for a name", {"name": 5}, "names no claim"),
            case("a Claim in a Claim", {"name": Claim("x")}, "is a claim already"),
            case("a separator that is none", {"separator": ";"}, "by ' ' or by ','"),
            case("an empty separator", {"separator": ""}, "by ' ' or by ','"),
            case("two separators", {"separator": ", "}, "by ' ' or by ','"),
            case("a list of separators", {"separator": [","]}, "by ' ' or by ','"),
            case("a way to read that is none", {"read": "values"}, "read='objects' or read='keys'"),
            case("no way to read", {"read": None}, "read='objects' or read='keys'"),
            case("a prefix that is a number", {"prefix": 5}, "prefix"),
            case("a prefix that is a list", {"prefix": ["a"]}, "prefix"),
            case("grants that grant nothing", {"grants": {}}, r"write \{'editor'"),
            case("grants that are a list", {"grants": ["editor"]}, r"write \{'editor'"),
            case("grants that are a function", {"grants": ROLES.get}, r"write \{'editor'"),
            case("a role with a string", {"grants": {"editor": "read:docs"}}, "a list of scopes"),
            case("a role with a scope that is none", {"grants": {"editor": ["a b"]}}, "holds a space"),
            case("a role with an empty scope", {"grants": {"editor": [""]}}, "empty scope"),
            case("a role with a number", {"grants": {"editor": 5}}, "list of scopes"),
            case("a role with None", {"grants": {"editor": None}}, "list of scopes"),
            case("a role that is a number", {"grants": {5: ["a"]}}, "grants"),
            case("a role that grants nothing", {"grants": {"editor": []}}, "grants"),
        ],
    )
    def test_of_a_claim(self, settings, says):
        with pytest.raises(ConfigurationError, match=says):
            Claim(**{"name": "roles", **settings})

    @pytest.mark.parametrize(
        "sources",
        [
            case("none", ()),
            case("an empty name", ""),
            case("an empty name among others", ("scope", "")),
            case("a number", 5),
            case("an object", {"scope": 1}),
            case("a path with an empty part", [("a", "")]),
        ],
    )
    def test_of_an_issuer(self, sources):
        with pytest.raises(ConfigurationError, match="names no claim"):
            server_for(issuer={"scopes_from": sources})

    def test_an_issuers_source_can_not_depend_on_the_request(self):
        with pytest.raises(ConfigurationError):
            server_for(issuer={"scopes_from": [("orgs", "{org_id}")]})

    def test_a_claim_has_to_speak_of_scopes(self):
        with pytest.raises(ConfigurationError, match="claim= inside each"):
            all_of(authenticated(), claim=Claim("roles"))


class TestATokenThatIsNotGood:
    """Whatever it claims: a policy is asked of verified tokens alone."""

    @pytest.mark.parametrize("claim", ["scope", Claim("scope", grants=ROLES), ("scope",)])
    def test_is_401_before_any_claim_is_read(self, claim):
        assert ask("a", claim=claim, claims={"scope": "a", "exp": NOW - 60}).codes == [Code.EXPIRED]
