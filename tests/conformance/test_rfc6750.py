"""RFC 6750: how a bearer token is sent, and how a refusal is answered."""

from __future__ import annotations

import pytest

from jwtauthz import ConfigurationError, Request, any_of
from jwtauthz.credentials import cookie, form, header, private, query

from .conftest import REFUSED
from .tools import (
    DESCRIPTION,
    ELSEWHERE,
    SCOPE,
    asked,
    b64url,
    judge,
    line,
    parse_challenge,
    plain_token,
    raw_token,
    row,
    server_for,
)


class TestSendingTheToken:
    @pytest.mark.parametrize(
        ("header", "let_in"),
        [
            row("R6750-01", "the word Bearer, a space and the token are credentials", "Bearer {}", True),
            row("R6750-02", "two spaces separate as well as one", "Bearer  {}", True),
            row("R6750-02", "a dozen spaces separate as well as one", "Bearer            {}", True),
            row("R6750-02", "a tab separates nothing", "Bearer\t{}", False),
            row("R6750-02", "a no-break space separates nothing", "Bearer\u00a0{}", False),
            row("R6750-02", "a line break separates nothing", "Bearer\n{}", False),
            row("R6750-02", "a colon separates nothing", "Bearer: {}", False),
            row("R6750-02", "nothing at all separates nothing", "Bearer{}", False),
        ],
    )
    def test_scheme_and_separator(self, server, mint, header, let_in):
        assert bool(asked(server, header.format(mint.token()))) is let_in

    @pytest.mark.parametrize(
        "spoil",
        [
            row("R6750-03", "a quotation mark in the token is refused", '"{}"'.format),
            row("R6750-03", "an exclamation mark in the token is refused", "{}!".format),
            row("R6750-03", "a percent sign in the token is refused", "%{}".format),
            row("R6750-03", "an at sign in the token is refused", "{}@".format),
            row("R6750-03", "a semicolon after the token is refused", "{};".format),
            row("R6750-03", "padding in front of the token is refused", "={}".format),
            row("R6750-03", "a letter beyond ASCII in the token is refused", "{}é".format),
            row("R6750-03", "a NUL in the token is refused", "{}\0".format),
            row("R6750-03", "a line break in the token is refused", "{}\r\nX-Evil: 1".format),
        ],
    )
    def test_characters(self, server, mint, spoil):
        verdict = asked(server, f"Bearer {spoil(mint.token())}")
        assert (verdict.status, verdict.error) in {(400, "invalid_request"), (401, "invalid_token")}


FORM = "application/x-www-form-urlencoded"


def posted(body, *, method="POST", content_type=FORM, authorization=None, query=""):
    """A request with a form; `body` is text in Latin-1."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return Request(authorization, method=method, headers=headers, form=body.encode("latin-1"), query=query)


class TestSendingItElsewhere:
    @pytest.fixture
    def server(self, mint, clock):
        """Reads the token in every way that the RFC has."""
        return server_for(mint, clock=clock, server={"token_from": [header(), form(), query("access_token")]})

    @pytest.mark.parametrize(
        "request_for",
        [
            row(
                "R6750-04",
                "a header and a form are a bad request",
                lambda t: posted(f"access_token={t}", authorization=f"Bearer {t}"),
            ),
            row(
                "R6750-04",
                "a header and a query are a bad request",
                lambda t: Request(f"Bearer {t}", query=f"access_token={t}"),
            ),
            row(
                "R6750-04",
                "a form and a query are a bad request",
                lambda t: posted(f"access_token={t}", query=f"access_token={t}"),
            ),
            row(
                "R6750-29",
                "two form fields are a bad request",
                lambda t: posted(f"access_token={t}&access_token={t}"),
            ),
            row(
                "R6750-29",
                "two query parameters are a bad request",
                lambda t: Request(query=f"access_token={t}&access_token={t}"),
            ),
            row(
                "R6750-29",
                "so they are if one is written with percent signs",
                lambda t: Request(query=f"access_token={t}&%61ccess_token={t}"),
            ),
        ],
    )
    def test_twice(self, server, mint, request_for):
        verdict = asked(server, request_for(mint.token()))
        assert (verdict.status, verdict.error) == (400, "invalid_request")

    @pytest.mark.parametrize(
        ("request_for", "let_in"),
        [
            row("R6750-05", "a form is read where that is said", lambda t: posted(f"access_token={t}"), True),
            row(
                "R6750-06",
                "a charset does no harm",
                lambda t: posted(f"access_token={t}", content_type=FORM + "; charset=UTF-8"),
                True,
            ),
            row(
                "R6750-06",
                "a body of JSON is no form",
                lambda t: posted(f"access_token={t}", content_type="application/json"),
                False,
            ),
            row(
                "R6750-06",
                "a body of plain text is no form",
                lambda t: posted(f"access_token={t}", content_type="text/plain"),
                False,
            ),
            row(
                "R6750-06",
                "a body without a type is no form",
                lambda t: posted(f"access_token={t}", content_type=""),
                False,
            ),
            row(
                "R6750-07",
                "a body of several parts is not read",
                lambda t: posted(
                    f'--b\r\nContent-Disposition: form-data; name="access_token"\r\n\r\n{t}\r\n--b--\r\n',
                    content_type="multipart/form-data; boundary=b",
                ),
                False,
            ),
            row(
                "R6750-07",
                "nor is one that only says so",
                lambda t: posted(f"access_token={t}", content_type="multipart/form-data; boundary=b"),
                False,
            ),
            row(
                "R6750-08",
                "a body with a letter outside ASCII is not read",
                lambda t: posted(f"name=Zoé&access_token={t}"),
                False,
            ),
            row(
                "R6750-08",
                "one that is encoded does no harm",
                lambda t: posted(f"name=Zo%C3%A9&access_token={t}"),
                True,
            ),
            *(
                row(
                    "R6750-09",
                    f"the body of {method} means nothing",
                    lambda t, method=method: posted(f"access_token={t}", method=method),
                    False,
                )
                for method in ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE")
            ),
            *(
                row(
                    "R6750-09",
                    f"the body of {method} means something",
                    lambda t, method=method: posted(f"access_token={t}", method=method),
                    True,
                )
                for method in ("POST", "PUT", "PATCH")
            ),
            row("R6750-10", "the field stands first", lambda t: posted(f"access_token={t}&a=b"), True),
            row("R6750-10", "the field stands among others", lambda t: posted(f"a=b&access_token={t}&c"), True),
            row("R6750-10", "a semicolon separates nothing", lambda t: posted(f"a=b;access_token={t}"), False),
            row(
                "R6750-11",
                "a query is read where that is said",
                lambda t: Request(query=f"a=b&access_token={t}"),
                True,
            ),
        ],
    )
    def test_in_a_form_or_a_query(self, server, mint, request_for, let_in):
        verdict = asked(server, request_for(mint.token()))
        assert verdict.status == (200 if let_in else 401)

    @pytest.mark.parametrize(
        "request_for",
        [
            row("R6750-05", "a form is not read by default", lambda t: posted(f"access_token={t}")),
            row("R6750-11", "a query is not read by default", lambda t: Request(query=f"access_token={t}")),
            row(
                "R6750-37",
                "a cookie is not read by default",
                lambda t: Request(headers={"Cookie": f"access_token={t}"}),
            ),
        ],
    )
    def test_nowhere_else_by_default(self, mint, clock, request_for):
        assert asked(server_for(mint, clock=clock), request_for(mint.token())).code == "no_credentials"

    @line("R6750-11", "a query is not read without the name of its parameter")
    def test_a_query_is_named(self):
        with pytest.raises(TypeError):
            query()

    @pytest.mark.parametrize(
        ("said", "becomes"),
        [
            row("R6750-12", "an answer that says nothing becomes private", "", "private"),
            row("R6750-12", "a public answer becomes private", "public, max-age=60", "private, max-age=60"),
            row("R6750-12", "an answer that is not stored stays so", "no-store", "no-store"),
        ],
    )
    def test_answers_are_private(self, said, becomes):  # over the doors: tests/doors/test_credentials.py
        assert private(said) == becomes


class TestCookies:
    NAME = "__Host-access_token"

    @pytest.fixture
    def server(self, mint, clock):
        return server_for(mint, clock=clock, server={"token_from": cookie(self.NAME)})

    @pytest.mark.parametrize(
        ("pair", "let_in"),
        [
            row(
                "R6750-37",
                "a name that browsers keep from going in the clear can be asked for",
                "__Host-access_token={}",
                True,
            ),
            row("R6750-37", "then the name without it is another cookie", "access_token={}", False),
            row("R6750-37", "so is a name that only looks like it", "\xa0__Host-access_token={}", False),
        ],
    )
    def test_prefix(self, server, mint, pair, let_in):
        assert bool(asked(server, Request(headers={"Cookie": pair.format(mint.token())}))) is let_in

    @pytest.mark.parametrize(
        ("method", "shown", "status"),
        [
            row("R6750-38", "a safe method needs no precaution", "GET", {}, 200),
            *(
                row("R6750-38", f"{method} that shows nothing is refused", method, {}, 400)
                for method in ("POST", "PUT", "PATCH", "DELETE")
            ),
            row("R6750-38", "POST from the own page comes in", "POST", {"Sec-Fetch-Site": "same-origin"}, 200),
            row("R6750-38", "POST from another site is refused", "POST", {"Sec-Fetch-Site": "cross-site"}, 400),
            row("R6750-38", "POST from another host is refused", "POST", {"Sec-Fetch-Site": "same-site"}, 400),
            row("R6750-38", "the own origin will do", "POST", {"Origin": "https://api.example.com"}, 200),
            row("R6750-38", "another origin will not", "POST", {"Origin": "https://evil.example.com"}, 400),
            row("R6750-38", "an origin that is hidden will not", "POST", {"Origin": "null"}, 400),
        ],
    )
    def test_precaution(self, server, mint, method, shown, status):
        headers = {"Cookie": f"{self.NAME}={mint.token()}", "Host": "api.example.com", **shown}
        verdict = asked(server, Request(method=method, headers=headers))
        assert verdict.status == status
        if status == 400:
            assert (verdict.error, verdict.code) == ("invalid_request", "cross_site_request")
            assert parse_challenge(verdict.challenge)["error"] == "invalid_request"


def denied(server, mint, name):
    credentials, status, error = REFUSED[name]
    verdict = asked(server, credentials(mint), "admin")
    assert (verdict.status, verdict.error) == (status, error)
    return verdict


class TestTheChallenge:
    @pytest.mark.parametrize("name", [row("R6750-13", "without credentials there is one", "no credentials")])
    def test_is_there_without_credentials(self, server, mint, name):
        assert denied(server, mint, name).challenge

    @pytest.mark.parametrize(
        "name", [row("R6750-14", f"it answers {name}", name) for name in REFUSED if name != "no credentials"]
    )
    def test_is_there_whatever_is_wrong(self, server, mint, name):
        assert denied(server, mint, name).challenge

    @pytest.mark.parametrize(
        "name", [row("R6750-15", f"its scheme is Bearer for {name}", name) for name in REFUSED]
    )
    def test_scheme(self, server, mint, name):
        assert parse_challenge(denied(server, mint, name).challenge).scheme == "Bearer"

    @pytest.mark.parametrize(
        "name", [row("R6750-16", f"Bearer stands not alone for {name}", name) for name in REFUSED]
    )
    def test_is_never_bare(self, server, mint, name):
        assert parse_challenge(denied(server, mint, name).challenge).parameters

    @pytest.mark.parametrize(
        ("lines", "names"),
        [
            row("R6750-17", "realm stands there once", "R6750-17", {"realm"}),
            row("R6750-18", "scope stands there once at most", "R6750-18", {"scope"}),
            row(
                "R6750-19",
                "error and its companions stand there once at most",
                "R6750-19",
                {"error", "error_description", "error_uri"},
            ),
        ],
    )
    def test_names_nothing_twice(self, server, mint, lines, names):
        seen = set()
        for name in REFUSED:
            mentioned = [
                each for each in parse_challenge(denied(server, mint, name).challenge).names if each in names
            ]
            assert len(mentioned) == len(set(mentioned)), name
            seen.update(mentioned)
        assert seen, "none of these was ever sent, so this row shows nothing"

    @pytest.mark.parametrize(
        "name",
        [row("R6750-20", f"it names an error for {name}", name) for name, case in REFUSED.items() if case[2]],
    )
    def test_names_the_error_of_a_refused_token(self, server, mint, name):
        assert parse_challenge(denied(server, mint, name).challenge)["error"] == REFUSED[name][2]

    @line("R6750-21", "the description is for developers: one fixed sentence per reason, without the user's data")
    def test_description(self, server, mint):
        first, second = (
            judge(server, mint.token(audience=f"https://{name}.example", subject=name)).challenge
            for name in ("alice", "bob")
        )
        assert first == second
        assert parse_challenge(first)["error_description"]

    @pytest.mark.parametrize(
        "scope",
        [
            row("R6750-23", "a scope with a quotation mark is refused when it is set", 'read"users'),
            row("R6750-23", "a scope with a backslash is refused when it is set", "read\\users"),
            row("R6750-23", "a scope with a line break is refused when it is set", "read\r\nX: 1"),
            row("R6750-23", "a scope with a tab is refused when it is set", "read\tusers"),
            row("R6750-23", "a scope with a DEL is refused when it is set", "read\x7f"),
            row("R6750-23", "a scope beyond ASCII is refused when it is set", "lire:été"),
        ],
    )
    def test_no_scope_that_a_challenge_cannot_carry(self, server, scope):
        with pytest.raises(ConfigurationError):
            any_of(scope)
        with pytest.raises(ConfigurationError):
            server.authorize(None, scope)

    @pytest.mark.parametrize(
        "scope",
        [
            row(
                "R6750-23",
                "every character that a scope may have goes through",
                "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az|~",
            ),
            row("R6750-23", "several scopes have one space between two", "read:users write:users"),
        ],
    )
    def test_scopes_that_it_carries(self, server, mint, scope):
        challenge = parse_challenge(judge(server, mint.token(), *scope.split(" ")).challenge)
        assert challenge["scope"] == scope
        assert SCOPE.fullmatch(challenge["scope"])

    EVIL = 'x"\\\r\nSet-Cookie: a=b\x00é'

    @pytest.mark.parametrize(
        "spoil",
        [
            row("R6750-24", "an evil kid is not echoed", lambda mint, evil: mint.token(kid=evil)),
            row("R6750-24", "an evil alg is not echoed", lambda mint, evil: mint.token(headers={"alg": evil})),
            row("R6750-24", "an evil typ is not echoed", lambda mint, evil: mint.token(headers={"typ": evil})),
            row("R6750-24", "an evil crit is not echoed", lambda mint, evil: mint.token(headers={"crit": [evil]})),
            row("R6750-24", "an evil issuer is not echoed", lambda mint, evil: mint.token(iss=evil)),
            row("R6750-24", "an evil audience is not echoed", lambda mint, evil: mint.token(aud=evil)),
            row("R6750-24", "an evil expiry is not echoed", lambda mint, evil: mint.token(exp=evil)),
            row("R6750-24", "an evil subject is not echoed", lambda mint, evil: mint.token(sub=[evil])),
            row("R6750-24", "an evil scope is not echoed", lambda mint, evil: mint.token(scope=evil)),
            row("R6750-24", "evil credentials are not echoed", lambda mint, evil: evil),
        ],
    )
    def test_echoes_nothing(self, server, mint, spoil):
        verdict = asked(server, f"Bearer {spoil(mint, self.EVIL)}", "admin")
        assert verdict.status in {400, 401, 403}
        challenge = parse_challenge(verdict.challenge)
        assert DESCRIPTION.fullmatch(challenge["error"])
        assert DESCRIPTION.fullmatch(challenge["error_description"])
        assert "Cookie" not in str(verdict.denied.headers)
        assert "Cookie" not in str(verdict.denied.body)


class TestScopes:
    @pytest.mark.parametrize(
        ("held", "needed", "let_in"),
        [
            row("R6750-26", "the order of scopes means nothing", "c b a", ("a", "b", "c"), True),
            row("R6750-26", "an upper-case scope is not its lower-case twin", "READ", ("read",), False),
            row("R6750-26", "nor the other way round", "read", ("READ",), False),
        ],
    )
    def test_comparison(self, server, mint, held, needed, let_in):
        assert bool(judge(server, mint.token(scope=held), *needed)) is let_in

    @pytest.mark.parametrize(
        ("held", "needs", "scope"),
        [
            row("R6750-27", "the challenge names what is needed, not what is held", "read", ("write",), "write"),
            row("R6750-27", "it names what is needed and held too", "a", ("a", "b"), "a b"),
            row("R6750-32", "a 403 says which scope would do", None, ("read:users",), "read:users"),
            row("R6750-32", "of several that would do, it asks for one", None, (any_of("a", "b"),), "a"),
        ],
    )
    def test_of_the_challenge(self, server, mint, held, needs, scope):
        verdict = judge(server, mint.token(scope=held), *needs)
        assert verdict.status == 403
        assert parse_challenge(verdict.challenge)["scope"] == scope


class TestErrors:
    @pytest.mark.parametrize(
        "header",
        [
            row("R6750-28", "Bearer without a token is a bad request", "Bearer"),
            row("R6750-28", "Bearer and two tokens are a bad request", "Bearer a b"),
            row("R6750-28", "two credentials in one header are a bad request", "Bearer a, Bearer b"),
            row("R6750-28", "a token larger than any header should be is a bad request", "Bearer " + "a" * 20_000),
        ],
    )
    def test_invalid_request(self, server, header):
        verdict = asked(server, header)
        assert (verdict.status, verdict.error) == (400, "invalid_request")

    @pytest.mark.parametrize(
        "token",
        [
            row("R6750-30", "an expired token is invalid", lambda mint: mint.token(expires_in=-1)),
            row("R6750-30", "a malformed token is invalid", lambda mint: mint.token().replace(".", "..", 1)),
            row("R6750-30", "an opaque token is invalid", lambda mint: "mF_9.B5f-4.1JqM"),
            row("R6750-30", "a forged token is invalid", lambda mint: mint.forged_token()),
            row("R6750-30", "a token for another API is invalid", lambda mint: mint.token(audience=ELSEWHERE)),
            row("R6750-30", "a token for later is invalid", lambda mint: mint.token(nbf=mint.clock() + 60)),
        ],
    )
    def test_invalid_token(self, server, mint, token):
        verdict = judge(server, token(mint))
        assert (verdict.status, verdict.error) == (401, "invalid_token")

    @line("R6750-30", "a revoked token is invalid")
    def test_revoked(self, mint, clock):
        server = server_for(mint, clock=clock, server={"revoked": lambda token: token.claims["jti"] == "gone"})
        assert judge(server, mint.token(jti="here"))
        verdict = judge(server, mint.token(jti="gone"))
        assert (verdict.status, verdict.error) == (401, "invalid_token")

    @line("R6750-31", "a good token that lacks a scope is forbidden")
    def test_insufficient_scope(self, server, mint):
        verdict = judge(server, mint.token(scope="read"), "write")
        assert (verdict.status, verdict.error) == (403, "insufficient_scope")
        assert parse_challenge(verdict.challenge)["error"] == "insufficient_scope"

    @line("R6750-33", "without credentials the challenge tells no error")
    def test_no_credentials(self, server):
        verdict = asked(server, None)
        assert verdict.status == 401
        assert parse_challenge(verdict.challenge).names == ["realm"]

    @pytest.mark.parametrize(
        "header",
        [
            row("R6750-34", "Basic credentials count as none", "Basic dXNlcjpwYXNz"),
            row("R6750-34", "Digest credentials count as none", 'Digest username="u", realm="r", nonce="n"'),
            row("R6750-34", "Negotiate credentials count as none", "Negotiate YII="),
            row("R6750-34", "a scheme that begins like Bearer counts as none", "Bearerx abc"),
        ],
    )
    def test_another_scheme(self, server, header):
        assert asked(server, header).challenge == asked(server, None).challenge
        assert asked(server, header).status == 401

    @pytest.mark.parametrize(
        "token",
        [
            row(
                "R6750-39",
                "an expired token is told before its short scope",
                lambda mint: mint.token(expires_in=-1),
            ),
            row(
                "R6750-39",
                "a token for another API is told before its short scope",
                lambda mint: mint.token(audience=ELSEWHERE),
            ),
            row("R6750-39", "a forged token is told before its short scope", lambda mint: mint.forged_token()),
            row(
                "R6750-39",
                "a claim of the wrong type is told before a short scope",
                lambda mint: plain_token(mint, sub=["user-1"]),
            ),
            row(
                "R6750-39",
                "a payload that is no object is told before a short scope",
                lambda mint: raw_token(mint, payload=b"[]"),
            ),
            row(
                "R6750-39",
                "a header that is no object is told before a short scope",
                lambda mint: f"{b64url(b'[]')}.{b64url(b'{}')}.{b64url(b'x')}",
            ),
        ],
    )
    def test_order(self, server, mint, token):
        verdict = judge(server, token(mint), "admin")
        assert (verdict.status, verdict.error) == (401, "invalid_token")
