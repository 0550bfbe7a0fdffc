"""The door for Starlette and any ASGI app: a middleware that asks for a token, `requires` for more.

    from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

    @requires("read:users")
    async def users(request):
        return JSONResponse({"sub": token_from(request).subject})

    app = Starlette(
        routes=[Route("/users", users)],
        middleware=[Middleware(JWTAuthzMiddleware, server=server, public=["/health"])],
    )

The middleware fills in `request.user` and `request.auth` too, so Starlette's own `@requires` works under it.
A denial is answered with its status, challenge and JSON body; a handler that the app has registered for
`AccessDenied` replaces that answer.
"""

from __future__ import annotations

import inspect
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast, overload

try:
    from anyio import from_thread
    from starlette.authentication import AuthCredentials, BaseUser, UnauthenticatedUser
    from starlette.concurrency import run_in_threadpool
    from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
    from starlette.requests import HTTPConnection
    from starlette.requests import Request as HTTPRequest
    from starlette.responses import Response
    from starlette.websockets import WebSocket
except ModuleNotFoundError as missing:
    from .extras import not_installed

    raise not_installed(missing, "starlette") from missing

from .app_routes import Layer
from .asgi import around, place
from .decorators import requirement_of_decorator
from .errors import AccessDenied, ConfigurationError
from .health import HEADERS, Health
from .policy import authenticated, requirement
from .request import Request
from .resource_server import LATER, ResourceServer
from .route_table import WEBSOCKET, RouteTable
from .signatures import signature_of
from .starlette_routes import NEEDS, RouteCheck, inner_root_of, route_path

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .app_routes import AppRoute
    from .policy import Requirement
    from .verified_token import VerifiedToken

    _View = TypeVar("_View", bound=Callable[..., Any])

__all__ = ["JWTAuthzMiddleware", "TokenUser", "health_endpoint", "requires", "token_from"]

_KEY: Final = "jwtauthz"
_NAME_LENGTH: Final = len("authorization")  # compared first: most headers are not looked at any further
_ANSWERS: Final = frozenset(
    ["http.response.start", "websocket.http.response.start", "websocket.accept", "websocket.close"]
)
_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


class TokenUser(BaseUser):
    """What `request.user` is for a request with a valid token."""

    def __init__(self, token: VerifiedToken) -> None:
        self.token = token

    @property
    def is_authenticated(self) -> bool:
        """Yes: there is a valid token."""
        return True

    @property
    def display_name(self) -> str:
        """The subject, or else the client that acts for itself."""
        return self.token.subject or self.token.client_id or ""

    @property
    def identity(self) -> str:
        """The subject, which is unique only within `token.issuer`."""
        return self.token.subject or ""


class _Anonymous(UnauthenticatedUser):
    """What `request.user` is without one. Starlette's own has an identity from 1.7 on, and raises before."""

    @property
    def identity(self) -> str:
        return ""


class _Admission(AuthCredentials):
    """What is known of one connection; stands in its scope, and is what `request.auth` is.

    One object for both: two more for every request, before the token is known and after it, cost 0.5 µs.
    """

    def __init__(self, server: ResourceServer, app: Any) -> None:
        self.server = server
        self.app = app  # the application around the middleware, whose exception handlers answer denials
        self.token: VerifiedToken | None = None

    @property
    def scopes(self) -> list[str]:  # type: ignore[override]  # Starlette's own is an attribute that nobody sets
        """What the token grants, for Starlette; sorted for those who look."""
        return [] if self.token is None else ["authenticated", *sorted(self.token.scopes)]


class JWTAuthzMiddleware:
    """Asks every HTTP request and WebSocket handshake for a valid token, before the app sees it.

    Args:
        app: the ASGI application behind it.
        server: decides.
        public: paths that need no token: exact ones ("/health"), and "/static/*" for all that lie below.
            Paths are relative to where the app (or `Mount`) of the middleware stands.
        optional: requests without credentials come in on every path; a bad token is refused all the same.
        needs: what every token must grant: a scope, or a requirement such as `any_of(...)`; it sees no path
            parameters, for no route has been found yet.
        rules: what each path needs, instead of `needs`: a `RouteTable`, or a dict to make one of. What no rule
            covers is closed. They are checked against the app's routes when it starts.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self,
        app: ASGIApp,
        server: ResourceServer,
        *,
        public: Iterable[str] = (),
        optional: bool = False,
        needs: object = None,
        rules: RouteTable | Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(server, ResourceServer):
            raise ConfigurationError(
                f"server={server!r} decides nothing. "
                "Write Middleware(JWTAuthzMiddleware, server=ResourceServer(issuer=..., audience=...))."
            )
        self.app = app
        self.server = server
        self.optional = optional
        self._needed = authenticated() if needs is None else requirement(needs)
        if rules is not None and (needs is not None or optional):
            raise ConfigurationError(
                f"{'optional=True' if optional else 'needs='} and rules= both say what every path asks for. Leave "
                "one out: in rules, '/*' is for all that has no rule of its own, and public() opens a path."
            )
        self._table = RouteTable.for_door(rules, public, self._needed)
        self._routes = None if rules is None or self._table is None else RouteCheck(self._table, app)
        self._root = inner_root_of(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in {"http", "websocket"}:
            if self._routes is not None:
                await self._routes.at_start(receive, send)
            await self.app(scope, receive, send)
            return
        if self.server.credentials.need_exchange:
            receive, send = around(self.server.credentials, scope, receive, send)
        admission = scope[_KEY] = scope["auth"] = _Admission(self.server, scope.get("app"))
        scope["user"] = _Anonymous()
        answer = None  # what the app has answered already, if anything

        async def watch(message: Message) -> None:
            nonlocal answer
            if message["type"] in _ANSWERS:
                answer = message["type"]
            await send(message)

        try:
            needed, params = (self._needed, None) if self._table is None else self._asks(scope, self._table)
            if needed is not None:
                await _admit(admission, Asked(scope), needed, optional=self.optional, path_params=params)
            await self.app(scope, receive, watch)
        except AccessDenied as denied:
            if answer is None:
                await _Denial(denied, admission.app)(scope, receive, send)
            elif answer == "websocket.accept":
                await send(_close(denied))
            else:
                raise  # too late for another answer

    def _asks(self, scope: Scope, table: RouteTable) -> tuple[Requirement | None, Mapping[str, str]]:
        """What a connection needs, None for nothing, and the path parameters as the rule has them."""
        if self._routes is not None:
            self._routes.at_request()
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        found = table.find(method, route_path(scope, self._root))
        return found.needed, found.path_params

    def layers_for(self, route: AppRoute, prefix: str) -> tuple[Layer, ...]:
        """What it asks of the requests to a route; for the table of an app's routes."""
        layers = [] if self._table is None else self._table.layers_for(route.below(prefix))
        if any(layer.only_at is None for layer in layers):
            return tuple(layers)
        return (Layer(self._needed, "middleware", self.optional), *layers)

    def rules_without_route(self) -> list[str]:
        """A sentence for each rule that is for no route of the app; for the table of its routes."""
        return [] if self._routes is None else self._routes.dead()


def requires(
    *needs: object,
    claim: object = None,
    claims: type | None = None,
    optional: bool = False,
    shadow: bool = False,
) -> Callable[[_View], _View]:
    """Let only those requests into an endpoint whose token grants all of `needs`; needs the middleware.

    It takes functions with an argument `request` or `websocket`, methods of `HTTPEndpoint`, `on_connect` of
    `WebSocketEndpoint`, and both kinds of class as a whole.

    Args:
        needs: scopes, `any_of(...)`, `all_of(...)`, `authenticated()`, functions `(token, request) -> bool`.
        claim: the claim that scopes given as strings are read from, instead of the issuer's own.
        claims: the class that the claims are read into before the endpoint is called; `token.claims_as` of the
            same class gives what they became.
        optional: anonymous requests that the middleware lets in (public paths, `optional=True`) come in too.
        shadow: report what `needs` would deny, and let it in; the token itself is checked all the same.

    Raises:
        ConfigurationError: it asks for nothing, stands without parentheses, or on something it can't protect.
    """
    needed = requirement_of_decorator(needs, claim, claims, shadow=shadow)
    return partial(_protect, needed=needed, optional=optional)


def _protect(view: _View, *, needed: Requirement, optional: bool) -> _View:
    if isinstance(view, type) and issubclass(view, (HTTPEndpoint, WebSocketEndpoint)):
        _protect_class(view, needed, optional=optional)
        return view
    find, is_websocket = _finder(view)
    call: Any = view
    if _is_async(view):

        @wraps(view)
        async def async_view(*args: Any, **kwargs: Any) -> Any:
            connection = find(args, kwargs)
            try:
                asked = Asked(connection.scope, connection)
                await _admit(_admission(connection), asked, needed, optional=optional)
                return await call(*args, **kwargs)
            except AccessDenied as denied:
                return _denial(connection, denied)

        return cast("_View", _marked(async_view, view, needed, optional=optional))
    if is_websocket:
        raise ConfigurationError(f"{view!r} serves a WebSocket, so it has to be async. Write async def.")

    @wraps(view)
    def sync_view(*args: Any, **kwargs: Any) -> Any:
        connection = find(args, kwargs)
        try:
            _admit_in_thread(connection, needed, optional=optional)
            return call(*args, **kwargs)
        except AccessDenied as denied:
            return _denial(connection, denied)

    return cast("_View", _marked(sync_view, view, needed, optional=optional))


def _marked(guarded: Any, view: Any, needed: Requirement, *, optional: bool) -> Any:
    """A guarded view that says what it asks for, to those who make a table of it."""
    setattr(guarded, NEEDS, ((needed, optional), *getattr(view, NEEDS, ())))
    return guarded


def _protect_class(view: type[HTTPEndpoint | WebSocketEndpoint], needed: Requirement, *, optional: bool) -> None:
    dispatch = view.dispatch

    @wraps(dispatch)
    async def guarded(self: Any) -> None:
        connection = HTTPConnection(self.scope)
        try:
            await _admit(_admission(connection), Asked(self.scope, connection), needed, optional=optional)
        except AccessDenied as denied:
            await _denial(connection, denied)(self.scope, self.receive, self.send)
        else:
            await dispatch(self)

    view.dispatch = guarded  # type: ignore[method-assign]
    _marked(view, view, needed, optional=optional)


def _finder(view: Any) -> tuple[Callable[[tuple[Any, ...], dict[str, Any]], HTTPConnection], bool]:
    """How to find the connection among the arguments of a view, and whether it is a WebSocket."""
    if not callable(view) or isinstance(view, type):
        raise ConfigurationError(
            f"@requires can't protect {view!r}. It takes functions, methods, HTTPEndpoint and "
            "WebSocketEndpoint; for any other ASGI app write JWTAuthzMiddleware(app, server, needs=...)."
        )
    names = list(signature_of(view).parameters)
    name = next((name for name in names if name in {"request", "websocket"}), None)
    if name is None:
        raise ConfigurationError(
            f"@requires finds no token in {view!r}: it has no argument called request (or websocket). Add it."
        )
    index = names.index(name)

    def find(args: tuple[Any, ...], kwargs: dict[str, Any]) -> HTTPConnection:
        found = kwargs.get(name, args[index] if index < len(args) else None)
        if not isinstance(found, HTTPConnection):
            raise TypeError(f"The argument {name} of {view!r} should be Starlette's, not {type(found).__name__}.")
        return found

    return find, name == "websocket"


def _is_async(view: Any) -> bool:
    while isinstance(view, partial):
        view = view.func
    return inspect.iscoroutinefunction(view) or inspect.iscoroutinefunction(view.__call__)


async def _admit(
    admission: _Admission,
    asked: Asked,
    needed: Requirement,
    *,
    optional: bool,
    path_params: Mapping[str, str] | None = None,
) -> None:
    """Let a connection in, or raise the denial; a token is verified once per connection."""
    server = admission.server
    if not server.credentials.in_header:
        await place(asked, asked.scope, server.credentials)
    if path_params:
        asked.path_params = {**asked.path_params, **path_params}
    if admission.token is not None:
        await permit(server, admission.token, asked, needed)
    elif asked.authorization or not (server.preflight and asked.is_preflight):
        token = server.authorize_at_once(asked, needed, optional=optional)
        if token is LATER:
            token = await server.aauthorize(asked, needed, optional=optional)
        let_in(asked.scope, token)


async def permit(server: ResourceServer, token: VerifiedToken, asked: Asked, needed: Requirement) -> None:
    """Ask a verified token for one thing more; only what has to be awaited is."""
    if needed.is_async:
        await server.apermit(token, asked, needed)
    else:
        server.permit(token, asked, needed)


def _admit_in_thread(connection: HTTPConnection, needed: Requirement, *, optional: bool) -> None:
    """As `_admit`, in the thread of a sync view; only what is still to be awaited needs the loop."""
    admission, asked = _admission(connection), Asked(connection.scope, connection)
    if admission.token is not None and not needed.is_async and admission.server.credentials.in_header:
        admission.server.permit(admission.token, asked, needed)
    else:
        from_thread.run(partial(_admit, admission, asked, needed, optional=optional))


def let_in(scope: Scope, token: VerifiedToken | None) -> None:
    """Show the application the token of a connection."""
    if token is not None:
        admission = scope["auth"] = scope[_KEY]  # again: what stands between may have put its own there
        admission.token, scope["user"] = token, TokenUser(token)


class Asked(Request):
    """The request of an ASGI scope. Most decisions read one header: the rest is made when it is asked for."""

    __slots__ = ("_connection", "scope")

    def __init__(self, scope: Scope, connection: HTTPConnection | None = None) -> None:
        self.authorization = tuple(
            [
                value.decode("latin-1")
                for name, value in scope["headers"]
                if len(name) == _NAME_LENGTH and name.lower() == b"authorization"
            ]
        )
        self.method = scope.get("method", "GET")
        self.path = scope["path"]
        self.path_params = scope.get("path_params") or {}
        self.client = client[0] if (client := scope.get("client")) else None
        self.query, self.scheme, self.form = "", "https", None  # `place` sees to them where they count
        self.scope = scope
        self._connection = connection

    @property
    def source(self) -> HTTPConnection:
        """Starlette's own request."""
        if self._connection is None:
            self._connection = HTTPConnection(self.scope)
        return self._connection

    @property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        """All headers."""
        return self.source.headers


def _admission(connection: HTTPConnection | Mapping[str, Any]) -> _Admission:
    # The scope itself: `get` of a connection goes through three more functions, for 0.4 µs.
    scope: Mapping[str, Any] = getattr(connection, "scope", connection)
    admission: _Admission | None = scope.get(_KEY)
    if admission is None:
        raise RuntimeError(
            "There is no JWTAuthzMiddleware around this, so nobody could be asked. "
            "Write Starlette(..., middleware=[Middleware(JWTAuthzMiddleware, server=server)])."
        )
    return admission


def _denial(connection: HTTPConnection, denied: AccessDenied) -> _Denial:
    """The answer of an endpoint; raises the denial where somebody further out is to answer it.

    That is the app's own exception handler; and a WebSocket endpoint has no answer that it could return. All
    else must not leave the app as an exception: a mounted app would turn it into a 500.
    """
    if connection.scope["type"] == "websocket" or _handler(connection.scope.get("app"), denied) is not None:
        raise denied
    # Without its traceback: frames in it hold this answer, and the two would wait for the garbage collector.
    return _Denial(denied.with_traceback(None), _admission(connection).app)


class _Denial(Response):
    """The answer to a request that is not let in, by the application's own handler if it has one."""

    def __init__(self, denied: AccessDenied, app: Any) -> None:
        content, media_type = denied.content
        super().__init__(content, denied.status, denied.headers, media_type)
        self._denied = denied
        self._handler = _handler(app, denied)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer: Any = super().__call__
        if self._handler is not None:
            kind = WebSocket if scope["type"] == "websocket" else HTTPRequest
            answer = await _call(self._handler, kind(scope, receive, send), self._denied)
        if answer is None:
            return  # the handler has answered by itself
        if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or {}):
            await send(_close(self._denied))
        else:
            await answer(scope, receive, send)


def _handler(app: Any, denied: AccessDenied) -> Any:
    """The exception handler that an application has registered for a denial, or None."""
    handlers = getattr(app, "exception_handlers", None) or {}
    ours = type(denied).__mro__[: -len(Exception.__mro__)]
    return next((handlers[kind] for kind in ours if kind in handlers), None)


async def _call(handler: Any, *args: Any) -> Any:
    return await handler(*args) if _is_async(handler) else await run_in_threadpool(handler, *args)


def _close(denied: AccessDenied) -> Message:
    return {"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": denied.error or "unauthorized"}


@overload
def token_from(
    connection: HTTPConnection | Mapping[str, Any], *, optional: Literal[False] = False
) -> VerifiedToken: ...


@overload
def token_from(connection: HTTPConnection | Mapping[str, Any], *, optional: bool) -> VerifiedToken | None: ...


def token_from(connection: HTTPConnection | Mapping[str, Any], *, optional: bool = False) -> VerifiedToken | None:
    """The verified token of a request, a WebSocket or an ASGI scope.

    Args:
        connection: where to look.
        optional: give None for an anonymous request, instead of raising.

    Raises:
        RuntimeError: nobody has asked for a token here, or the request is anonymous.
    """
    admission = _admission(connection)
    if admission.token is None and not optional:
        raise RuntimeError(
            "This request brought no token: its path is public, or anonymous requests are let in. "
            "Write @requires(...) on the endpoint, or token_from(request, optional=True)."
        )
    return admission.token


def health_endpoint(
    server: ResourceServer, *, details: bool = False, liveness: bool = False
) -> Callable[[HTTPRequest], Awaitable[Response]]:
    """An endpoint that says whether this process can judge tokens: 200, or 503 while it has no keys.

    `Route("/health", health_endpoint(server))`, or `app.add_route(...)` in FastAPI. Behind the middleware its path
    has to be one of the `public` ones.

    Args:
        server: the server in question.
        details: show `server.health()` to whoever asks: issuers, key IDs, the last error. By default there is
            only `{"ready": true}`.
        liveness: answer 200 even without keys, for a probe that would restart the process.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """
    health = Health(server, details=details, liveness=liveness)

    async def jwtauthz_health(request: HTTPRequest) -> Response:  # noqa: ARG001
        status, content = health.answer()
        return Response(content, status, HEADERS, "application/json")

    return jwtauthz_health
