"""Where the token of a request stands: in the `Authorization` header, unless something else is asked for.

    from jwtauthz.credentials import cookie, header

    server = ResourceServer(..., token_from=[header(), cookie("__Host-access_token")])

A token is taken from any one of the places that are named. Credentials in several of them at once are refused:
whichever we chose, somebody else on the way might have chosen the other (RFC 6750 section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .cross_site import origins_from
from .errors import Code, ConfigurationError, Finding
from .signatures import is_async, takes
from .sources import MAX_FORM, Cookie, Form, Function, Header, Query, Source, Subprotocol, repeated, values_of

if TYPE_CHECKING:
    from .request import Request

# RFC 9110 section 5.6.2; names of cookies and subprotocols are such words.
_WORD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# RFC 9111 section 5.2: a directive may have a value in quotes, with commas in it.
_DIRECTIVE: Final = re.compile(r'(?:[^",]|"[^"]*"?)+')
_FOR_ALL: Final = frozenset({"private", "public", "s-maxage"})


# ── how they are written ──


def header(*, bare_token: bool = False) -> Source:
    """The `Authorization` header: the word Bearer, a space, and the token (RFC 6750 section 2.1).

    Args:
        bare_token: whether a JWT alone, without the word, is taken too, as an AWS HTTP API does.
    """
    return Header(flag(bare_token, "bare_token"))


def cookie(name: str, *, origins: Iterable[str] = (), unsafe_allow_cross_site: bool = False) -> Source:
    """A cookie, for pages of the API's own origin (RFC 6750 section 5.3).

    Browsers send cookies along whoever makes them send a request. So every method but GET, HEAD, OPTIONS and
    TRACE, and every WebSocket handshake, has to show that it comes from the API's own origin, by `Sec-Fetch-Site`
    or `Origin`; one that shows nothing is refused. A GET that changes something is open to every page.

    Args:
        name: of the cookie. Browsers keep one whose name begins with `__Host-` from going over plain HTTP, and
            from being set by another host: a bearer token wants both.
        origins: of other pages that may use it: `["https://app.example.com"]`.
        unsafe_allow_cross_site: leave the precaution out, because something else takes it.

    Raises:
        ConfigurationError: no such cookie or origin can be.
    """
    if unsafe_allow_cross_site and origins:
        raise ConfigurationError(
            "cookie: origins= means nothing with unsafe_allow_cross_site=True. Leave one out."
        )
    return Cookie(
        _word(name, "cookie", "__Host-access_token"),
        origins_from(origins),
        flag(unsafe_allow_cross_site, "unsafe_allow_cross_site"),
    )


def form(name: str = "access_token", *, max_body: int = MAX_FORM) -> Source:
    """A field of a form that is posted as `application/x-www-form-urlencoded` (RFC 6750 section 2.2).

    The body is read before the application is asked, and the application reads it once more. Only forms that say
    how long they are, in a `Content-Length`, are read.

    Args:
        name: of the field.
        max_body: bytes; a longer form is refused.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """
    if not isinstance(max_body, int) or isinstance(max_body, bool) or not 0 < max_body <= 16 * 1024 * 1024:
        raise ConfigurationError(f"max_body={max_body!r}: write the bytes that a form may have, up to 16 MiB.")
    return Form(_parameter_name(name, "form"), max_body)


def query(name: str) -> Source:
    """A parameter of the query, for clients that can do nothing else (RFC 6750 section 2.3).

    URLs are written into logs and histories, and sent on in `Referer`; let such tokens be short-lived. Answers
    to such requests get `Cache-Control: private`.

    Args:
        name: of the parameter; `access_token` by the RFC.

    Raises:
        ConfigurationError: it has no name.
    """
    return Query(_parameter_name(name, "query"))


def subprotocol(marker: str = "bearer") -> Source:
    """A WebSocket subprotocol, for browsers, which can't send a header: `new WebSocket(url, ["bearer", token])`.

    The handshake is answered with the marker, or with a subprotocol that the application chooses. The application
    sees neither marker nor token among those offered, so it can't send the token back.

    Args:
        marker: the subprotocol that stands before the token.

    Raises:
        ConfigurationError: it is no such name.
    """
    return Subprotocol(_word(marker, "subprotocol", "bearer"))


IN_HEADER: Final[Source] = Header()

# ── all of them ──


class Credentials:
    """The setting `token_from=` of a resource server: its sources, and what they give for a request.

    Attributes:
        sources: in the order in which they were written.
        in_header: whether the token stands in the header alone and after the word Bearer, as it does by default.
        subprotocol: the source of that kind, if there is one.
        need_exchange: whether a door has more to do than to tell what was sent: read a form, mark an answer.

    Raises:
        ConfigurationError: there is no source, or the same one twice.
    """

    def __init__(self, token_from: object) -> None:
        several = (
            token_from if isinstance(token_from, Iterable) and not isinstance(token_from, str) else [token_from]
        )
        self.sources = tuple(map(_source, several))
        if not self.sources:
            raise ConfigurationError("token_from=[] names no place for a token. Leave it out for the header.")
        places = [source.place for source in self.sources]
        for number, source in enumerate(self.sources):
            earlier = self.sources[:number]
            if source in earlier or (not isinstance(source, Function) and source.place in places[:number]):
                raise ConfigurationError(f"token_from names {source.place} twice. Name it once.")
        self.in_header = self.sources == (IN_HEADER,)
        self._form = next((source for source in self.sources if isinstance(source, Form)), None)
        self._queries = tuple(source for source in self.sources if isinstance(source, Query))
        self.subprotocol = next((source for source in self.sources if isinstance(source, Subprotocol)), None)
        for kind in (Form, Subprotocol):
            if sum(isinstance(source, kind) for source in self.sources) > 1:
                raise ConfigurationError(f"token_from names two of {kind.__name__.lower()}(). Name one.")
        self.need_exchange = bool(self._form or self._queries or self.subprotocol)
        self._nothing = Finding(
            Code.NO_CREDENTIALS,
            f"The request has no token in {', nor in '.join(places)}.",
            hint=f"Send the access token in {', or in '.join(places)}.",
        )

    def token_of(self, request: Request) -> str | Finding:
        """The token of a request, or why there is none."""
        nothing, found, place = self._nothing, None, ""
        for source in self.sources:
            text = source.read(request)
            if isinstance(text, Finding) and text.code is Code.NO_CREDENTIALS:
                nothing = text
            elif text is not None:
                if found is not None:
                    return repeated(f"There are credentials in {place} and in {source.place}.")
                found, place = text, source.place
        return nothing if found is None else found

    def form_length(self, request: Request) -> int | Finding | None:
        """How many bytes of body are to be read for a token, or why none; None if no token can stand there."""
        return self._form.length(request) if self._form is not None else None

    def stands_in_query(self, text: str) -> bool:
        """Whether a query holds a token, good or bad, so that no cache may keep the answer for others."""
        return any(values_of(text, source.name) for source in self._queries)

    def __repr__(self) -> str:
        return f"<Credentials {', '.join(source.place for source in self.sources)}>"


def private(cache_control: str) -> str:
    """What `Cache-Control` becomes where only the client itself may keep the answer (RFC 6750 section 2.3)."""
    directives = [each.strip() for each in _DIRECTIVE.findall(cache_control) if each.strip()]
    if {"no-store", "private"} & {each.lower() for each in directives} and "public" not in cache_control.lower():
        return cache_control
    others = [each for each in directives if each.partition("=")[0].lower() not in _FOR_ALL]
    return ", ".join(["private", *others])


def _source(given: object) -> Source:
    if isinstance(given, Source):
        return given
    for builder in (header, cookie, form, query, subprotocol):
        if given is builder:
            raise ConfigurationError(f"token_from: the parentheses are missing. Write {builder.__name__}(...).")
    if not callable(given) or isinstance(given, type) or not takes(given, 1):
        raise ConfigurationError(
            f"token_from={given!r} is no place for a token. Write header(), cookie('__Host-access_token'), "
            "form(), query('access_token') or subprotocol() of jwtauthz.credentials, or a function "
            "(request) -> str | None."
        )
    if is_async(given):
        raise ConfigurationError(
            f"token_from={given!r} is async. Finding a token is no reason to wait: write a function "
            "(request) -> str | None."
        )
    return Function(given)


# ── settings ──


def _word(name: object, function: str, example: str) -> str:
    if isinstance(name, str) and _WORD.fullmatch(name):
        return name
    raise ConfigurationError(
        f"{function}({name!r}): no {function} can have that name. Write {function}({example!r})."
    )


def _parameter_name(name: object, function: str) -> str:
    if isinstance(name, str) and name and name.isascii() and name.isprintable() and " " not in name:
        return name
    raise ConfigurationError(f"{function}({name!r}) names no parameter. Write {function}('access_token').")


def flag(value: object, name: str) -> bool:
    """A setting that is on or off."""
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name}={value!r}: write True or False.")
