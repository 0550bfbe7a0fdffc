"""RFC 9470: step-up authentication, asked of a resource server that gets a good token of a weak login."""

from __future__ import annotations

import pytest

from jwtauthz import all_of, claim_includes, step_up

from .tools import NOW, judge, line, parse_challenge, plain_token, row, strict_token

MFA, PHR = "urn:example:mfa", "phr"


def challenge(verdict):
    assert (verdict.status, verdict.error) == (401, "insufficient_user_authentication")
    return parse_challenge(verdict.challenge)


class TestTheAnswer:
    @pytest.mark.parametrize(
        ("claims", "needed"),
        [
            row("R9470-01", "a class that is another", {"acr": "pwd"}, step_up(MFA)),
            row("R9470-01", "a class that is missing", {}, step_up(MFA)),
            row("R9470-01", "a login that is too long ago", {"auth_time": NOW - 3600}, step_up(max_age=300)),
            row("R9470-01", "a login that is both", {"acr": "pwd", "auth_time": 0}, step_up(MFA, max_age=300)),
        ],
    )
    def test_to_a_weak_login_is_401_with_its_own_error(self, server, mint, claims, needed):
        told = challenge(judge(server, plain_token(mint, **claims), needed))
        assert told.scheme == "Bearer"
        assert told["error"] == "insufficient_user_authentication"

    @pytest.mark.parametrize(
        ("needed", "values"),
        [
            row("R9470-02", "one class", step_up(MFA), MFA),
            row("R9470-02", "two, the preferred one first", step_up(PHR, MFA), f"{PHR} {MFA}"),
            row("R9470-02", "the other way round", step_up(MFA, PHR), f"{MFA} {PHR}"),
        ],
    )
    def test_names_the_classes(self, server, mint, needed, values):
        assert challenge(judge(server, plain_token(mint), needed))["acr_values"] == values

    @pytest.mark.parametrize(
        ("max_age", "text"),
        [
            row("R9470-03", "five minutes", 300, "300"),
            row("R9470-03", "now", 0, "0"),
            row("R9470-03", "a year", 31_536_000, "31536000"),
        ],
    )
    def test_names_the_age(self, server, mint, max_age, text):
        assert challenge(judge(server, plain_token(mint), step_up(max_age=max_age)))["max_age"] == text

    @line("R9470-03", "an age below zero or with a fraction can't be asked for")
    def test_an_age_is_a_whole_number(self):
        for age in (-1, 0.5, "300", True):
            with pytest.raises(ValueError, match="whole number"):
                step_up(max_age=age)

    @line("R9470-04", "class and age stand in one challenge")
    def test_names_both(self, server, mint):
        told = challenge(judge(server, plain_token(mint), step_up(MFA, max_age=60)))
        assert (told["acr_values"], told["max_age"]) == (MFA, "60")
        assert told.names == ["realm", "error", "error_description", "acr_values", "max_age"]

    @pytest.mark.parametrize(
        ("scope", "asked"),
        [
            row("R9470-05", "a scope that is short too is asked for at once", "read:users", "write:users"),
            row("R9470-05", "a scope that is granted need not be", "write:users", None),
        ],
    )
    def test_names_the_scope(self, server, mint, scope, asked):
        told = challenge(judge(server, plain_token(mint, scope=scope), all_of("write:users", step_up(MFA))))
        if asked is not None:
            assert told["scope"] == asked
        assert set(told.names) <= {"realm", "error", "error_description", "acr_values", "scope"}


class TestTheComparison:
    @pytest.mark.parametrize(
        ("acr", "let_in"),
        [
            row("R9470-06", "the class to the letter", MFA, True),
            row("R9470-06", "the class in capitals is another", MFA.upper(), False),
            row("R9470-06", "a longer one is another", f"{MFA}:x", False),
            row("R9470-06", "a list of classes is none", [MFA], False),
        ],
    )
    def test_of_classes(self, server, mint, acr, let_in):
        assert bool(judge(server, plain_token(mint, acr=acr), step_up(MFA))) is let_in

    @pytest.mark.parametrize(
        ("auth_time", "let_in"),
        [
            row("R9470-06", "a login of a moment ago", NOW, True),
            row("R9470-06", "one just as old as allowed", NOW - 300, True),
            row("R9470-06", "one within the leeway", NOW - 305, True),
            row("R9470-06", "one beyond it", NOW - 306, False),
            row("R9470-06", "one that is to come", NOW + 6, False),
            row("R9470-06", "none at all", ..., False),
        ],
    )
    def test_of_ages(self, server, mint, auth_time, let_in):
        assert bool(judge(server, plain_token(mint, auth_time=auth_time), step_up(max_age=300))) is let_in

    @pytest.mark.parametrize(
        ("name", "value", "needed", "let_in"),
        [
            row("R9068-17", "auth_time is a number", "auth_time", NOW, step_up(max_age=60), True),
            row("R9068-17", "or a number with a fraction", "auth_time", NOW - 0.5, step_up(max_age=60), True),
            row("R9068-17", "and no string", "auth_time", str(NOW), step_up(max_age=60), False),
            row("R9068-17", "nor a boolean", "auth_time", True, step_up(max_age=60), False),
            row("R9068-17", "acr is a string", "acr", "1", step_up("1"), True),
            row("R9068-17", "and no number", "acr", 1, step_up("1"), False),
            row("R9068-17", "amr is a list of strings", "amr", ["pwd", "otp"], claim_includes("amr", "otp"), True),
            row(
                "R9068-17",
                "in which odd elements count for nothing",
                "amr",
                [1, None],
                claim_includes("amr", "1"),
                False,
            ),
        ],
    )
    def test_of_types(self, strict, mint, name, value, needed, let_in):
        assert bool(judge(strict, strict_token(mint, **{name: value}), needed)) is let_in


class TestStrangers:
    @pytest.mark.parametrize(
        "credentials",
        [
            row("R9470-08", "no token", lambda mint: None),
            row("R9470-08", "another scheme", lambda mint: "Basic dXNlcjpwYXNz"),
            row("R9470-08", "a forged token", lambda mint: "Bearer " + mint.forged_token()),
            row("R9470-08", "an expired token", lambda mint: "Bearer " + mint.token(expires_in=-1)),
            row("R9470-08", "a token for another API", lambda mint: "Bearer " + mint.token(audience="x")),
        ],
    )
    def test_learn_nothing_of_what_a_login_needs(self, server, mint, credentials):
        verdict = judge(server, credentials(mint), step_up(MFA, max_age=300))
        assert verdict.status == 401
        assert MFA not in verdict.challenge
        assert "max_age" not in verdict.challenge
