"""The routes of the table as FastAPI apps, one for each way to ask for a token."""

# Without `from __future__ import annotations`: the annotations of these views name local variables.

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Security
from fastapi.testclient import TestClient

from jwtauthz import ResourceServer, VerifiedToken, authenticated, public
from jwtauthz.fastapi import JWTAuthz
from jwtauthz.starlette import JWTAuthzMiddleware

from .table import EITHER, NESTED, Answer, Client, Sent, broken, owner

# The methods, the path and the need of each route that is protected.
ROUTES: list[tuple[list[str], str, Any]] = [
    (["GET", "OPTIONS", "POST"], "/any", authenticated()),
    (["GET", "HEAD"], "/read", "read:users"),
    (["GET"], "/either", EITHER),
    (["GET"], "/nested", NESTED),
    (["GET"], "/own/{user_id}", owner),
    (["GET"], "/broken", broken),
    (["GET"], "/optional", authenticated()),
]

ALL_PUBLIC = ["/public", "/any", "/read", "/either", "/nested", "/own/*", "/broken", "/optional"]


def _answer(token: VerifiedToken | None) -> dict[str, Any]:
    return {"sub": token.subject if token else None}


def _annotated(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        asked = authz.requires(need, optional=path == "/optional")

        @app.api_route(path, methods=methods)
        async def view(token: Annotated[VerifiedToken | None, asked]) -> dict[str, Any]:
            return _answer(token)


def _sync(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        asked = authz.requires(need, optional=path == "/optional")

        @app.api_route(path, methods=methods)
        def view(token: Annotated[VerifiedToken | None, asked]) -> dict[str, Any]:
            return _answer(token)


def _default(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        asked = authz.requires(need, optional=path == "/optional")

        @app.api_route(path, methods=methods)
        async def view(token: VerifiedToken | None = asked) -> dict[str, Any]:
            return _answer(token)


def _nested(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        asked = authz.requires(need, optional=path == "/optional")

        async def subject(token: Annotated[VerifiedToken | None, asked]) -> dict[str, Any]:
            return _answer(token)

        @app.api_route(path, methods=methods)
        async def view(answer: Annotated[dict[str, Any], Depends(subject)]) -> dict[str, Any]:
            return answer


def _security(app: FastAPI, authz: JWTAuthz) -> None:
    """Scopes in `Security`, as far as they can say it; a second dependency for the rest."""
    for methods, path, need in ROUTES:
        first = {"/any": Depends(authz), "/read": Security(authz, scopes=["read:users"])}.get(path)
        rest = authz.requires(authenticated() if first else need, optional=path == "/optional")

        @app.api_route(path, methods=methods, dependencies=[first or rest])
        async def view(token: Annotated[VerifiedToken | None, rest]) -> dict[str, Any]:
            return _answer(token)


def _chain(app: FastAPI, authz: JWTAuthz) -> None:
    """The scope is asked for by a parent of the dependency that reads the token."""
    for methods, path, need in ROUTES:
        scopes = [need] if isinstance(need, str) else []
        asked = Depends(authz) if scopes else authz.requires(need, optional=path == "/optional")

        async def subject(token: Annotated[VerifiedToken | None, asked]) -> dict[str, Any]:
            return _answer(token)

        @app.api_route(path, methods=methods)
        async def view(answer: Annotated[dict[str, Any], Security(subject, scopes=scopes)]) -> dict[str, Any]:
            return answer


def _without_token(path: str, authz: JWTAuthz, router: APIRouter | FastAPI, methods: list[str]) -> None:
    """A view that finds its token by a second, weaker dependency; the first one stands further out."""
    weaker = authz.requires(authenticated(), optional=True)

    @router.api_route(path, methods=methods)
    async def view(token: Annotated[VerifiedToken | None, weaker]) -> dict[str, Any]:
        return _answer(token)


def _router(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        router = APIRouter(dependencies=[authz.requires(need, optional=path == "/optional")])
        _without_token(path, authz, router, methods)
        app.include_router(router)


def _included(app: FastAPI, authz: JWTAuthz) -> None:
    for methods, path, need in ROUTES:
        inner, outer = APIRouter(), APIRouter()
        _without_token(path, authz, inner, methods)
        outer.include_router(inner, dependencies=[authz.requires(need, optional=path == "/optional")])
        app.include_router(outer)


def _mounted(app: FastAPI, authz: JWTAuthz) -> None:
    inner = FastAPI()
    authz.init_app(inner)
    _annotated(inner, authz)
    app.mount("/", inner)


def _app_of_its_own(app: FastAPI, authz: JWTAuthz) -> None:
    """Dependencies of an application, which hold for all its routes."""
    apps = {}
    for methods, path, need in ROUTES:
        inner = FastAPI(dependencies=[authz.requires(need, optional=path == "/optional")])
        authz.init_app(inner)
        _without_token(path, authz, inner, methods)
        apps[path.split("/")[1]] = inner

    async def by_first_part(scope: Any, receive: Any, send: Any) -> None:
        await apps[scope["path"].split("/")[1]](scope, receive, send)

    app.mount("/", by_first_part)


ADD_ROUTES: dict[str, Callable[[FastAPI, JWTAuthz], None]] = {
    "annotation": _annotated,
    "annotation of a sync view": _sync,
    "default value": _default,
    "dependency of a dependency": _nested,
    "Security": _security,
    "Security above": _chain,
    "router": _router,
    "included router": _included,
    "mounted app": _mounted,
    "app": _app_of_its_own,
}


def application(server: ResourceServer, add_routes: Callable[[FastAPI, JWTAuthz], None]) -> FastAPI:
    """An app with the table's routes."""
    app = FastAPI()
    authz = JWTAuthz(server)
    authz.init_app(app)

    @app.get("/public")
    async def view() -> dict[str, Any]:
        return {"sub": None}

    add_routes(app, authz)
    return app


def client(
    server: ResourceServer,
    add_routes: Callable[[FastAPI, JWTAuthz], None] = _annotated,
    public: list[str] | None = None,
    rules: dict[str, Any] | None = None,
) -> Client:
    """A client of an app with the table's routes; with `public` or `rules`, behind the middleware too."""
    app = application(server, add_routes)
    if public is not None or rules is not None:
        app.add_middleware(JWTAuthzMiddleware, server=server, public=public or (), rules=rules)
    http = TestClient(app)

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
    "/optional": public(),
    "/read": "read:users",
    "/own/{user_id}": owner,
    "/*": authenticated(),
}

FORMS: dict[str, Callable[[ResourceServer], Client]] = {
    **{form: partial(client, add_routes=add_routes) for form, add_routes in ADD_ROUTES.items()},
    "behind the middleware": partial(client, public=["/public", "/optional"]),
    "behind rules": partial(client, rules=RULES),
    "behind the middleware, public paths": partial(client, add_routes=_security, public=ALL_PUBLIC),
}
