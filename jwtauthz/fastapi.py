"""The door for FastAPI: what a route asks of a token, as a dependency, shown in OpenAPI.

    authz = JWTAuthz(ResourceServer("https://tenant.eu.auth0.com/", "https://api.example.com"))
    authz.init_app(app)

    @app.get("/users")
    async def users(token: Annotated[VerifiedToken, authz.requires("read:users", claim="permissions")]): ...

    app.include_router(admin, dependencies=[Security(authz, scopes=["admin"])])

*Bodies.* FastAPI parses the body before it asks any dependency: to a body that is no JSON it answers 422,
whoever sends it. `jwtauthz.starlette.JWTAuthzMiddleware` in front asks for the token first, on every path but
its public ones, and the dependencies go on with the token that it has verified.

*Tests.* Real tokens are best: `jwtauthz.testing.FakeIssuer`. Else override the dependency, as with any other;
the same needs are always the same callable:

    app.dependency_overrides[authz] = fake
    app.dependency_overrides[authz.requires("read:users", claim="permissions").dependency] = fake
"""

# Without `from __future__ import annotations`: FastAPI reads the annotations of `__call__` when it runs.

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from inspect import Parameter, Signature
from typing import Any, Final, ForwardRef

try:
    from fastapi import FastAPI, HTTPException, Response, Security, WebSocket, WebSocketException, routing
    from fastapi.dependencies.models import Dependant
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
    from starlette.websockets import WebSocketState
except ModuleNotFoundError as missing:
    from .extras import not_installed

    raise not_installed(missing, "fastapi") from missing

from .app_routes import Layer
from .asgi import Exchanges, place
from .claims import scope_name
from .decision import Description
from .errors import AccessDenied, ConfigurationError
from .login import Login
from .openapi import SecurityDescription
from .policy import Requirement, Shadow, authenticated, requirement
from .resource_server import LATER, ResourceServer
from .starlette import _KEY, _POLICY_VIOLATION, Asked, _Denial, health_endpoint, let_in, permit
from .typed_claims import typed
from .verified_token import VerifiedToken

__all__ = ["JWTAuthz", "Login", "health_endpoint"]

logger = logging.getLogger("jwtauthz")

_VERIFIED: Final = "jwtauthz.fastapi"


class JWTAuthz(SecurityBase):
    """Lets requests into a FastAPI application by their access tokens.

    It is a dependency itself: `Depends(authz)` takes any valid token, `Security(authz, scopes=["a", "b"])` one
    that grants both these scopes, and all that the dependencies above it ask for.

    Args:
        server: what decides.
        scheme_name: what OpenAPI calls the security scheme; two servers in one application need two names.
        login: where people log in. With it OpenAPI describes a login with an authorization code and all scopes of
            the application, which is what *Authorize* of Swagger UI needs.
    """

    def __init__(
        self, server: ResourceServer, *, scheme_name: str = "jwtauthz", login: Login | None = None
    ) -> None:
        if not isinstance(server, ResourceServer):
            raise ConfigurationError(
                f"JWTAuthz({server!r}) has nothing to decide with. "
                "Write JWTAuthz(ResourceServer(issuer=..., audience=...)), then authz.init_app(app)."
            )
        self.server = server
        self.scheme_name = scheme_name
        if login is not None and not isinstance(login, Login):
            raise ConfigurationError(
                f"JWTAuthz(login={login!r}) is no login. Write login=Login(authorization_url=..., token_url=...)."
            )
        self.login = login
        self._description = SecurityDescription(server, scheme_name, login)
        self.model = self._description.model
        self.told_of_init_app = False
        self._required: dict[tuple[Requirement, bool], _Required] = {}
        self._any_token = _Required(self, authenticated(), optional=False)

    def requires(
        self,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
        optional: bool = False,
        shadow: bool = False,
    ) -> Any:
        """A dependency that lets a request in and gives its token, or refuses it.

        Use it in `Annotated[VerifiedToken, authz.requires(...)]`, as a default, or in `dependencies=[...]` of
        a route, a router or the app. What a `Security(..., scopes=[...])` above it asks for is needed too.
        A CORS preflight that the server lets pass has no token: a route for OPTIONS must expect None.

        Args:
            needs: what the route asks for, all of it: scopes, `any_of(...)`, `authenticated()`, functions.
            claim: the claim that scopes given as strings are read from, instead of the issuer's own.
            claims: the class that the claims are read into; the route gets that instead of the token:
                `me: Annotated[Me, authz.requires("read:users", claims=Me)]`.
            optional: a request without credentials gives None instead; a bad token is refused all the same.
                Where a `Security(..., scopes=[...])` above asks for a scope, a token is needed after all.
            shadow: report what `needs` would deny, and let it in; the token itself, and what is asked for above,
                are checked all the same.

        Raises:
            ConfigurationError: the needs ask for nothing, or for something that can't be meant.
        """
        needed = requirement(*needs, claim=claim)
        if claims is not None:
            needed = typed(needed, claims)
        if shadow and not isinstance(needed, Shadow):
            needed = Shadow(needed)
        try:
            known = self._required.get((needed, optional))
        except TypeError:  # a function of the application that can't be hashed
            return self._asking(needed, claims, optional=optional).as_dependency()
        if known is None:
            known = self._required[needed, optional] = self._asking(needed, claims, optional=optional)
        return known.as_dependency()

    def _asking(self, needed: Requirement, claims: type | None, *, optional: bool) -> "_Required":
        if claims is None:
            return _Required(self, needed, optional=optional)
        return _RequiredAs(self, needed, claims, optional=optional)

    async def __call__(self, connection: HTTPConnection, asked: SecurityScopes) -> VerifiedToken | None:
        """What FastAPI calls: any valid token that grants the scopes asked for above."""
        return await self._any_token(connection, asked)

    def init_app(self, app: FastAPI) -> None:
        """Make an application answer denials as every door does, and document them.

        A handler for `AccessDenied` that the application has, or registers later, goes first. A mounted
        application needs its own call. From here on the application's routes are checked for scopes that make
        no sense: now, when it starts, and when its OpenAPI document is made.
        """
        _check(app)
        app.exception_handlers.setdefault(AccessDenied, _answer)  # type: ignore[arg-type]
        make_document, start = app.openapi, app.router.lifespan_context

        def openapi() -> dict[str, Any]:
            _check(app)
            return self._description.documented(
                make_document(),
                ours=app.exception_handlers.get(AccessDenied) is _answer,
                anonymous=_anonymous_operations(app),
                needs=_needs(app, self),
            )

        @asynccontextmanager
        async def lifespan(started: Any) -> AsyncIterator[Any]:
            _check(app)
            async with start(started) as state:
                yield state

        if self.server.credentials.need_exchange:
            app.add_middleware(Exchanges, credentials=self.server.credentials)
        app.openapi = openapi  # type: ignore[method-assign]
        app.router.lifespan_context = lifespan


class _Own(str):
    """A scope that a dependency names for OpenAPI, and not one that stands above it to be asked for.

    It equals no plain string, for FastAPI takes what was asked for with equal scopes for the same.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Own) and str.__eq__(self, other)

    __hash__ = str.__hash__  # FastAPI takes it six times a request, which costs 1.2 µs in Python


class _Required(SecurityBase):
    """What one `authz.requires(...)` asks: the callable that FastAPI calls, and that a test may override."""

    def __init__(self, authz: JWTAuthz, needed: Requirement, *, optional: bool) -> None:
        self.authz = authz
        self.needed = needed
        self.optional = optional
        self.model, self.scheme_name = authz.model, authz.scheme_name  # for OpenAPI
        self._shadow = needed if isinstance(needed, Shadow) else None
        self.enforced = authenticated() if self._shadow else needed
        self._with_scopes: dict[tuple[str, ...], Requirement] = {}
        # All that FastAPI may fill in; nothing of it comes from the client.
        self.__signature__ = Signature(
            [
                Parameter("connection", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
                Parameter("asked", Parameter.KEYWORD_ONLY, annotation=SecurityScopes),
            ]
        )

    def as_dependency(self) -> Any:
        """It, with the scopes that it names. They are for OpenAPI alone: any_of("a", "b") names two and needs one.

        They come back in `asked`, after those that stand above, and are known by their type. A second dependency
        that holds them would need no such mark, and cost every request a quarter more.
        """
        return Security(self, scopes=list(map(_Own, self.needed.scopes)), use_cache=False)

    async def __call__(self, connection: HTTPConnection, asked: SecurityScopes) -> VerifiedToken | None:
        above = [scope for scope in asked.scopes if type(scope) is not _Own]
        needed = self._with(tuple(above)) if above else self.enforced
        server, scope = self.authz.server, connection.scope
        request = Asked(scope, connection)
        if not server.credentials.in_header:
            await place(request, scope, server.credentials)
        if not request.authorization and server.preflight and request.is_preflight:
            return None
        # One request may ask many times: the token is verified once, every requirement is asked.
        verified: dict[ResourceServer, VerifiedToken] = scope.setdefault(_VERIFIED, {})
        admission = scope.get(_KEY)  # of the middleware, if there is one
        if admission is not None and admission.token is not None:
            verified.setdefault(admission.server, admission.token)
        try:
            token = verified.get(server)
            if token is not None:
                await permit(server, token, request, needed)
            else:
                optional = self.optional and not above
                decided = server.authorize_at_once(request, needed, optional=optional)
                token = (
                    await server.aauthorize(request, needed, optional=optional) if decided is LATER else decided
                )
            if self._shadow is not None and token is not None:
                await permit(server, token, request, self._shadow)
        except AccessDenied as denied:
            if _has_handler(connection, denied):
                raise
            raise _instead(connection, denied, self.authz) from denied
        if token is not None:
            verified[server] = token
            if admission is not None and admission.server is server:
                let_in(scope, token)
        return token

    def _with(self, scopes: tuple[str, ...]) -> Requirement:
        """Its own requirement and the scopes asked for above it. Raises ConfigurationError."""
        needed = self._with_scopes.get(scopes)
        if needed is None:
            needed = self._with_scopes[scopes] = requirement(self.enforced, *scopes)
        return needed

    def __repr__(self) -> str:
        return f"<requires {self.needed!r}{' optional' if self.optional else ''}>"


class _RequiredAs(_Required):
    """As `_Required`; gives what the claims were read into, instead of the token."""

    def __init__(self, authz: JWTAuthz, needed: Requirement, model: type, *, optional: bool) -> None:
        super().__init__(authz, needed, optional=optional)
        self._model = model

    async def __call__(self, connection: HTTPConnection, asked: SecurityScopes) -> Any:
        token = await super().__call__(connection, asked)
        return None if token is None else token.claims_as(self._model)


# ── answers ──


async def _answer(connection: HTTPConnection, denied: AccessDenied) -> Response | None:
    """The answer to a denial, as every door gives it; a WebSocket is refused before it is accepted."""
    if isinstance(connection, WebSocket) and connection.application_state is WebSocketState.CONNECTED:
        await connection.close(_POLICY_VIOLATION, denied.error)  # the view has asked for more, too late
        return None
    # Without its traceback: frames of FastAPI keep what is raised; the two would wait for the garbage collector.
    return _Denial(denied.with_traceback(None), None)


def _has_handler(connection: HTTPConnection, denied: AccessDenied) -> bool:
    handlers, _ = connection.scope.get("starlette.exception_handlers", ({}, {}))
    return any(kind in handlers for kind in type(denied).__mro__)


def _instead(connection: HTTPConnection, denied: AccessDenied, authz: JWTAuthz) -> Exception:
    """What FastAPI itself answers alike, for an application that has no handler for denials."""
    if not authz.told_of_init_app:
        authz.told_of_init_app = True
        logger.warning(
            "The application has no handler for AccessDenied, so the bodies of denials come under `detail`. "
            "Call authz.init_app(app) before its first request; a mounted application needs its own call."
        )
    can_refuse = "websocket.http.response" in (connection.scope.get("extensions") or {})
    if connection.scope["type"] == "websocket" and not can_refuse:
        return WebSocketException(_POLICY_VIOLATION, denied.error)
    return HTTPException(denied.status, denied.body, denied.headers)


# ── what OpenAPI and the checks at the start read ──


def _routes(app: FastAPI) -> Iterator[tuple[Any, list[Dependant]]]:
    """Every route, those of included routers too, with all that it depends on."""
    # Newer versions of FastAPI keep included routers as they are, and unfold them here.
    unfold = getattr(routing, "iter_route_contexts", iter)
    for route in unfold(app.routes):
        yield route, _dependants(route)


def _dependants(route: Any) -> list[Dependant]:
    waiting, all_of_them = [getattr(route, "dependant", None)], []
    while waiting:
        if (dependant := waiting.pop()) is not None:
            all_of_them.append(dependant)
            waiting.extend(dependant.dependencies)
    return all_of_them


def _layers_of(route: Any) -> Iterator[Layer]:
    """What the dependencies of a route ask for, for the table of an app's routes."""
    for dependant in _dependants(route):
        required = dependant.call._any_token if isinstance(dependant.call, JWTAuthz) else dependant.call  # noqa: SLF001
        if isinstance(required, _Required):
            scopes = _scopes(dependant)
            if scopes:
                yield Layer(requirement(*scopes), "dependency")
            if not scopes or required.needed != authenticated():
                yield Layer(required.needed, "dependency", required.optional and not scopes)


def _check(app: FastAPI) -> None:
    """Refuse routes that ask for scopes that can't be meant, and dependencies that FastAPI could not read."""
    for route, dependants in _routes(app):
        for dependant in dependants:
            if isinstance(dependant.call, (JWTAuthz, _Required)):
                try:
                    for scope in _scopes(dependant):
                        scope_name(scope)
                except ConfigurationError as error:
                    raise ConfigurationError(f"Security(..., scopes=...) at {route.path}: {error}") from None
            for field in dependant.query_params:
                unread = field.field_info.annotation
                if isinstance(unread, ForwardRef):
                    raise ConfigurationError(
                        f"At {route.path} FastAPI could not read {field.name}: {unread.__forward_arg__}. It takes "
                        "that for a query parameter; if a dependency is meant, nobody asks it. Under `from "
                        "__future__ import annotations`, move every name in it, `authz` too, to the top of the "
                        "module, or drop that import."
                    )


def _scopes(dependant: Dependant) -> list[str]:
    """The scopes that are asked for by `Security(..., scopes=[...])`, here and above."""
    scopes = (*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ()))
    return [scope for scope in scopes if not isinstance(scope, _Own)]


def _anonymous_operations(app: FastAPI) -> set[tuple[str, str]]:
    """The (path, method) of operations that ask for a token only if one is sent."""
    found: set[tuple[str, str]] = set()
    for route, dependants in _routes(app):
        asks = [one for one in dependants if isinstance(one.call, (JWTAuthz, _Required))]
        if asks and all(map(_lets_anonymous_in, asks)):
            found.update((route.path_format, method.lower()) for method in getattr(route, "methods", None) or ())
    return found


def _needs(app: FastAPI, authz: JWTAuthz) -> dict[tuple[str, str], str]:
    """What each (path, method) asks of a token, in words; those that take any valid token are not there."""
    found: dict[tuple[str, str], str] = {}
    for route, dependants in _routes(app):
        needed = [each for one in dependants for each in _needed(one, authz)]
        if words := " and ".join(dict.fromkeys(map(_in_words, needed))):
            found.update(
                ((route.path_format, method.lower()), words) for method in getattr(route, "methods", None) or ()
            )
    return found


def _needed(dependant: Dependant, authz: JWTAuthz) -> list[Description]:
    if isinstance(dependant.call, _Required) and dependant.call.authz is authz:
        return [*dependant.call.enforced.describe(), *_scopes(dependant)]
    return [*_scopes(dependant)] if dependant.call is authz else []


def _in_words(needed: Description) -> str:
    if isinstance(needed, dict) and (options := needed.get("any_of")):
        return f"({' or '.join(map(_in_words, options))})"
    return f"`{needed if isinstance(needed, str) else json.dumps(needed)}`"


def _lets_anonymous_in(dependant: Dependant) -> bool:
    return isinstance(dependant.call, _Required) and dependant.call.optional and not _scopes(dependant)
