"""The request as a value, and the token in its Authorization header."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from jwtauthz import Code, Finding, Request
from jwtauthz.request import bearer_token
from jwtauthz.token import MAX_TOKEN


def case(sentence, *values):
    return pytest.param(*values, id=sentence)


class TestCredentials:
    @pytest.mark.parametrize(
        ("header", "token"),
        [
            case("the token is what stands after the scheme", "Bearer abc", "abc"),
            case("the scheme is read in any case", "bEARER abc", "abc"),
            case("white space around the header is not part of it", " \tBearer abc\t ", "abc"),
            case("padding is part of the token", "Bearer abc==", "abc=="),
            case("the largest token passes", "Bearer " + "a" * MAX_TOKEN, "a" * MAX_TOKEN),
        ],
    )
    def test_good(self, header, token):
        assert bearer_token((header,)) == token

    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            case("no header is no credentials", (), Code.NO_CREDENTIALS),
            case("an empty header is no credentials", ("",), Code.NO_CREDENTIALS),
            case("white space is no credentials", ("  \t ",), Code.NO_CREDENTIALS),
            case("another scheme is no credentials", ("Basic abc",), Code.NO_CREDENTIALS),
            case("a scheme alone is no credentials", ("Basic",), Code.NO_CREDENTIALS),
            case("a longer word is another scheme", ("Bearers abc",), Code.NO_CREDENTIALS),
            case("DPoP is another scheme", ("DPoP abc",), Code.NO_CREDENTIALS),
            case("a digest with commas is another scheme", ('Digest a="b", c="d"',), Code.NO_CREDENTIALS),
            case("Bearer alone is malformed", ("Bearer",), Code.MALFORMED_CREDENTIALS),
            case("Bearer and spaces are malformed", ("Bearer    ",), Code.MALFORMED_CREDENTIALS),
            case("two words are malformed", ("Bearer a b",), Code.MALFORMED_CREDENTIALS),
            case("a tab after the space is malformed", ("Bearer \tabc",), Code.MALFORMED_CREDENTIALS),
            case("a tab in the token is malformed", ("Bearer a\tb",), Code.MALFORMED_CREDENTIALS),
            case("a comma in the token is malformed", ("Bearer a,b",), Code.MALFORMED_CREDENTIALS),
            case("Bearer twice is malformed", ("Bearer Bearer abc",), Code.MALFORMED_CREDENTIALS),
            case("two headers are repeated", ("Bearer a", "Bearer a"), Code.REPEATED_CREDENTIALS),
            case("a second empty header is repeated", ("Bearer a", ""), Code.REPEATED_CREDENTIALS),
            case("two credentials with a comma are repeated", ("Bearer a, Bearer b",), Code.REPEATED_CREDENTIALS),
            case("in any case", ("bearer a,BEARER b",), Code.REPEATED_CREDENTIALS),
            case("after another scheme too", ("Basic a, Bearer b",), Code.REPEATED_CREDENTIALS),
            case("after a digest too", ('Digest a="b", c="d", Bearer b',), Code.REPEATED_CREDENTIALS),
            case(
                "a character too many is too large",
                ("Bearer " + "a" * (MAX_TOKEN + 1),),
                Code.CREDENTIALS_TOO_LARGE,
            ),
            case("so are a million", ("Bearer " + "a" * 1_000_000,), Code.CREDENTIALS_TOO_LARGE),
        ],
    )
    def test_bad(self, headers, code):
        finding = bearer_token(headers)
        assert isinstance(finding, Finding)
        assert finding.code is code

    def test_a_token_without_a_scheme_is_told_what_is_missing(self):
        finding = bearer_token(("eyJhbGciOiJSUzI1NiJ9.e30.c2ln",))
        assert finding.code is Code.MISSING_SCHEME
        assert (finding.answer.status, finding.answer.error) == (401, None)
        assert "Authorization: Bearer" in finding.hint

    @pytest.mark.parametrize(
        "header",
        ["Bearer secret secret", "Basic secret", "Bearer secret, Bearer secret", "secret.secret.secret", "secret"],
    )
    def test_what_was_sent_is_not_repeated(self, header):
        assert "secret" not in str(bearer_token((header,)))


PREFLIGHT = {"Origin": "https://app.test", "Access-Control-Request-Method": "DELETE"}


class TestTheRequest:
    def test_a_header_of_a_framework_s_own_kind_of_string_is_one_header(self):
        class Header(str):
            __slots__ = ()

            def __str__(self) -> str:
                return "something else"

        [authorization] = Request(Header("Bearer abc")).authorization
        assert (authorization, type(authorization)) == ("Bearer abc", str)

    @pytest.mark.parametrize(
        ("request_", "authorization"),
        [
            case("no header", Request(), ()),
            case("one header as a string", Request("Bearer a"), ("Bearer a",)),
            case("several as a list", Request(["Bearer a", "Bearer b"]), ("Bearer a", "Bearer b")),
            case("several from a generator", Request(each for each in ("a", "b")), ("a", "b")),
            case("none, as an empty list", Request([]), ()),
            case("one among the headers", Request(headers={"authorization": "Bearer a"}), ("Bearer a",)),
            case("however it is written there", Request(headers={"AUTHORIZATION": "Bearer a"}), ("Bearer a",)),
            case("the one that is given goes first", Request("a", headers={"Authorization": "b"}), ("a",)),
            case(
                "a mapping of another kind is asked in lower case",
                Request(headers=MappingProxyType({"authorization": "Bearer a"})),
                ("Bearer a",),
            ),
        ],
    )
    def test_authorization(self, request_, authorization):
        assert request_.authorization == authorization

    def test_names_of_headers_are_in_lower_case(self):
        given = {"X-Request-ID": "1"}
        assert Request(headers=given).headers["x-request-id"] == "1"
        assert given == {"X-Request-ID": "1"}

    def test_two_spellings_of_the_header_are_two_headers(self):
        request = Request(headers={"Authorization": "Bearer a", "authorization": "Bearer b"})
        assert isinstance(bearer_token(request.authorization), Finding)

    def test_it_shows_no_credentials(self):
        assert repr(Request("Bearer secret", method="POST", path="/users")) == "<Request POST '/users'>"

    @pytest.mark.parametrize(
        ("request_", "is_preflight"),
        [
            case(
                "OPTIONS with both headers and no credentials is one",
                Request(method="OPTIONS", headers=PREFLIGHT),
                True,
            ),
            case("another method is none", Request(method="GET", headers=PREFLIGHT), False),
            case("a method in small letters is none", Request(method="options", headers=PREFLIGHT), False),
            case("credentials make it none", Request("Bearer a", method="OPTIONS", headers=PREFLIGHT), False),
            case("empty credentials make it none", Request("", method="OPTIONS", headers=PREFLIGHT), False),
            case(
                "credentials among the headers make it none",
                Request(method="OPTIONS", headers={**PREFLIGHT, "Authorization": "Bearer a"}),
                False,
            ),
            case(
                "without Origin it is none",
                Request(method="OPTIONS", headers={"Access-Control-Request-Method": "GET"}),
                False,
            ),
            case(
                "without the method asked for it is none",
                Request(method="OPTIONS", headers={"Origin": "https://a.test"}),
                False,
            ),
            case("plain OPTIONS is none", Request(method="OPTIONS"), False),
        ],
    )
    def test_preflight(self, request_, is_preflight):
        assert request_.is_preflight is is_preflight
