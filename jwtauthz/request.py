"""The request as a value: what the decision reads of it, whichever framework it came through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from .errors import Code, Finding
from .token import MAX_TOKEN

_SCHEME: Final = "bearer"
_MAX_AUTHORIZATION: Final = MAX_TOKEN + len("Bearer ")


class Request:
    """What a decision may read of a request. The doors make one; others write it by hand.

    Args:
        authorization: the `Authorization` header; every one of them, if there are several.
        method: the HTTP method, in capitals.
        path: the path of the request, for a policy that looks at it.
        headers: the headers; a plain dict is copied with its names in lower case.
        path_params: what the route took from the path, such as `{"org_id": "org_1"}`.
        client: the address that the connection comes from, where it is known.
        source: the framework's own request, for callables that want more.
        query: the query string, still encoded. This and the next two are for `token_from=`; doors leave them
            out where the token stands in a header anyway.
        scheme: `https` or `http`; `wss` or `ws` for a WebSocket handshake.
        form: the body, if it is a form; or why it could not be read.
    """

    __slots__ = (
        "authorization",
        "client",
        "form",
        "headers",
        "method",
        "path",
        "path_params",
        "query",
        "scheme",
        "source",
    )

    def __init__(
        self,
        authorization: str | Iterable[str] | None = None,
        *,
        method: str = "GET",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        path_params: Mapping[str, Any] | None = None,
        client: str | None = None,
        source: Any = None,
        query: str = "",
        scheme: str = "https",
        form: bytes | Finding | None = None,
    ) -> None:
        if type(headers) is dict:
            if authorization is None:
                # A dict may hold the header twice, in two spellings.
                authorization = [value for name, value in headers.items() if name.lower() == "authorization"]
            headers = {name.lower(): value for name, value in headers.items()}
        elif authorization is None and headers is not None:
            authorization = headers.get("authorization")
        self.authorization = (authorization,) if type(authorization) is str else _as_tuple(authorization)
        self.method = method
        self.path = path
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.path_params: Mapping[str, Any] = path_params if path_params is not None else {}
        self.client = client
        self.source = source
        self.query = query
        self.scheme = scheme
        self.form = form

    @property
    def is_preflight(self) -> bool:
        """Whether a browser asks if it may send the real request (Fetch, "CORS-preflight request").

        One with credentials never is; doors look at `authorization` first, which spares most requests this call.
        """
        return (
            self.method == "OPTIONS"
            and not self.authorization
            and "origin" in self.headers
            and "access-control-request-method" in self.headers
        )

    def header_lines(self, name: str) -> list[str]:
        """Every header of a name in lower case, where it may stand there more than once."""
        several = getattr(self.headers, "getlist", None)  # Starlette's
        if several is not None:
            return list(several(name))
        value = self.headers.get(name)
        return [] if value is None else [value]

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.path!r}>"


def _as_tuple(authorization: object) -> tuple[str, ...]:
    if authorization is None:
        return ()
    if isinstance(authorization, str):  # a subclass, whose own __str__ may say something else
        return (str.__str__(authorization),)
    if isinstance(authorization, Iterable) and not isinstance(authorization, (bytes, Mapping)):
        values = tuple(authorization)
        if all(isinstance(value, str) for value in values):
            return values
    raise TypeError(
        f"authorization is {type(authorization).__name__}; it is the Authorization header as a string, "
        "or a list of strings, decoded as latin-1."
    )


def bearer_token(authorization: tuple[str, ...]) -> str | Finding:
    """The token of the `Authorization` header, or why there is none (RFC 6750 sections 2.1 and 3.1).

    Several headers, or several credentials in one (proxies join headers with a comma), are refused: whichever
    we chose, somebody else on the way might have chosen the other (RFC 9110 section 11.6.2).
    """
    if not authorization:
        return NOTHING_SENT
    if len(authorization) > 1:
        return Finding(
            Code.REPEATED_CREDENTIALS,
            f"The request has {len(authorization)} Authorization headers.",
            hint=_SEND_ONE,
        )
    header = authorization[0]
    # Nearly every header is written just so; all others, the good ones among them too, take 0.4 µs more.
    if header.startswith("Bearer ") and len(header) <= _MAX_AUTHORIZATION:
        token = header[len("Bearer ") :]
        if token and " " not in token and "," not in token and "\t" not in token:
            return token
    header = header.strip(" \t")
    if len(header) > _MAX_AUTHORIZATION:
        return Finding(
            Code.CREDENTIALS_TOO_LARGE,
            f"The Authorization header has {len(header):,} characters; {_MAX_AUTHORIZATION:,} are allowed.",
        )
    scheme, _, token = header.partition(" ")
    if "," in header and ("bearer " in header.partition(",")[2].lower()):
        return Finding(
            Code.REPEATED_CREDENTIALS, "The Authorization header holds several credentials.", hint=_SEND_ONE
        )
    if scheme.lower() != _SCHEME:
        return _other_scheme(scheme)
    token = token.lstrip(" ")
    if not token:
        return Finding(
            Code.MALFORMED_CREDENTIALS,
            "The Authorization header says Bearer and nothing after it.",
            hint="The client sent the request before it had a token: let it wait for the access token.",
        )
    if " " in token or "," in token or "\t" in token:
        return _more_than_a_token(token)
    return token


def _more_than_a_token(text: str) -> Finding:
    """What stands after the word Bearer when it is not one token."""
    if text.lower().startswith("bearer "):
        detail = "The word Bearer stands there twice."
        hint: str | None = "The token already begins with Bearer, or the client adds it too: write it once."
    elif text.startswith("[object "):
        detail = "The words [object Object] stand where the token should."
        hint = "The client made text of a whole object: send the string in it that is the access token."
    else:
        detail, hint = "More than one token stands after the word Bearer.", None
    return Finding(Code.MALFORMED_CREDENTIALS, detail, hint=hint)


def _other_scheme(scheme: str) -> Finding:
    if not scheme:
        return NOTHING_SENT
    # A token all the same, so it is no anonymous request either, even where those are let in.
    if scheme.count(".") == 2 and (scheme.startswith("ey") or scheme.lower().startswith(_SCHEME)):
        return Finding(
            Code.MISSING_SCHEME,
            "The Authorization header holds a token without the word Bearer and a space before it.",
            hint=_SEND,
        )
    quoted = scheme[0] in "\"'"
    return Finding(
        Code.NO_CREDENTIALS,
        "The Authorization header uses another scheme than Bearer.",
        hint="Quotes stand around the header; send it without." if quoted else _SEND,
    )


_SEND: Final = "Send Authorization: Bearer <access token>."
_SEND_ONE: Final = "The client, or a proxy on the way, adds the header twice: send one."
NOTHING_SENT: Final = Finding(
    Code.NO_CREDENTIALS,
    "The request has no Authorization header.",
    hint=_SEND,
)
