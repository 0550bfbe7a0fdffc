"""The table of rules: how it is written, which rule decides, and what belongs to none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from authorizing import ask, case
from jwtauthz import ConfigurationError, RouteTable, authenticated, organization, public, route_tree
from jwtauthz.route_paths import is_odd
from jwtauthz.route_table import WEBSOCKET, NoRule

TABLE = RouteTable(
    {
        "GET /users": "list",
        "POST,PUT /users": "write",
        "/users/{id}": "one",
        "GET /users/me": authenticated(),
        "/users/{id}/docs/{doc}": "doc",
        "/docs/{number:int}": "number",
        "/docs/{name}": "named",
        "/orders/{id:uuid}": "order",
        "/admin/*": "admin",
        "/admin/help": public(),
        "/files/{rest:path}": "files",
        "WEBSOCKET /feed": "feed",
        "GET /feed": "page",
        "HEAD /feed": "head",
        "/flask/<int:n>/<name>": "flask",
        "/health": public(),
        "/about/": public(),
        "/static/*": public(),
        "GET /": public(),
        "/café/*": "coffee",
    }
)
UUID = "123e4567-e89b-12d3-a456-426614174000"


def rule_for(method: str, path: str, table: RouteTable = TABLE) -> tuple[str | None, dict[str, str]]:
    found = table.find(method, path)
    assert (found.rule is None) == isinstance(found.needed, NoRule)
    return found.rule and found.rule.text, dict(found.path_params)


@pytest.mark.parametrize(
    ("method", "path", "rule", "params"),
    [
        case("a method that a rule names", "GET", "/users", "GET /users", {}),
        case("one of several methods", "PUT", "/users", "POST,PUT /users", {}),
        case("HEAD follows GET", "HEAD", "/users", "GET /users", {}),
        case("HEAD has a rule of its own where one names it", "HEAD", "/feed", "HEAD /feed", {}),
        case(
            "a method in lower case is that method: some views take it for it", "get", "/users", "GET /users", {}
        ),
        case("a parameter is one segment", "GET", "/users/7", "/users/{id}", {"id": "7"}),
        case("text is narrower than a parameter", "GET", "/users/me", "GET /users/me", {}),
        case("but only for the methods that it names", "PUT", "/users/me", "/users/{id}", {"id": "me"}),
        case("a number is narrower than any", "GET", "/docs/7", "/docs/{number:int}", {"number": "7"}),
        case("what is no number goes on", "GET", "/docs/x7", "/docs/{name}", {"name": "x7"}),
        case("two parameters", "GET", "/users/a/docs/b", "/users/{id}/docs/{doc}", {"id": "a", "doc": "b"}),
        case("a UUID", "GET", f"/orders/{UUID}", "/orders/{id:uuid}", {"id": UUID}),
        case("all below a star", "DELETE", "/admin/a/b", "/admin/*", {}),
        case("the rest has a name", "GET", "/files/a/b.txt", "/files/{rest:path}", {"rest": "a/b.txt"}),
        case("the rest keeps its slash", "GET", "/files/a/", "/files/{rest:path}", {"rest": "a/"}),
        case("as Flask writes it", "GET", "/flask/1/x", "/flask/<int:n>/<name>", {"n": "1", "name": "x"}),
        case("a handshake", WEBSOCKET, "/feed", "WEBSOCKET /feed", {}),
        case("a rule for all methods is for handshakes too", WEBSOCKET, "/users/1", "/users/{id}", {"id": "1"}),
        case("the root", "GET", "/", "GET /", {}),
        case("letters of other scripts", "GET", "/café/x", "/café/*", {}),
        # closings are read widely
        case("a slash more is the same", "GET", "/users/", "GET /users", {}),
        case("so it is behind a parameter", "GET", "/users/7/", "/users/{id}", {"id": "7"}),
        case("a star is for the path without what lies below", "GET", "/admin", "/admin/*", {}),
        case("and for that with a slash", "GET", "/admin/", "/admin/*", {}),
        case("an exception from a star that opens is only that", "GET", "/admin/help/", "/admin/*", {}),
        # openings are read narrowly
        case("an open path", "GET", "/health", "/health", {}),
        case("is not open with a slash", "GET", "/health/", None, {}),
        case("or without one, if it has one", "GET", "/about", None, {}),
        case("as it is written it is", "GET", "/about/", "/about/", {}),
        case("what lies below an open prefix", "GET", "/static/a/b.css", "/static/*", {}),
        case("the prefix with its slash", "GET", "/static/", "/static/*", {}),
        case("the prefix without its slash is not open", "GET", "/static", None, {}),
        # no rule
        case("a method without a rule", "DELETE", "/users", None, {}),
        case("OPTIONS has no rule by itself", "OPTIONS", "/users", None, {}),
        case("a method that calls itself as a handshake does", "WEBSOCKET", "/feed", None, {}),
        case("GET of a handshake's path is another rule", "POST", "/feed", None, {}),
        case("a path without a rule", "GET", "/teams", None, {}),
        case("a path that goes on", "GET", "/users/1/2", None, {}),
        case("a letter more", "GET", "/userss", None, {}),
        case("no path", "GET", "", None, {}),
        case("the asterisk of OPTIONS", "OPTIONS", "*", None, {}),
        case("a whole URL", "GET", "http://api.example.com/users", None, {}),
    ],
)
def test_the_narrowest_rule_decides(method, path, rule, params):
    assert rule_for(method, path) == (rule, params)


# Whatever the app has, this table is open below "/" for any valid token: only "/admin" is not.
BEHIND = RouteTable({"/admin/*": "admin", "/n/{id:int}": "admin", "/u/{id:uuid}": "admin", "/*": authenticated()})

TRICKS = [
    case("an empty segment", "//admin"),
    case("an empty segment inside", "/admin//users"),
    case("an empty segment at the end", "/admin//"),
    case("a dot segment", "/x/../admin"),
    case("a single dot", "/./admin"),
    case("a dot segment at the end", "/admin/x/.."),
    case("three dots", "/.../admin"),
    case("a dot segment with a parameter", "/x/..;a=b/admin"),
    case("a segment that is a parameter only", "/;a/admin"),
    case("a backslash", "/x\\..\\admin"),
    case("a backslash for a slash", "/\\admin"),
    case("still encoded", "/%61dmin"),
    case("a slash that is still encoded", "/admin%2fusers"),
    case("a dot segment that is still encoded", "/x/%2e%2e/admin"),
    case("a line break at the end, which Starlette's routes do not see", "/admin\n"),
    case("a carriage return", "/admin\r"),
    case("a null character", "/admin\0"),
    case("a tab inside", "/ad\tmin"),
    case("a line separator", "/admin\u2028"),
    case("capitals", "/ADMIN"),
    case("one capital, and a path below", "/Admin/users"),
    case("matrix parameters", "/admin;x=1"),
    case("matrix parameters before a path", "/admin;x=1/users"),
    case("what would be a query if it were encoded once less", "/admin?x=1"),
    case("what would be a fragment", "/admin#x/users"),
    case("a segment that would be a query", "/?/admin"),
    case("an encoding of its own", "/%u0061dmin"),
    case("a character that has no width", "/adm\u200bin"),
    case("a soft hyphen", "/ad\u00admin/users"),
    case("a dot behind", "/admin."),
    case("a blank behind", "/admin "),
    case("a blank before", "/ admin"),
    case("a segment that is a blank", "/ /admin"),
    case("full-width letters", "/ａｄｍｉｎ"),
    case("a full-width slash", "/x／admin"),
    case("full-width dots", "/x/．．/admin"),
    case("digits of another script where a number is asked for", "/n/٣"),
    case("full-width digits", "/n/３"),
    case("a sign before a number", "/n/-5"),
    case("a plus before a number", "/n/+5"),
    case("an underscore in a number", "/n/1_000"),
    case("a number with a blank", "/n/ 5"),
    case("a number with a fraction", "/n/5.0"),
    case("a number with matrix parameters", "/n/5;x"),
    case("a UUID without dashes", "/u/" + UUID.replace("-", "")),
    case("a UUID in braces", "/u/{" + UUID + "}"),
    case("a UUID as a URN", "/u/urn:uuid:" + UUID),
    case("a very long path of dots", "/" + "../" * 20_000 + "admin"),
    case("a very long path of slashes", "/" * 60_000 + "admin"),
]


@pytest.mark.parametrize(
    "path",
    [
        case("a percent sign that encodes nothing", "/sale/50% off"),
        case("dots in a name", "/..data/.well-known"),
        case("a semicolon in a name that no rule has", "/a;b/c"),
        case("capitals of a name that no rule has", "/README"),
        case("letters of other scripts", "/日本/語"),
        case("a name that begins like a closed one", "/administrators"),
        case("what is far from a number", "/n/x-1"),
        case("a very long path", "/" + "a/" * 20_000),
        case("a very long segment", "/" + "a" * 60_000),
    ],
)
def test_what_is_merely_odd_is_covered(path):
    assert rule_for("GET", path, BEHIND)[0] == "/*"


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "get", "PROPFIND", WEBSOCKET])
def test_what_somebody_might_take_for_a_closed_path_is_not_covered_by_a_weaker_rule(method, path):
    assert rule_for(method, path, BEHIND)[0] in {None, "/admin/*"}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        case("no rules", {}, "holds no rule"),
        case("no mapping", ["/a"], "holds no rule"),
        case("a rule that asks for nothing", {"/a": ""}, "The rule '/a': .*asks for nothing"),
        case("None", {"/a": None}, "can't ask for None"),
        case("a list, which leaves open what is meant", {"/a": ["x", "y"]}, "leaves open whether"),
        case("an empty list", {"/a": []}, "leaves open whether"),
        case("public() as a part of something", {"/a": ["x", public()]}, "leaves open"),
        case("public itself, not called", {"/a": public}, "can't be called as a check"),
        case("no path", {"GET": "x"}, "has no path"),
        case("a key that is no text", {7: "x"}, "has no path"),
        case("a path without its slash", {"users": "x"}, "has no path"),
        case("a method in lower case", {"get /a": "x"}, "'get' is no method"),
        case("a method that is none", {"GETT /a": "x"}, "'GETT' is no method"),
        case("a method twice", {"GET,GET /a": "x"}, "'GET' is no method that it can name"),
        case("an empty method", {"GET, /a": "x"}, "'' is no method"),
        case("methods without a comma", {"GET POST /a": "x"}, "'GET POST' is no method"),
        case("a star in the middle", {"/a/*/b": "x"}, "wrong place"),
        case("a star without a slash", {"/a*": "x"}, "wrong place"),
        case("an empty segment", {"/a//b": "x"}, "can't match"),
        case("a dot segment", {"/a/../b": "x"}, "can't match"),
        case("a query", {"/a?b=c": "x"}, "can't match"),
        case("an encoded path", {"/caf%C3%A9": "x"}, "can't match"),
        case("a line break", {"/a\n": "x"}, "can't match"),
        case("a part of a segment", {"/files/{name}.txt": "x"}, "takes a whole segment"),
        case("braces that do not close", {"/files/{name": "x"}, "takes a whole segment"),
        case("a kind that routers read differently", {"/price/{x:float}": "x"}, "do not agree"),
        case("a kind with arguments", {"/n/<int(min=1):n>": "x"}, "takes a whole segment"),
        case("a rest in the middle", {"/a/{rest:path}/b": "x"}, "only be the end"),
        case("a rest that ends with a slash", {"/a/{rest:path}/": "x"}, "only be the end"),
        case("a parameter twice", {"/{a}/{a}": "x"}, "names a path parameter twice"),
        case("everything public", {"/*": public()}, "leaves nothing to protect"),
        case("everything public, by another word", {"GET /{rest:path}": public()}, "leaves nothing to protect"),
        case("the same path twice", {"/a": "x", "* /a": "y"}, "'/a' and '\\* /a' are for the same requests"),
        case("two names for one parameter", {"/{a}": "x", "/{b}": "y"}, "'/{a}' and '/{b}' are for the same"),
        case("with and without a slash", {"/a": "x", "/a/": "y"}, "'/a' and '/a/' are for the same"),
        case("with a slash, if one opens", {"/a": public(), "/a/": "y"}, "'/a' and '/a/' are for the same"),
        case("without, if one opens", {"/a/": public(), "/a": "y"}, "'/a/' and '/a' are for the same"),
        case("a method twice in two rules", {"GET /a": "x", "POST,GET /a": "y"}, "for the same requests"),
        case("star and rest", {"/a/*": "x", "/a/{rest:path}": "y"}, "for the same requests"),
        case("two that cross", {"/a/{x}": "x", "/{y}/b": "y"}, "covered by .*'/a/{x}'.*'/{y}/b'"),
        case("two that cross below", {"/a/*": "x", "/{y}/b": "y"}, "'/a/b' is covered by"),
        case(
            "a third that opens does not settle it", {"/a/{x}": "x", "/{y}/b": "y", "/a/b": public()}, "covered by"
        ),
        case("a third for one method", {"/a/{x}": "x", "/{y}/b": "y", "GET /a/b": "z"}, "covered by"),
        case(
            "one that is never reached",
            {"/a": "x", "/a/{b}": "y", "/a/{b}/*": "z", "/a/*": "w"},
            "'/a/\\*' is never reached",
        ),
        case(
            "never for its method", {"/a": "x", "/a/{b}/*": "z", "GET /a/*": "w"}, "'GET /a/\\*' is never reached"
        ),
        case(
            "a template without its parameter", {"/orgs/{org}": "read:{org_id}"}, "'org_id'.*'/orgs/{org}' has not"
        ),
        case("an organization without its parameter", {"/orgs/*": organization("org_id")}, "'org_id'"),
    ],
)
def test_what_makes_no_sense_is_refused_when_built(rules, said):
    with pytest.raises(ConfigurationError, match=said):
        RouteTable(rules)


@pytest.mark.parametrize(
    "rules",
    [
        case("two that cross, and a third for what they share", {"/a/{x}": "x", "/{y}/b": "y", "/a/b": "z"}),
        case("two that cross for different methods", {"GET /a/{x}": "x", "POST /{y}/b": "y"}),
        case("a star and a page beside it", {"/{page}": "x", "/admin/*": "y"}),
        case("an open prefix and a page beside it", {"/{page}": "x", "/static/*": public()}),
        case("a method apart from all others", {"GET /a": public(), "/a": "x"}),
        case("a star that is reached at one path", {"/a/{b}": "y", "/a/{b}/*": "z", "/a/*": "w"}),
        case("an open path with and without its slash", {"/a": public(), "/a/": public()}),
        case("kinds beside each other", {"/{a:int}": "x", "/{b:uuid}": "y", "/{c}": "z"}),
        case("a function", {"/a": lambda token, request: True}),
        case("a parameter from the host", {"/a": organization(host="{org}.example.com")}),
    ],
)
def test_what_makes_sense_is_not(rules):
    assert len(RouteTable(rules).rules) == len(rules)


def test_no_rule_denies_a_good_token_and_says_what_to_add():
    verdict = ask(TABLE.find("DELETE", "/users").needed)
    assert (verdict.status, verdict.codes, verdict.scope) == (403, ["no_rule"], None)
    assert str(verdict.findings[0]).startswith("no_rule: No rule covers DELETE /users; add one.")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        case("a path in two readings", "/admin//x", "can be read as another path"),
        case("a path like that of a rule", "/Admin/x", "taken for what the rule '/admin/\\*' covers"),
        case("what would forge a line of the log", "/a\nallowed", r"/a\\nallowed can be read"),
        case("braces", "/{}{0}{id!r}/%s", r"No rule covers GET /\{\}\{0\}\{id!r\}/%s"),
        case("10 kB", "/" + "a" * 10_000, "…"),
    ],
)
def test_the_log_says_why_no_rule_covers_it(path, said):
    [finding] = ask(TABLE.find("GET", path).needed).findings
    assert re.search(said, finding.detail)
    assert "\n" not in str(finding)
    assert len(str(finding)) < 600


@pytest.mark.parametrize("path", ["/v1/things7/a/parts/5", "/v1/things7/a/other", "/nowhere", "/V1/things7/a"])
def test_a_look_up_takes_as_many_steps_whatever_the_number_of_rules(path, monkeypatch):
    steps = []
    walk = route_tree._walk
    monkeypatch.setattr(
        route_tree, "_walk", lambda *args, **kwargs: (steps.append(args), walk(*args, **kwargs))[1]
    )
    taken = []
    for count in (10, 1_000):
        rules = {f"GET /v1/things{number}/{{id}}/parts/{{part:int}}": "x" for number in range(count)}
        table = RouteTable({**rules, "/v1/{other}/{id}/parts/extra": "y"})
        steps.clear()
        table.find("GET", path)
        taken.append(len(steps))
    assert taken[0] == taken[1] <= 12


# ── the tree answers what a list would ──

_SEGMENTS = ["a", "b", "A", "7", "x7", "٣"]
_PARTS = st.sampled_from([*_SEGMENTS[:4], "{p}", "{p:int}"])
_METHODS = st.sampled_from(["", "", "GET ", "POST ", "GET,PUT ", "HEAD ", "WEBSOCKET "])


@st.composite
def tables(draw: Any) -> RouteTable:
    keys = []
    for _ in range(draw(st.integers(1, 7))):
        parts = [
            part.replace("p", f"p{n}", 1) if part[0] == "{" else part
            for n, part in enumerate(draw(st.lists(_PARTS, max_size=3)))
        ]
        end = draw(st.sampled_from(["", "", "", "/", "/*"]))
        keys.append(draw(_METHODS) + (("".join(f"/{part}" for part in parts) + end) or "/"))
    rules = {key: public() if draw(st.integers(0, 3)) == 0 else f"s{number}" for number, key in enumerate(keys)}
    try:
        return RouteTable(rules)
    except ConfigurationError:
        assume(False)
        raise


def _reads(rule: Any, method: str, path: str, *, alike: bool) -> bool:
    """Whether a rule covers a request, by its documented meaning: one regular expression, and its methods.

    `alike` reads it as somebody careless would.
    """
    named = rule.methods
    if named is not None and method not in named and not (method == "HEAD" and "GET" in named):
        return False
    opening = rule.needed is None
    pattern = ""
    for part in rule.path.segments:
        if isinstance(part, str):
            pattern += "/" + (f"(?i:{part})" if alike and not opening else part)
        elif part.kind == "int":
            pattern += r"/\d+" if alike and not opening else "/[0-9]+"
        else:
            pattern += "/[^/]+"
    if rule.path.below:
        pattern += r"/.*" if opening else r"(?:/.*)?"
    elif opening:
        pattern += "/" if rule.path.slash else ""
    else:
        pattern += "/?"
    return re.fullmatch(pattern, path) is not None


def _rank(rule: Any, method: str, path: str) -> list[float]:
    """The documented order: segment by segment, then what ends before what goes on, then by method."""
    ranks: list[float] = []
    for part, segment in zip(rule.path.segments, path.split("/")[1:], strict=False):
        exact = part == segment if isinstance(part, str) else False
        ranks.append((0 if exact else 0.5) if isinstance(part, str) else 1 if part.kind else 2)
    named = rule.methods or ()
    return [*ranks, 3 if rule.path.below else -1, 0 if method in named else 1 if named else 2]


@settings(max_examples=2_000, deadline=None)
@given(
    table=tables(),
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "BREW", WEBSOCKET]),
    path=st.lists(st.sampled_from(_SEGMENTS), max_size=4).map(lambda parts: "/" + "/".join(parts)),
    slash=st.booleans(),
)
@example(table=RouteTable({"/a/*": "x", "/a": public()}), method="GET", path="/a", slash=True)
@example(table=RouteTable({"GET /a": "x", "HEAD /a": "y"}), method="HEAD", path="/a", slash=False)
def test_the_tree_finds_what_a_list_would(table, method, path, slash):
    if slash and path != "/":
        path += "/"
    assert not is_odd(path)
    sure = [rule for rule in table.rules if _reads(rule, method, path, alike=False)]
    careless = [rule for rule in table.rules if _reads(rule, method, path, alike=True)]
    first = min(careless, key=lambda rule: _rank(rule, method, path), default=None)
    event("no rule" if first is None else f"{'sure' if first in sure else 'like'}, one of {min(len(careless), 3)}")
    assert table.find(method, path).rule is (first if first in sure else None)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=40), st.text(max_size=8))
def test_any_text_gets_an_answer(path, method):
    for each in (path, "/" + path):
        found = TABLE.find(method, each)
        assert found.rule is None or each.startswith("/")
