"""Who may: requirements, how they nest, what they refuse to be, and what they say when the answer is no."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass

import pytest

from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    Decision,
    Finding,
    Issuer,
    Request,
    ResourceServer,
    all_of,
    any_of,
    authenticated,
    shadow,
)
from jwtauthz.policy import requirement
from jwtauthz.testing import FakeIssuer


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


AUDIENCE = "https://api.example.com"
MINT = FakeIssuer(network=False, algorithm="ES256")


@functools.cache
def server(*scopes_from: str) -> ResourceServer:
    settings = {"scopes_from": scopes_from} if scopes_from else {}
    issuer = Issuer(MINT.url, key_set=MINT.key_set, algorithms="ES256", **settings)
    return ResourceServer(issuer, AUDIENCE)


@dataclass(frozen=True)
class Outcome:
    """What became of a request whose token is good: all that can be told from outside."""

    allowed: bool
    findings: tuple[Finding, ...] = ()
    scope: tuple[str, ...] = ()
    undecided: bool = False


def decide(needed, *, path_params=None, scopes_from=(), **claims) -> Outcome:
    request = Request(f"Bearer {MINT.token(**claims)}", path_params=path_params)
    try:
        server(*scopes_from).authorize(request, needed)
    except AccessDenied as denied:
        scope = (denied.challenge and denied.challenge.get("scope")) or ""
        return Outcome(False, denied.findings, tuple(scope.split()), denied.status == 503)
    return Outcome(True)


def codes(decision: Outcome) -> list[str]:
    return [finding.code for finding in decision.findings]


def yes(token, request):
    return True


def no(token, request):
    return False


def broken(token, request):
    raise RuntimeError("the database is away")


def is_owner(token, request):
    return token.subject == request.path_params.get("user_id")


class TestForms:
    @pytest.mark.parametrize(
        ("needed", "scope", "allowed"),
        [
            case("one scope that is there", requirement("a"), "a b", True),
            case("one that is not", requirement("c"), "a b", False),
            case("two that are", requirement("a", "b"), "a b", True),
            case("two of which one is not", requirement("a", "c"), "a b", False),
            case("all_of is the same", all_of("a", "c"), "a b", False),
            case("any_of with the first", any_of("a", "c"), "a b", True),
            case("any_of with the last", any_of("c", "a"), "a b", True),
            case("any_of with none", any_of("c", "d"), "a b", False),
            case("any_of of one", any_of("a"), "a", True),
            case("a scope and one of several", all_of("a", any_of("c", "b")), "a b", True),
            case("a scope and none of several", all_of("a", any_of("c", "d")), "a b", False),
            case("several, or one", any_of(all_of("c", "d"), "a"), "a b", True),
            case("neither several nor one", any_of(all_of("a", "d"), "e"), "a b", False),
            case("three levels deep", any_of("x", all_of("a", any_of("y", all_of("b")))), "a b", True),
            case("any valid token", authenticated(), "", True),
            case("any valid token and a scope", all_of(authenticated(), "a"), "", False),
            case("any valid token or a scope", any_of(authenticated(), "a"), "", True),
            case("a function that says yes", requirement(yes), "", True),
            case("a function that says no", requirement(no), "", False),
            case("a scope and a function that says no", requirement("a", no), "a", False),
            case("a scope or a function that says yes", any_of("c", yes), "a", True),
            case("an object that can be called", requirement(functools.partial(yes)), "", True),
            case("the same scope twice", requirement("a", "a"), "a", True),
        ],
    )
    def test_decide(self, needed, scope, allowed):
        decision = decide(needed, scope=scope)
        assert decision.allowed is allowed
        assert bool(decision.findings) is not allowed

    @pytest.mark.parametrize(
        ("claim", "claims", "allowed"),
        [
            case("a list", "permissions", {"permissions": ["a"]}, True),
            case("a string", "scp", {"scp": "b a"}, True),
            case("a URL", "https://e.com/roles", {"https://e.com/roles": ["a"]}, True),
            case("a literal name with dots", "realm.roles", {"realm.roles": ["a"]}, True),
            case("no path by dots", "realm.roles", {"realm": {"roles": ["a"]}}, False),
            case("a path", ("realm", "roles"), {"realm": {"roles": ["a"]}}, True),
            case("a path as a list", ["realm", "roles"], {"realm": {"roles": ["a"]}}, True),
            case("no literal name by a path", ("realm", "roles"), {"realm.roles": ["a"]}, False),
            case(
                "instead of the scope, not beside it", "permissions", {"scope": "a", "permissions": ["b"]}, False
            ),
        ],
    )
    def test_read_another_claim(self, claim, claims, allowed):
        assert decide(requirement("a", claim=claim), **claims).allowed is allowed
        assert decide(any_of("z", "a", claim=claim), **claims).allowed is allowed
        assert decide(all_of("a", claim=claim), **claims).allowed is allowed

    def test_read_several_claims_side_by_side(self):
        needed = all_of("a", any_of("b", "c", claim="permissions"))
        assert decide(needed, scope="a", permissions=["c"]).allowed
        assert not decide(needed, scope="a c").allowed

    @pytest.mark.parametrize(
        ("claims", "allowed"),
        [
            case("one of them is enough", {"scope": "x", "permissions": ["a"]}, True),
            case("an empty one hides no other", {"scope": "", "permissions": ["a"]}, True),
            case("an odd one hides no other", {"scope": {"a": 1}, "permissions": ["a"]}, True),
            case("none grants it", {"scope": "x", "permissions": ["y"]}, False),
        ],
    )
    def test_merge_the_claims_of_the_issuer(self, claims, allowed):
        outcome = decide(requirement("a"), scopes_from=("scope", "permissions"), **claims)
        assert outcome.allowed is allowed


def test_a_single_need_is_wrapped_in_nothing():
    for need in (any_of("a", "b"), shadow("a")):
        assert requirement(need) is need
    assert requirement("a") == requirement(requirement("a"))


class TestRefusedSettings:
    @pytest.mark.parametrize("form", [requirement, all_of, any_of], ids=["requires", "all_of", "any_of"])
    @pytest.mark.parametrize(
        ("needs", "claim", "says"),
        [
            case("nothing at all", [], None, r"write authenticated\(\)"),
            case("an empty scope", [""], None, r"write authenticated\(\)"),
            case("an empty scope beside a good one", ["a", ""], None, r"write authenticated\(\)"),
            case("two scopes in one string", ["a b"], None, r"all_of\('a', 'b'\) or any_of\('a', 'b'\)"),
            case("a comma is fine, a space after it is not", ["a, b"], None, "holds a space"),
            case("a scope that no header can carry", ["a\n"], None, "RFC 6749"),
            case("a list", [["a", "b"]], None, r"requires\('a', 'b'\) for all, or requires\(any_of\('a', 'b'\)\)"),
            case("a tuple", [("a", "b")], None, "leaves open whether all or one"),
            case("a set", [{"a"}], None, "leaves open whether all or one"),
            case("an empty list", [[]], None, "leaves open whether all or one"),
            case("a number", [5], None, "can't ask for 5"),
            case("None", [None], None, "can't ask for None"),
            case("True", [True], None, "can't ask for True"),
            case("a class", [dict], None, "can't ask for"),
            case("a claim without a name", ["a"], "", "names no claim"),
            case("a claim that is a number", ["a"], 5, "names no claim"),
            case("a claim for what is no scope", [any_of("a")], "permissions", r"claim= inside each any_of"),
            case("a claim for a function", [yes], "permissions", r"claim= inside each any_of"),
            case("a claim for any valid token", [authenticated()], "permissions", r"claim= inside each any_of"),
        ],
    )
    def test_say_what_to_write_instead(self, form, needs, claim, says):
        with pytest.raises(ConfigurationError, match=says):
            form(*needs, claim=claim)

    @pytest.mark.parametrize(
        ("form", "word"),
        [
            case("requires", requirement, "requires"),
            case("all_of", all_of, "all_of"),
            case("any_of", any_of, "any_of"),
        ],
    )
    def test_name_the_word_that_was_written(self, form, word):
        with pytest.raises(ConfigurationError, match=rf"^{word}\(\) asks for nothing"):
            form()
        with pytest.raises(ConfigurationError, match=rf"^{word}\(\) is given a shadow"):
            form("a", shadow("b"))

    def test_a_shadow_takes_no_claim_from_outside(self):
        with pytest.raises(ConfigurationError, match="is something else too"):
            requirement(shadow("a"), claim="permissions")

    def test_async_functions_where_nobody_can_wait_for_them(self):
        async def check(token, request):
            return True

        class Check:
            async def __call__(self, token, request):
                return True

        for need in (check, Check(), functools.partial(check)):
            with pytest.raises(ConfigurationError, match="async"):
                decide(requirement(need))


class TestFunctions:
    def test_see_the_token_and_the_request(self):
        path_params = {"user_id": "user-1"}
        assert decide(requirement(is_owner), path_params=path_params).allowed
        assert not decide(requirement(is_owner), path_params=path_params, sub="user-2").allowed

    @pytest.mark.parametrize(
        "result",
        [
            case("None is no True", None),
            case("1 is no True", 1),
            case("a word is no True", "yes"),
            case("a list is no True", ["yes"]),
            case("an object is no True", object()),
        ],
    )
    def test_only_true_lets_in(self, result):
        decision = decide(requirement(lambda token, request: result))
        assert not decision.allowed
        assert codes(decision) == [Code.REFUSED_BY_CHECK]
        assert type(result).__name__ in decision.findings[0].detail

    def test_a_coroutine_is_no_true_and_is_closed(self):
        async def check():
            return True

        decision = decide(requirement(lambda token, request: check()))
        assert codes(decision) == [Code.REFUSED_BY_CHECK]

    def test_that_raise_can_not_tell(self, caplog):
        with caplog.at_level(logging.ERROR):
            decision = decide(requirement(broken))
        assert not decision.allowed
        assert decision.undecided
        assert codes(decision) == [Code.CHECK_FAILED]
        assert "the database is away" in caplog.text
        assert "the database is away" not in decision.findings[0].detail

    def test_that_exit_are_not_held_up(self):
        def leave(token, request):
            raise SystemExit

        with pytest.raises(SystemExit):
            decide(requirement(leave))

    def test_may_answer_with_a_decision(self):
        finding = Finding(Code.REFUSED_BY_CHECK, "Not on Sundays.")
        refusal = Decision(allowed=False, findings=(finding,), scope=("sunday",))
        decision = decide(requirement(lambda token, request: refusal))
        assert decision.findings == (finding,)
        assert decision.scope == ("sunday",)
        assert decide(requirement(lambda token, request: Decision(allowed=True))).allowed

    def test_are_asked_once(self):
        asked = []

        def check(token, request):
            asked.append(token)
            return False

        needed = requirement(check)
        for _ in range(5):
            needed = all_of(any_of(needed))
        assert not decide(needed).allowed
        assert len(asked) == 1

    @pytest.mark.parametrize(
        "settings",
        [
            case("without findings", {}),
            case("with a finding that is none", {"findings": ("because",)}),
            case(
                "with a scope that no header can carry",
                {"findings": (Finding(Code.REFUSED_BY_CHECK, "x"),), "scope": ('a"\r\nX: 1',)},
            ),
        ],
    )
    def test_may_answer_with_an_odd_decision(self, settings):
        with pytest.raises(AccessDenied) as denied:
            server().authorize(
                f"Bearer {MINT.token()}", lambda token, request: Decision(allowed=False, **settings)
            )
        assert denied.value.status in {403, 503}
        assert str(denied.value.headers.get("WWW-Authenticate", "")).isprintable()

    def test_are_named_in_the_log(self):
        assert "is_owner" in decide(requirement(is_owner)).findings[0].detail

    @pytest.mark.parametrize(
        ("needed", "expected", "undecided"),
        [
            case(
                "a no outweighs a can't tell",
                all_of(broken, no),
                [Code.REFUSED_BY_CHECK, Code.CHECK_FAILED],
                False,
            ),
            case("a missing scope too", all_of(broken, "x"), [Code.SCOPE_MISSING, Code.CHECK_FAILED], False),
            case(
                "where one is enough, the can't tell might have been it",
                any_of("x", broken),
                [Code.CHECK_FAILED, Code.SCOPE_MISSING],
                True,
            ),
            case("a can't tell alone stays one", all_of(yes, broken), [Code.CHECK_FAILED], True),
        ],
    )
    def test_beside_others(self, needed, expected, undecided):
        decision = decide(needed)
        assert (codes(decision), decision.undecided) == (expected, undecided)

    def test_beside_one_that_lets_in_may_fail(self):
        assert decide(any_of(broken, "a"), scope="a").allowed
        assert decide(any_of("a", broken), scope="a").allowed


class TestWhatTheChallengeAsksFor:
    @pytest.mark.parametrize(
        ("needed", "held", "scope"),
        [
            case("the one scope that is needed", requirement("a"), "", ("a",)),
            case("all that are needed, held or not", requirement("a", "b", "c"), "b", ("a", "b", "c")),
            case("each once", all_of("a", all_of("a", "b")), "", ("a", "b")),
            case("the first of equal branches", any_of("a", "b"), "", ("a",)),
            case("the branch that lacks least", any_of(all_of("a", "b"), "c"), "", ("c",)),
            case(
                "the branch that lacks least, by what is held",
                any_of(all_of("a", "b", "c"), all_of("d", "e")),
                "a b",
                ("a", "b", "c"),
            ),
            case("of a branch that holds, what is held of it", all_of(any_of("a", "b"), "c"), "b", ("b", "c")),
            case("a function names none", requirement(no), "", ()),
            case("a scope beside a function that says no", all_of("a", no), "a", ("a",)),
            case("a branch with a scope before one without", any_of(no, "a"), "", ("a",)),
        ],
    )
    def test_in_a_challenge(self, needed, held, scope):
        assert decide(needed, scope=held).scope == scope


class TestDescriptions:
    @pytest.mark.parametrize(
        ("needed", "scopes", "described"),
        [
            case("one scope", requirement("a"), ("a",), ["a"]),
            case("two scopes", requirement("a", "b"), ("a", "b"), ["a", "b"]),
            case("one of two", any_of("a", "b"), ("a", "b"), [{"any_of": ["a", "b"]}]),
            case("one of one", any_of("a"), ("a",), [{"any_of": ["a"]}]),
            case(
                "a scope and one of two",
                all_of("a", any_of("b", "c")),
                ("a", "b", "c"),
                ["a", {"any_of": ["b", "c"]}],
            ),
            case("two, or one", any_of(all_of("a", "b"), "c"), ("a", "b", "c"), [{"any_of": [["a", "b"], "c"]}]),
            case(
                "one of one of two",
                any_of("a", any_of("b", "c")),
                ("a", "b", "c"),
                [{"any_of": ["a", {"any_of": ["b", "c"]}]}],
            ),
            case(
                "what is named twice is a scope once",
                all_of("a", any_of("a", "b")),
                ("a", "b"),
                ["a", {"any_of": ["a", "b"]}],
            ),
            case("any valid token", authenticated(), (), []),
            case("a function", requirement(yes), (), []),
            case("a scope and a function", requirement("a", yes), ("a",), ["a"]),
            case("functions alone", any_of(yes, no), (), []),
        ],
    )
    def test_of_a_requirement(self, needed, scopes, described):
        assert needed.scopes == scopes
        assert needed.describe() == described

    def test_requirements_are_values(self):
        assert any_of("a", claim="p") == any_of("a", claim="p") != any_of("a")
        assert hash(all_of("a", any_of("b"))) == hash(all_of("a", any_of("b")))
        with pytest.raises(AttributeError):
            any_of("a").requirements = ()


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("needed", "claims", "where", "hint"),
        [
            case(
                "a list beside",
                requirement("read:users"),
                {"permissions": ["read:users"]},
                "`permissions`",
                'write claim="permissions".',
            ),
            case(
                "a string beside",
                requirement("read:users"),
                {"scp": "x read:users"},
                "`scp`",
                'write claim="scp".',
            ),
            case(
                "a path",
                requirement("read:users"),
                {"realm_access": {"roles": ["read:users"]}},
                "`realm_access → roles`",
                "write claim=('realm_access', 'roles').",
            ),
            case(
                "the usual claim, when another is read",
                requirement("read:users", claim="permissions"),
                {"scope": "read:users"},
                "`scope`",
                'write claim="scope".',
            ),
        ],
    )
    def test_stands_in_another_claim(self, needed, claims, where, hint):
        (finding,) = decide(needed, **claims).findings
        reads = "`permissions`" if "scope" in claims else "`scope`"
        assert finding.code is Code.SCOPE_IN_OTHER_CLAIM
        assert finding.detail == f"`read:users` stands in {where}; this route reads {reads}."
        assert finding.hint == hint
        assert finding.expected == "read:users"

    @pytest.mark.parametrize(
        ("claims", "code"),
        [
            case("it is nowhere", {"scope": "x y"}, Code.SCOPE_MISSING),
            case("there is no claim", {}, Code.SCOPE_MISSING),
            case("the claim is empty", {"scope": ""}, Code.SCOPE_MISSING),
            case("the claim is a number", {"scope": 5}, Code.SCOPE_CLAIM_UNREADABLE),
            case("the claim is an object", {"scope": {"read:users": 1}}, Code.SCOPE_CLAIM_UNREADABLE),
            case("it holds too many", {"scope": " ".join(map(str, range(1001)))}, Code.SCOPE_CLAIM_UNREADABLE),
        ],
    )
    def test_and_why(self, claims, code):
        (finding,) = decide(requirement("read:users"), **claims).findings
        assert finding.code is code
        assert finding.answer.status == 403
        assert "`read:users` is needed" in finding.detail
        assert "`scope`" in finding.detail

    def test_each_missing_part_is_told(self):
        decision = decide(all_of("a", any_of("b", "c")), scope="")
        assert [finding.expected for finding in decision.findings] == ["a", "b", "c"]

    def test_a_long_list_of_scopes_is_cut(self):
        decision = decide(requirement("a"), scope=" ".join(f"scope-{number}" for number in range(500)))
        assert len(str(decision.findings[0])) < 600
