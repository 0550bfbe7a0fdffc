"""The door for Flask: `requires` on views, `protect` on blueprints, `current_token` inside both.

    from jwtauthz.flask import JWTAuthz, current_token, requires

    JWTAuthz(server).init_app(app)

    @app.get("/users")
    @requires("read:users")
    def users():
        return {"sub": current_token.subject}

A denial raises `AccessDenied` and is answered with its status, challenge and JSON body;
`@app.errorhandler(AccessDenied)`, of the app or of a blueprint, replaces that answer.
"""

from __future__ import annotations

import inspect
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlencode

try:
    from flask import Blueprint, Response, current_app, request
    from werkzeug.local import LocalProxy
except ModuleNotFoundError as missing:
    from .extras import not_installed

    raise not_installed(missing, "flask") from missing

from .credentials import private
from .decorators import requirement_of_decorator
from .errors import AccessDenied, ConfigurationError
from .flask_routes import NEEDS, guard_by_rules
from .health import HEADERS, Health
from .policy import requirement
from .request import Request
from .resource_server import LATER, ResourceServer
from .route_table import RouteTable
from .sources import NOT_WHOLE
from .typed_claims import typed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask

    from .credentials import Credentials
    from .errors import Finding
    from .policy import Requirement
    from .verified_token import VerifiedToken

    _View = TypeVar("_View", bound=Callable[..., Any])

__all__ = ["JWTAuthz", "current_token", "health_endpoint", "protect", "requires"]

_EXTENSION: Final = "jwtauthz"
# Attributes of ours: the token and the form on the request, the guard on the view under a guarded one.
# The token hangs on the request and not on `g`, which outlives the request in an app context made by hand.
_TOKEN: Final = "_jwtauthz_token"  # noqa: S105
_GUARD: Final = "_jwtauthz_guard"
_FORM: Final = "_jwtauthz_form"


class JWTAuthz:
    """Connects a Flask app with the server that decides for it.

    Args:
        server: decides; one server may serve several apps.
        app: the app, if it is there already; otherwise call `init_app`.
        rules: as for `init_app`, with `app`.
    """

    def __init__(
        self,
        server: ResourceServer,
        app: Flask | None = None,
        *,
        rules: RouteTable | Mapping[str, object] | None = None,
    ) -> None:
        if not isinstance(server, ResourceServer):
            raise ConfigurationError(
                f"JWTAuthz({server!r}) has nothing that decides. "
                "Write JWTAuthz(ResourceServer(issuer=..., audience=...))."
            )
        self.server = server
        if app is not None:
            self.init_app(app, rules=rules)
        elif rules is not None:
            raise ConfigurationError("Rules are for one app. Write init_app(app, rules=...).")

    def init_app(self, app: Flask, *, rules: RouteTable | Mapping[str, object] | None = None) -> None:
        """Make `requires` work in an app, and answer its denials unless it has an error handler for them.

        Args:
            app: the app.
            rules: what each path needs: a `RouteTable`, or a dict to make one of. They are asked before any other
                `before_request` function, and what no rule covers is closed, the app's static files and the paths
                that it does not have included. Rules that are for no route are logged at the first request.

        Raises:
            ConfigurationError: the app has another `JWTAuthz` already, or rules, or a rule makes no sense.
        """
        known = app.extensions.setdefault(_EXTENSION, self)
        if known is not self:
            raise ConfigurationError(
                f"The app {app.name!r} has a JWTAuthz already. "
                "Make one, for a ResourceServer with several issuers."
            )
        if rules is not None:
            guard_by_rules(app, RouteTable.of(rules), _admit)
        if self._look_at_route in app.before_request_funcs.get(None, ()):
            return
        app.before_request(self._look_at_route)
        if self.server.credentials.need_exchange:
            app.after_request(self._keep_private)
        if AccessDenied not in app.error_handler_spec[None][None]:
            app.register_error_handler(AccessDenied, _answer)

    def protect(
        self,
        blueprint: Blueprint,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
        optional: bool = False,
    ) -> None:
        """Ask something of every request to a blueprint and to the blueprints nested in it.

        Arguments as for `requires`, which may ask for more on a single view.
        """

        def by_the_right_server() -> None:
            if _authz() is not self:
                raise RuntimeError(
                    f"The blueprint {blueprint.name!r} is protected by another JWTAuthz than the app's own. "
                    "Use one for both."
                )

        blueprint.before_request(by_the_right_server)
        protect(blueprint, *needs, claim=claim, claims=claims, optional=optional)

    def _look_at_route(self) -> None:
        """Catch what no decorator can: OPTIONS answered by Flask itself, and a route around the decorator."""
        source = _the_request()
        view = current_app.view_functions.get(source.endpoint or "")
        if source.method == "OPTIONS" and getattr(source.url_rule, "provide_automatic_options", False):
            for needed, optional in getattr(view, NEEDS, ()):
                _admit(needed, optional=optional)
        bare, guarded = getattr(view, _GUARD, (None, None))
        if bare is view and view is not None and not _is_routed(guarded):
            raise RuntimeError(
                f"The route of {source.endpoint!r} goes around its @requires. "
                "Write @requires under @app.get (or @app.route), so that the route gets the protected view."
            )

    def _keep_private(self, response: Response) -> Response:
        """See to it that no cache keeps the answer to a request with a token in its URL for others."""
        if self.server.credentials.stands_in_query(request.environ.get("QUERY_STRING", "")):
            response.headers["Cache-Control"] = private(", ".join(response.headers.getlist("Cache-Control")))
        return response


def requires(
    *needs: object,
    claim: object = None,
    claims: type | None = None,
    optional: bool = False,
    shadow: bool = False,
) -> Callable[[_View], _View]:
    """Let only those requests into a view that have a token, and one that grants all of `needs`.

    It stands under `@app.get`, on views, async views and methods of a `MethodView`, or in its `decorators`.

    Args:
        needs: scopes, `any_of(...)`, `all_of(...)`, `authenticated()`, functions `(token, request) -> bool`.
        claim: the claim that scopes given as strings are read from, instead of the issuer's own.
        claims: the class that the claims are read into before the view is called; `current_token.claims_as` of
            the same class gives what they became.
        optional: a request without credentials comes in too, and `current_token` is falsy then.
        shadow: report what `needs` would deny, and let it in; the token itself is checked all the same.

    Raises:
        ConfigurationError: it asks for nothing, or stands without parentheses.
    """
    needed = requirement_of_decorator(needs, claim, claims, shadow=shadow)

    def decorate(view: _View) -> _View:
        if isinstance(view, type) or not callable(view):
            raise ConfigurationError(
                f"@requires can't protect {view!r}. It stands on functions and methods; "
                "for a view class write decorators = [requires(...)] inside it."
            )
        guarded: Any
        if inspect.iscoroutinefunction(view):

            @wraps(view)
            async def guarded(*args: Any, **kwargs: Any) -> Any:
                await _aadmit(needed, optional=optional)
                return await view(*args, **kwargs)

        else:

            @wraps(view)
            def guarded(*args: Any, **kwargs: Any) -> Any:
                _admit(needed, optional=optional)
                return view(*args, **kwargs)

        setattr(guarded, NEEDS, (*getattr(view, NEEDS, ()), (needed, optional)))
        if hasattr(view, "__dict__"):
            setattr(view, _GUARD, (view, guarded))
        return cast("_View", guarded)

    return decorate


def protect(
    blueprint: Blueprint,
    *needs: object,
    claim: object = None,
    claims: type | None = None,
    optional: bool = False,
) -> None:
    """Ask something of every request to a blueprint and to the blueprints nested in it.

    For a blueprint that is made before there is an app: the server is found when a request comes. Call it before
    the blueprint's other `before_request` functions. Arguments and errors as for `requires`, which may ask for
    more on a single view.
    """
    if not isinstance(blueprint, Blueprint):
        raise ConfigurationError(f"protect({blueprint!r}): it takes a Blueprint; on views write @requires.")
    needed = requirement(*needs, claim=claim)
    if claims is not None:
        needed = typed(needed, claims)

    def protect_blueprint() -> None:
        _admit(needed, optional=optional)

    setattr(protect_blueprint, NEEDS, ((needed, optional),))
    blueprint.before_request(protect_blueprint)


def health_endpoint(
    server: ResourceServer, *, details: bool = False, liveness: bool = False
) -> Callable[[], Response]:
    """A view that says whether this process can judge tokens: 200, or 503 while it has no keys.

    `app.add_url_rule("/health", view_func=health_endpoint(server))`

    Args:
        server: the server in question.
        details: show `server.health()` to whoever asks: issuers, key IDs, the last error. By default there is
            only `{"ready": true}`.
        liveness: answer 200 even without keys, for a probe that would restart the process.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """
    health = Health(server, details=details, liveness=liveness)

    def jwtauthz_health() -> Response:
        status, content = health.answer()
        return Response(content, status, HEADERS, content_type="application/json")

    return jwtauthz_health


def _admit(needed: Requirement, *, optional: bool, path_params: Mapping[str, str] | None = None) -> None:
    """Let the current request in, or raise the denial; a token is verified once per request."""
    server, asked = _authz().server, _Asked()
    if not server.credentials.in_header:
        _place(asked, server.credentials)
    if path_params:
        asked.path_params = {**asked.path_params, **path_params}
    token = getattr(asked.source, _TOKEN, None)
    if token is not None:
        (current_app.async_to_sync(server.apermit) if needed.is_async else server.permit)(token, asked, needed)
    elif not asked.authorization and server.preflight and asked.is_preflight:
        setattr(asked.source, _TOKEN, None)
    else:
        decided = server.authorize_at_once(asked, needed, optional=optional)
        if decided is LATER:
            needs_async = needed.is_async or server.needs_async
            authorize = current_app.async_to_sync(server.aauthorize) if needs_async else server.authorize
            decided = authorize(asked, needed, optional=optional)
        setattr(asked.source, _TOKEN, decided)


async def _aadmit(needed: Requirement, *, optional: bool) -> None:
    """As `_admit`, inside an async view, where it awaits anyway."""
    server, asked = _authz().server, _Asked()
    if not server.credentials.in_header:
        _place(asked, server.credentials)
    token = getattr(asked.source, _TOKEN, None)
    if token is not None:
        await server.apermit(token, asked, needed)
    elif not asked.authorization and server.preflight and asked.is_preflight:
        setattr(asked.source, _TOKEN, None)
    else:
        setattr(asked.source, _TOKEN, await server.aauthorize(asked, needed, optional=optional))


def _authz() -> JWTAuthz:
    try:
        authz: JWTAuthz = current_app.extensions[_EXTENSION]
    except KeyError:
        raise RuntimeError(
            f"@requires has no server to ask in the app {current_app.name!r}. "
            "Write JWTAuthz(server).init_app(app)."
        ) from None
    return authz


def _the_request() -> Any:
    """The request itself, or RuntimeError; `request` looks for it at each of its attributes, for 0.4 µs."""
    return request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001


class _Asked(Request):
    """The current request of Flask; its headers are copied when somebody looks: most decisions read only one."""

    __slots__ = ("_headers",)

    def __init__(self) -> None:
        source = _the_request()
        # WSGI has one Authorization: several were joined with commas, which the decision refuses.
        authorization = source.environ.get("HTTP_AUTHORIZATION")
        self.authorization = () if authorization is None else (authorization,)
        self.method = source.method
        self.path = source.root_path + source.path
        self.path_params = source.view_args or {}
        self.client = source.remote_addr
        self.source = source
        self.query, self.scheme, self.form = "", "https", None  # `_place` sees to them where they count
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:  # type: ignore[override]
        """All headers, their names in lower case."""
        if self._headers is None:
            self._headers = {name.lower(): value for name, value in self.source.headers.items()}
        return self._headers


def _place(asked: Request, credentials: Credentials) -> None:
    """Tell a request what sources beside the headers read."""
    asked.query, asked.scheme = request.environ.get("QUERY_STRING", ""), request.scheme
    length = credentials.form_length(asked)
    if isinstance(length, int):
        if not hasattr(request, _FORM):
            setattr(request, _FORM, _form(length))
        asked.form = getattr(request, _FORM)


def _form(length: int) -> bytes | Finding:
    """The body, which says that it has this length; the view reads it once more, in whatever way it likes."""
    if "form" in vars(request):  # somebody was here first, and has used the body up
        return urlencode(list(request.form.items(multi=True))).encode()
    body = request.get_data()
    request.environ["wsgi.input"] = BytesIO(body)
    vars(request).pop("stream", None)
    return body if len(body) == length else NOT_WHOLE


def _answer(denied: AccessDenied) -> Response:
    content, media_type = denied.content
    return Response(content, denied.status, denied.headers, content_type=media_type)


def _is_routed(guarded: Any) -> bool:
    view = inspect.unwrap(guarded)
    return any(
        hasattr(routed, NEEDS) and inspect.unwrap(routed) is view for routed in current_app.view_functions.values()
    )


def _current_token() -> VerifiedToken | None:
    try:
        source = _the_request()
    except RuntimeError:
        raise RuntimeError(
            "current_token stands for the token of a request, and there is no request here. "
            "Read it in a view, and hand on what it gives to threads and tasks."
        ) from None
    try:
        token: VerifiedToken | None = getattr(source, _TOKEN)
    except AttributeError:
        raise RuntimeError(
            "No token was asked for here. Write @requires(...) on the view, or protect its blueprint; "
            "optional=True lets requests without a token in."
        ) from None
    return token


# The verified token of the current request; falsy where `optional=True` let an anonymous one in.
current_token: VerifiedToken = cast("VerifiedToken", LocalProxy(_current_token))
