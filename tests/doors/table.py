"""What every door answers, row by row: one request, and its status, challenge and body.

A door is a module with `FORMS`: the ways in which its framework lets one write protected views, each with a
function that makes an app around a server and gives a `Client` for it. Every app has the same routes:

    GET           /public         open
    GET, OPTIONS, POST
                  /any            authenticated()                       the app answers OPTIONS itself
    GET           /read           "read:users"
    GET           /either         any_of("read:users", "admin", claim="permissions")
    GET           /nested         all_of("read:users", any_of("a", "b", claim="permissions"))
    GET           /own/{user_id}  owner                                 a function (token, request) -> bool
    GET           /broken         broken                                a function that raises
    GET           /optional       authenticated(), optional=True

Each answers 200 `{"sub": the token's subject, or null without a token}`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jwtauthz import Issuer, KeySetUnavailable, ResourceServer, all_of, any_of
from jwtauthz.credentials import cookie, form, header, query

if TYPE_CHECKING:
    from jwtauthz import Request, VerifiedToken
    from jwtauthz.testing import FakeIssuer


# ── what is sent, what comes back ──


@dataclass(frozen=True)
class Sent:
    """A request. Header values and body are Latin-1; `{good}` anywhere stands for the token of that name."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: str = ""


@dataclass(frozen=True)
class Answer:
    """A response; `body` is its JSON."""

    status: int
    challenge: str | None
    body: Any
    retry_after: str | None = None
    cache_control: str | None = None


Client = Callable[[Sent], Answer]


@dataclass(frozen=True)
class Row:
    """One row: a sentence, a request, its answer, and the server that is asked if it is no ordinary one."""

    id: str
    sent: Sent
    answer: Answer
    server: str = "ordinary"


# ── what routes need ──


def owner(token: VerifiedToken, request: Request) -> bool:
    """Whether the token's subject is the user in the path."""
    return token.subject == request.path_params["user_id"]


def broken(token: VerifiedToken, request: Request) -> bool:
    """A check with a mistake in it."""
    raise LookupError("this check is broken")


EITHER = any_of("read:users", "admin", claim="permissions")
NESTED = all_of("read:users", any_of("a", "b", claim="permissions"))


# ── the servers ──


class OutOfReach:
    """Keys that can't be had."""

    ready = False

    def find(self, kid: str | None, alg: str, *, after: object = None) -> Any:
        raise KeySetUnavailable("the issuer does not answer", retry_after=7)

    def recheck(self, found: object) -> None: ...

    def warm_up(self, timeout: float | None = None) -> None: ...

    async def awarm_up(self, timeout: float | None = None) -> None: ...  # noqa: ASYNC109

    def close(self) -> None: ...


def _revoked(token: VerifiedToken) -> bool:
    return token.claims.get("jti") == "stolen"


async def _async_revoked(token: VerifiedToken) -> bool:
    return _revoked(token)


def _revocation_fails(token: VerifiedToken) -> bool:
    raise ConnectionError("the list of revoked tokens is out of reach")


def _server(issuer: FakeIssuer, *, keys: Any = None, **settings: Any) -> ResourceServer:
    return ResourceServer(
        Issuer(issuer.url, key_set=keys or issuer.key_set), audience="https://api.example.com", **settings
    )


SERVERS: dict[str, Callable[[FakeIssuer], ResourceServer]] = {
    "ordinary": _server,
    "with revoked=": lambda issuer: _server(issuer, revoked=_revoked),
    "with async revoked=": lambda issuer: _server(issuer, revoked=_async_revoked),
    "with broken revoked=": lambda issuer: _server(issuer, revoked=_revocation_fails),
    "without keys": lambda issuer: _server(issuer, keys=OutOfReach()),
    "with token_from=": lambda issuer: _server(
        issuer,
        token_from=[header(), cookie("t", origins=["https://app.example.com"]), form(), query("access_token")],
    ),
    "with preflight=False": lambda issuer: _server(issuer, preflight=False),
}


# ── the tokens ──

_ANY: dict[str, Any] = {"scope": "read:users"}

TOKENS: dict[str, Callable[[FakeIssuer], str]] = {
    "good": lambda issuer: issuer.token(scope="read:users"),
    "other_scope": lambda issuer: issuer.token(scope="write:users"),
    "no_scope": lambda issuer: issuer.token(),
    "in_permissions": lambda issuer: issuer.token(permissions=["read:users"]),
    "admin": lambda issuer: issuer.token(permissions=["admin"]),
    "both": lambda issuer: issuer.token(scope="read:users", permissions=["b"]),
    "scope_list": lambda issuer: issuer.token(scope=["read:users"]),
    "scope_number": lambda issuer: issuer.token(scope=7),
    "scope_object": lambda issuer: issuer.token(scope={"read:users": True}),
    "scope_odd_elements": lambda issuer: issuer.token(scope=[1, None, ["read:users"]]),
    "scope_with_tab": lambda issuer: issuer.token(scope="read:users\twrite:users"),
    "scope_with_comma": lambda issuer: issuer.token(scope="read:users,write:users"),
    "scope_in_capitals": lambda issuer: issuer.token(scope="READ:USERS"),
    "expired": lambda issuer: issuer.token(expires_in=-60, **_ANY),
    "not_yet_valid": lambda issuer: issuer.token(nbf=issuer.clock() + 60, **_ANY),
    "wrong_issuer": lambda issuer: issuer.token(iss="https://evil.example.com/", **_ANY),
    "wrong_audience": lambda issuer: issuer.token(audience="https://other.example.com", **_ANY),
    "forged": lambda issuer: issuer.forged_token(**_ANY),
    "unknown_kid": lambda issuer: issuer.token(kid="key-9", **_ANY),
    "unsigned": lambda issuer: issuer.unsigned_token(**_ANY),
    "hs256": lambda issuer: issuer.token(headers={"alg": "HS256"}, **_ANY),
    "id_token": lambda issuer: issuer.token(nonce="n-0S6_WzA2Mj"),
    "text_exp": lambda issuer: issuer.token(exp="2099-01-01", **_ANY),
    "sender_constrained": lambda issuer: issuer.token(cnf={"jkt": "abc"}, **_ANY),
    "stolen": lambda issuer: issuer.token(jti="stolen", **_ANY),
    "non_ascii_subject": lambda issuer: issuer.token(subject="usér-1", **_ANY),
}


# ── the answers ──


def _ok(subject: str | None = "user-1") -> Answer:
    return Answer(200, None, {"sub": subject})


def _denied(status: int, error: str, description: str, scope: str = "", **body: Any) -> Answer:
    challenge = f'Bearer realm="api", error="{error}", error_description="{description}"'
    if scope:
        challenge += f', scope="{scope}"'
    body = {"error": error, "error_description": description, **body}
    return Answer(status, challenge, body, cache_control="no-store")


def _unavailable(description: str, retry_after: str = "1") -> Answer:
    body = {"error": "temporarily_unavailable", "error_description": description}
    return Answer(503, None, body, retry_after, cache_control="no-store")


NO_CREDENTIALS = Answer(
    401,
    'Bearer realm="api"',
    {"error": "unauthorized", "error_description": "This operation needs an access token"},
    cache_control="no-store",
)
MALFORMED = _denied(
    400,
    "invalid_request",
    "The request must carry one token; in the Authorization header, after the word Bearer and a space",
)
REPEATED = _denied(400, "invalid_request", "The request carries more than one token")
TOO_LARGE = _denied(400, "invalid_request", "The token is too large")


def _invalid(description: str) -> Answer:
    return _denied(401, "invalid_token", description)


NO_JWT = _invalid("The token is not a well-formed JWT")


def _short(scope: str = "", *, required: list[Any] | None = None) -> Answer:
    description = "The token does not grant what this operation needs"
    body = {"required": required} if required else {}
    return _denied(403, "insufficient_scope", description, scope, **body)


SHORT_OF_READ = _short("read:users", required=["read:users"])


# ── the rows ──


def _get(path: str, *authorization: str) -> Sent:
    return Sent(path, tuple(("Authorization", value) for value in authorization))


def _preflight(*more: tuple[str, str], method: str = "OPTIONS") -> Sent:
    asks = (("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET"))
    return Sent("/any", (*asks, *more), method)


_APP = "https://app.example.com"


def _cookie(name: str, value: str, method: str = "POST") -> Sent:
    return Sent("/any", (("Cookie", "t={good}"), (name, value)), method)


def _form(
    body: str,
    *headers: tuple[str, str],
    path: str = "/any",
    type: str = "application/x-www-form-urlencoded",  # noqa: A002
) -> Sent:
    return Sent(path, (("Content-Type", type), *headers), "POST", body)


def _private(answer: Answer) -> Answer:
    """The answer to a request with a token in its URL."""
    return replace(answer, cache_control=answer.cache_control or "private")


REPEATED_IN_URL = _private(REPEATED)
FORM_TOO_LARGE = TOO_LARGE
CROSS_SITE = _denied(
    400, "invalid_request", "The token is in a cookie, and the request is not shown to come from this site"
)

ROWS = [
    # let in
    Row("an open route needs no token", _get("/public"), _ok(None)),
    Row("an open route looks at no token", _get("/public", "Bearer garbage"), _ok(None)),
    Row("any valid token is enough where nothing more is asked", _get("/any", "Bearer {no_scope}"), _ok()),
    Row("a token with the scope comes in", _get("/read", "Bearer {good}"), _ok()),
    Row("the scheme may be in lower case", _get("/read", "bearer {good}"), _ok()),
    Row("the scheme may be in capitals", _get("/read", "BEARER {good}"), _ok()),
    Row("a list of scopes counts as well", _get("/read", "Bearer {scope_list}"), _ok()),
    Row("a subject may hold any character", _get("/read", "Bearer {non_ascii_subject}"), _ok("usér-1")),
    # credentials
    Row("a request without credentials is asked for some", _get("/any"), NO_CREDENTIALS),
    Row("so it is where a scope is needed", _get("/read"), NO_CREDENTIALS),
    Row("an empty Authorization header counts as none", _get("/read", ""), NO_CREDENTIALS),
    Row("another scheme counts as none", _get("/read", "Basic dXNlcjpwYXNz"), NO_CREDENTIALS),
    Row("a token without a scheme counts as none", _get("/read", "{good}"), NO_CREDENTIALS),
    Row("Bearer alone is malformed", _get("/read", "Bearer"), MALFORMED),
    Row("two words after Bearer are malformed", _get("/read", "Bearer {good} {good}"), MALFORMED),
    Row("a comma behind the token is malformed", _get("/read", "Bearer {good},"), MALFORMED),
    Row("two headers are refused", _get("/read", "Bearer {good}", "Bearer {good}"), REPEATED),
    Row(
        "two headers are refused if one is of another scheme", _get("/read", "Basic x", "Bearer {good}"), REPEATED
    ),
    Row(
        "two headers that a proxy has joined are refused", _get("/read", "Bearer {good}, Bearer {good}"), REPEATED
    ),
    Row("a header of 20 kB is refused", _get("/read", "Bearer " + "a" * 20_000), TOO_LARGE),
    # the token
    Row("garbage is no token", _get("/read", "Bearer gar.ba.ge"), NO_JWT),
    Row("bytes outside ASCII are no token", _get("/read", "Bearer \xe9\xff.b.c"), NO_JWT),
    Row(
        "an opaque token is no JWT",
        _get("/read", "Bearer 2YotnFZFEjr1zCsicMWpAA"),
        _invalid("The token is opaque; this API takes JWT access tokens"),
    ),
    Row(
        "a token of five parts is encrypted",
        _get("/read", "Bearer a.b.c.d.e"),
        _invalid("The token is encrypted; this API takes signed JWT access tokens"),
    ),
    Row("an expired token is refused", _get("/read", "Bearer {expired}"), _invalid("The token has expired")),
    Row(
        "a token whose time has not come is refused",
        _get("/read", "Bearer {not_yet_valid}"),
        _invalid("The token is not valid yet"),
    ),
    Row(
        "a token of another issuer is refused",
        _get("/read", "Bearer {wrong_issuer}"),
        _invalid("The token comes from an issuer that this API does not accept"),
    ),
    Row(
        "a token for another API is refused",
        _get("/read", "Bearer {wrong_audience}"),
        _invalid("The token is meant for another audience"),
    ),
    Row(
        "a forged token is refused",
        _get("/read", "Bearer {forged}"),
        _invalid("The signature of the token does not verify"),
    ),
    Row(
        "a key that the issuer does not list signs nothing",
        _get("/read", "Bearer {unknown_kid}"),
        _invalid("The token is signed with a key that its issuer does not list"),
    ),
    Row(
        "a token that nobody signed is refused",
        _get("/read", "Bearer {unsigned}"),
        _invalid("The token is signed with an algorithm that this API does not accept"),
    ),
    Row(
        "a token under a shared secret is refused",
        _get("/read", "Bearer {hs256}"),
        _invalid("The token is signed with an algorithm that this API does not accept"),
    ),
    Row(
        "an ID token is no access token",
        _get("/any", "Bearer {id_token}"),
        _invalid("This is an ID token; this API takes access tokens"),
    ),
    Row(
        "an expiry that is no number is refused",
        _get("/read", "Bearer {text_exp}"),
        _invalid("A claim of the token has the wrong type or form"),
    ),
    Row(
        "a token that is bound to a key is refused",
        _get("/read", "Bearer {sender_constrained}"),
        _invalid("The token is bound to a key of its client; this API takes plain bearer tokens"),
    ),
    # revocation and keys
    Row("a token that is not revoked comes in", _get("/read", "Bearer {good}"), _ok(), "with revoked="),
    Row(
        "a revoked token is refused",
        _get("/read", "Bearer {stolen}"),
        _invalid("The token has been revoked"),
        "with revoked=",
    ),
    Row(
        "a token that an async function finds not revoked comes in",
        _get("/read", "Bearer {good}"),
        _ok(),
        "with async revoked=",
    ),
    Row(
        "a token that an async function finds revoked is refused",
        _get("/read", "Bearer {stolen}"),
        _invalid("The token has been revoked"),
        "with async revoked=",
    ),
    Row(
        "a failing revocation list is no fault of the client",
        _get("/read", "Bearer {good}"),
        _unavailable("Whether the token is revoked cannot be told now; try again later"),
        "with broken revoked=",
    ),
    Row(
        "keys out of reach are no fault of the client",
        _get("/read", "Bearer {good}"),
        _unavailable("The keys of the issuer are out of reach; try again later", "7"),
        "without keys",
    ),
    Row("without keys an anonymous request is still a 401", _get("/read"), NO_CREDENTIALS, "without keys"),
    Row("without keys open routes stay open", _get("/public", "Bearer {good}"), _ok(None), "without keys"),
    # scopes
    Row("a token without scopes is short of one", _get("/read", "Bearer {no_scope}"), SHORT_OF_READ),
    Row("another scope is not enough", _get("/read", "Bearer {other_scope}"), SHORT_OF_READ),
    Row("a scope in another claim is not read", _get("/read", "Bearer {in_permissions}"), SHORT_OF_READ),
    Row("a scope that is a number grants nothing", _get("/read", "Bearer {scope_number}"), SHORT_OF_READ),
    Row("a scope that is an object grants nothing", _get("/read", "Bearer {scope_object}"), SHORT_OF_READ),
    Row("odd elements of a list grant nothing", _get("/read", "Bearer {scope_odd_elements}"), SHORT_OF_READ),
    Row("a tab separates no scopes", _get("/read", "Bearer {scope_with_tab}"), SHORT_OF_READ),
    Row("a comma separates no scopes", _get("/read", "Bearer {scope_with_comma}"), SHORT_OF_READ),
    Row("capitals make another scope", _get("/read", "Bearer {scope_in_capitals}"), SHORT_OF_READ),
    Row("the first branch of any_of is enough", _get("/either", "Bearer {in_permissions}"), _ok()),
    Row("the second branch of any_of is enough", _get("/either", "Bearer {admin}"), _ok()),
    Row(
        "any_of reads only the claim it names",
        _get("/either", "Bearer {good}"),
        _short("read:users", required=[{"any_of": ["read:users", "admin"]}]),
    ),
    Row("all_of with a branch of its any_of comes in", _get("/nested", "Bearer {both}"), _ok()),
    Row(
        "all_of without any branch of its any_of does not",
        _get("/nested", "Bearer {good}"),
        _short("read:users a", required=["read:users", {"any_of": ["a", "b"]}]),
    ),
    # functions
    Row("a function that says yes lets in", _get("/own/user-1", "Bearer {no_scope}"), _ok()),
    Row("a function that says no does not", _get("/own/user-2", "Bearer {no_scope}"), _short()),
    Row("a function is not asked without a token", _get("/own/user-1"), NO_CREDENTIALS),
    Row(
        "a function that raises is no fault of the client",
        _get("/broken", "Bearer {no_scope}"),
        _unavailable("Whether this is permitted cannot be told now; try again later"),
    ),
    # optional
    Row("an optional route lets anonymous requests in", _get("/optional"), _ok(None)),
    Row("an optional route knows a good token", _get("/optional", "Bearer {good}"), _ok()),
    Row(
        "an optional route refuses a bad token",
        _get("/optional", "Bearer {expired}"),
        _invalid("The token has expired"),
    ),
    Row("an optional route refuses malformed credentials", _get("/optional", "Bearer"), MALFORMED),
    Row(
        "an optional route does not take keys out of reach for anonymous",
        _get("/optional", "Bearer {good}"),
        _unavailable("The keys of the issuer are out of reach; try again later", "7"),
        "without keys",
    ),
    # preflight
    Row("a preflight passes", _preflight(), _ok(None)),
    Row("a preflight does not pass if that is closed", _preflight(), NO_CREDENTIALS, "with preflight=False"),
    Row("GET with the headers of a preflight is none", _preflight(method="GET"), NO_CREDENTIALS),
    Row("a preflight with a good token is a request", _preflight(("Authorization", "Bearer {good}")), _ok()),
    Row("a preflight with credentials is none", _preflight(("Authorization", "Bearer gar.ba.ge")), NO_JWT),
    Row(
        "OPTIONS that asks for no method is no preflight",
        Sent("/any", (("Origin", "https://app.example.com"),), "OPTIONS"),
        NO_CREDENTIALS,
    ),
    Row(
        "OPTIONS from no origin is no preflight",
        Sent("/any", (("Access-Control-Request-Method", "GET"),), "OPTIONS"),
        NO_CREDENTIALS,
    ),
    # other places
    *(
        Row(sentence, sent, answer, "with token_from=")
        for sentence, sent, answer in [
            ("the header is read beside other places", _get("/read", "Bearer {good}"), _ok()),
            ("a token may stand in a cookie", Sent("/read", (("Cookie", "a=b; t={good}"),)), _ok()),
            ("a cookie of another name holds none", Sent("/read", (("Cookie", "tt={good}"),)), NO_CREDENTIALS),
            ("two cookies are refused", Sent("/read", (("Cookie", "t={good}; t={good}"),)), REPEATED),
            ("a cookie beside the header is refused", _cookie("Authorization", "Bearer {good}", "GET"), REPEATED),
            ("POST with a cookie has to show where it comes from", _cookie("X-Nothing", "1"), CROSS_SITE),
            ("POST with a cookie comes from the own page", _cookie("Sec-Fetch-Site", "same-origin"), _ok()),
            ("POST with a cookie comes from a page that is named", _cookie("Origin", _APP), _ok()),
            ("POST with a cookie comes from another site", _cookie("Origin", "https://evil.com"), CROSS_SITE),
            ("POST with a cookie comes from a sandbox", _cookie("Origin", "null"), CROSS_SITE),
            ("a preflight for a cookie passes", _preflight(("Cookie", "t={good}")), _ok(None)),
            ("a token may stand in a form", _form("a=b&access_token={good}"), _ok()),
            ("a token may stand in an encoded form", _form("access%5Ftoken={good}"), _ok()),
            ("a form that holds none is asked for one", _form("a=b"), NO_CREDENTIALS),
            ("an empty form is asked for one", _form(""), NO_CREDENTIALS),
            ("two fields are refused", _form("access_token={good}&access_token={good}"), REPEATED),
            ("a form beside the header", _form("access_token={good}", ("Authorization", "Bearer x")), REPEATED),
            ("a form beside a query", _form("access_token={good}", path="/any?access_token=x"), REPEATED_IN_URL),
            ("a form with bytes outside ASCII holds none", _form("a=\xe9&access_token={good}"), NO_CREDENTIALS),
            ("a form of 70 kB is refused", _form("access_token={good}&a=" + "x" * 70_000), FORM_TOO_LARGE),
            ("plain text is no form", _form("access_token={good}", type="text/plain"), NO_CREDENTIALS),
            ("several parts are no form", _form("access_token={good}", type="multipart/x"), NO_CREDENTIALS),
            ("a token may stand in the query", Sent("/read?a=b&access_token={good}"), _private(_ok())),
            (
                "a bad one is refused",
                Sent("/read?access_token={expired}"),
                _private(_invalid("The token has expired")),
            ),
            ("two are refused", Sent("/read?access_token={good}&%61ccess_token={good}"), REPEATED_IN_URL),
            ("a query beside the header", _get("/read?access_token=x", "Bearer {good}"), REPEATED_IN_URL),
            ("a query that is not UTF-8", Sent("/read?access_token=%ff.b.c"), _private(NO_JWT)),
            (
                "an open route looks at no query, and is private",
                Sent("/public?access_token=x"),
                _private(_ok(None)),
            ),
            ("an optional route finds no token anywhere", Sent("/optional"), _ok(None)),
            ("an optional route finds one in the query", Sent("/optional?access_token={good}"), _private(_ok())),
            (
                "an optional route takes no refused cookie for none",
                Sent("/optional", (("Cookie", "t={good}; t={good}"),)),
                REPEATED,
            ),
        ]
    ),
    # methods
    Row(
        "HEAD is let in as GET is",
        Sent("/read", (("Authorization", "Bearer {good}"),), "HEAD"),
        Answer(200, None, None),
    ),
    Row(
        "HEAD is refused as GET is",
        Sent("/read", (), "HEAD"),
        Answer(401, 'Bearer realm="api"', None, cache_control="no-store"),
    ),
]
