"""RFC 9110: what HTTP itself asks of credentials and challenges."""

from __future__ import annotations

import pytest

from jwtauthz import ConfigurationError, Issuer, Request, ResourceServer
from jwtauthz.testing import FakeIssuer

from .conftest import REFUSED
from .tools import AUDIENCE, asked, judge, line, parse_challenge, row, server_for


class TestCredentials:
    @pytest.mark.parametrize(
        "scheme",
        [
            row("R9110-01", f"{scheme} is the scheme Bearer", scheme)
            for scheme in ("Bearer", "bearer", "BEARER", "bEaReR")
        ],
    )
    def test_scheme_in_any_case(self, server, mint, scheme):
        assert asked(server, f"{scheme} {mint.token()}")

    @pytest.mark.parametrize(
        "lines",
        [
            row("R9110-09", "two good tokens in two header lines are refused", ["Bearer {}", "Bearer {}"]),
            row("R9110-09", "a second line with another scheme is refused too", ["Bearer {}", "Basic eDp5"]),
            row("R9110-09", "so is a first one", ["Basic eDp5", "Bearer {}"]),
            row("R9110-09", "so are two lines that a proxy joined with a comma", ["Bearer {}, Bearer {}"]),
            row("R9110-09", "so is another scheme joined before it", ["Basic eDp5, Bearer {}"]),
            row("R9110-09", "so is an empty second line", ["Bearer {}", ""]),
        ],
    )
    def test_several_authorization_lines(self, server, mint, lines):
        verdict = asked(server, Request([each.replace("{}", mint.token()) for each in lines]))
        assert (verdict.status, verdict.error) == (400, "invalid_request")


class TestChallenges:
    @pytest.mark.parametrize(
        "name", [row("R9110-02", f"no parameter stands twice for {name}", name) for name in REFUSED]
    )
    def test_parameter_names(self, server, mint, name):
        names = [
            each.lower()
            for each in parse_challenge(asked(server, REFUSED[name][0](mint), "admin").challenge).names
        ]
        assert len(names) == len(set(names))

    @pytest.mark.parametrize(
        "realm",
        [
            row("R9110-03", "a realm with quotation marks comes back as it was set", 'the "inner" API'),
            row("R9110-03", "a realm with backslashes comes back as it was set", "C:\\api\\"),
            row("R9110-03", "a realm with a comma and an equals sign comes back as it was set", 'a, b="c'),
        ],
    )
    def test_quoting(self, mint, clock, realm):
        server = server_for(mint, clock=clock, server={"realm": realm})
        for credentials in (None, "Bearer abc"):
            assert parse_challenge(asked(server, credentials).challenge)["realm"] == realm

    @pytest.mark.parametrize(
        "realm",
        [
            row("R9110-03", "a realm with a line break is refused when it is set", "api\r\nX: 1"),
            row("R9110-03", "a realm beyond ASCII is refused when it is set", "straße"),
        ],
    )
    def test_realm_that_no_header_carries(self, mint, clock, realm):
        with pytest.raises(ConfigurationError, match="realm="):
            server_for(mint, clock=clock, server={"realm": realm})

    @pytest.mark.parametrize(
        "name", [row("R9110-04", f"the realm is a quoted string for {name}", name) for name in REFUSED]
    )
    def test_realm_is_quoted(self, server, mint, name):
        challenge = parse_challenge(asked(server, REFUSED[name][0](mint), "admin").challenge)
        assert challenge["realm"] == "api"
        assert "realm" not in challenge.unquoted

    @pytest.mark.parametrize(
        "name",
        [
            row("R9110-05", f"the 401 of {name} has a challenge", name)
            for name, case in REFUSED.items()
            if case[1] == 401
        ],
    )
    def test_every_401(self, server, mint, name):
        verdict = asked(server, REFUSED[name][0](mint), "admin")
        assert verdict.status == 401
        assert parse_challenge(verdict.challenge).scheme == "Bearer"

    @pytest.mark.parametrize(
        "credentials",
        [
            row("R9110-06", "missing credentials are answered 401 with a challenge", None),
            row("R9110-06", "an empty header is answered 401 with a challenge", ""),
            row("R9110-06", "invalid credentials are answered 401 with a challenge", "Bearer abc"),
        ],
    )
    def test_missing_or_invalid(self, server, credentials):
        verdict = asked(server, credentials)
        assert verdict.status == 401
        assert verdict.challenge

    @line("R9110-07", "a 403 carries a challenge too")
    def test_forbidden(self, server, mint):
        verdict = judge(server, mint.token(), "admin")
        assert verdict.status == 403
        assert parse_challenge(verdict.challenge).scheme == "Bearer"

    @line(
        "R9110-11",
        "while the keys are out of reach the answer is 503, says when to try again, and blames no token",
    )
    def test_outage(self):
        issuer = FakeIssuer(algorithm="ES256")
        with issuer:
            server = ResourceServer(Issuer(issuer.url, algorithms="ES256"), AUDIENCE)
            token = issuer.token()
        with server:
            verdict = judge(server, token)
        assert verdict.status == 503
        assert verdict.challenge is None
        assert verdict.error not in {"invalid_token", "invalid_request", "insufficient_scope"}
        assert int(verdict.denied.headers["Retry-After"]) >= 1
