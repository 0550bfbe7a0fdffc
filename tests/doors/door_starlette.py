"""The routes of the table as Starlette apps, one for each way to write a protected endpoint."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from jwtauthz import authenticated, public
from jwtauthz.starlette import JWTAuthzMiddleware, requires, token_from

from .table import EITHER, NESTED, Answer, Client, Sent, broken, owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from jwtauthz import ResourceServer

ROUTES: list[tuple[str, object, list[str]]] = [
    ("/any", authenticated(), ["GET", "OPTIONS", "POST"]),
    ("/read", "read:users", ["GET"]),
    ("/either", EITHER, ["GET"]),
    ("/nested", NESTED, ["GET"]),
    ("/own/{user_id}", owner, ["GET"]),
    ("/broken", broken, ["GET"]),
    ("/optional", authenticated(), ["GET"]),
]


def _answer(request: Request) -> JSONResponse:
    token = token_from(request, optional=True)
    return JSONResponse({"sub": token.subject if token else None})


async def _public(request: Request) -> JSONResponse:
    return JSONResponse({"sub": None})


def _async(path: str, need: object, optional: bool, methods: list[str]) -> Route:
    @requires(need, optional=optional)
    async def view(request: Request) -> JSONResponse:
        return _answer(request)

    return Route(path, view, methods=methods)


def _sync(path: str, need: object, optional: bool, methods: list[str]) -> Route:
    @requires(need, optional=optional)
    def view(request: Request) -> JSONResponse:
        return _answer(request)

    return Route(path, view, methods=methods)


def _method(path: str, need: object, optional: bool, methods: list[str]) -> Route:
    class View(HTTPEndpoint):
        @requires(need, optional=optional)
        async def get(self, request: Request) -> JSONResponse:
            return _answer(request)

        @requires(need, optional=optional)
        def options(self, request: Request) -> JSONResponse:
            return _answer(request)

        @requires(need, optional=optional)
        async def post(self, request: Request) -> JSONResponse:
            return _answer(request)

    return Route(path, View)


def _class(path: str, need: object, optional: bool, methods: list[str]) -> Route:
    @requires(need, optional=optional)
    class View(HTTPEndpoint):
        def get(self, request: Request) -> JSONResponse:
            return _answer(request)

        async def options(self, request: Request) -> JSONResponse:
            return _answer(request)

        def post(self, request: Request) -> JSONResponse:
            return _answer(request)

    return Route(path, View)


def _twice(path: str, need: object, optional: bool, methods: list[str]) -> Route:
    @requires(authenticated(), optional=optional)
    @requires(need, optional=optional)
    async def view(request: Request) -> JSONResponse:
        return _answer(request)

    return Route(path, view, methods=methods)


def _routes(add_route: Callable[..., Route]) -> list[Route]:
    routes = [add_route(path, need, path == "/optional", methods) for path, need, methods in ROUTES]
    return [Route("/public", _public), *routes]


def _inside(server: ResourceServer, add_route: Callable[..., Route], **settings: Any) -> ASGIApp:
    middleware = [Middleware(JWTAuthzMiddleware, server=server, **settings)]
    return Starlette(routes=_routes(add_route), middleware=middleware)


def _around(server: ResourceServer, add_route: Callable[..., Route], **settings: Any) -> ASGIApp:
    return JWTAuthzMiddleware(Starlette(routes=_routes(add_route)), server, **settings)


def _mounted(server: ResourceServer, add_route: Callable[..., Route], **settings: Any) -> ASGIApp:
    middleware = [Middleware(JWTAuthzMiddleware, server=server, **settings)]
    return Starlette(routes=[Mount("/", Starlette(routes=_routes(add_route)))], middleware=middleware)


def client(
    server: ResourceServer,
    add_route: Callable[..., Route] = _async,
    app: Callable[..., ASGIApp] = _inside,
    *,
    all_public: bool = False,
    public: Sequence[str] = ("/public", "/optional"),
    **settings: Any,
) -> Client:
    """A client of an app with the table's routes."""
    if all_public:
        public = [*public, "/any", "/read", "/either", "/nested", "/own/*", "/broken"]
    http = TestClient(app(server, add_route, public=public, **settings))

    def send(sent: Sent) -> Answer:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in sent.headers]
        response = http.request(sent.method, sent.path, headers=headers, content=sent.body.encode("latin-1"))
        return Answer(
            response.status_code,
            response.headers.get("WWW-Authenticate"),
            response.json() if response.content else None,
            response.headers.get("Retry-After"),
            response.headers.get("Cache-Control"),
        )

    return send


RULES = {
    "/public": public(),
    "/optional": public(),  # and the endpoint asks
    "GET,OPTIONS,POST /any": authenticated(),
    "/read": "read:users",
    "GET /either": EITHER,
    "GET /nested": NESTED,
    "GET /own/{user_id}": owner,
    "/broken": broken,
}


def by_rules(server: ResourceServer, *, around: bool = False, decorated: bool = False) -> Client:
    """A client of an app whose endpoints ask for nothing, or for the same once more; the rules do."""
    rules = {path: needed for path, needed in RULES.items() if not (decorated and path == "/read")}
    if decorated:
        rules["/*"] = authenticated()

    def plain(path: str, need: object, optional: bool, methods: list[str]) -> Route:
        if decorated or optional:
            return _async(path, need, optional, methods)

        async def view(request: Request) -> JSONResponse:
            return _answer(request)

        return Route(path, view, methods=methods)

    return client(server, plain, _around if around else _inside, public=(), rules=rules)


FORMS: dict[str, Callable[[ResourceServer], Client]] = {
    "async function": client,
    "sync function": partial(client, add_route=_sync),
    "method": partial(client, add_route=_method),
    "endpoint class": partial(client, add_route=_class),
    "function under two decorators": partial(client, add_route=_twice),
    "async function on a public path": partial(client, all_public=True),
    "sync function on a public path": partial(client, add_route=_sync, all_public=True),
    "method on a public path": partial(client, add_route=_method, all_public=True),
    "endpoint class on a public path": partial(client, add_route=_class, all_public=True),
    "middleware around the app": partial(client, app=_around),
    "middleware around the app, public path": partial(client, add_route=_class, app=_around, all_public=True),
    "mounted app": partial(client, app=_mounted),
    "mounted app, public path": partial(client, add_route=_sync, app=_mounted, all_public=True),
    "rules": by_rules,
    "rules around the app": partial(by_rules, around=True),
    "rules and decorators": partial(by_rules, decorated=True),
}
