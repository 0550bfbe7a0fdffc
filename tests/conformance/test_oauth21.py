"""OAuth 2.1 (draft): the checks of a resource server."""

from __future__ import annotations

import pytest

from jwtauthz import Request

from .tools import ELSEWHERE, asked, judge, line, parse_challenge, row, server_for


class TestOAuth21:
    @pytest.mark.parametrize(
        ("token", "status"),
        [
            row("ROA21-01", "a live token with the scope is let in", {"scope": "admin"}, 200),
            row("ROA21-01", "an expired one with the scope is not", {"scope": "admin", "expires_in": -1}, 401),
            row("ROA21-01", "a live one without the scope is not", {"scope": "read"}, 403),
            row("ROA21-04", "a good token for this API is let in", {"scope": "admin", "sub": "user-1"}, 200),
            row("ROA21-04", "expiry is checked", {"scope": "admin", "expires_in": 0}, 401),
            row("ROA21-04", "the audience is checked", {"scope": "admin", "audience": ELSEWHERE}, 401),
            row("ROA21-04", "the scope is checked", {"scope": "adm"}, 403),
        ],
    )
    def test_checks(self, server, mint, token, status):
        assert judge(server, mint.token(**token), "admin").status == status

    @line("ROA21-04", "whatever else the API asks is checked")
    def test_other_policy(self, server, mint):
        def of_this_user(token, request):
            return token.subject == request.path_params["user"]

        for user, status in (("user-1", 200), ("user-2", 403)):
            request = Request(f"Bearer {mint.token(scope='admin')}", path_params={"user": user})
            assert asked(server, request, "admin", of_this_user).status == status

    @line("ROA21-02", "a token in the query counts for nothing, good or bad")
    def test_query(self, server, mint):
        in_query = f"/users?access_token={mint.token(scope='admin')}"
        verdict = asked(server, Request(None, path=in_query), "admin")
        assert (verdict.status, verdict.error) == (401, None)
        assert asked(server, Request(f"Bearer {mint.token(scope='admin')}", path=in_query), "admin")

    @pytest.mark.parametrize(
        "scheme",
        [row("ROA21-03", f"the header is read when it says {name}", name) for name in ("Bearer", "bearer")],
    )
    def test_header(self, server, mint, scheme):
        assert asked(server, Request(headers={"Authorization": f"{scheme} {mint.token()}"}))

    @pytest.mark.parametrize(
        ("token", "error"),
        [
            row("ROA21-05", "a client learns that its token is invalid", {"expires_in": -5}, "invalid_token"),
            row("ROA21-05", "a client learns that its scope is short", {}, "insufficient_scope"),
        ],
    )
    def test_error_is_told(self, mint, clock, token, error):
        verdict = judge(server_for(mint, clock=clock), mint.token(**token), "admin")
        assert parse_challenge(verdict.challenge)["error"] == error
        assert verdict.denied.body["error"] == error
        assert verdict.denied.body["error_description"]
