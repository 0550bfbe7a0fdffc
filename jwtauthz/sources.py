"""The places where a token may stand, each of which reads a request by its own rules."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from .cross_site import cross_site_refusal
from .errors import Code, Finding
from .request import NOTHING_SENT, bearer_token
from .token import MAX_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from .request import Request

    TokenFunction = Callable[[Request], str | None]

logger = logging.getLogger("jwtauthz")

MAX_FORM: Final = 64 * 1024
_MAX_TEXT: Final = 64 * 1024  # of what is searched: a query, or all cookies
_NO_PART_OF_A_TOKEN: Final = re.compile(r"[\s,;\"]")
# RFC 6750 section 2.2 wants a method whose body means something.
_FORM_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_FORM_TYPE: Final = "application/x-www-form-urlencoded"
_WEBSOCKET: Final = frozenset({"ws", "wss"})
_WITHOUT_SCHEME: Final = frozenset({Code.MISSING_SCHEME, Code.NO_CREDENTIALS})
NOT_WHOLE: Final = Finding(
    Code.MALFORMED_CREDENTIALS,
    "The form did not arrive whole.",
    hint="The client has gone, or is too slow, or its Content-Length is not that of the form.",
)
SEND_ONE: Final = "Send the token in one place, once."


class Source:
    """One place where a token may stand. Make one with `header`, `cookie`, `form`, `query` or `subprotocol`."""

    __slots__ = ()

    @property
    def place(self) -> str:
        """What the place is called in the log; two sources of one place are one too many."""
        raise NotImplementedError

    def read(self, request: Request) -> str | Finding | None:
        """The token that stands there, or why what stands there is none; None if nothing does."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Header(Source):
    """The `Authorization` header (RFC 6750 section 2.1)."""

    bare_token: bool = False

    @property
    def place(self) -> str:
        """What the log calls it."""
        return "the Authorization header"

    def read(self, request: Request) -> str | Finding | None:
        """As `bearer_token` reads it."""
        text = bearer_token(request.authorization)
        if text is NOTHING_SENT:
            return None
        if self.bare_token and isinstance(text, Finding) and text.code in _WITHOUT_SCHEME:
            bare = request.authorization[0].strip(" \t")
            if bare.startswith("ey") and "." in bare:
                return _token(bare, self.place)
        return text


@dataclass(frozen=True, slots=True)
class Cookie(Source):
    """A cookie, and the origins whose pages may use it."""

    name: str
    origins: frozenset[str]
    unsafe_allow_cross_site: bool = False

    @property
    def place(self) -> str:
        """What the log calls it."""
        return f"the cookie {self.name}"

    def read(self, request: Request) -> str | Finding | None:
        """The only cookie of that name, if the request may use it."""
        lines = request.header_lines("cookie")
        if sum(map(len, lines)) > _MAX_TEXT:
            return _too_large("The Cookie header")
        # As browsers write them (RFC 6265 section 5.4): a semicolon ends a cookie, quotes or not. No other white
        # space belongs around a name: with it, another host could set one that looks like our __Host- cookie.
        pairs = [pair.partition("=") for line in lines for pair in line.split(";")]
        values = [value.strip(" \t") for name, _, value in pairs if name.strip(" \t") == self.name]
        if len(values) > 1:
            return Finding(
                Code.REPEATED_CREDENTIALS,
                f"The request has {len(values)} cookies {self.name}.",
                hint="They were set for different paths or domains, perhaps by another host of the domain. A name "
                "that begins with __Host- can't be set by another.",
            )
        text = _token(_unquoted(values[0]), self.place) if values else None
        if text is None or self.unsafe_allow_cross_site:
            return text
        return cross_site_refusal(request, self.origins, self.place) or text


@dataclass(frozen=True, slots=True)
class Form(Source):
    """A field of a form (RFC 6750 section 2.2)."""

    name: str
    max_body: int = MAX_FORM

    @property
    def place(self) -> str:
        """What the log calls it."""
        return f"the form field {self.name}"

    def length(self, request: Request) -> int | Finding | None:
        """How many bytes of body there are to be read for a token; None if no token can stand there."""
        if request.method not in _FORM_METHODS or request.scheme in _WEBSOCKET:
            return None
        types = request.header_lines("content-type")
        if [each.partition(";")[0].strip(" \t").lower() for each in types] != [_FORM_TYPE]:
            return None
        told = request.header_lines("content-length")
        if len(told) != 1 or request.header_lines("transfer-encoding"):
            return Finding(
                Code.MALFORMED_CREDENTIALS,
                "There is a form that does not say how long it is, so it was not read.",
                hint="Send it with a Content-Length, and without Transfer-Encoding.",
            )
        if not (told[0].isascii() and told[0].isdigit()) or len(told[0]) > 18 or int(told[0]) > self.max_body:
            return _too_large("The form", self.max_body)
        return int(told[0])

    def read(self, request: Request) -> str | Finding | None:
        """The only field of that name, in a body of ASCII."""
        length = self.length(request)
        if not isinstance(length, int):
            return length
        body = request.form
        if body is None or isinstance(body, Finding):
            return body
        if len(body) > self.max_body:
            return _too_large("The form", self.max_body)
        return _parameter(body.decode("ascii"), self.name, self.place) if body.isascii() else None


@dataclass(frozen=True, slots=True)
class Query(Source):
    """A parameter of the query (RFC 6750 section 2.3)."""

    name: str

    @property
    def place(self) -> str:
        """What the log calls it."""
        return f"the query parameter {self.name}"

    def read(self, request: Request) -> str | Finding | None:
        """The only parameter of that name."""
        if len(request.query) > _MAX_TEXT:
            return _too_large("The query")
        return _parameter(request.query, self.name, self.place)


@dataclass(frozen=True, slots=True)
class Subprotocol(Source):
    """The subprotocol of a WebSocket that stands behind a marker."""

    marker: str

    @property
    def place(self) -> str:
        """What the log calls it."""
        return f"the WebSocket subprotocol after {self.marker}"

    def split(self, offered: list[str]) -> tuple[list[str], list[str]]:
        """What stands behind the markers, and the subprotocols that have nothing to do with tokens."""
        offered = [each for each in offered if each]  # RFC 9110 section 5.6.1: a list may have empty elements
        tokens = [offered[at + 1] for at in range(len(offered) - 1) if offered[at] == self.marker]
        return tokens, [each for each in offered if each != self.marker and each not in tokens]

    def read(self, request: Request) -> str | Finding | None:
        """What stands behind the only marker."""
        if request.scheme not in _WEBSOCKET:
            return None
        lines = request.header_lines("sec-websocket-protocol")
        offered = [each.strip(" \t") for line in lines for each in line.split(",")]
        if (times := offered.count(self.marker)) > 1:
            return repeated(f"The subprotocol {self.marker} stands there {times} times.")
        if times and not (tokens := self.split(offered)[0]):
            return Finding(
                Code.MALFORMED_CREDENTIALS,
                f"No token follows the subprotocol {self.marker}.",
                hint=f"In a browser write new WebSocket(url, [{self.marker!r}, token]).",
            )
        return _token(tokens[0], self.place) if times else None


@dataclass(frozen=True, slots=True)
class Function(Source):
    """What a function of the application finds."""

    function: TokenFunction

    @property
    def place(self) -> str:
        """What the log calls it."""
        return f"what {getattr(self.function, '__qualname__', repr(self.function))} finds"

    def read(self, request: Request) -> str | Finding | None:
        """What the function gives; what it raises is no fault of the client."""
        try:
            text: object = self.function(request)
        except Exception:
            logger.exception("token_from: %s raised; the request is answered 503", self.place)
            return Finding(
                Code.CHECK_FAILED, f"The function for {self.place} raised; the traceback is in the log."
            )
        if text is None or isinstance(text, str):
            return _token(text or "", self.place)
        return Finding(
            Code.CHECK_FAILED,
            f"The function for {self.place} gave {type(text).__name__}.",
            hint="Let it return the token as a string, or None.",
        )


# ── reading ──


def values_of(text: str, name: str) -> list[str]:
    """The values of a parameter, still encoded; names are compared decoded, as the application will."""
    pairs = [piece.partition("=") for piece in text.split("&")]
    return [value for each, _, value in pairs if _decoded(each) == name]


def _unquoted(value: str) -> str:
    """A cookie without the quotes that may stand around it (RFC 6265 section 4.1.1)."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def _parameter(text: str, name: str, place: str) -> str | Finding | None:
    """The token in a parameter. One without a value counts as left out (RFC 6749 section 3.1)."""
    values = values_of(text, name)
    if len(values) > 1:
        return repeated(f"The request has {len(values)} times {place}.")
    return _token(_decoded(values[0]), place) if values else None


def _token(text: str, place: str) -> str | Finding | None:
    """What stands in a place of its own, if it can be a token; an empty one counts as none."""
    if len(text) > MAX_TOKEN:
        return _too_large(f"What stands in {place}", MAX_TOKEN)
    if _NO_PART_OF_A_TOKEN.search(text):
        bearer = text.lstrip().lower().startswith("bearer ")
        return Finding(
            Code.MALFORMED_CREDENTIALS,
            f"More than one token stands in {place}.",
            hint="The word Bearer belongs into the Authorization header alone: leave it out."
            if bearer
            else SEND_ONE,
        )
    return text or None


def repeated(detail: str) -> Finding:
    """That there is more than one token."""
    return Finding(Code.REPEATED_CREDENTIALS, detail, hint=SEND_ONE)


def _too_large(what: str, limit: int = _MAX_TEXT) -> Finding:
    return Finding(Code.CREDENTIALS_TOO_LARGE, f"{what} is larger than {limit:,} bytes.")
