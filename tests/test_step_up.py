"""`step_up(...)`: a good token of a login that is too weak or too old is answered 401, and told what would do."""

from __future__ import annotations

import pytest

from authorizing import MINT, NOW, ODD, Answer, ask, ask_async, bearer, case, every_door, server_for
from jwtauthz import (
    AccessDenied,
    Code,
    ConfigurationError,
    InsufficientAuthentication,
    all_of,
    any_of,
    authenticated,
    organization,
    shadow,
    step_up,
)

MFA, PHR = "urn:example:mfa", "phr"
BEGIN = (
    'Bearer realm="api", error="insufficient_user_authentication", '
    'error_description="This operation needs a stronger or more recent login"'
)


class TestTheClass:
    @pytest.mark.parametrize(
        ("wanted", "acr", "allowed"),
        [
            case("the one that is wanted", [MFA], MFA, True),
            case("the first of two", [MFA, PHR], MFA, True),
            case("the second of two", [MFA, PHR], PHR, True),
            case("another", [MFA], "pwd", False),
            case("in capitals", [MFA], MFA.upper(), False),
            case("with a space", [MFA], f"{MFA} ", False),
            case("two in one text", [MFA, PHR], f"{MFA} {PHR}", False),
            case("in a list", [MFA], [MFA], False),
            case("a higher number is no better one", ["1"], "2", False),
            case("a number is no text", ["1"], 1, False),
            case("an empty text", [MFA], "", False),
            case("none", [MFA], None, False),
        ],
    )
    def test_of_the_login(self, wanted, acr, allowed):
        verdict = ask(step_up(*wanted), claims={"acr": acr})
        assert bool(verdict) is allowed
        assert verdict.codes == ([] if allowed else [Code.AUTHENTICATION_TOO_WEAK])
        assert verdict.status == (200 if allowed else 401)

    @pytest.mark.parametrize("value", ODD.values(), ids=ODD)
    def test_may_be_anything(self, value):
        assert ask(step_up(MFA), claims={"acr": value}).status == 401

    def test_is_not_read_from_amr(self):
        assert ask(step_up("mfa"), claims={"amr": ["mfa"]}).status == 401


class TestTheAge:
    @pytest.mark.parametrize(
        ("auth_time", "allowed"),
        [
            case("just now", NOW, True),
            case("as long ago as allowed", NOW - 300, True),
            case("within the leeway", NOW - 305, True),
            case("too long ago", NOW - 306, False),
            case("in 1970", 0, False),
            case("a fraction of a second ago", NOW - 0.5, True),
            case("a moment ahead, for clocks differ", NOW + 5, True),
            case("in the future", NOW + 6, False),
            case("in milliseconds", NOW * 1000, False),
            case("a text", str(NOW), False),
            case("true", True, False),
            case("missing", None, False),
            case(
                "a number of 400 digits",
                10**400,
                False,
            ),
            case("the same below zero", -(10**400), False),
        ],
    )
    def test_of_the_login(self, auth_time, allowed):
        verdict = ask(step_up(max_age=300), claims={"auth_time": auth_time})
        assert bool(verdict) is allowed
        assert verdict.status == (200 if allowed else 401)

    @pytest.mark.parametrize("value", [case(name, value) for name, value in ODD.items() if "400" not in name])
    def test_may_be_anything(self, value):
        assert ask(step_up(max_age=300), claims={"auth_time": value}).status == 401

    def test_zero_means_now(self):
        assert ask(step_up(max_age=0), claims={"auth_time": NOW})
        assert not ask(step_up(max_age=0), claims={"auth_time": NOW - 6})

    def test_is_not_read_from_iat(self):
        assert ask(step_up(max_age=300), claims={"iat": NOW}).status == 401

    def test_grows_while_the_token_stays_good(self):
        from jwtauthz.testing import FakeClock

        clock = FakeClock()
        server, credentials = server_for(clock=clock), f"Bearer {MINT.token(auth_time=NOW)}"
        server.authorize(credentials, step_up(max_age=60))
        clock.advance(66)
        with pytest.raises(InsufficientAuthentication):
            server.authorize(credentials, step_up(max_age=60))
        server.authorize(credentials, authenticated())


class TestTheChallenge:
    @pytest.mark.parametrize(
        ("needed", "claims", "more"),
        [
            case("a class", step_up(MFA), {}, f'acr_values="{MFA}"'),
            case("classes in the order of preference", step_up(PHR, MFA), {}, f'acr_values="{PHR} {MFA}"'),
            case("an age", step_up(max_age=300), {}, 'max_age="300"'),
            case("an age of nothing", step_up(max_age=0), {}, 'max_age="0"'),
            case("both", step_up(MFA, max_age=300), {}, f'acr_values="{MFA}", max_age="300"'),
            case(
                "both, though one of them holds",
                step_up(MFA, max_age=300),
                {"acr": MFA},
                f'acr_values="{MFA}", max_age="300"',
            ),
            case(
                "the scope too, where it is short",
                all_of("write", step_up(MFA)),
                {},
                f'acr_values="{MFA}", scope="write"',
            ),
            case(
                "the whole scope of the operation",
                all_of("read", "write", step_up(max_age=60)),
                {"scope": "read"},
                'max_age="60", scope="read write"',
            ),
            case(
                "the shortest of two ages",
                all_of(step_up(max_age=600), step_up(max_age=60)),
                {},
                'max_age="60"',
            ),
            case("the first of equal branches", any_of(step_up(MFA), step_up(PHR)), {}, f'acr_values="{MFA}"'),
            case(
                "a login that is enough, before a scope",
                any_of(step_up(max_age=60), "admin"),
                {},
                'max_age="60"',
            ),
            case(
                "a class that serves both parts",
                all_of(step_up(MFA, PHR), step_up(PHR)),
                {},
                f'acr_values="{PHR}"',
            ),
        ],
    )
    def test_asks_for(self, needed, claims, more):
        verdict = ask(needed, claims=claims)
        assert verdict.challenge == f"{BEGIN}, {more}"
        assert verdict.denied.body["error"] == "insufficient_user_authentication"

    def test_is_of_its_own_exception(self):
        with pytest.raises(InsufficientAuthentication) as denied:
            server_for().authorize(f"Bearer {MINT.token()}", step_up(MFA))
        assert isinstance(denied.value, AccessDenied)
        assert denied.value.challenge.get("acr_values") == MFA

    def test_of_a_scope_branch_says_nothing_of_a_login(self):
        verdict = ask(any_of("admin", step_up(max_age=60)))
        assert verdict.status == 403
        assert verdict.challenge.endswith('scope="admin"')
        assert verdict.codes == [Code.SCOPE_MISSING, Code.AUTHENTICATION_TOO_WEAK]

    @pytest.mark.parametrize(
        "credentials",
        [None, "Bearer x", f"Bearer {MINT.token(expires_in=-60)}", f"Bearer {MINT.forged_token(acr=MFA)}"],
        ids=["no token", "no JWT", "an expired token", "a forged token"],
    )
    def test_tells_strangers_nothing(self, credentials):
        with pytest.raises(AccessDenied) as denied:
            server_for().authorize(credentials, step_up(MFA, max_age=300))
        assert MFA not in str(denied.value.headers)
        assert "max_age" not in str(denied.value.headers)


class TestTogether:
    PARTS = ("write", organization("org_id"), step_up(MFA))

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2), (0, 2, 1), (2, 0, 1)], ids=str)
    @pytest.mark.parametrize(
        ("claims", "status", "codes"),
        [
            case("all is well", {"scope": "write", "org_id": "a", "acr": MFA}, 200, []),
            case(
                "nothing is",
                {},
                401,
                [Code.AUTHENTICATION_TOO_WEAK, Code.ORGANIZATION_MISMATCH, Code.SCOPE_MISSING],
            ),
            case("the login holds", {"acr": MFA}, 403, [Code.ORGANIZATION_MISMATCH, Code.SCOPE_MISSING]),
            case("only the scope is short", {"acr": MFA, "org_id": "a"}, 403, [Code.SCOPE_MISSING]),
            case(
                "only the login is weak",
                {"scope": "write", "org_id": "a"},
                401,
                [Code.AUTHENTICATION_TOO_WEAK],
            ),
        ],
    )
    def test_the_login_is_told_before_the_organization_before_the_scope(self, order, claims, status, codes):
        needed = all_of(*(self.PARTS[place] for place in order))
        for question in (ask, ask_async):
            verdict = question(needed, path_params={"org_id": "a"}, claims=claims)
            assert (verdict.status, verdict.codes) == (status, codes)

    def test_inside_a_branch(self):
        needed = any_of("admin", all_of("write", step_up(MFA)))
        assert ask(needed, claims={"scope": "admin"})
        assert ask(needed, claims={"scope": "write", "acr": MFA})
        weak = ask(needed, claims={"scope": "write"})
        assert Code.AUTHENTICATION_TOO_WEAK in weak.codes
        assert Code.SCOPE_MISSING in weak.codes

    def test_a_token_that_is_not_good_is_never_asked_for_a_login(self):
        assert ask(step_up(MFA), claims={"exp": NOW - 60}).codes == [Code.EXPIRED]

    def test_a_shadow_lets_in(self):
        assert server_for().authorize(f"Bearer {MINT.token()}", shadow(step_up(MFA))).subject == "user-1"

    def test_an_explanation_says_how_the_policy_failed(self):
        explained = ask(step_up(MFA)).explanation
        (policy,) = [step for step in explained.steps if step.name == "policy"]
        assert (policy.verdict, policy.finding.code) == ("failed", Code.AUTHENTICATION_TOO_WEAK)
        assert MFA in explained.to_text()
        assert "acr_values" in explained.hints[0]


class TestBehindEveryDoor:
    @every_door
    def test_the_challenge_is_the_same(self, door):
        client = door(server_for(), all_of("write", step_up(PHR, MFA, max_age=300)))
        good = bearer(scope="write", acr=MFA, auth_time=NOW - 10)
        assert client("/orgs/1/things", good).status == 200
        weak = client("/orgs/1/things", bearer(acr="pwd", auth_time=NOW - 10))
        assert weak == Answer(
            401,
            f'{BEGIN}, acr_values="{PHR} {MFA}", max_age="300", scope="write"',
            {
                "error": "insufficient_user_authentication",
                "error_description": "This operation needs a stronger or more recent login",
            },
            None,
        )
        assert client("/orgs/1/things").challenge == 'Bearer realm="api"'


class TestRefusedSettings:
    @pytest.mark.parametrize(
        ("values", "max_age", "says"),
        [
            case("nothing", [], None, r"step_up\('urn:example:mfa'\) or step_up\(max_age=300\)"),
            case("an empty class", [""], None, "empty class"),
            case("an empty one among others", [MFA, ""], None, "empty class"),
            case("two classes in one text", ["a b"], None, "without spaces"),
            case("a class with a quotation mark", ['a"'], None, "without spaces and quotes"),
            case("a class with a backslash", ["a\\"], None, "without spaces and quotes"),
            case("a class with a line feed", ["a\r\nX: 1"], None, "printable ASCII"),
            case("a class beyond ASCII", ["é"], None, "printable ASCII"),
            case("a number for a class", [1], None, "printable ASCII"),
            case("a list of classes", [["a", "b"]], None, "printable ASCII"),
            case("None for a class", [None], None, "printable ASCII"),
            case("an age below zero", [], -1, "whole number of seconds"),
            case("a fraction for an age", [], 1.5, "whole number of seconds"),
            case("a text for an age", [], "300", "whole number of seconds"),
            case("true for an age", [], True, "whole number of seconds"),
            case("what is no number", [], float("nan"), "whole number of seconds"),
            case("an age longer than any", [], 10**400, "seconds"),
        ],
    )
    def test_say_what_to_write(self, values, max_age, says):
        with pytest.raises(ConfigurationError, match=says):
            step_up(*values, max_age=max_age)
