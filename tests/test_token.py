"""The token as a value: how much of it is read, what JSON is strict enough, and what an API sees of it."""

from __future__ import annotations

import copy
import json
import pickle
from base64 import urlsafe_b64encode

import pytest

from authorizing import case
from jwtauthz import Finding
from jwtauthz.token import (
    MAX_BRACKETS,
    MAX_DEPTH,
    MAX_HEADER,
    MAX_TOKEN,
    Header,
    UnverifiedToken,
    b64url_decode,
    json_object,
    parse,
)
from jwtauthz.verified_token import ReadOnlyDict, ReadOnlyList, VerifiedToken, read_only


def encoded(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def nested(levels, *, within="[%s]", core=""):
    """A document of so many levels, the outermost object among them."""
    for _ in range(levels - 1):
        core = within % core
    return f'{{"a":{core}}}'.encode()


LISTS = nested(MAX_DEPTH)
OBJECTS = nested(MAX_DEPTH, within='{"a":%s}', core="1")
# Many lists beside each other, so that depth has to be looked at.
MANY = ",".join(["[]"] * MAX_DEPTH)


@pytest.mark.parametrize(
    "document",
    [
        case("an empty object", b"{}"),
        case("white space around it", b" \t\r\n{} \n"),
        case("lists of 32 levels", LISTS),
        case("objects of 32 levels", OBJECTS),
        case("a deep list after flat ones", b'{"b":[%s],%s' % (MANY.encode(), LISTS[1:])),
        case("a deep object among flat ones", b'{"b":{"c":[%s]},%s' % (MANY.encode(), OBJECTS[1:])),
        case("as many lists as may be", b'{"a":[%s]}' % b",".join([b"[]"] * (MAX_BRACKETS - 2))),
        case("an escaped character", rb'{"a":"\u00e9"}'),
        case("a pair of surrogates", rb'{"a":"\ud83d\ude00"}'),
        case("a backslash before a u", rb'{"a":"\\u"}'),
        case("another escape", rb'{"a":"\n"}'),
        case("a large number", b'{"a":1e308}'),
    ],
)
def test_taken_as_json(document):
    assert json_object(document) == json.loads(document)


@pytest.mark.parametrize(
    "document",
    [
        case("nothing", b""),
        case("a list", b"[]"),
        case("a string", b'"a"'),
        case("a word behind it", b"{} x"),
        case("a byte order mark", b"\xef\xbb\xbf{}"),
        case("another encoding", '{"a":"é"}'.encode("latin-1")),
        case("a name twice", b'{"a":1,"a":1}'),
        case("a name twice inside", b'{"b":{"a":1,"a":2}}'),
        case("a name twice, once escaped", rb'{"a":1,"\u0061":1}'),
        case("NaN", b'{"a":NaN}'),
        case("Infinity", b'{"a":-Infinity}'),
        case("a number past all floats", b'{"a":1e400}'),
        case("half of a pair of surrogates", rb'{"a":"\ud83d"}'),
        case("half of one in a name", rb'{"\ud83d":1}'),
        case("lists of 33 levels", nested(MAX_DEPTH + 1)),
        case("objects of 33 levels", nested(MAX_DEPTH + 1, within='{"a":%s}', core="1")),
        case(
            "a list that is too deep after flat ones", b'{"b":[%s],%s' % (MANY.encode(), nested(MAX_DEPTH + 1)[1:])
        ),
        case("a list more than may be", b'{"a":[%s]}' % b",".join([b"[]"] * (MAX_BRACKETS - 1))),
        case("an object more than may be", b'{"a":[%s]}' % b",".join([b"{}"] * (MAX_BRACKETS - 1))),
        case("lists in each other without end", b'{"a":' + b"[" * 100_000),
    ],
)
def test_not_taken_as_json(document):
    assert json_object(document) is None


@pytest.mark.parametrize(
    ("segment", "octets"),
    [
        case("nothing", b"", b""),
        case("one octet", b"-w", b"\xfb"),
        case("two octets", b"__8", b"\xff\xff"),
        case("three octets", b"____", b"\xff\xff\xff"),
        case("a single character", b"A", None),
        case("padding", b"-w==", None),
        case("stray bits after one octet", b"-x", None),
        case("stray bits after two octets", b"__9", None),
        case("the plain alphabet", b"++//", None),
        case("white space", b"AA A", None),
        case("a line break at the end", b"AAAA\n", None),
        case("a dot", b"AA.A", None),
        case("a letter that is none of ours", b"AA\xc3\xa9", None),
    ],
)
def test_base64url(segment, octets):
    assert b64url_decode(segment) == octets


CLAIMS = {"iss": "https://issuer.test/", "exp": 1_800_000_000}
TAIL = f".{encoded(CLAIMS)}."


def test_a_token_of_16_kib_is_read_and_one_character_more_is_not():
    shortest = f"{encoded({})}{TAIL}"
    signature = "A" * (MAX_TOKEN - len(shortest) - (MAX_TOKEN - len(shortest)) % 4)
    spaces = MAX_TOKEN - len(shortest) - len(signature)
    assert spaces < 4
    fitting = f"{shortest}{signature}{'A' * (spaces if spaces != 1 else 0)}"
    assert isinstance(parse(fitting, {}), UnverifiedToken)
    assert len(fitting) >= MAX_TOKEN - 1
    refused = parse("x" * (MAX_TOKEN + 1), {})
    assert str(refused.code) == "credentials_too_large"
    assert str(parse("x" * MAX_TOKEN, {}).code) == "opaque_token"


def test_a_header_of_4_kib_is_read_and_one_character_more_is_not():
    def header(length):
        """Of so many characters once it is encoded: three octets make four."""
        return encoded(b"{%s}" % (b" " * (length * 3 // 4 - 2)))

    assert len(header(MAX_HEADER)) == MAX_HEADER
    assert isinstance(parse(f"{header(MAX_HEADER)}{TAIL}", {}), UnverifiedToken)
    assert "4,096" in parse(f"{header(MAX_HEADER + 4)}{TAIL}", {}).detail


def test_a_header_that_is_known_is_not_read_again():
    known = Header({"alg": "ES256"})
    assert parse(f"e30{TAIL}", {b"e30": known}).header is known
    assert parse(f"e30{TAIL}", {}).header.members == {}


def test_the_parts_of_a_token_are_kept_as_they_came():
    text = f"{encoded({'alg': 'ES256', 'kid': 'a', 'typ': 'JWT'})}{TAIL}AAAA"
    token = parse(text, {})
    assert (token.header.algorithm, token.header.key_id, token.header.type) == ("ES256", "a", "JWT")
    assert token.claims == CLAIMS
    assert token.signature == b"\0\0\0"
    assert token.signing_input == text.rpartition(".")[0].encode()


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        case("no dot", "abc", "opaque_token", "no dots"),
        case("two parts", "a.b", "malformed_token", "2 parts"),
        case("four parts", "a.b.c.d", "malformed_token", "4 parts"),
        case("five parts", "a.b.c.d.e", "encrypted_token", "five parts"),
        case("a character outside ASCII", "é.b.c", "malformed_token", "outside ASCII"),
        case("a header that is not base64url", f"+{TAIL}", "malformed_token", "header is not base64url"),
        case(
            "a header that is no object", f"{encoded([])}{TAIL}", "malformed_token", "header is not a strict JSON"
        ),
        case("a payload that is not base64url", "e30.e+.", "malformed_token", "payload is not base64url"),
        case(
            "a payload that is no object", f"e30.{encoded([])}.", "malformed_token", "payload is not a strict JSON"
        ),
        case(
            "a payload that is not strict",
            f"e30.{encoded(b'{')}.",
            "malformed_token",
            "payload is not a strict JSON",
        ),
        case("a signature that is not base64url", f"e30{TAIL}A", "malformed_token", "signature is not base64url"),
        case("a word of JavaScript", "undefined", "malformed_token", "'undefined' stands"),
        case("a placeholder", "${access_token}", "malformed_token", "stands where the token should"),
        case("a placeholder of angles", "<token>", "malformed_token", "stands where the token should"),
        case(
            "the whole answer of an issuer",
            '{"access_token": "x"}',
            "malformed_token",
            "begins like a JSON document",
        ),
        case("a page", "<html><body>Sign in</body></html>", "malformed_token", "begins like a JSON document"),
    ],
)
def test_no_token_is(text, code, told):
    finding = parse(text, {})
    assert isinstance(finding, Finding)
    assert str(finding.code) == code
    assert told in finding.detail


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        case("quotes", f'"e30{TAIL}"', "Quotes"),
        case("single quotes", f"'e30{TAIL}'", "Quotes"),
        case("a line feed", f"e30{TAIL}\n", "line break"),
        case("a carriage return", f"e30{TAIL}\r", "line break"),
        case("a line feed, escaped", f"e30{TAIL}\\n", "line break"),
        case("a line feed, encoded", f"e30{TAIL}%0A", "line break"),
        case("a line feed, encoded in small letters", f"e30{TAIL}%0a", "line break"),
        case("a carriage return, encoded", f"e30{TAIL}%0D", "line break"),
        case("nothing that could be told", f"e30{TAIL}!", ""),
    ],
)
def test_around_a_token_stand(text, hint):
    said = parse(text, {}).hint
    assert hint in said if hint else said is None


def test_a_long_text_is_not_searched_for_a_hint():
    assert parse(f'"{"e30" + TAIL + "A" * 4096}', {}).hint is None


@pytest.mark.parametrize(
    "begin", [b"{", b" {", b"\t{", b"\n{", b"\r{"], ids=["at once", "space", "tab", "line feed", "return"]
)
def test_a_payload_may_begin_with_white_space(begin):
    payload = encoded(begin + b'"iss":"a"}')
    assert parse(f"e30.{payload}.", {}).claims == {"iss": "a"}


# ── what an API sees ──


def verified(**claims):
    return VerifiedToken(
        Header({"alg": "ES256", "kid": "a"}), claims, json.dumps(claims).encode(), scopes_from=("scope",)
    )


def test_what_it_tells():
    token = verified(
        iss="https://issuer.test/", sub="user-1", aud="api", exp=5, client_id="app", azp="other", scope="a b"
    )
    assert (token.issuer, token.subject, token.client_id) == ("https://issuer.test/", "user-1", "app")
    assert (token.audience, token.expires_at, token.key_id) == (("api",), 5, "a")
    assert (token.scopes, token.stale) == ({"a", "b"}, False)


@pytest.mark.parametrize(
    ("claims", "name", "value"),
    [
        case("no issuer", {}, "issuer", ""),
        case("no subject", {}, "subject", None),
        case("no audience", {}, "audience", ()),
        case("several audiences", {"aud": ["a", "b"]}, "audience", ("a", "b")),
        case("no client", {}, "client_id", None),
        case("a client by another name", {"azp": "app"}, "client_id", "app"),
        case("a client that is no string", {"azp": 5}, "client_id", None),
    ],
)
def test_of_a_token_with(claims, name, value):
    assert getattr(verified(**claims), name) == value


@pytest.mark.parametrize(
    ("claims", "granted", "problem"),
    [
        case("two claims that both grant something", {"scope": "a", "scp": ["b"]}, {"a", "b"}, None),
        case("one claim, and no other", {"scope": "a"}, {"a"}, "is not in the token"),
        case("one odd claim", {"scope": 5, "scp": ["b"]}, {"b"}, "is a number, which grants nothing"),
    ],
)
def test_merged_of(claims, granted, problem):
    token = VerifiedToken(Header({}), claims, json.dumps(claims).encode(), scopes_from=("scope", "scp"))
    assert token.reading() == (granted, problem)


def test_claims_can_be_read_copied_and_written_but_not_changed():
    token = verified(roles=["a", {"b": ["c"]}], n=1)
    claims = token.claims
    assert claims is token.claims
    assert json.loads(json.dumps(claims)) == claims == {"roles": ["a", {"b": ["c"]}], "n": 1}
    for copied in (pickle.loads(pickle.dumps(claims)), copy.deepcopy(claims)):
        assert copied == claims
        assert type(copied) is ReadOnlyDict
        assert type(copied["roles"]) is ReadOnlyList


@pytest.mark.parametrize(
    "method", ["clear", "pop", "popitem", "setdefault", "update", "__setitem__", "__delitem__", "__ior__"]
)
def test_an_object_of_the_claims_refuses(method):
    with pytest.raises(TypeError, match=r"work on a copy: dict\(token\.claims\)"):
        getattr(read_only({"a": 1}), method)("a", 1)


@pytest.mark.parametrize(
    "method",
    [
        "append",
        "clear",
        "extend",
        "insert",
        "pop",
        "remove",
        "reverse",
        "sort",
        "__setitem__",
        "__delitem__",
        "__iadd__",
        "__imul__",
    ],
)
def test_a_list_of_the_claims_refuses(method):
    with pytest.raises(TypeError, match=r"work on a copy: list\("):
        getattr(read_only(["a"]), method)("a", 1)
