"""`claim_equals` and `claim_includes`: claims that are no scopes, compared by value and by type."""

from __future__ import annotations

import enum

import pytest

from authorizing import NOW, ODD, ask, bearer, case, every_door, request_for, server_for
from jwtauthz import (
    AccessDenied,
    Claim,
    Code,
    ConfigurationError,
    Issuer,
    ResourceServer,
    all_of,
    any_of,
    claim_equals,
    claim_includes,
)


class Plan(enum.StrEnum):
    GOLD = "gold"


class Level(enum.IntEnum):
    THREE = 3


# Values that Python or careless code take for one another, and JSON does not.
ALIKE = [1, True, 1.0, "1", "true", "True", 0, False, 0.0, "", "0", "false", [1], ["1"], {"1": 1}, None, [], {}]


class TestEquals:
    @pytest.mark.parametrize(
        "wanted", [value for value in ALIKE if isinstance(value, (str, int, float))], ids=repr
    )
    @pytest.mark.parametrize("found", ALIKE, ids=repr)
    def test_means_the_same_value_of_the_same_type(self, wanted, found):
        same = type(wanted) is type(found) and wanted == found
        verdict = ask(claim_equals("x", wanted), claims={"x": found})
        assert verdict.status == (200 if same else 403)
        assert verdict.codes == ([] if same else [Code.CLAIM_DIFFERS])

    @pytest.mark.parametrize(
        ("claim", "value", "claims", "allowed"),
        [
            case("a literal key", "plan", "gold", {"plan": "gold"}, True),
            case("a key that is a URL", "https://e.com/plan", "gold", {"https://e.com/plan": "gold"}, True),
            case("a key with dots is no path", "a.b", 1, {"a": {"b": 1}}, False),
            case("a path", ("a", "b"), 1, {"a": {"b": 1}}, True),
            case("a path as a list", ["a", "b"], 1, {"a": {"b": 1}}, True),
            case("a path is no key with dots", ("a", "b"), 1, {"a.b": 1}, False),
            case("a path ends at a list", ("a", "0"), 1, {"a": [1]}, False),
            case("a claim that is not there", "plan", "gold", {}, False),
            case("capitals differ", "plan", "gold", {"plan": "Gold"}, False),
            case("a space at the end differs", "plan", "gold", {"plan": "gold "}, False),
            case("letters that look alike differ", "plan", "gold", {"plan": "g\u043eld"}, False),
            case("a composed letter is not its parts", "plan", "\u00e9", {"plan": "e\u0301"}, False),
            case("a list that holds it differs", "plan", "gold", {"plan": ["gold"]}, False),
            case("a large number", "n", 2**70, {"n": 2**70}, True),
            case("a large number is not its neighbour", "n", 2**53, {"n": 2**53 + 1}, False),
        ],
    )
    def test_of_a_claim(self, claim, value, claims, allowed):
        assert bool(ask(claim_equals(claim, value), claims=claims)) is allowed

    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    def test_takes_whatever_is_there(self, value):
        assert ask(claim_equals("x", "gold"), claims={"x": value}).codes == [Code.CLAIM_DIFFERS]

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            case("a text", Plan.GOLD, "gold"),
            case("a number", Level.THREE, 3),
        ],
    )
    def test_takes_members_of_an_enumeration(self, wanted, found):
        assert ask(claim_equals("x", wanted), claims={"x": found})

    def test_says_what_it_wanted_and_not_to_the_client(self):
        verdict = ask(claim_equals("plan", "gold"), claims={"plan": "silver"})
        (finding,) = verdict.findings
        assert finding.detail == "The claim `plan` has to be 'gold'; it is something else."
        assert (finding.claim, finding.expected, finding.found) == ("plan", "gold", "silver")
        assert "plan" not in verdict.challenge + str(verdict.denied.body)
        assert "the token has none" in ask(claim_equals("plan", "gold")).findings[0].detail


class TestIncludes:
    @pytest.mark.parametrize(
        ("values", "found", "allowed"),
        [
            case("an element of a list", ["eu"], ["us", "eu"], True),
            case("all of several", ["eu", "us"], ["us", "x", "eu"], True),
            case("not all of several", ["eu", "us"], ["eu"], False),
            case("a word of a string", ["eu"], "us eu", True),
            case("two words of a string", ["eu", "us"], "us eu", True),
            case("a part of a word is none", ["eu"], "europe", False),
            case("a comma separates nothing", ["eu"], "us,eu", False),
            case("a tab separates nothing", ["eu"], "us\teu", False),
            case("a string with a space is one element", ["a b"], ["a b"], True),
            case("and two words", ["a b"], "a b", False),
            case("a key of an object is no element", ["eu"], {"eu": True}, False),
            case("a number in a list", [1], [1], True),
            case("a truth in a list is no number", [1], [True], False),
            case("a number in a list is no truth", [True], [1], False),
            case("a text in a list is no number", [1], ["1"], False),
            case("a fraction is no whole number", [1], [1.0], False),
            case("a number itself is no list", [1], 1, False),
            case("a number is no word", [1], "1", False),
            case("what stands in an inner list is no element", ["eu"], [["eu"]], False),
            case("odd elements hide no other", ["eu"], [None, {}, [], 5, "eu"], True),
            case("capitals differ", ["eu"], ["EU"], False),
            case("nothing in an empty list", ["eu"], [], False),
        ],
    )
    def test_values(self, values, found, allowed):
        verdict = ask(claim_includes("regions", *values), claims={"regions": found})
        assert bool(verdict) is allowed
        assert verdict.codes == ([] if allowed else [Code.CLAIM_DIFFERS])

    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    def test_takes_whatever_is_there(self, value):
        assert ask(claim_includes("x", "eu"), claims={"x": value}).codes == [Code.CLAIM_DIFFERS]

    def test_reads_a_path(self):
        assert ask(claim_includes(("app", "groups"), "staff"), claims={"app": {"groups": ["staff"]}})

    def test_says_what_is_missing_alone(self):
        (finding,) = ask(claim_includes("g", "a", "b"), claims={"g": ["a"]}).findings
        assert finding.detail == "The claim `g` has to hold 'b'; it is something else."


class TestTogether:
    @pytest.mark.parametrize(
        ("needed", "claims", "status", "codes"),
        [
            case("a scope and a claim", all_of("a", claim_equals("x", 1)), {"scope": "a", "x": 1}, 200, []),
            case(
                "the claim differs", all_of("a", claim_equals("x", 1)), {"scope": "a"}, 403, [Code.CLAIM_DIFFERS]
            ),
            case(
                "both are short",
                all_of("a", claim_equals("x", 1)),
                {},
                403,
                [Code.SCOPE_MISSING, Code.CLAIM_DIFFERS],
            ),
            case("a scope or a claim", any_of("a", claim_equals("x", 1)), {"x": 1}, 200, []),
            case(
                "neither",
                any_of(claim_equals("x", 1), claim_includes("y", "z"), "a"),
                {},
                403,
                [Code.CLAIM_DIFFERS, Code.CLAIM_DIFFERS, Code.SCOPE_MISSING],
            ),
        ],
    )
    def test_with_scopes(self, needed, claims, status, codes):
        verdict = ask(needed, claims=claims)
        assert (verdict.status, verdict.codes) == (status, codes)

    def test_the_challenge_names_scopes_alone(self):
        assert ask(all_of("a", claim_equals("x", 1)), claims={"scope": "a"}).scope == "a"
        assert ask(any_of(claim_equals("x", 1), "a")).scope == "a"
        assert ask(claim_equals("x", 1)).scope is None

    def test_what_a_claim_should_be_is_no_missing_scope(self):
        assert ask(all_of("a", claim_equals("plan", "gold"))).explanation.missing == ("a",)

    def test_one_and_true_stay_two_requirements(self):
        server, claims = server_for(), {"scope": "a", "x": 1}
        assert ask("a", claim_equals("x", 1), server=server, claims=claims)
        assert not ask("a", claim_equals("x", True), server=server, claims=claims)

    def test_one_and_true_stay_two_dependencies(self):
        from jwtauthz.fastapi import JWTAuthz

        authz = JWTAuthz(server_for())
        asked = [authz.requires(claim_equals("x", value)) for value in (1, True, 1.0)]
        assert len({id(one.dependency) for one in asked}) == 3

    @every_door
    def test_behind_every_door(self, door):
        client = door(server_for(), all_of("a", claim_equals("plan", "gold")))
        assert client("/orgs/1/things", bearer(scope="a", plan="gold")).status == 200
        refused = client("/orgs/1/things", bearer(scope="a", plan="silver"))
        assert (refused.status, refused.body["error"]) == (403, "insufficient_scope")
        assert refused.challenge == (
            'Bearer realm="api", error="insufficient_scope", '
            'error_description="The token does not grant what this operation needs", scope="a"'
        )


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("build", "says"),
        [
            case("no name", lambda: claim_equals("", 1), "names no claim"),
            case("an empty path", lambda: claim_equals((), 1), "names no claim"),
            case("a number for a name", lambda: claim_includes(5, "a"), "names no claim"),
            case("a Claim for a name", lambda: claim_equals(Claim("x"), 1), "its name or path"),
            case("None for a value", lambda: claim_equals("x", None), "a string, a number or a boolean"),
            case("a list for a value", lambda: claim_equals("x", ["a"]), "a string, a number or a boolean"),
            case("a function for a value", lambda: claim_equals("x", len), "a string, a number or a boolean"),
            case("bytes for a value", lambda: claim_equals("x", b"a"), "a string, a number or a boolean"),
            case("nothing to hold", lambda: claim_includes("x"), r"Write claim_includes\('groups', 'staff'\)"),
            case("a list to hold", lambda: claim_includes("x", ["a", "b"]), "a string, a number or a boolean"),
            case("an empty text to hold", lambda: claim_includes("x", ""), "stands in every string"),
            case("what is no number", lambda: claim_equals("x", float("nan")), "can't be compared"),
            case("more than any number", lambda: claim_equals("x", float("inf")), "can't be compared"),
            case(
                "a path that depends on the request",
                lambda: claim_equals(("orgs", "{org_id}"), "admin"),
                "can't depend on the request",
            ),
        ],
    )
    def test_say_what_to_write(self, build, says):
        with pytest.raises(ConfigurationError, match=says):
            build()


class TestAgeAndSubject:
    """What an issuer's tokens must say besides: `max_token_age` and `subject`."""

    @pytest.mark.parametrize(
        ("claims", "codes"),
        [
            case("young enough", {"iat": NOW - 60}, []),
            case("within the leeway", {"iat": NOW - 65}, []),
            case("too old", {"iat": NOW - 66}, [Code.TOKEN_TOO_OLD]),
            case("without an iat", {"iat": None}, [Code.MISSING_CLAIM]),
            case("with an iat that is a text", {"iat": str(NOW)}, [Code.BAD_CLAIM]),
            case("with an iat that is true", {"iat": True}, [Code.BAD_CLAIM]),
            case("with an iat to come", {"iat": NOW + 60}, [Code.NOT_YET_VALID]),
        ],
    )
    def test_of_a_token_that_may_be_a_minute_old(self, claims, codes):
        verdict = ask("a", server=server_for(issuer={"max_token_age": 60}), claims={"scope": "a", **claims})
        assert verdict.codes == codes
        assert verdict.status == (401 if codes else 200)

    def test_a_token_that_was_young_enough_grows_too_old(self):
        from authorizing import FakeClock

        clock = FakeClock()
        server = server_for(issuer={"max_token_age": 60}, clock=clock)
        request = request_for({"scope": "a"})
        server.authorize(request, "a")
        clock.advance(66)
        assert server.explain(request, "a").status == 401
        with pytest.raises(AccessDenied, match="token_too_old"):
            server.authorize(request, "a")

    @pytest.mark.parametrize(
        ("subject", "allowed"),
        [
            case("that one", "svc@clients", True),
            case("another", "svc2@clients", False),
            case("none", None, False),
            case("in capitals", "SVC@clients", False),
            case("with a space", "svc@clients ", False),
        ],
    )
    def test_of_a_token_with_one_subject(self, subject, allowed):
        verdict = ask(
            "a", server=server_for(issuer={"subject": "svc@clients"}), claims={"scope": "a", "sub": subject}
        )
        assert verdict.codes == ([] if allowed else [Code.BAD_CLAIM])

    @pytest.mark.parametrize("age", [0, -1, True, "60", float("inf"), float("nan"), [60]], ids=repr)
    def test_an_age_that_makes_no_sense_is_refused(self, age):
        with pytest.raises(ConfigurationError, match="number of seconds above 0"):
            server_for(issuer={"max_token_age": age})

    @pytest.mark.parametrize("subject", ["", 5, ["svc"], True], ids=repr)
    def test_a_subject_that_makes_no_sense_is_refused(self, subject):
        with pytest.raises(ConfigurationError, match="the one `sub`"):
            server_for(issuer={"subject": subject})

    def test_are_settings_of_one_issuer(self):
        young = Issuer("https://a.example.com", max_token_age=60)
        server = ResourceServer([young, Issuer("https://b.example.com")], "https://api.example.com")
        assert [issuer.max_token_age for issuer in server.issuers] == [60, None]
