"""What requirements tell besides yes and no: scopes to ask for, claims they read, what can be said early."""

from __future__ import annotations

import pytest

from authorizing import NOW, ask, case
from jwtauthz import Decision, all_of, any_of, shadow


def yes(token, request):
    return True


@pytest.mark.parametrize(
    ("need", "scope", "asked_for"),
    [
        case(
            "a scope of the request that is granted is asked for too",
            all_of("read:{org_id}", "b"),
            "read:org_1",
            "b read:org_1",
        ),
        case("one that the request does not make is left out", all_of(any_of("a", "read:{no}"), "b"), "a", "a b"),
        case(
            "one that is granted within any_of is asked for",
            all_of(any_of("a", "read:{org_id}"), "b"),
            "read:org_1",
            "b read:org_1",
        ),
        case(
            "one that is not granted within any_of is left out",
            all_of(any_of("a", "read:{org_id}"), "b"),
            "a",
            "a b",
        ),
    ],
)
def test_the_scopes_to_ask_for(need, scope, asked_for):
    verdict = ask(need, claims={"scope": scope}, path_params={"org_id": "org_1"})
    assert verdict.status == 403
    assert sorted(verdict.scope.split()) == asked_for.split()


@pytest.mark.parametrize(
    ("need", "claim", "reads"),
    [
        case("a scope of the request reads its own claim", "read:{org_id}", "permissions", ["permissions"]),
        case("or the issuer's", "read:{org_id}", None, ["scope"]),
        case(
            "both of two claims are told",
            all_of("a", all_of("b", claim="permissions")),
            None,
            ["permissions", "scope"],
        ),
    ],
)
def test_the_claims_that_are_read(need, claim, reads):
    verdict = ask(need, claim=claim, path_params={"org_id": "org_1"})
    assert sorted(verdict.explanation.reads) == reads


@pytest.mark.parametrize(
    ("need", "claims", "policy"),
    [
        case("a scope is told beside a function that can't be asked", all_of("a", yes), {}, "failed"),
        case("a scope that is there, too", all_of("a", yes), {"scope": "a"}, "passed"),
        case("of a function alone nothing is told", all_of(yes), {}, "not reached"),
        case("nor of several", any_of(yes, yes), {}, "not reached"),
        case("a policy that is tried out is told as if it held", shadow("a"), {}, "failed"),
    ],
)
def test_of_a_token_that_has_expired(need, claims, policy):
    verdict = ask(need, claims={"exp": NOW - 60, **claims})
    assert verdict.codes == ["expired"]
    assert [step.verdict for step in verdict.explanation.steps if step.name == "policy"] == [policy]


def test_a_function_that_says_no_is_told_as_it_said_it():
    def no(token, request):
        return False

    def perhaps(token, request):
        return None

    assert ask(no).findings[0].detail.endswith("no said no.")
    assert ask(perhaps).findings[0].detail.endswith("said no, for it returned NoneType and not True.")


@pytest.mark.parametrize("odd", [None, 5, "scope", {"a": 1}], ids=repr)
@pytest.mark.parametrize("member", ["findings", "scope", "acr_values"])
def test_a_denial_made_by_hand_of_odd_values_is_a_plain_no(member, odd):
    def check(token, request):
        return Decision(allowed=False, **{member: odd})

    verdict = ask(check)
    assert verdict.status == 403
    assert verdict.codes == ["refused_by_check"]
    assert verdict.scope is None
