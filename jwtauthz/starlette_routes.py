"""The routes of a Starlette or FastAPI application, and whether the rules of a middleware are for them."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute

from .app_routes import AppRoute, Layer
from .errors import ConfigurationError
from .route_rules import METHODS, WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.types import Receive, Scope, Send

    from .route_table import RouteTable

logger = logging.getLogger("jwtauthz")

NEEDS = "_jwtauthz_needs"
_THEIRS = ("starlette", "fastapi")


def route_path(scope: Scope, inner_root: str = "") -> str:
    """The path that the router behind the middleware will match, found as Starlette finds it.

    `inner_root` is that of a FastAPI application inside, which puts it into the scope only there.
    """
    path: str = scope["path"]
    root = inner_root or scope.get("root_path", "")
    if not root or not path.startswith(root):
        return path
    rest = path[len(root) :]
    return rest if not rest or rest.startswith("/") else path


def inner_root_of(app: Any) -> str:
    """The `root_path` of the FastAPI application behind a middleware; empty where there is none."""
    for each in _chain(app):
        root = getattr(each, "root_path", "")
        if isinstance(root, str) and root:
            return root
    return ""


def _chain(app: Any) -> Iterator[Any]:
    """What stands one behind the other, middleware by middleware; the application is the last."""
    while app is not None:
        yield app
        app = None if isinstance(app, Router) else getattr(app, "app", None)


class RouteCheck:
    """Whether every rule of a table is for a route of the application behind the middleware: asked once."""

    def __init__(self, table: RouteTable, app: Any) -> None:
        self._table = table
        self._app = app
        self._done = False

    async def at_start(self, receive: Receive, send: Send) -> None:
        """Refuse to start with a rule that is for no route.

        Raises:
            ConfigurationError: there is one, or more.
        """
        dead, certain = self._ask()
        if dead and certain:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": " ".join(dead)})
            raise ConfigurationError(" ".join(dead))

    def at_request(self) -> None:
        """Log rules that are for no route, where nobody has told us of a start."""
        if not self._done:
            self._ask()

    def dead(self) -> list[str]:
        """A sentence for each rule that is for no route; none where the routes can't be seen."""
        *_, last = _chain(self._app)
        routes = getattr(last, "routes", None)
        return self._table.without_route(routes_behind(last)) if isinstance(routes, list) else []

    def _ask(self) -> tuple[list[str], bool]:
        self._done = True
        dead = self.dead()
        for sentence in dead:
            logger.error("%s Correct it, or leave it out.", sentence)
        # A middleware between us and the routes may answer paths of its own.
        certain = all(type(each).__module__.startswith(_THEIRS) for each in _chain(self._app))
        return dead, certain


def routes_of(app: Any) -> list[AppRoute]:
    """Every route of an application, with what stands before each."""
    return list(routes_behind(app))


def dead_rules_of(app: Any) -> list[str]:
    """A sentence for each rule of an app's own middleware that is for no route of it."""
    return [sentence for each in _chain(app) for ours in _ours(each) for sentence in ours.rules_without_route()]


def routes_behind(app: Any, prefix: str = "", layers: tuple[Layer, ...] = ()) -> Iterator[AppRoute]:
    """The routes behind an app or middleware that stands at `prefix`, behind `layers`."""
    chain = list(_chain(app))
    guards = [ours.layers_for for each in chain for ours in _ours(each)]
    last = chain[-1]
    routes = getattr(last, "routes", None)
    router = getattr(last, "router", last)
    if not isinstance(routes, list):
        found: Iterable[AppRoute] = [AppRoute("*", prefix, opaque=True)]
    else:
        found = [route for each in _unfolded(routes) for route in _one(each, prefix)]
        if not _is_closed(router):
            found = [*found, AppRoute("*", prefix, opaque=True)]
    for route in found:
        outside = [layer for guard in guards for layer in guard(route, prefix)]
        yield AppRoute(route.method, route.path, (*layers, *outside, *route.layers), route.opaque)


def _ours(app: Any) -> list[Any]:
    """The middleware of ours that an app is, or that it is to have."""
    inside = [each for each in getattr(app, "user_middleware", ()) if hasattr(each.cls, "layers_for")]
    made = [each.cls(app, *each.args, **each.kwargs) for each in inside]
    return [app, *made] if hasattr(app, "layers_for") else made


def _is_closed(router: Any) -> bool:
    """Whether a router answers 404 to what it has no route for."""
    if not isinstance(router, Router):
        return True
    default = getattr(router.default, "__func__", None)
    return default is Router.not_found and not getattr(router, "_frontend_routes", None)


def _unfolded(routes: Iterable[BaseRoute]) -> Iterable[Any]:
    """The routes; newer versions of FastAPI keep included routers as they are, and unfold them so."""
    fastapi = sys.modules.get("fastapi.routing")
    unfold = getattr(fastapi, "iter_route_contexts", iter)
    found: Iterable[Any] = unfold(routes)
    return found


def _one(route: Any, prefix: str) -> Iterator[AppRoute]:
    """A route, or those of a mount."""
    original = getattr(route, "original_route", route)
    if isinstance(original, Mount):
        yield from routes_behind(original.app, prefix + (route.path or ""))
    elif isinstance(original, Host):
        yield from routes_behind(original.app, prefix)
    elif isinstance(original, (Route, WebSocketRoute)):
        path = prefix + (route.path or "")
        for name in _methods(route, original):
            layers = (*_layers_around(route, original, name, path, prefix), *_dependencies(route))
            yield AppRoute(name, path, layers)
    else:
        yield AppRoute("*", prefix, opaque=True)


def _methods(route: Any, original: Any) -> list[str]:
    if isinstance(original, WebSocketRoute):
        return [WEBSOCKET]
    endpoint = route.endpoint
    if route.methods is None and isinstance(endpoint, type) and issubclass(endpoint, HTTPEndpoint):
        return [name for name in METHODS if hasattr(endpoint, name.lower())]
    return sorted(route.methods or ["*"])


def _layers_around(route: Any, original: Any, method: str, path: str, prefix: str) -> Iterator[Layer]:
    """Those of the middleware of one route, and those of `@requires` on its endpoint."""
    for each in _chain(original.app):
        if hasattr(each, "layers_for"):
            yield from each.layers_for(AppRoute(method, path), prefix)
    endpoint = route.endpoint
    own = getattr(endpoint, method.lower(), None) if isinstance(endpoint, type) else None
    for asking in (endpoint, own):
        for needed, optional in getattr(asking, NEEDS, ()):
            yield Layer(needed, "@requires", optional)


def _dependencies(route: Any) -> tuple[Layer, ...]:
    door = sys.modules.get("jwtauthz.fastapi")
    return () if door is None else tuple(door._layers_of(route))  # noqa: SLF001
