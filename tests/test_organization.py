"""`organization(...)`: the organization of the request must be one that the signed token names."""

from __future__ import annotations

import logging
import uuid

import pytest

from authorizing import NOW, ODD, Answer, ask, ask_async, bearer, case, every_door, server_for
from jwtauthz import (
    Claim,
    Code,
    ConfigurationError,
    Request,
    all_of,
    any_of,
    organization,
    step_up,
)

# What a stranger may write where an organization should stand.
HOSTILE = {
    "nothing": "",
    "a space": " ",
    "a space behind it": "org_a ",
    "a space before it": " org_a",
    "two of them": "org_a org_b",
    "two with a comma": "org_a,org_b",
    "a line feed": "org_a\n",
    "an escape sequence": "\x1b[31morg_a",
    "a null byte": "org_a\x00",
    "capitals": "ORG_A",
    "letters that look alike": "org_\u0430",
    "an accent": "org_\u00e1",
    "a right-to-left override": "\u202eorg_a",
    "a lone surrogate": "org_\udc80",
    "braces": "{org_a}",
    "a path": "../org_a",
    "a star": "*",
    "a percent sign": "org%5Fa",
    "quotes": '"org_a"',
    "10 kB": "org_a" * 2000,
    "a word of Python": "__class__",
    "markup": "<script>alert(1)</script>",
}
IN_PATH = organization("org_id")


class TestThePathParameter:
    @pytest.mark.parametrize(
        ("path_params", "claims", "allowed"),
        [
            case("is the token's", {"org_id": "org_a"}, {"org_id": "org_a"}, True),
            case("is another", {"org_id": "org_b"}, {"org_id": "org_a"}, False),
            case("is not there", {}, {"org_id": "org_a"}, False),
            case("has another name", {"id": "org_a"}, {"org_id": "org_a"}, False),
            case("is a number, and the token has a text", {"org_id": 7}, {"org_id": "7"}, True),
            case("is a number, and so is the token's", {"org_id": 7}, {"org_id": 7}, False),
            case("is true", {"org_id": True}, {"org_id": "True"}, False),
            case("is None", {"org_id": None}, {"org_id": "None"}, False),
            case("is a list", {"org_id": ["org_a"]}, {"org_id": "org_a"}, False),
            case("is there, and the token names none", {"org_id": "org_a"}, {}, False),
            case("is empty, and so is the token's", {"org_id": ""}, {"org_id": ""}, False),
            case(
                "is a UUID, as a route may read it",
                {"org_id": uuid.UUID(int=7)},
                {"org_id": str(uuid.UUID(int=7))},
                True,
            ),
        ],
    )
    def test_names_it(self, path_params, claims, allowed):
        verdict = ask(IN_PATH, path_params=path_params, claims=claims)
        assert bool(verdict) is allowed
        assert verdict.codes == ([] if allowed else [Code.ORGANIZATION_MISMATCH])

    @pytest.mark.parametrize(
        "name", [case(name, value) for name, value in HOSTILE.items() if "escape" not in name]
    )
    @pytest.mark.parametrize("claim", ["org_a", ["org_a"], {"org_a": ["x"]}], ids=["a text", "a list", "a map"])
    def test_may_hold_anything(self, claim, name):
        verdict = ask(organization("org_id", claim="orgs"), path_params={"org_id": name}, claims={"orgs": claim})
        assert verdict.codes == [Code.ORGANIZATION_MISMATCH]
        assert len(verdict.findings[0].detail) < 400

    def test_can_not_speak_to_a_terminal(self):
        # ask() looks at every line of the explanation.
        needed, path_params = all_of("read", IN_PATH), {"org_id": "\x1b[31m\nALLOWED"}
        verdict = ask(needed, path_params=path_params, claims={"scope": "read", "org_id": "org_a"})
        assert verdict.explanation.missing == ()

    @pytest.mark.parametrize("name", [case(name, value) for name, value in HOSTILE.items() if value.strip()])
    def test_is_compared_letter_by_letter(self, name):
        if "\udc80" in name:  # no JSON text can hold it
            return
        assert ask(IN_PATH, path_params={"org_id": name}, claims={"org_id": name})


class TestTheClaim:
    @pytest.mark.parametrize(
        ("claim", "claims", "allowed"),
        [
            case("a text", "org_id", {"org_id": "a"}, True),
            case("a text is not split", "org_id", {"org_id": "x a"}, False),
            case("a list", "orgs", {"orgs": ["x", "a"]}, True),
            case("a list without it", "orgs", {"orgs": ["x", "aa"]}, False),
            case("an empty list", "orgs", {"orgs": []}, False),
            case("a map", "orgs", {"orgs": {"x": [], "a": ["read"]}}, True),
            case("a map without it", "orgs", {"orgs": {"x": ["a"]}}, False),
            case("a map in which nothing is granted", "orgs", {"orgs": {"a": []}}, True),
            case(
                "a map that says no",
                "orgs",
                {"orgs": {"a": False}},
                False,
            ),
            case("a map that says null", "orgs", {"orgs": {"a": None}}, False),
            case("a map further in", ("app", "orgs"), {"app": {"orgs": {"a": 1}}}, True),
            case("a key that is a URL", "https://e.com/org", {"https://e.com/org": "a"}, True),
            case("another claim than is read", "org_id", {"org_name": "a"}, False),
            case("a list with odd elements", "orgs", {"orgs": [1, None, {}, ["a"], "a"]}, True),
            case("a list of objects", "orgs", {"orgs": [{"id": "a"}]}, False),
        ],
    )
    def test_names_those_of_the_token(self, claim, claims, allowed):
        verdict = ask(organization("org_id", claim=claim), path_params={"org_id": "a"}, claims=claims)
        assert bool(verdict) is allowed

    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    def test_takes_whatever_is_there(self, value):
        verdict = ask(IN_PATH, path_params={"org_id": "a"}, claims={"org_id": value})
        assert verdict.codes == [Code.ORGANIZATION_MISMATCH]

    def test_says_which_of_the_two_is_missing(self):
        none = ask(IN_PATH, path_params={"org_id": "org_b"}).findings[0]
        other = ask(IN_PATH, path_params={"org_id": "org_b"}, claims={"org_id": "org_a"}).findings[0]
        unnamed = ask(IN_PATH, claims={"org_id": "org_a"}).findings[0]
        assert none.detail == "The request is about organization 'org_b'; the token has no `org_id`."
        assert other.detail == "The request is about organization 'org_b'; `org_id` of the token is another."
        assert unnamed.detail == "The request names no organization: the path parameter org_id has none."
        assert none.hint
        assert other.hint

    def test_tells_the_client_nothing_of_either(self):
        verdict = ask(IN_PATH, path_params={"org_id": "org_b"}, claims={"org_id": "org_a"})
        told = verdict.challenge + str(verdict.denied.body)
        assert "org_" not in told
        assert verdict.denied.body["error"] == "insufficient_scope"


class TestTheHeader:
    @pytest.mark.parametrize(
        ("headers", "allowed"),
        [
            case("in any case", {"x-ORG": "org_a"}, True),
            case("with another", {"X-Org": "org_b"}, False),
            case("that is not there", {}, False),
            case("that is empty", {"X-Org": ""}, False),
            case("with two", {"X-Org": "org_a, org_b"}, False),
            case("of another name", {"X-Organization": "org_a"}, False),
        ],
    )
    def test_names_it(self, headers, allowed):
        assert bool(ask(organization(header="X-Org"), headers=headers, claims={"org_id": "org_a"})) is allowed

    def test_never_adds_one(self):
        needed = organization(header="X-Org", claim="orgs")
        assert not ask(needed, headers={"X-Org": "org_b"}, claims={"orgs": ["org_a"]})


class TestTheHost:
    @pytest.mark.parametrize(
        ("host", "allowed"),
        [
            case("is the token's", "org-a.example.com", True),
            case("has a port", "org-a.example.com:8443", True),
            case("is in capitals", "ORG-A.Example.COM", True),
            case("is another's", "org-b.example.com", False),
            case("is deeper", "x.org-a.example.com", False),
            case("is longer", "org-a.example.com.evil.com", False),
            case("begins otherwise", "xorg-a.example.com", False),
            case("is the domain alone", "example.com", False),
            case("has nothing before the dot", ".example.com", False),
            case("ends with a dot", "org-a.example.com.", False),
            case("has another character for the dot", "org-a-example.com", False),
            case("has an empty port", "org-a.example.com:", False),
            case("has a port that is no number", "org-a.example.com:x", False),
            case("has two ports", "org-a.example.com:1:2", False),
            case("names a user", "org-a.example.com@evil.com", False),
            case("is an address", "192.0.2.7", False),
            case("is an address of version 6", "[2001:db8::1]", False),
            case("is one with a port", "[2001:db8::1]:443", False),
            case("is empty", "", False),
            case("has a space", "org-a.example.com ", False),
            case("has an underscore", "org_a.example.com", False),
            case("has a letter that looks alike", "org-\u0430.example.com", False),
            case("is two", "org-a.example.com, org-b.example.com", False),
            case("has 10 kB", "a" * 10_000 + ".example.com", False),
            case("has a label of 64 letters", "a" * 64 + ".example.com", False),
        ],
    )
    def test_names_it(self, host, allowed):
        needed = organization(host="{org}.example.com")
        verdict = ask(needed, headers={"Host": host}, claims={"org_id": "org-a"})
        assert bool(verdict) is allowed

    @pytest.mark.parametrize(
        ("pattern", "host", "allowed"),
        [
            case("in the middle", "api.{org}.example.com", "api.org-a.example.com", True),
            case("at the end", "api.{org}", "api.org-a", True),
            case("with something before it", "app-{org}.example.com", "app-org-a.example.com", True),
            case("in capitals", "{ORG}.Example.com", "org-a.example.com", True),
            case("a dot is a dot", "{org}.example.com", "org-a.exampleXcom", False),
            case("a star is a star", "{org}.*.com", "org-a.example.com", False),
        ],
    )
    def test_is_marked_where_the_organization_stands(self, pattern, host, allowed):
        verdict = ask(organization(host=pattern), headers={"Host": host}, claims={"org_id": "org-a"})
        assert bool(verdict) is allowed

    def test_of_a_proxy_is_not_read(self):
        headers = {"Host": "org-b.example.com", "X-Forwarded-Host": "org-a.example.com"}
        assert not ask(organization(host="{org}.example.com"), headers=headers, claims={"org_id": "org-a"})

    def test_may_be_missing(self):
        assert not ask(organization(host="{org}.example.com"), claims={"org_id": "org-a"})


def in_query(request: Request) -> str | None:
    return request.headers.get("x-query")


def broken(request: Request) -> str | None:
    raise LookupError("the tenants are away")


class TestAFunction:
    def test_names_it(self):
        needed = organization(in_query)
        assert ask(needed, headers={"X-Query": "org_a"}, claims={"org_id": "org_a"})
        assert not ask(needed, headers={"X-Query": "org_b"}, claims={"org_id": "org_a"})
        assert not ask(needed, claims={"org_id": "org_a"})

    @pytest.mark.parametrize("value", [None, "", 7, True, b"org_a", ["org_a"], {}], ids=repr)
    def test_may_give_anything(self, value):
        assert ask(organization(lambda request: value), claims={"org_id": "org_a"}).status == 403

    def test_that_raises_is_no_fault_of_the_client(self, caplog):
        with caplog.at_level(logging.ERROR):
            verdict = ask(organization(broken), claims={"org_id": "org_a"})
        assert (verdict.status, verdict.codes) == (503, [Code.CHECK_FAILED])
        assert "the tenants are away" in caplog.text

    @every_door
    def test_that_raises_is_503_behind_every_door(self, door):
        client = door(server_for(), organization(broken))
        assert client("/orgs/1/things", bearer(org_id="org_a")).status == 503

    def test_is_not_asked_of_a_token_that_is_not_good(self):
        asked = []
        verdict = ask(organization(asked.append), claims={"org_id": "org_a", "exp": NOW - 60})
        assert (verdict.status, asked) == (401, [])


class TestTogether:
    NEEDED = all_of("read", IN_PATH)

    @pytest.mark.parametrize(
        ("claims", "status", "codes"),
        [
            case("both hold", {"scope": "read", "org_id": "a"}, 200, []),
            case("another organization", {"scope": "read", "org_id": "b"}, 403, [Code.ORGANIZATION_MISMATCH]),
            case("no scope", {"scope": "x", "org_id": "a"}, 403, [Code.SCOPE_MISSING]),
            case(
                "neither: the organization is told first",
                {"scope": "x", "org_id": "b"},
                403,
                [Code.ORGANIZATION_MISMATCH, Code.SCOPE_MISSING],
            ),
        ],
    )
    def test_with_a_scope(self, claims, status, codes):
        verdict = ask(self.NEEDED, path_params={"org_id": "a"}, claims=claims)
        assert (verdict.status, verdict.codes) == (status, codes)

    @pytest.mark.parametrize("order", [0, 1, 2])
    def test_a_login_comes_first_then_the_organization_then_scopes(self, order):
        parts = ["read", IN_PATH, step_up("mfa")]
        needed = all_of(*parts[order:], *parts[:order])
        verdict = ask(needed, path_params={"org_id": "a"}, claims={"org_id": "b"})
        assert verdict.status == 401
        assert verdict.codes == [
            Code.AUTHENTICATION_TOO_WEAK,
            Code.ORGANIZATION_MISMATCH,
            Code.SCOPE_MISSING,
        ]

    def test_of_two_places_one_may_do(self):
        needed = any_of(IN_PATH, organization(header="X-Org"))
        assert ask(needed, headers={"X-Org": "a"}, claims={"org_id": "a"})
        assert ask(needed, path_params={"org_id": "b"}, claims={"org_id": "a"}).codes == [
            Code.ORGANIZATION_MISMATCH,
            Code.ORGANIZATION_MISMATCH,
        ]

    def test_of_two_places_both_may_have_to_agree(self):
        needed = all_of(IN_PATH, organization(header="X-Org"))
        assert ask(needed, path_params={"org_id": "a"}, headers={"X-Org": "a"}, claims={"org_id": "a"})
        assert not ask(needed, path_params={"org_id": "a"}, headers={"X-Org": "b"}, claims={"org_id": "a"})

    def test_async_all_the_same(self):
        assert ask_async(self.NEEDED, path_params={"org_id": "a"}, claims={"scope": "read", "org_id": "a"})
        assert not ask_async(self.NEEDED, path_params={"org_id": "a"}, claims={"scope": "read", "org_id": "b"})


MISMATCH = Answer(
    403,
    'Bearer realm="api", error="insufficient_scope", '
    'error_description="The token does not grant what this operation needs", scope="read"',
    {
        "error": "insufficient_scope",
        "error_description": "The token does not grant what this operation needs",
        "required": ["read"],
    },
    None,
)


class TestBehindEveryDoor:
    @every_door
    def test_the_path_parameter(self, door):
        client = door(server_for(), all_of("read", IN_PATH))
        token = bearer(scope="read", org_id="org_a")
        assert client("/orgs/org_a/things", token).status == 200
        for other in ("org_b", "ORG_A", "org_a%20", "%6Frg_b", "org_a%00", "x" * 10_000):
            assert client(f"/orgs/{other}/things", token) == MISMATCH, other

    @every_door
    def test_a_map_of_organizations(self, door):
        client = door(server_for(), all_of("write", claim=("orgs", "{org_id}")))
        token = bearer(orgs={"org_a": ["read", "write"], "org_b": ["read"]})
        answers = [client(f"/orgs/{name}/things", token).status for name in ("org_a", "org_b", "org_c")]
        assert answers == [200, 403, 403]

    @every_door
    def test_the_header(self, door):
        client = door(server_for(), organization(header="X-Org"))
        token = bearer(org_id="org_a")
        answers = [client("/orgs/1/things", {**token, **more}).status for more in ({"X-Org": "org_a"}, {})]
        assert answers == [200, 403]

    @every_door
    def test_the_header_twice(self, door):
        client = door(server_for(), organization(header="X-Org"))
        [(name, value)] = bearer(org_id="org_a").items()
        headers = [(name, value), ("X-Org", "org_a"), ("X-Org", "org_b")]
        assert client("/orgs/1/things", headers).status == 403

    @every_door
    def test_the_host(self, door):
        client = door(server_for(), organization(host="{org}.example.com"))
        token = bearer(org_id="org-a")
        hosts = ["org-a.example.com", "ORG-A.example.com:8443", "org-b.example.com", "[::1]:8000"]
        answers = [client("/orgs/1/things", {**token, "Host": host}).status for host in hosts]
        assert answers == [200, 200, 403, 403]


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("build", "says"),
        [
            case("nothing", organization, r"organization\('org_id'\)"),
            case("two places", lambda: organization("org_id", header="X-Org"), "one place"),
            case("three places", lambda: organization("a", header="b", host="{org}.c"), "one place"),
            case("an empty path parameter", lambda: organization(""), "name a path parameter"),
            case("an empty header", lambda: organization(header=""), "name a path parameter or a header"),
            case("a number for a path parameter", lambda: organization(5), "name a path parameter"),
            case("a function for a header", lambda: organization(header=in_query), "name a path parameter"),
            case("an empty host", lambda: organization(host=""), "name a path parameter"),
            case("a host without a place", lambda: organization(host="example.com"), "mark the place"),
            case("a host with a star", lambda: organization(host="*.example.com"), "mark the place"),
            case("a host that is nothing but the place", lambda: organization(host="{org}"), "mark the place"),
            case("a claim without a name", lambda: organization("org_id", claim=""), "names no claim"),
            case("a claim that is a number", lambda: organization("org_id", claim=5), "names no claim"),
            case(
                "a host with two places",
                lambda: organization(host="{org}.{org}.example.com"),
                "place",
            ),
            case(
                "a host with a port",
                lambda: organization(host="{org}.example.com:8443"),
                "mark the place",
            ),
            case("a host with a scheme", lambda: organization(host="https://{org}.a.b"), "mark the place"),
            case("a header with a space", lambda: organization(header="X Org"), "no name of a header"),
            case(
                "a Claim",
                lambda: organization("org_id", claim=Claim("orgs", separator=",")),
                "name or path",
            ),
            case("a class", lambda: organization(str), "plain function"),
            case("a function without a parameter", lambda: organization(lambda: "a"), "plain function"),
            case("a function with two", lambda: organization(lambda a, b: "a"), "plain function"),
            case("an async function", lambda: organization(_async), "plain function"),
            case(
                "an object with an async __call__",
                lambda: organization(_Async()),
                "plain function",
            ),
            case(
                "a claim that depends on the request",
                lambda: organization("org_id", claim=("orgs", "{org_id}")),
                "request",
            ),
        ],
    )
    def test_say_what_to_write(self, build, says):
        with pytest.raises(ConfigurationError, match=says):
            build()

    def test_requirements_are_values(self):
        assert organization("org_id") == organization("org_id") != organization("id")
        assert organization(host="{org}.a.b") == organization(host="{org}.a.b")


class _Async:
    async def __call__(self, request: Request) -> str | None:
        return "org_a"


async def _async(request: Request) -> str | None:
    return "org_a"
