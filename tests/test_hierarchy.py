"""`implies=`: scopes that bring others along, however the token names them."""

from __future__ import annotations

import time

import pytest

from authorizing import ask, bearer, case, every_door, server_for
from jwtauthz import Claim, Code, ConfigurationError, all_of, any_of

IMPLIES = {
    "owner": ["admin", "billing"],
    "admin": ["write:users", "write:docs"],
    "write:users": ["read:users"],
    "write:docs": ["read:docs"],
}
SERVER = server_for(implies=IMPLIES)


class TestWhatIsImplied:
    @pytest.mark.parametrize(
        ("held", "needed", "allowed"),
        [
            case("a scope implies what stands behind it", "admin", "write:users", True),
            case("and what stands behind that", "admin", "read:users", True),
            case("three steps away too", "owner", "read:docs", True),
            case("a scope has itself", "admin", "admin", True),
            case("nothing is implied upwards", "read:users", "write:users", False),
            case("nor sideways", "write:docs", "read:users", False),
            case("a scope that implies nothing is itself alone", "openid", "read:users", False),
            case("two scopes imply what each does", "write:users write:docs", "read:docs", True),
            case("a part of a name implies nothing", "admin:eu", "read:users", False),
            case("capitals imply nothing", "ADMIN", "read:users", False),
            case("without scopes nothing is implied", "", "read:users", False),
        ],
    )
    def test_by_a_scope(self, held, needed, allowed):
        assert bool(ask(needed, server=SERVER, claims={"scope": held})) is allowed

    @pytest.mark.parametrize(
        ("claim", "claims"),
        [
            case("a list", "permissions", {"permissions": ["admin"]}),
            case("a path", ("app", "roles"), {"app": {"roles": ["admin"]}}),
            case("keys", Claim("roles", read="keys"), {"roles": {"admin": True}}),
            case("objects", Claim("roles", read="objects"), {"roles": [{"name": "admin"}]}),
            case("a prefix", Claim("scp", prefix="api/"), {"scp": "api/admin"}),
            case("commas", Claim("scp", separator=","), {"scp": "x,admin"}),
            case("what a role grants", Claim("roles", grants={"boss": ["admin"]}), {"roles": ["boss"]}),
        ],
    )
    def test_by_what_another_claim_says(self, claim, claims):
        assert ask("read:users", server=SERVER, claim=claim, claims=claims)
        assert not ask("read:users", server=SERVER, claims=claims)

    def test_by_any_of_several_sources(self):
        server = server_for(implies=IMPLIES, issuer={"scopes_from": ("scope", "permissions")})
        assert ask(
            "read:users", "read:docs", server=server, claims={"scope": "write:users", "permissions": ["owner"]}
        )

    def test_by_what_the_request_makes_of_a_scope(self):
        server = server_for(implies={"write:a": ["read:a"]})
        assert ask("read:{org_id}", server=server, claims={"scope": "write:a"}, path_params={"org_id": "a"})
        assert not ask("read:{org_id}", server=server, claims={"scope": "write:a"}, path_params={"org_id": "b"})

    def test_by_what_a_map_of_organizations_says(self):
        verdicts = [
            ask(
                "write:docs",
                server=SERVER,
                claim=("orgs", "{org_id}"),
                claims={"orgs": {"a": ["admin"], "b": ["read:docs"]}},
                path_params={"org_id": name},
            ).status
            for name in ("a", "b", "c")
        ]
        assert verdicts == [200, 403, 403]

    def test_nested_requirements_see_it(self):
        needed = all_of("write:users", any_of("x", all_of("read:users", "read:docs")))
        assert ask(needed, server=SERVER, claims={"scope": "admin"})

    def test_another_server_knows_nothing_of_it(self):
        claims = {"scope": "admin"}
        assert ask("read:users", server=SERVER, claims=claims)
        assert not ask("read:users", server=server_for(), claims=claims)

    def test_an_organization_or_a_claim_is_no_scope(self):
        from jwtauthz import claim_includes, organization

        server = server_for(implies={"org_a": ["org_b"]})
        assert not ask(claim_includes("g", "org_b"), server=server, claims={"g": ["org_a"]})
        needed = organization("org_id", claim="g")
        assert not ask(needed, server=server, claims={"g": ["org_a"]}, path_params={"org_id": "org_b"})


class TestHowItIsTold:
    def test_the_token_has_all_of_it(self):
        token = ask("admin", server=SERVER, claims={"scope": "admin"}).token
        assert token.scopes == {"admin", "write:users", "write:docs", "read:users", "read:docs"}
        assert token.claims["scope"] == "admin"

    def test_an_explanation_shows_all_of_it(self):
        explained = ask("owner", server=SERVER, claims={"scope": "write:users"}).explanation
        assert explained.granted == ("read:users", "write:users")
        assert explained.missing == ("owner",)

    def test_the_challenge_asks_for_the_narrowest(self):
        assert ask("read:users", server=SERVER, claims={"scope": "x"}).scope == "read:users"

    def test_every_branch_keeps_its_reason(self):
        verdict = ask(any_of("owner", "admin"), server=SERVER, claims={"scope": "write:docs"})
        assert verdict.codes == [Code.SCOPE_MISSING, Code.SCOPE_MISSING]

    @every_door
    def test_behind_every_door(self, door):
        client = door(SERVER, "read:users")
        assert client("/orgs/1/things", bearer(scope="owner")).status == 200
        assert client("/orgs/1/things", bearer(scope="billing")).status == 403

    def test_starlette_sees_it_too(self):
        from starlette.applications import Starlette
        from starlette.authentication import requires
        from starlette.middleware import Middleware
        from starlette.responses import JSONResponse
        from starlette.routing import Route
        from starlette.testclient import TestClient

        from jwtauthz.starlette import JWTAuthzMiddleware

        @requires("read:users")
        async def view(request):
            return JSONResponse(sorted(request.auth.scopes))

        middleware = [Middleware(JWTAuthzMiddleware, server=SERVER)]
        client = TestClient(Starlette(routes=[Route("/", view)], middleware=middleware))
        answer = client.get("/", headers=bearer(scope="write:users"))
        assert answer.json() == ["authenticated", "read:users", "write:users"]


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("implies", "says"),
        [
            case("a scope that implies itself", {"a": ["a"]}, "in a circle: a → a"),
            case("two that imply each other", {"a": ["b"], "b": ["a"]}, "in a circle: a → b → a"),
            case(
                "a circle of three behind a good one",
                {"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]},
                "in a circle: a → b → c → a",
            ),
            case("an empty scope", {"": ["a"]}, "empty scope"),
            case("an empty scope behind one", {"a": [""]}, "empty scope"),
            case("two scopes in one", {"a b": ["c"]}, "holds a space"),
            case("two scopes in one behind one", {"a": ["b c"]}, "holds a space"),
            case("a number", {5: ["a"]}, "A scope is a string"),
            case("a number behind one", {"a": [5]}, "A scope is a string"),
            case("one string for a list", {"a": "b"}, r"write \{'admin'"),
            case("a list", ["a"], r"write \{'admin'"),
            case("a text", "admin", r"write \{'admin'"),
            case("a function", IMPLIES.get, r"write \{'admin'"),
            case("a number for a list", {"a": 5}, r"write \{'admin'"),
            case("None for a list", {"a": None}, r"write \{'admin'"),
            case("a scope that implies nothing", {"a": []}, "with a list"),
            case("nothing at all", {}, r"write \{'admin'"),
        ],
    )
    def test_say_what_to_write(self, implies, says):
        with pytest.raises(ConfigurationError, match=says):
            server_for(implies=implies)

    def test_a_long_chain_is_none(self):
        server = server_for(implies={f"s{number}": [f"s{number + 1}"] for number in range(1000)})
        assert ask("s1000", server=server, claims={"scope": "s0"})

    def test_many_ways_to_one_scope_cost_no_more_than_one(self):
        def layers(count: int) -> dict[str, list[str]]:
            return {f"{side}{n}": [f"a{n + 1}", f"b{n + 1}"] for n in range(count) for side in "ab"}

        def seconds(count: int) -> float:
            begin = time.perf_counter()
            server_for(implies=layers(count))
            return time.perf_counter() - begin

        few, many = (min(seconds(count) for _ in range(2)) for count in (7, 14))
        assert many < few * 20
