"""RFC 6749 section 3.3: what a scope is."""

from __future__ import annotations

import pytest

from jwtauthz import ConfigurationError, any_of

from .tools import judge, row, server_for


class TestReading:
    @pytest.mark.parametrize(
        ("held", "granted"),
        [
            row("R6749-01", "one space separates two scopes", "a b", {"a", "b"}),
            row("R6749-01", "more spaces separate nothing but them", "  a   b ", {"a", "b"}),
            row("R6749-01", "a scope may hold any visible character but two", "!#[]~ a:b/c", {"!#[]~", "a:b/c"}),
            row("R6749-02", "a scope that stands there twice is granted once", "a b a", {"a", "b"}),
            row("R6749-03", "a tab is part of a scope", "a\tb", {"a\tb"}),
            row("R6749-03", "a comma is part of a scope", "a,b", {"a,b"}),
            row("R6749-03", "a line break is part of a scope", "a\nb", {"a\nb"}),
            row("R6749-03", "a no-break space is part of a scope", "a\u00a0b", {"a\u00a0b"}),
            row("R6749-03", "an ideographic space is part of a scope", "a\u3000b", {"a\u3000b"}),
            row("R6749-04", "an empty scope grants nothing", "", set()),
            row("R6749-04", "a scope of spaces grants nothing", "   ", set()),
        ],
    )
    def test_of_the_claim(self, server, mint, held, granted):
        assert judge(server, mint.token(scope=held)).token.scopes == granted

    @pytest.mark.parametrize(
        "scope",
        [
            row("R6749-01", "a requirement of two scopes in one string can't be built", "read write"),
            row("R6749-01", "an empty one can't be built", ""),
            row("R6749-01", "one with a character that no scope has can't be built", 'say "read"'),
        ],
    )
    def test_of_a_requirement(self, scope):
        with pytest.raises(ConfigurationError):
            any_of(scope)


class TestComparing:
    @pytest.mark.parametrize(
        ("held", "needed", "let_in"),
        [
            row("R6749-02", "the same letters are the same scope", "read:users", "read:users", True),
            row("R6749-02", "letters of another case are another scope", "Read:Users", "read:users", False),
            row("R6749-02", "the last of several is as good as the first", "a b read:users", "read:users", True),
            row("R6749-05", "a scope does not grant what it is the beginning of", "read", "read:all", False),
            row("R6749-05", "nor its own beginning", "read:all", "read", False),
            row("R6749-05", "nor what stands in the middle of it", "unread:users", "read:users", False),
            row("R6749-05", "a star is a letter like others", "read:*", "read:users", False),
        ],
    )
    def test_with_a_requirement(self, server, mint, held, needed, let_in):
        assert bool(judge(server, mint.token(scope=held), needed)) is let_in

    @pytest.mark.parametrize(
        "empty",
        [
            row("R6749-04", "an empty scope hides no other claim that grants", ""),
            row("R6749-04", "nor does a scope that is a number", 7),
            row("R6749-04", "nor does a missing one", ...),
        ],
    )
    def test_with_several_claims(self, mint, clock, empty):
        server = server_for(mint, clock=clock, scopes_from=("scope", "scp"))
        claims = {"scp": ["read:users"]} if empty is ... else {"scope": empty, "scp": ["read:users"]}
        assert judge(server, mint.token(**claims), "read:users")
