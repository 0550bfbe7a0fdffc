"""Where the token is: each source, several at once, and what no request gets past."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from authorizing import MINT, case, server_for
from jwtauthz import AccessDenied, Code, ConfigurationError, Request, authenticated
from jwtauthz.credentials import Credentials, cookie, form, header, private, query, subprotocol
from jwtauthz.token import MAX_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

T = MINT.token()
NONE, MALFORMED, REPEATED = Code.NO_CREDENTIALS, Code.MALFORMED_CREDENTIALS, Code.REPEATED_CREDENTIALS
TOO_LARGE, CROSS_SITE, FAILED = Code.CREDENTIALS_TOO_LARGE, Code.CROSS_SITE_REQUEST, Code.CHECK_FAILED
FORM_TYPE = "application/x-www-form-urlencoded"


class Lines(dict[str, str]):
    """Headers of which some stand there more than once, as Starlette has them."""

    def __init__(self, *lines: tuple[str, str]) -> None:
        super().__init__(reversed(lines))
        self.lines = lines

    def getlist(self, name: str) -> list[str]:
        return [value for each, value in self.lines if each == name]


def outcome(token_from: Any, request: Request) -> str:
    """`in`, or the code of the denial; the decision, its twin and the explanation agree."""
    server = server_for(token_from=token_from)
    denied = asyncio.run(denial_of(server.aauthorize(request, authenticated())))
    explanation = server.explain(request, authenticated())
    if denied is None:
        server.authorize(request, authenticated())
        assert explanation.allowed
        return "in"
    code = denied.finding.code
    with pytest.raises(AccessDenied) as again:
        server.authorize(request, authenticated())
    assert again.value.finding == explanation.finding == denied.finding
    assert T not in f"{denied} {denied.body} {denied.headers} {denied.explanation} {denied.explanation.to_json()}"
    assert denied.status == denied.explanation.status
    return code


async def denial_of(decision: Any) -> AccessDenied | None:
    try:
        await decision
    except AccessDenied as denied:
        return denied
    return None


def cookies(*lines: str, method: str = "GET", **more: Any) -> Request:
    return Request(method=method, headers=Lines(*(("cookie", line) for line in lines)), **more)


def posted(body: str | bytes, *, method: str = "POST", content_type: str = FORM_TYPE, **headers: str) -> Request:
    body = body.encode() if isinstance(body, str) else body
    given = {"content-type": content_type, "content-length": str(len(body)), **headers}
    return Request(method=method, headers=given, form=body)


def socket(*lines: str, scheme: str = "wss") -> Request:
    return Request(headers=Lines(*(("sec-websocket-protocol", line) for line in lines)), scheme=scheme)


class TestTheHeader:
    @pytest.mark.parametrize(
        ("credentials", "expected"),
        [
            case("the token alone comes in", T, "in"),
            case("white space around it does no harm", f" \t{T} ", "in"),
            case("so does the token behind Bearer", f"Bearer {T}", "in"),
            case("another scheme is none", "Basic dXNlcjpwYXNz", NONE),
            case("an opaque token alone can't be told from a scheme", "2YotnFZFEjr1zCsicMWpAA", NONE),
            case("two of them are malformed", f"{T} {T}", MALFORMED),
            case("two of them with a comma are malformed", f"{T},{T}", MALFORMED),
            case("one before a Bearer is repeated", f"{T}, Bearer {T}", REPEATED),
            case("two headers are repeated", [T, T], REPEATED),
            case("Bearer that is glued to it is still a mistake", f"Bearer{T}", Code.MISSING_SCHEME),
            case("a character too many is too large", T.ljust(MAX_TOKEN + 1, "x"), TOO_LARGE),
            case("so are a million", T.ljust(1_000_000, "x"), TOO_LARGE),
        ],
    )
    def test_with_a_bare_token(self, credentials, expected):
        assert outcome(header(bare_token=True), Request(credentials)) == expected

    def test_is_strict_by_default(self):
        assert outcome(header(), Request(T)) is Code.MISSING_SCHEME

    def test_is_read_the_straight_way_where_nothing_else_is(self):
        assert Credentials(header()).in_header
        assert server_for().credentials.in_header
        assert not Credentials(header(bare_token=True)).in_header
        assert not Credentials([header(), cookie("c")]).in_header


class TestCookies:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            case("the token comes in", cookies(f"t={T}"), "in"),
            case("among others", cookies(f"a=b; t={T}; c=d"), "in"),
            case("without a space between", cookies(f"a=b;t={T};c=d"), "in"),
            case("in a line of its own, as HTTP/2 may send it", cookies("a=b", f"t={T}"), "in"),
            case("in quotes", cookies(f't="{T}"'), "in"),
            case("beside odd ones", cookies(f'=; ;;a; "; x="; t={T}; \xff\x00=1'), "in"),
            case("no cookie is none", Request(), NONE),
            case("another cookie is none", cookies(f"tt={T}"), NONE),
            case("another case is another cookie", cookies(f"T={T}"), NONE),
            case("a cookie without a value is none", cookies("t="), NONE),
            case("one in empty quotes is none", cookies('t=""'), NONE),
            case("a name alone is none", cookies("t"), NONE),
            case("no name is none", cookies(f"={T}"), NONE),
            case("a name in quotes is another", cookies(f'"t"={T}'), NONE),
            case("an encoded name is another", cookies(f"%74={T}"), NONE),
            case("a no-break space makes another name", cookies(f"\xa0t={T}"), NONE),
            case("so does a vertical tab", cookies(f"\x0bt={T}"), NONE),
            case("so does a next-line", cookies(f"t\x85={T}"), NONE),
            case("two of the name are repeated", cookies(f"t={T}; t={T}"), REPEATED),
            case("one of which is empty", cookies(f"t=; t={T}"), REPEATED),
            case("in two lines", cookies(f"t={T}", f"t={T}"), REPEATED),
            case("with white space around one", cookies(f"t={T}; \tt ={T}"), REPEATED),
            case("a semicolon in quotes ends a cookie all the same", cookies(f'a="; t={T}; b="; t={T}'), REPEATED),
            case("lines that a server has joined with a comma", cookies(f"t={T}, t={T}"), MALFORMED),
            case("Bearer in a cookie is malformed", cookies(f"t=Bearer {T}"), MALFORMED),
            case("one quote is malformed", cookies(f't="{T}'), MALFORMED),
            case("an encoded token is none", cookies(f"t={T.replace('.', '%2E')}"), Code.OPAQUE_TOKEN),
            case("a token outside ASCII is none", cookies("t=\xe9.b.c"), Code.MALFORMED_TOKEN),
            case("a character too many is too large", cookies("t=" + "x" * (MAX_TOKEN + 1)), TOO_LARGE),
            case("a megabyte of others is too large", cookies(f"a={'x' * 1_000_000}; t={T}"), TOO_LARGE),
            case("many lines are too large together", cookies(*["a=" + "x" * 9_000] * 9, f"t={T}"), TOO_LARGE),
        ],
    )
    def test_reading(self, request_, expected):
        assert outcome(cookie("t"), request_) == expected

    def test_two_of_one_name_are_told_apart_from_two_places(self):
        with pytest.raises(AccessDenied) as denied:
            server_for(token_from=cookie("t")).authorize(cookies(f"t={T}; t={T}"), authenticated())
        assert "2 cookies t" in str(denied.value)
        assert "__Host-" in str(denied.value)


HOST = ("host", "api.example.com")


def from_page(*lines: tuple[str, str], method: str = "POST", scheme: str = "https", host: Any = HOST) -> Request:
    return Request(method=method, scheme=scheme, headers=Lines(("cookie", f"t={T}"), host, *lines))


def origin(value: str) -> tuple[str, str]:
    return "origin", value


def site(value: str) -> tuple[str, str]:
    return "sec-fetch-site", value


OWN, APP, EVIL = (origin(f"https://{name}.example.com") for name in ("api", "app", "evil"))


class TestAnotherSite:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            # methods
            case("GET shows nothing", from_page(method="GET"), "in"),
            case("HEAD shows nothing", from_page(method="HEAD"), "in"),
            case("OPTIONS shows nothing", from_page(method="OPTIONS"), "in"),
            case("TRACE shows nothing", from_page(method="TRACE"), "in"),
            case("a GET from another site is let in", from_page(EVIL, site("cross-site"), method="GET"), "in"),
            case("POST that shows nothing is refused", from_page(), CROSS_SITE),
            case("so is PUT", from_page(method="PUT"), CROSS_SITE),
            case("so is PATCH", from_page(method="PATCH"), CROSS_SITE),
            case("so is DELETE", from_page(method="DELETE"), CROSS_SITE),
            case("so is a method nobody knows", from_page(method="PURGE"), CROSS_SITE),
            case("so is GET in small letters, which is no GET", from_page(method="get"), CROSS_SITE),
            # Sec-Fetch-Site
            case("the same origin comes in", from_page(site("same-origin")), "in"),
            case("what the user began comes in", from_page(site("none")), "in"),
            case("another host of the site is refused", from_page(site("same-site"), APP), CROSS_SITE),
            case("another site is refused", from_page(site("cross-site"), EVIL), CROSS_SITE),
            case("what the browser says goes before the host", from_page(site("cross-site"), OWN), CROSS_SITE),
            case(
                "a page that hides its origin from its own", from_page(site("same-origin"), origin("null")), "in"
            ),
            case("a word nobody knows is refused", from_page(site("Same-Origin")), CROSS_SITE),
            case("an empty one is refused", from_page(site(""), OWN), CROSS_SITE),
            case("two of them are refused", from_page(site("same-origin"), site("cross-site")), CROSS_SITE),
            case("joined by a server too", from_page(site("same-origin, cross-site")), CROSS_SITE),
            # Origin
            case("the own origin comes in", from_page(OWN), "in"),
            case("the own host in capitals comes in", from_page(OWN, host=("host", "API.example.com")), "in"),
            case(
                "the own host with its port comes in", from_page(OWN, host=("host", "api.example.com:443")), "in"
            ),
            case(
                "another port is another origin", from_page(OWN, host=("host", "api.example.com:444")), CROSS_SITE
            ),
            case(
                "a port of its own comes in",
                from_page(origin("https://api.example.com:8443"), host=("host", "api.example.com:8443")),
                "in",
            ),
            case(
                "an address comes in",
                from_page(origin("http://[::1]:8000"), host=("host", "[::1]:8000"), scheme="http"),
                "in",
            ),
            case("a sandboxed page is refused", from_page(origin("null")), CROSS_SITE),
            case("an empty origin is refused", from_page(origin("")), CROSS_SITE),
            case("another site by its origin is refused", from_page(EVIL), CROSS_SITE),
            case("a host that begins alike", from_page(origin("https://api.example.com.evil.com")), CROSS_SITE),
            case("a host that ends alike", from_page(origin("https://evil-api.example.com")), CROSS_SITE),
            case("a user before the host", from_page(origin("https://api.example.com@evil.com")), CROSS_SITE),
            case("two origins are refused", from_page(OWN, EVIL), CROSS_SITE),
            case("two in one line are refused", from_page(origin(f"{OWN[1]} {EVIL[1]}")), CROSS_SITE),
            case("two hosts are refused", from_page(OWN, ("host", "evil.com")), CROSS_SITE),
            case("no host is refused", from_page(origin("https://"), host=("host", "")), CROSS_SITE),
            case("plain HTTP is another origin than TLS", from_page(origin("http://api.example.com")), CROSS_SITE),
            case(
                "over plain HTTP it is the own one",
                from_page(origin("http://api.example.com"), scheme="http"),
                "in",
            ),
            case("behind a proxy that ends TLS the page has TLS", from_page(OWN, scheme="http"), "in"),
            case(
                "an extension is no page of the API",
                from_page(origin("chrome-extension://api.example.com")),
                CROSS_SITE,
            ),
            case("Referer is not read", from_page(("referer", "https://api.example.com/")), CROSS_SITE),
            case(
                "a body of plain text is no way around",
                from_page(("content-type", "text/plain"), EVIL),
                CROSS_SITE,
            ),
            case(
                "another method in a header is none",
                from_page(("x-http-method-override", "GET"), EVIL),
                CROSS_SITE,
            ),
            # WebSocket
            case("a handshake of the own page", from_page(OWN, method="GET", scheme="wss"), "in"),
            case("a handshake behind a proxy that ends TLS", from_page(OWN, method="GET", scheme="ws"), "in"),
            case("a handshake of another site", from_page(EVIL, method="GET", scheme="wss"), CROSS_SITE),
            case("a handshake that shows nothing", from_page(method="GET", scheme="wss"), CROSS_SITE),
            case(
                "a handshake of a page without TLS",
                from_page(origin("http://api.example.com"), method="GET", scheme="wss"),
                CROSS_SITE,
            ),
        ],
    )
    def test_is_refused(self, request_, expected):
        assert outcome(cookie("t"), request_) == expected

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            case("a page that is named comes in", from_page(APP), "in"),
            case("though the browser calls it another origin", from_page(APP, site("same-site")), "in"),
            case("though the browser calls it another site", from_page(APP, site("cross-site")), "in"),
            case("its handshake comes in", from_page(APP, method="GET", scheme="wss"), "in"),
            case("the API's own page comes in", from_page(OWN), "in"),
            case("another one does not", from_page(EVIL), CROSS_SITE),
            case("nor without TLS", from_page(origin("http://app.example.com")), CROSS_SITE),
            case("nor on another port", from_page(origin("https://app.example.com:8443")), CROSS_SITE),
            case("nor below it", from_page(origin("https://x.app.example.com")), CROSS_SITE),
            case("an extension that is named comes in", from_page(origin("chrome-extension://abcdef")), "in"),
        ],
    )
    def test_may_be_named(self, request_, expected):
        named = cookie("t", origins=["https://app.example.com", "chrome-extension://abcdef"])
        assert outcome(named, request_) == expected

    def test_may_come_in_by_a_word_that_says_so(self):
        assert outcome(cookie("t", unsafe_allow_cross_site=True), from_page(EVIL)) == "in"

    def test_is_not_taken_for_an_anonymous_one(self):
        with pytest.raises(AccessDenied) as denied:
            server_for(token_from=cookie("t")).authorize(from_page(EVIL), authenticated(), optional=True)
        assert (denied.value.status, denied.value.error) == (400, "invalid_request")

    def test_is_no_matter_without_a_cookie(self):
        request = Request(f"Bearer {T}", method="POST", headers=Lines(EVIL))
        assert outcome([header(), cookie("t")], request) == "in"


class TestForms:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            case("the token comes in", posted(f"access_token={T}"), "in"),
            case("among other fields", posted(f"a=b&access_token={T}&c=d&&=&e"), "in"),
            case("in PUT", posted(f"access_token={T}", method="PUT"), "in"),
            case("in PATCH", posted(f"access_token={T}", method="PATCH"), "in"),
            case("with a charset", posted(f"access_token={T}", content_type=f"{FORM_TYPE}; charset=UTF-8"), "in"),
            case("in any case", posted(f"access_token={T}", content_type=FORM_TYPE.upper()), "in"),
            case("encoded", posted(f"access%5Ftoken={T.replace('.', '%2e')}"), "in"),
            case("not in GET", posted(f"access_token={T}", method="GET"), NONE),
            case("not in HEAD", posted(f"access_token={T}", method="HEAD"), NONE),
            case("not in DELETE", posted(f"access_token={T}", method="DELETE"), NONE),
            case("not in plain text", posted(f"access_token={T}", content_type="text/plain"), NONE),
            case("not in several parts", posted(f"access_token={T}", content_type="multipart/form-data"), NONE),
            case(
                "not where the type only begins so",
                posted(f"access_token={T}", content_type=FORM_TYPE + "x"),
                NONE,
            ),
            case("not beside a letter outside ASCII", posted(f"a=\xe9&access_token={T}"), NONE),
            case("not beside bytes that are no UTF-8", posted(b"\xff\xfe&access_token=" + T.encode()), NONE),
            case("beside one that is encoded", posted(f"a=%C3%A9%FF&access_token={T}"), "in"),
            case("an empty body is none", posted(""), NONE),
            case("an empty field is none", posted("access_token="), NONE),
            case("another field is none", posted(f"Access_Token={T}"), NONE),
            case("a semicolon separates nothing", posted(f"a=b;access_token={T}"), NONE),
            case("two fields are repeated", posted(f"access_token={T}&access_token={T}"), REPEATED),
            case("one of them encoded", posted(f"access_token={T}&%61ccess%5ftoken={T}"), REPEATED),
            case("one of them empty", posted(f"access_token&access_token={T}"), REPEATED),
            case("two tokens in one field", posted(f"access_token={T}+{T}"), MALFORMED),
            case("Bearer in a field", posted(f"access_token=Bearer%20{T}"), MALFORMED),
            case("a NUL in a token", posted(f"access_token={T}%00"), Code.MALFORMED_TOKEN),
            case("bytes that are no UTF-8 in a token", posted("access_token=%ff.b.c"), Code.MALFORMED_TOKEN),
            case("a field inside a token", posted(f"access_token={T}%26access_token={T}"), Code.ENCRYPTED_TOKEN),
            case("a token too large", posted("access_token=" + "x" * (MAX_TOKEN + 1)), TOO_LARGE),
            case("a form too large", posted(f"access_token={T}&a=" + "x" * 65_536), TOO_LARGE),
            case("a length that is too large", posted("", **{"content-length": "65537"}), TOO_LARGE),
            case("a length of many digits", posted("", **{"content-length": "9" * 5_000}), TOO_LARGE),
            case("a length that is none", posted("", **{"content-length": "-1"}), TOO_LARGE),
            case("a length in other digits", posted("", **{"content-length": "١"}), TOO_LARGE),
            case("pieces of unknown length", posted("", **{"transfer-encoding": "chunked"}), MALFORMED),
            case("no length at all", Request(method="POST", headers={"content-type": FORM_TYPE}), MALFORMED),
            case(
                "two lengths",
                Request(
                    method="POST",
                    headers=Lines(("content-type", FORM_TYPE), ("content-length", "1"), ("content-length", "2")),
                ),
                MALFORMED,
            ),
        ],
    )
    def test_reading(self, request_, expected):
        assert outcome(form(), request_) == expected

    def test_may_be_longer_where_that_is_said(self):
        request = posted(f"access_token={T}&a=" + "x" * 65_536)
        assert outcome(form(max_body=100_000), request) == "in"

    def test_may_have_another_field(self):
        assert outcome(form("token"), posted(f"token={T}")) == "in"


class TestQueries:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            case("the token comes in", f"t={T}", "in"),
            case("among others", f"?&a=1&&t={T}&=&%", "in"),
            case("encoded", f"%74={T.replace('.', '%2E')}", "in"),
            case("nothing is none", "", NONE),
            case("an empty value is none", "t=", NONE),
            case("a name alone is none", "t", NONE),
            case("a list is another name", f"t[]={T}", NONE),
            case("two are repeated", f"t={T}&t={T}", REPEATED),
            case("one of them encoded", f"t={T}&%74={T}", REPEATED),
            case("one of them alone", f"t={T}&t", REPEATED),
            case("a space is malformed", f"t={T}+x", MALFORMED),
            case("a line break is malformed", f"t={T}%0d%0aX:1", MALFORMED),
            case("a percent sign that means nothing", "t=%zz.b.c", Code.MALFORMED_TOKEN),
            case("bytes that are no UTF-8", "t=%ff%fe.b.c", Code.MALFORMED_TOKEN),
            case("raw bytes", "t=\xff.b.c", Code.MALFORMED_TOKEN),
            case("half of a character", "t=%ed%a0%80.b.c", Code.MALFORMED_TOKEN),
            case("a token too large", "t=" + "x" * (MAX_TOKEN + 1), TOO_LARGE),
            case("a query too large", f"t={T}&a=" + "x" * 65_536, TOO_LARGE),
        ],
    )
    def test_reading(self, text, expected):
        assert outcome(query("t"), Request(query=text)) == expected

    def test_the_worst_one_does_not_take_long(self):
        started = time.perf_counter()
        assert outcome(query("t"), Request(query="%74x&" * 13_000)) is NONE
        assert time.perf_counter() - started < 2

    @pytest.mark.parametrize(
        ("said", "becomes"),
        [
            case("nothing", "", "private"),
            case("an age", "max-age=60", "private, max-age=60"),
            case("public", "public, max-age=60", "private, max-age=60"),
            case("an age for proxies", "s-maxage=60, must-revalidate", "private, must-revalidate"),
            case("in capitals", "Public,S-MaxAge=60", "private"),
            case("private already", "private, max-age=60", "private, max-age=60"),
            case("private for a field only", 'private="x-a"', "private"),
            case("private for some fields", 'private="a, b", max-age=1', "private, max-age=1"),
            case("quotes that do not end", 'max-age="1, public', 'private, max-age="1, public'),
            case("no-store is more", "no-store", "no-store"),
            case("a contradiction", "public, private", "private"),
        ],
    )
    def test_answers_are_private(self, said, becomes):
        assert private(said) == becomes


class TestSubprotocols:
    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            case("the token comes in", socket(f"bearer, {T}"), "in"),
            case("without TLS too", socket(f"bearer, {T}", scheme="ws"), "in"),
            case("without white space", socket(f"bearer,{T}"), "in"),
            case("in lines of their own", socket("bearer", T), "in"),
            case("before others", socket(f"bearer, {T}, chat.v2"), "in"),
            case("behind others", socket(f"chat.v1, bearer, {T}"), "in"),
            case("around empty elements", socket(f", bearer, ,{T},"), "in"),
            case("not in a request that is no handshake", socket(f"bearer, {T}", scheme="https"), NONE),
            case("nothing is none", socket(), NONE),
            case("other subprotocols are none", socket("chat.v1, chat.v2"), NONE),
            case("a token without the marker is none", socket(T), NONE),
            case("another case is another subprotocol", socket(f"Bearer, {T}"), NONE),
            case("the marker alone", socket("bearer"), MALFORMED),
            case("the marker at the end", socket(f"{T}, bearer"), MALFORMED),
            case("two markers", socket(f"bearer, {T}, bearer, {T}"), REPEATED),
            case("two markers in a row", socket(f"bearer, bearer, {T}"), REPEATED),
            case("two markers in two lines", socket(f"bearer, {T}", f"bearer, {T}"), REPEATED),
            case("the word Bearer behind the marker", socket(f"bearer, Bearer {T}"), MALFORMED),
            case("a token too large", socket("bearer, " + "x" * (MAX_TOKEN + 1)), TOO_LARGE),
        ],
    )
    def test_reading(self, request_, expected):
        assert outcome(subprotocol(), request_) == expected

    def test_may_have_another_marker(self):
        assert outcome(subprotocol("access-token"), socket(f"access-token, {T}")) == "in"


def fails(request: Request) -> str | None:
    raise LookupError("this function is broken")


class TestFunctions:
    @pytest.mark.parametrize(
        ("gives", "expected"),
        [
            case("a token", T, "in"),
            case("None is none", None, NONE),
            case("an empty string is none", "", NONE),
            case("the word Bearer is malformed", f"Bearer {T}", MALFORMED),
            case("bytes are a mistake of the function", T.encode(), FAILED),
            case("so is a number", 7, FAILED),
            case("so is an object", {"token": T}, FAILED),
            case("too much is too large", "x" * 1_000_000, TOO_LARGE),
            case("no JWT is no token", "\ud800.b.c", Code.MALFORMED_TOKEN),
        ],
    )
    def test_give_a_token(self, gives, expected):
        assert outcome(lambda request: gives, Request()) == expected

    def test_get_the_request(self):
        assert outcome(lambda request: request.headers["x-token"], Request(headers={"X-Token": T})) == "in"

    def test_may_be_methods(self):
        class Gateway:
            def token(self, request: Request) -> str | None:
                return T

        assert outcome(Gateway().token, Request()) == "in"

    def test_that_raise_are_no_fault_of_the_client(self, caplog):
        with pytest.raises(AccessDenied) as denied:
            server_for(token_from=fails).authorize(Request(), authenticated(), optional=True)
        assert denied.value.status == 503
        assert "this function is broken" in caplog.text
        assert outcome(fails, Request()) is FAILED


EVERYWHERE = [header(), cookie("t"), form(), query("t"), subprotocol(), lambda request: request.headers.get("x-t")]
HERE: dict[str, Callable[[dict[str, Any]], None]] = {
    "header": lambda sent: sent.update(authorization=f"Bearer {T}"),
    "cookie": lambda sent: sent["headers"].update(cookie=f"t={T}", **{"sec-fetch-site": "same-origin"}),
    "form": lambda sent: (
        sent["headers"].update(
            {"content-type": FORM_TYPE, "content-length": str(len(f"access_token={T}"))},
        ),
        sent.update(method="POST", form=f"access_token={T}".encode()),
    ),
    "query": lambda sent: sent.update(query=f"t={T}"),
    "function": lambda sent: sent["headers"].update({"x-t": T}),
}


def placed(*places: str) -> Request:
    sent: dict[str, Any] = {"headers": {}}
    for place in places:
        HERE[place](sent)
    return Request(**sent)


class TestSeveral:
    @pytest.mark.parametrize("place", HERE)
    def test_any_one_will_do(self, place):
        assert outcome(EVERYWHERE, placed(place)) == "in"

    @pytest.mark.parametrize(
        "places", [pytest.param((a, b), id=f"{a} and {b}") for a in HERE for b in HERE if a < b]
    )
    def test_two_at_once_are_one_too_many(self, places):
        assert outcome(EVERYWHERE, placed(*places)) is REPEATED

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            case("nothing anywhere is none", Request(), NONE),
            case(
                "another scheme in the header is no credential",
                Request("Basic dXNlcjpwYXNz", headers={"Cookie": f"t={T}"}),
                "in",
            ),
            case("an empty header is no credential", Request("", headers={"Cookie": f"t={T}"}), "in"),
            case("a malformed one is", Request("Bearer", headers={"Cookie": f"t={T}"}), REPEATED),
            case("a token without Bearer is", Request(T, headers={"Cookie": f"t={T}"}), REPEATED),
            case(
                "a cookie that another site sends is",
                Request(f"Bearer {T}", method="POST", headers={"Cookie": f"t={T}"}),
                REPEATED,
            ),
            case("one that is cut short is", Request(f"Bearer {T}", query="t=x"), REPEATED),
            case("two in one place are", Request(query=f"t={T}&t={T}"), REPEATED),
            case("an empty parameter beside a header is not", Request(f"Bearer {T}", query="t="), "in"),
            case(
                "a form that is too long is never overlooked",
                Request(
                    f"Bearer {T}", method="POST", headers={"content-type": FORM_TYPE, "content-length": "70000"}
                ),
                REPEATED,
            ),
            case("a parameter that nobody named is not", Request(f"Bearer {T}", query=f"access_token={T}"), "in"),
            case(
                "a bad token in one place is refused", Request(headers={"Cookie": "t=a.b.c"}), Code.MALFORMED_TOKEN
            ),
        ],
    )
    def test_what_counts(self, request_, expected):
        assert outcome(EVERYWHERE, request_) == expected

    @pytest.mark.parametrize(
        ("request_", "let_in"),
        [
            case("nothing anywhere is anonymous", Request(), True),
            case("an empty cookie is anonymous", Request(headers={"Cookie": "t="}), True),
            case("a bad token is not", Request(headers={"Cookie": "t=a.b.c"}), False),
            case("two tokens are not", placed("cookie", "query"), False),
            case("a form of unknown length is not", posted("", **{"transfer-encoding": "chunked"}), False),
        ],
    )
    def test_optional(self, request_, let_in):
        server = server_for(token_from=EVERYWHERE)
        if let_in:
            assert server.authorize(request_, authenticated(), optional=True) is None
        else:
            with pytest.raises(AccessDenied):
                server.authorize(request_, authenticated(), optional=True)

    def test_a_denial_says_where_it_looked(self):
        with pytest.raises(AccessDenied) as denied:
            server_for(token_from=[header(), cookie("t"), query("q")]).authorize(None, authenticated())
        assert str(denied.value) == (
            "no_credentials: The request has no token in the Authorization header, nor in the cookie t, "
            "nor in the query parameter q. Hint: Send the access token in the Authorization header, "
            "or in the cookie t, or in the query parameter q."
        )

    def test_a_header_of_another_scheme_is_told(self):
        with pytest.raises(AccessDenied, match="another scheme than Bearer"):
            server_for(token_from=[header(), cookie("t")]).authorize("Basic x", authenticated())

    def test_no_log_line_holds_what_was_sent(self, caplog):
        caplog.set_level(logging.DEBUG)
        for places in (("header", "cookie"), ("query", "form"), ("cookie", "function")):
            assert outcome(EVERYWHERE, placed(*places)) is REPEATED
        assert caplog.records
        assert T not in caplog.text
        assert T not in repr(placed("query"))


class TestSettings:
    @pytest.mark.parametrize(
        ("build", "said"),
        [
            case("no place at all", lambda: Credentials([]), "names no place"),
            case("None", lambda: Credentials(None), "no place for a token"),
            case("a word", lambda: Credentials("header"), r"Write header\(\)"),
            case("a list of words", lambda: Credentials(["header", "cookie"]), r"Write header\(\)"),
            case("a class", lambda: Credentials(Request), "no place for a token"),
            case("a function that takes nothing", lambda: Credentials(lambda: None), "no place for a token"),
            case("a function that takes two", lambda: Credentials(lambda a, b: None), "no place for a token"),
            case("missing parentheses", lambda: Credentials(cookie), "parentheses are missing"),
            case("missing parentheses in a list", lambda: Credentials([header]), "parentheses are missing"),
            case("the header twice", lambda: Credentials([header(), header()]), "twice"),
            case("the header in two ways", lambda: Credentials([header(), header(bare_token=True)]), "twice"),
            case("a cookie twice", lambda: Credentials([cookie("t"), cookie("t", origins=[])]), "twice"),
            case("a function twice", lambda: Credentials([fails, fails]), "twice"),
            case("two forms", lambda: Credentials([form("a"), form("b")]), "Name one"),
            case("two subprotocols", lambda: Credentials([subprotocol("a"), subprotocol("b")]), "Name one"),
            case("a flag that is none", lambda: header(bare_token=1), "True or False"),
            case("a cookie without a name", lambda: cookie(""), "no cookie can have"),
            case("a cookie with a space", lambda: cookie("access token"), "no cookie can have"),
            case("a cookie with its value", lambda: cookie("access_token=x"), "no cookie can have"),
            case("a cookie outside ASCII", lambda: cookie("é"), "no cookie can have"),
            case("a cookie that is a number", lambda: cookie(7), "no cookie can have"),
            case("origins as a string", lambda: cookie("t", origins="https://a.example.com"), "is no list"),
            case("origins that are no list", lambda: cookie("t", origins=None), "is no list"),
            case("any origin", lambda: cookie("t", origins=["*"]), "is no origin"),
            case("the origin of sandboxes", lambda: cookie("t", origins=["null"]), "is no origin"),
            case(
                "an origin with a slash", lambda: cookie("t", origins=["https://a.example.com/"]), "is no origin"
            ),
            case(
                "an origin with a path", lambda: cookie("t", origins=["https://a.example.com/b"]), "is no origin"
            ),
            case("an origin in capitals", lambda: cookie("t", origins=["https://A.example.com"]), "is no origin"),
            case("an origin with the usual port", lambda: cookie("t", origins=["https://a:443"]), "is no origin"),
            case("an origin with stars", lambda: cookie("t", origins=["https://*.example.com"]), "is no origin"),
            case("a host", lambda: cookie("t", origins=["a.example.com"]), "is no origin"),
            case("an empty origin", lambda: cookie("t", origins=[""]), "is no origin"),
            case(
                "origins where none are looked at",
                lambda: cookie("t", origins=["https://a.example.com"], unsafe_allow_cross_site=True),
                "Leave one out",
            ),
            case("a form without a field", lambda: form(""), "names no parameter"),
            case("a form of no length", lambda: form(max_body=0), "max_body=0"),
            case("a form of True bytes", lambda: form(max_body=True), "max_body=True"),
            case("a form of any length", lambda: form(max_body=float("inf")), "max_body=inf"),
            case("a query without a name", lambda: query(""), "names no parameter"),
            case("a query with a space", lambda: query("access token"), "names no parameter"),
            case("a marker with a comma", lambda: subprotocol("a,b"), "no subprotocol can have"),
            case("an empty marker", lambda: subprotocol(""), "no subprotocol can have"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, build, said):
        with pytest.raises(ConfigurationError, match=said):
            build()

    def test_an_async_function_is_refused(self):
        async def find(request: Request) -> str | None:
            return T

        with pytest.raises(ConfigurationError, match="async"):
            server_for(token_from=find)

    def test_two_functions_without_names_are_two(self):
        both = [lambda request: None, lambda request: T]
        assert outcome(both, Request()) == "in"

    def test_a_source_shows_what_it_is(self):
        credentials = Credentials([header(), cookie("t"), form(), query("q"), subprotocol(), fails])
        assert repr(credentials) == (
            "<Credentials the Authorization header, the cookie t, the form field access_token, "
            "the query parameter q, the WebSocket subprotocol after bearer, what fails finds>"
        )
