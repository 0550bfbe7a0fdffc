"""The token as it was sent: compact JWS in, `UnverifiedToken` out.

Nothing here believes anything. `parse` makes sure that a token is small, strictly encoded and strictly JSON
(RFC 7515 sections 2, 5.2; RFC 8725 section 3.7), and says what kind of thing it is when it is no signed JWT.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from dataclasses import replace
from math import isinf
from typing import TYPE_CHECKING, Any, Final, NoReturn

from .errors import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TOKEN: Final = 16 * 1024
MAX_HEADER: Final = 4 * 1024
MAX_DEPTH: Final = 32
# Far more lists and objects than any token has; without a bound, deep nesting costs a parser dear.
MAX_BRACKETS: Final = 2_000
MAX_KEY_ID: Final = 256

# One pass in C turns the URL-safe alphabet into the plain one and everything else, "+", "/" and "="
# included, into a character that the strict decoder refuses.
_TO_PLAIN: Final = bytes(
    {0x2D: 0x2B, 0x5F: 0x2F}.get(byte, byte if chr(byte).isalnum() and byte < 0x80 else 0x21)
    for byte in range(256)
)
_PADDING: Final = (b"", None, b"==", b"=")  # by what is left over of four characters; None is no base64
# A last character may not carry bits that the decoder throws away: there would be several spellings
# of one token (RFC 4648 section 3.5).
_LAST_CHARACTERS: Final = (None, None, frozenset(b"AQgw"), frozenset(b"AEIMQUYcgkosw048"))
# First characters of a segment that holds no JSON object, so that 16 KiB need not be decoded to say so. An object
# begins with "{" (e), or with a space (I), a tab or line feed (C), a carriage return (D) before it. What is not of
# the alphabet is not among them: that is told as no base64url.
_NO_OBJECT: Final = frozenset(
    bytes([byte]) for byte in range(128) if _TO_PLAIN[byte] != 0x21 and byte not in b"eICD"
)


def b64url_decode(segment: bytes) -> bytes | None:
    """The bytes of a base64url segment, or None if it is not the one canonical form (RFC 7515 section 2)."""
    remainder = len(segment) & 3
    if remainder:
        last = _LAST_CHARACTERS[remainder]
        if last is None or segment[-1] not in last:
            return None
        segment = segment.translate(_TO_PLAIN) + (_PADDING[remainder] or b"")
    else:
        segment = segment.translate(_TO_PLAIN)
    try:
        return a2b_base64(segment, strict_mode=True)
    except Base64Error:
        return None


class _NotStrictJSON(ValueError):
    """A document that `json` would take and we do not."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrictJSON("a name stands there twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise _NotStrictJSON(f"{name} is not JSON")


def _finite(number: str) -> float:
    value = float(number)
    if isinf(value):  # 1e400 is JSON, but nothing that JSON could write again
        raise _NotStrictJSON(f"{number} is too large")
    return value


_decoder: Final[Any] = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
)


def _depth(value: object) -> int:
    """How deep objects and lists nest, found level by level so that depth costs no stack."""
    depth, level = 0, [value]
    while level := [container for container in level if isinstance(container, (dict, list))]:
        depth += 1
        level = [
            child
            for container in level
            for child in (container.values() if isinstance(container, dict) else container)
        ]
    return depth


def json_object(document: bytes) -> dict[str, Any] | None:
    """The JSON object of a document, or None unless it is strict.

    Strict: UTF-8 without a byte order mark, unique names, no NaN or Infinity, no lone surrogates, at most
    32 levels, an object on top (RFC 7515 section 5.2, RFC 7519 section 7.2, RFC 8259).
    """
    try:
        text = document.decode()
        brackets = text.count("[") + text.count("{")
        if brackets > MAX_BRACKETS:
            return None
        try:
            value, end = _decoder.scan_once(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):  # it was not all; only `decode` looks for white space around it, which costs 0.7 µs
            value = _decoder.decode(text)
        # Few documents hold an escape or many brackets; the checks that need Python loops run for those alone. One
        # character is found faster than two.
        if "\\" in text and "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
        if brackets > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            return None
    except (ValueError, RecursionError):
        return None
    return value if type(value) is dict else None


class Header:
    """The JOSE header of a token, read once (RFC 7515 section 4). Nothing in it chooses a key but `kid`."""

    __slots__ = ("algorithm", "key_id", "members", "type")

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.members = members
        self.algorithm: Any = members.get("alg")
        self.key_id: Any = members.get("kid")
        self.type: Any = members.get("typ")


class UnverifiedToken:
    """A token that is well-formed, and of which nothing is known to be true."""

    __slots__ = ("claims", "header", "payload", "signature", "signing_input")

    def __init__(
        self, header: Header, claims: dict[str, Any], payload: bytes, signing_input: bytes, signature: bytes
    ) -> None:
        self.header = header
        self.claims = claims
        self.payload = payload
        self.signing_input = signing_input
        self.signature = signature


def parse(text: str, known_headers: Mapping[bytes, Header]) -> UnverifiedToken | Finding:
    """The parts of a compact JWS, or the finding that it is none (RFC 7515 section 5.2).

    `known_headers` are headers that were parsed before, by their encoded form.
    """
    if len(text) > MAX_TOKEN:
        return Finding(
            Code.CREDENTIALS_TOO_LARGE, f"The token has {len(text):,} characters; {MAX_TOKEN:,} are allowed."
        )
    if not text.isascii():
        return _malformed("it holds a character outside ASCII", text)
    signing_input, dot, signature_segment = text.encode().rpartition(b".")
    header_segment, second_dot, payload_segment = signing_input.partition(b".")  # a fifth of the time of split
    # find, not in: `b"." in segment` tries its left side for a number first, which takes Python 3.13 0.4 µs.
    if not dot or not second_dot or payload_segment.find(b".") >= 0:
        return _not_three_parts(text)
    header = known_headers.get(header_segment)
    if header is None:
        read = _read_header(header_segment, text)
        if type(read) is Finding:
            return read
        header = read  # type: ignore[assignment]
    if payload_segment[:1] in _NO_OBJECT:
        return _malformed("its payload is not a strict JSON object (RFC 7519 section 7.2)")
    payload = b64url_decode(payload_segment)
    if payload is None:
        return _malformed("its payload is not base64url (RFC 7515 section 2)", text)
    signature = b64url_decode(signature_segment)
    if signature is None:
        return _malformed("its signature is not base64url (RFC 7515 section 2)", text)
    claims = json_object(payload)
    if claims is None:
        return _malformed("its payload is not a strict JSON object (RFC 7519 section 7.2)")
    return UnverifiedToken(header, claims, payload, signing_input, signature)  # type: ignore[arg-type]


def _read_header(segment: bytes, text: str) -> Header | Finding:
    if len(segment) > MAX_HEADER:
        return _malformed(f"its header has more than {MAX_HEADER:,} characters")
    document = b"" if segment[:1] in _NO_OBJECT else b64url_decode(segment)  # b"" is no JSON either
    if document is None:
        return _malformed("its header is not base64url (RFC 7515 section 2)", text)
    members = json_object(document)
    if members is None:
        return _malformed("its header is not a strict JSON object (RFC 7515 section 5.2)", text)
    return Header(members)


_READABLE: Final = 4 * 1024  # what is longer, nobody pasted by hand, and to look through it would take long


def _malformed(why: str, text: str = "") -> Finding:
    hint = None
    if len(text) > _READABLE:
        pass
    elif text[:1] in {'"', "'"}:
        hint = "Quotes stand around the token; send it without."
    elif any(mark in text for mark in ("\n", "\r", "\\n", "%0A", "%0a", "%0D")):
        hint = "A line break came along with the token; strip it before sending."
    return Finding(Code.MALFORMED_TOKEN, f"The token is not a well-formed JWT: {why}.", hint=hint)


# What a client sends that had no token yet, by the language it is written in.
_NO_TOKENS: Final = frozenset(
    {
        "undefined",
        "null",
        "none",
        "nil",
        "nan",
        "true",
        "false",
        "token",
        "access_token",
        "your_access_token",
        "jwt",
    }
)
_PLACEHOLDER_MARKS: Final = "\"'${}<>%"
_LONGEST_PLACEHOLDER: Final = 40


def _not_three_parts(text: str) -> Finding:
    """What a token is that has not the three parts of a signed JWT."""
    # Only words of our own list are told, for anything else might be a token that came in an odd dress.
    if len(text) < _LONGEST_PLACEHOLDER and text.strip(_PLACEHOLDER_MARKS).lower() in _NO_TOKENS:
        return Finding(
            Code.MALFORMED_TOKEN,
            f"The word {text!r} stands where the token should.",
            hint="The client sent the request before it had a token, or put a placeholder into the header.",
        )
    if text[:1] in {"{", "<"}:
        return _malformed("it begins like a JSON document or a placeholder; send the access token that is inside")
    parts = text.count(".") + 1
    if parts == 5:
        return Finding(
            Code.ENCRYPTED_TOKEN,
            "The token has five parts: it is encrypted (a JWE), and this API can't look inside.",
        )
    if parts == 1:
        return Finding(
            Code.OPAQUE_TOKEN,
            "The token has no dots: it is opaque (a reference), not a JWT.",
        )
    return replace(
        _malformed(f"it has {parts} parts where a signed JWT has three"),
        hint="A part of it got lost, or came along: copy the token as a whole.",
    )
