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
the same needs are always the same callable::

    app.dependency_overrides[authz] = fake
    app.dependency_overrides[authz.requires("read:users", claim="permissions").dependency] = fake
"""

# Without `from __future__ import annotations`: FastAPI reads the annotations of `__call__` when it runs.

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from inspect import Parameter, Signature
from typing import Any, Final, ForwardRef

try:
    from fastapi import FastAPI, HTTPException, Response, Security, WebSocket, WebSocketException, routing
    from fastapi.dependencies.models import Dependant
    from fastapi.openapi.models import APIKey, HTTPBearer, OpenIdConnect
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection
    from starlette.websockets import WebSocketState
except ModuleNotFoundError as missing:
    from .extras import not_installed

    raise not_installed(missing, "fastapi") from missing

from .asgi import Exchanges, place
from .claims import scope_name
from .errors import AccessDenied, ConfigurationError
from .keys.discovery import metadata_urls
from .keys.remote import RemoteKeySet
from .policy import Requirement, Shadow, authenticated, requirement
from .resource_server import ResourceServer
from .sources import Cookie, Header, Query
from .starlette import _KEY, _POLICY_VIOLATION, _asked, _Denial, _let_in
from .token import VerifiedToken

__all__ = ["JWTAuthz"]

logger = logging.getLogger("jwtauthz")

_VERIFIED: Final = "jwtauthz.fastapi"


class JWTAuthz(SecurityBase):
    """Lets requests into a FastAPI application by their access tokens.

    It is a dependency itself: `Depends(authz)` takes any valid token, `Security(authz, scopes=["a", "b"])` one
    that grants both these scopes, and all that the dependencies above it ask for.

    Args:
        server: what decides.
        scheme_name: what OpenAPI calls the security scheme; two servers in one application need two names.
    """

    def __init__(self, server: ResourceServer, *, scheme_name: str = "jwtauthz") -> None:
        if not isinstance(server, ResourceServer):
            raise ConfigurationError(
                f"JWTAuthz({server!r}) has nothing to decide with. "
                "Write JWTAuthz(ResourceServer(issuer=..., audience=...)), then authz.init_app(app)."
            )
        self.server = server
        self.scheme_name = scheme_name
        self.model, *others = _security_models(server)
        self._other_models = {f"{scheme_name}-{number}": model for number, model in enumerate(others, 2)}
        self.told_of_init_app = False
        self._required: dict[tuple[Requirement, bool], _Required] = {}
        self._any_token = _Required(self, authenticated(), optional=False)

    def requires(self, *needs: object, claim: object = None, optional: bool = False, shadow: bool = False) -> Any:
        """A dependency that lets a request in and gives its token, or refuses it.

        Use it in `Annotated[VerifiedToken, authz.requires(...)]`, as a default, or in `dependencies=[...]` of
        a route, a router or the app. What a `Security(..., scopes=[...])` above it asks for is needed too.
        A CORS preflight that the server lets pass has no token: a route for OPTIONS must expect None.

        Args:
            needs: what the route asks for, all of it: scopes, `any_of(...)`, `authenticated()`, functions.
            claim: the claim that scopes given as strings are read from, instead of the issuer's own.
            optional: a request without credentials gives None instead; a bad token is refused all the same.
                Where a `Security(..., scopes=[...])` above asks for a scope, a token is needed after all.
            shadow: report what `needs` would deny, and let it in; the token itself, and what is asked for above,
                are checked all the same.

        Raises:
            ConfigurationError: the needs ask for nothing, or for something that can't be meant.
        """
        needed = requirement(*needs, claim=claim)
        if shadow:
            needed = Shadow(needed)
        try:
            known = self._required.get((needed, optional))
        except TypeError:  # a function of the application that can't be hashed
            return Security(_Required(self, needed, optional=optional))
        if known is None:
            known = self._required[needed, optional] = _Required(self, needed, optional=optional)
        return Security(known)

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
            return self._documented(app, make_document())

        @asynccontextmanager
        async def lifespan(started: Any) -> AsyncIterator[Any]:
            _check(app)
            async with start(started) as state:
                yield state

        if self.server.credentials.need_exchange:
            app.add_middleware(Exchanges, credentials=self.server.credentials)
        app.openapi = openapi  # type: ignore[method-assign]
        app.router.lifespan_context = lifespan

    def _documented(self, app: FastAPI, document: dict[str, Any]) -> dict[str, Any]:
        """The OpenAPI document with the answers of protected operations; what it says already stays."""
        ours = app.exception_handlers.get(AccessDenied) is _answer
        anonymous = _anonymous_operations(app)
        found = False
        for path, item in document.get("paths", {}).items():
            for method, operation in item.items():
                security = operation.get("security", []) if isinstance(operation, dict) else []
                if not any(self.scheme_name in one for one in security):
                    continue
                found = True
                for name in self._other_models:
                    alternatives = [{name: one[self.scheme_name]} for one in security if self.scheme_name in one]
                    security.extend(each for each in alternatives if each not in security)
                if (path, method) in anonymous and {} not in security:
                    security.append({})
                answers = operation.setdefault("responses", {})
                for status, description in _ANSWERS.items():
                    if not {status, f"{status[0]}XX", "default"} & answers.keys():
                        answers[status] = {"description": description, **deepcopy(_CONTENT if ours else {})}
        components = document.setdefault("components", {}) if found else {}
        for name, model in self._other_models.items() if found else ():
            described = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            components["securitySchemes"].setdefault(name, described)
        if found and ours:
            components.setdefault("schemas", {}).setdefault(_DENIAL, deepcopy(_SCHEMA))
        return document


class _Required:
    """What one `authz.requires(...)` asks: the callable that FastAPI calls, and that a test may override."""

    def __init__(self, authz: JWTAuthz, needed: Requirement, *, optional: bool) -> None:
        self.authz = authz
        self.needed = needed
        self.optional = optional
        self._shadow = needed if isinstance(needed, Shadow) else None
        self._enforced = authenticated() if self._shadow else needed
        self._with_scopes: dict[tuple[str, ...], Requirement] = {(): self._enforced}
        # All that FastAPI may fill in; nothing of it comes from the client. OpenAPI learns the scopes from a
        # dependency beside `asked`, not through it: any_of("a", "b") names two and needs one.
        shown = Security(_Shown(authz), scopes=list(needed.scopes))
        self.__signature__ = Signature(
            [
                Parameter("connection", Parameter.KEYWORD_ONLY, annotation=HTTPConnection),
                Parameter("asked", Parameter.KEYWORD_ONLY, annotation=SecurityScopes),
                Parameter("shown", Parameter.KEYWORD_ONLY, default=shown),
            ]
        )

    async def __call__(
        self,
        connection: HTTPConnection,
        asked: SecurityScopes,
        shown: None = None,  # noqa: ARG002
    ) -> VerifiedToken | None:
        needed = self._all_needed(tuple(asked.scopes))
        server, request = self.authz.server, _asked(connection)
        if not server.credentials.in_header:
            await place(request, connection.scope, server.credentials)
        if server.preflight and request.is_preflight:
            return None
        # One request may ask many times: the token is verified once, every requirement is asked.
        verified: dict[ResourceServer, VerifiedToken] = connection.scope.setdefault(_VERIFIED, {})
        admission = connection.get(_KEY)  # of the middleware, if there is one
        if admission is not None and admission.token is not None:
            verified.setdefault(admission.server, admission.token)
        try:
            token = verified.get(server)
            if token is not None:
                await server.apermit(token, request, needed)
            else:
                token = await server.aauthorize(request, needed, optional=self.optional and not asked.scopes)
            if self._shadow is not None and token is not None:
                await server.apermit(token, request, self._shadow)
        except AccessDenied as denied:
            if _has_handler(connection, denied):
                raise
            raise _instead(connection, denied, self.authz) from denied
        if token is not None:
            verified[server] = token
            if admission is not None and admission.server is server:
                _let_in(connection, token)
        return token

    def _all_needed(self, scopes: tuple[str, ...]) -> Requirement:
        """Its own requirement and the scopes asked for above it. Raises ConfigurationError."""
        needed = self._with_scopes.get(scopes)
        if needed is None:
            needed = self._with_scopes[scopes] = requirement(self._enforced, *scopes)
        return needed

    def __repr__(self) -> str:
        return f"<requires {self.needed!r}{' optional' if self.optional else ''}>"


class _Shown(SecurityBase):
    """Puts the security scheme and the scopes of a route into OpenAPI, and does nothing else."""

    def __init__(self, authz: JWTAuthz) -> None:
        self.model = authz.model
        self.scheme_name = authz.scheme_name

    async def __call__(self) -> None:
        """Nothing to do."""


# ── answers ──


async def _answer(connection: HTTPConnection, denied: AccessDenied) -> Response | None:
    """The answer to a denial, as every door gives it; a WebSocket is refused before it is accepted."""
    if isinstance(connection, WebSocket) and connection.application_state is WebSocketState.CONNECTED:
        await connection.close(_POLICY_VIOLATION, denied.error)  # the view has asked for more, too late
        return None
    return _Denial(denied, None)


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

_DENIAL: Final = "JWTAuthzDenial"
_SCHEMA: Final[dict[str, Any]] = {
    "title": "Denial",
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
        "required": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
    },
}
_CONTENT: Final = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_DENIAL}"}}}}
_TOKEN: Final = "An access token (JWT)"  # noqa: S105
_ANSWERS: Final = {
    "400": "The credentials are malformed or sent twice",
    "401": "There is no valid access token",
    "403": "The access token does not grant what this operation needs",
    "503": "The access token can't be judged now",
}


def _security_models(server: ResourceServer) -> list[OpenIdConnect | HTTPBearer | APIKey]:
    """The security schemes, each of which will do, for those places of the token that OpenAPI knows."""
    models: list[OpenIdConnect | HTTPBearer | APIKey] = []
    for source in server.credentials.sources:
        if isinstance(source, Header):
            models.append(_issuer_model(server))
        elif isinstance(source, (Cookie, Query)):
            where = "cookie" if isinstance(source, Cookie) else "query"
            models.append(APIKey.model_validate({"in": where, "name": source.name, "description": _TOKEN}))
    places = ", or ".join(source.place for source in server.credentials.sources)
    return models or [HTTPBearer(bearerFormat="JWT", description=f"{_TOKEN}, in {places}")]


def _issuer_model(server: ResourceServer) -> OpenIdConnect | HTTPBearer:
    """For the header: where to get a token if there is one place, else only what to send."""
    issuer, *others = server.issuers
    if others or not isinstance(issuer.key_set, RemoteKeySet) or not issuer.key_set.discovers:
        return HTTPBearer(bearerFormat="JWT")
    return OpenIdConnect(openIdConnectUrl=metadata_urls(issuer.url)[0])


def _routes(app: FastAPI) -> Iterator[tuple[Any, list[Dependant]]]:
    """Every route, those of included routers too, with all that it depends on."""
    # Newer versions of FastAPI keep included routers as they are, and unfold them here.
    unfold = getattr(routing, "iter_route_contexts", iter)
    for route in unfold(app.routes):
        waiting, all_of_them = [getattr(route, "dependant", None)], []
        while waiting:
            if (dependant := waiting.pop()) is not None:
                all_of_them.append(dependant)
                waiting.extend(dependant.dependencies)
        yield route, all_of_them


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
    """The scopes that `SecurityScopes` will hold: what stands above, and its own."""
    return [*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())]


def _anonymous_operations(app: FastAPI) -> set[tuple[str, str]]:
    """The (path, method) of operations that ask for a token only if one is sent."""
    found: set[tuple[str, str]] = set()
    for route, dependants in _routes(app):
        asks = [one for one in dependants if isinstance(one.call, (JWTAuthz, _Required))]
        if asks and all(map(_lets_anonymous_in, asks)):
            found.update((route.path_format, method.lower()) for method in getattr(route, "methods", None) or ())
    return found


def _lets_anonymous_in(dependant: Dependant) -> bool:
    return isinstance(dependant.call, _Required) and dependant.call.optional and not _scopes(dependant)
