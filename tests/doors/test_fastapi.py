"""What only FastAPI has: chains of dependencies, OpenAPI, WebSockets, overrides, and ways to go wrong."""

# Without `from __future__ import annotations`: the annotations of these views name local variables.

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from functools import partial
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Security, WebSocket
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect

from jwtauthz import (
    AccessDenied,
    ConfigurationError,
    InsufficientScope,
    Issuer,
    Request,
    ResourceServer,
    VerifiedToken,
    any_of,
    authenticated,
)
from jwtauthz.fastapi import JWTAuthz, Login
from jwtauthz.starlette import JWTAuthzMiddleware, token_from
from jwtauthz.testing import FakeIssuer

from .door_fastapi import ADD_ROUTES, application
from .test_starlette import _UPGRADE, exchange, served

ISSUER = FakeIssuer(network=False)
REMOTE = "https://tenant.example.com/"
DENIED_401 = {"error": "unauthorized", "error_description": "This operation needs an access token"}


def server(**settings: Any) -> ResourceServer:
    return ResourceServer(Issuer(ISSUER.url, key_set=ISSUER.key_set), audience=ISSUER.audience, **settings)


def remote_server() -> ResourceServer:
    """A server whose keys would have to be fetched; sockets to anywhere but loopback are blocked."""
    return ResourceServer(REMOTE, audience=ISSUER.audience)


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {ISSUER.token(**claims)}"}


def protected(*dependencies: Any, authz: JWTAuthz, init: bool = True, **settings: Any) -> Any:
    """A TestClient of an app with one route and these dependencies; Any, for its `app` is a FastAPI."""
    app = FastAPI(**settings)
    if init:
        authz.init_app(app)

    @app.get("/", dependencies=dependencies)
    async def view() -> str:
        return "in"

    return TestClient(app)


# ── what is asked ──


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        pytest.param("a b", 200, id="both scopes of the chain"),
        pytest.param("a", 403, id="without the parent's scope"),
        pytest.param("b", 403, id="without its own scope"),
        pytest.param("", 403, id="neither"),
    ],
)
def test_the_scopes_of_a_chain_of_dependencies_are_all_needed(scope: str, status: int) -> None:
    authz = JWTAuthz(server())

    async def subject(token: Annotated[VerifiedToken, Security(authz, scopes=["a"])]) -> str | None:
        return token.subject

    http = protected(Security(subject, scopes=["b"]), authz=authz)
    response = http.get("/", headers=bearer(scope=scope))
    assert response.status_code == status
    if status == 403:
        assert response.json()["required"] == ["b", "a"]
        assert response.headers["WWW-Authenticate"].endswith('scope="b a"')


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        pytest.param("b c", 200, id="one branch of its own, and the parent's scope"),
        pytest.param("a c", 200, id="the other branch, and the parent's scope"),
        pytest.param("a b", 403, id="without the parent's scope"),
        pytest.param("c", 403, id="without a branch of its own"),
    ],
)
def test_requires_asks_for_its_own_need_and_the_scopes_above_it(scope: str, status: int) -> None:
    authz = JWTAuthz(server())

    async def subject(token: Annotated[VerifiedToken, authz.requires(any_of("a", "b"))]) -> str | None:
        return token.subject

    http = protected(Security(subject, scopes=["c"]), authz=authz)
    assert http.get("/", headers=bearer(scope=scope)).status_code == status


@pytest.mark.parametrize("order", [1, -1], ids=["strict one first", "strict one last"])
@pytest.mark.parametrize("form", ["authz", "requires"])
def test_what_one_chain_has_been_granted_is_not_taken_for_the_other(form: str, order: int) -> None:
    authz = JWTAuthz(server())
    asked = Depends(authz) if form == "authz" else authz.requires(any_of("a", "b"))

    async def subject(token: Annotated[VerifiedToken, asked]) -> str | None:
        return token.subject

    http = protected(*[Security(subject, scopes=["b"]), Depends(subject)][::order], authz=authz)
    assert http.get("/", headers=bearer(scope="a")).status_code == 403
    assert http.get("/", headers=bearer(scope="b")).status_code == 200


@pytest.mark.parametrize("order", [1, -1], ids=["strict one first", "strict one last"])
def test_a_scope_that_is_asked_for_is_not_taken_for_one_that_is_only_named(order: int) -> None:
    authz = JWTAuthz(server())
    named = authz.requires(any_of("a", "b"))
    strict = Security(named.dependency, scopes=["b", "a"])
    http = protected(*[strict, named][::order], authz=authz)
    assert http.get("/", headers=bearer(scope="a")).status_code == 403
    assert http.get("/", headers=bearer(scope="b")).status_code == 403
    assert http.get("/", headers=bearer(scope="a b")).status_code == 200


def test_needs_of_app_router_route_and_view_are_all_asked() -> None:
    authz = JWTAuthz(server())
    app = FastAPI(dependencies=[authz.requires("of-app")])
    authz.init_app(app)
    router = APIRouter(dependencies=[Security(authz, scopes=["of-router"])])

    @router.get("/", dependencies=[authz.requires("of-route", claim="permissions")])
    async def view(token: Annotated[VerifiedToken, authz.requires("of-view")]) -> str | None:
        return token.subject

    app.include_router(router, dependencies=[authz.requires("of-include")])
    http = TestClient(app)
    scopes = ["of-app", "of-router", "of-include", "of-view"]
    all_of_them = bearer(scope=" ".join(scopes), permissions=["of-route"])
    assert http.get("/", headers=all_of_them).json() == "user-1"
    for missing in scopes:
        rest = " ".join(scope for scope in scopes if scope != missing)
        response = http.get("/", headers=bearer(scope=rest, permissions=["of-route"]))
        assert response.json()["required"] == [missing]
    assert http.get("/", headers=bearer(scope=" ".join(scopes))).json()["required"] == ["of-route"]


def test_one_request_verifies_its_token_once_however_many_ask() -> None:
    asked: list[str | None] = []

    def revoked(token: VerifiedToken) -> bool:
        asked.append(token.subject)
        return False

    authz = JWTAuthz(server(revoked=revoked))
    http = protected(
        authz.requires("a"), Depends(authz), authz.requires("b"), Security(authz, scopes=["a"]), authz=authz
    )
    assert http.get("/", headers=bearer(scope="a b")).status_code == 200
    assert asked == ["user-1"]
    assert http.get("/", headers=bearer(scope="a")).status_code == 403
    assert asked == ["user-1", "user-1"]


def test_behind_the_middleware_the_token_is_not_verified_again() -> None:
    asked: list[str | None] = []

    def revoked(token: VerifiedToken) -> bool:
        asked.append(token.subject)
        return False

    authz = JWTAuthz(server(revoked=revoked))
    http = protected(authz.requires("a"), Depends(authz), authz=authz)
    http.app.add_middleware(JWTAuthzMiddleware, server=authz.server)
    assert http.get("/", headers=bearer(scope="a")).status_code == 200
    assert asked == ["user-1"]
    assert http.get("/", headers=bearer(scope="b")).json()["required"] == ["a"]


def test_on_a_public_path_of_the_middleware_the_user_is_the_one_that_a_dependency_let_in() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)
    app.add_middleware(JWTAuthzMiddleware, server=authz.server, public=["/"])

    @app.get("/", dependencies=[authz.requires("a")])
    async def view(connection: HTTPConnection) -> list[str | None]:
        return [token_from(connection).subject, connection.user.display_name]

    assert TestClient(app).get("/", headers=bearer(scope="a")).json() == ["user-1", "user-1"]


def test_a_token_of_one_server_is_not_taken_for_one_of_another() -> None:
    mine = JWTAuthz(server())
    other = JWTAuthz(
        ResourceServer(Issuer(ISSUER.url, key_set=ISSUER.key_set), audience="https://other"), scheme_name="other"
    )
    http = protected(Depends(mine), Depends(other), authz=mine)
    http.app.add_middleware(JWTAuthzMiddleware, server=mine.server)
    assert http.get("/", headers=bearer()).status_code == 401
    assert http.get("/", headers=bearer(audience=[ISSUER.audience, "https://other"])).status_code == 200


def test_optional_gives_none_until_somebody_else_needs_a_token() -> None:
    authz = JWTAuthz(server())
    optional = authz.requires(authenticated(), optional=True)
    assert protected(optional, authz=authz).get("/").status_code == 200
    assert protected(optional, Depends(authz), authz=authz).get("/").status_code == 401

    async def subject(token: Annotated[VerifiedToken | None, optional]) -> str | None:
        return token.subject if token else None

    assert protected(Depends(subject), authz=authz).get("/").status_code == 200
    assert protected(Security(subject, scopes=["a"]), authz=authz).get("/").status_code == 401


def test_a_check_sees_the_path_parameters_and_the_request() -> None:
    def own(token: VerifiedToken, request: Request) -> bool:
        return (
            request.path_params == {"user": "user-1"}
            and (request.method, request.path) == ("GET", "/of/user-1")
            and request.headers["x-extra"] == "1"
            and isinstance(request.source, HTTPConnection)
        )

    authz = JWTAuthz(server())
    app = FastAPI()

    @app.get("/of/{user}", dependencies=[authz.requires(own)])
    async def view(user: str) -> str:
        return user

    assert TestClient(app).get("/of/user-1", headers=bearer() | {"X-Extra": "1"}).json() == "user-1"


def test_a_function_that_can_not_be_hashed_is_a_check_too() -> None:
    class Yes:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, token: VerifiedToken, request: Request) -> bool:
            return True

    authz = JWTAuthz(server())
    assert protected(authz.requires(Yes()), authz=authz).get("/", headers=bearer()).status_code == 200


# ── overriding ──


def test_the_same_needs_are_the_same_callable() -> None:
    authz = JWTAuthz(server())
    one = authz.requires("a", any_of("b", "c"), claim=None).dependency
    assert authz.requires("a", any_of("b", "c")).dependency is one
    assert authz.requires("a", any_of("b", "c"), optional=True).dependency is not one
    assert authz.requires("a", claim="permissions").dependency is not authz.requires("a").dependency
    assert JWTAuthz(server()).requires("a", any_of("b", "c")).dependency is not one


def test_a_test_may_override_authz_and_one_need() -> None:
    authz = JWTAuthz(server())
    http = protected(Security(authz, scopes=["a"]), authz.requires("b"), authz=authz)
    http.app.dependency_overrides[authz] = lambda: None
    assert http.get("/").status_code == 401
    http.app.dependency_overrides[authz.requires("b").dependency] = lambda: None
    assert http.get("/").status_code == 200


# ── nothing that a client can fill ──


def schemas(app: FastAPI) -> Iterator[dict[str, Any]]:
    """The OpenAPI documents of an app and of those mounted in it."""
    yield app.openapi()
    for route in app.routes:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            yield route.app.openapi()


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")  # the table's routes of two methods
@pytest.mark.parametrize("form", ADD_ROUTES)
def test_openapi_shows_no_parameter_that_the_route_does_not_have(form: str) -> None:
    for document in schemas(application(server(), ADD_ROUTES[form])):
        for path, item in document["paths"].items():
            for operation in item.values():
                assert not {"parameters", "requestBody"} & operation.keys(), path
                assert "422" not in operation["responses"]


def test_a_routes_own_parameters_and_body_stay_as_they_are() -> None:
    authz = JWTAuthz(server())
    optional = authz.requires(authenticated(), optional=True)
    plain, guarded = FastAPI(), FastAPI()
    authz.init_app(guarded)

    @plain.post("/{item}")
    async def view(item: int, q: str, x: Annotated[int, Body()]) -> None: ...

    @guarded.post("/{item}", dependencies=[authz.requires("a"), Security(authz, scopes=["b"])], name="view")
    async def guarded_view(
        token: Annotated[VerifiedToken, authz.requires("c")],
        item: int,
        q: str,
        x: Annotated[int, Body()],
        other: VerifiedToken | None = optional,
    ) -> None: ...

    before, after = (app.openapi()["paths"]["/{item}"]["post"] for app in (plain, guarded))
    assert after["parameters"] == before["parameters"]
    assert after["requestBody"] == before["requestBody"]


@pytest.mark.parametrize("form", [form for form in ADD_ROUTES if "app" not in form])
def test_what_a_client_sends_under_the_names_of_our_parameters_is_nothing(form: str) -> None:
    http = TestClient(application(server(), ADD_ROUTES[form]))
    names = ("connection", "asked", "shown", "security_scopes", "token", "request", "self")
    for path in ("/any", "/read"):
        filled = http.request("GET", path, params=dict.fromkeys(names, "1"), json=dict.fromkeys(names, "1"))
        assert (filled.status_code, filled.json()) == (401, DENIED_401)


# ── OpenAPI: the scheme and the scopes ──


def documented(authz: JWTAuthz) -> FastAPI:
    """An app with an open route and with needs of every kind."""
    app = FastAPI()
    authz.init_app(app)

    async def subject(token: Annotated[VerifiedToken, Security(authz, scopes=["a"])]) -> str | None:
        return token.subject

    async def either(token: Annotated[VerifiedToken, authz.requires(any_of("a", "b"))]) -> str | None:
        return token.subject

    needs: dict[str, list[Any]] = {
        "/open": [],
        "/any": [Depends(authz)],
        "/chain": [Security(subject, scopes=["c"])],
        "/either": [Security(either, scopes=["c"])],
        "/two": [authz.requires("a", "b"), Security(authz, scopes=["c"])],
        "/optional": [authz.requires("a", optional=True)],
    }
    for path, dependencies in needs.items():

        @app.get(path, dependencies=dependencies)
        async def view() -> None: ...

    return app


def security(document: dict[str, Any]) -> dict[str, Any]:
    return {path: item["get"].get("security") for path, item in document["paths"].items()}


def test_every_operation_lists_the_scopes_of_its_whole_chain() -> None:
    assert security(documented(JWTAuthz(server())).openapi()) == {
        "/open": None,
        "/any": [{"jwtauthz": []}],
        "/chain": [{"jwtauthz": ["c", "a"]}],
        "/either": [{"jwtauthz": ["c", "a", "b"]}],
        "/two": [{"jwtauthz": ["a", "b", "c"]}],
        "/optional": [{"jwtauthz": ["a"]}, {}],
    }


@pytest.mark.parametrize(
    ("decides", "scheme"),
    [
        pytest.param(
            remote_server,
            {"type": "openIdConnect", "openIdConnectUrl": f"{REMOTE}.well-known/openid-configuration"},
            id="one issuer with a network: where it is discovered",
        ),
        pytest.param(
            lambda: ResourceServer([REMOTE, "https://other.example.com"], audience="x"),
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            id="several issuers: a bearer token",
        ),
        pytest.param(
            server,
            {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            id="keys without a network: a bearer token",
        ),
    ],
)
def test_the_scheme_stands_there_once(decides: Callable[[], ResourceServer], scheme: dict[str, str]) -> None:
    document = documented(JWTAuthz(decides())).openapi()
    assert document["components"]["securitySchemes"] == {"jwtauthz": scheme}


LOGIN = Login("https://issuer.test/authorize", "https://issuer.test/token", {"openid": "Who you are", "a": "Read"})


def test_a_login_lists_the_scopes_of_all_operations_and_its_own() -> None:
    document = documented(JWTAuthz(server(), login=LOGIN)).openapi()
    assert document["components"]["securitySchemes"]["jwtauthz"] == {
        "type": "oauth2",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": "https://issuer.test/authorize",
                "tokenUrl": "https://issuer.test/token",
                "scopes": {"a": "Read", "b": "", "c": "", "openid": "Who you are"},
            }
        },
    }
    assert security(document) == security(documented(JWTAuthz(server())).openapi())


def test_a_scope_that_depends_on_the_request_can_not_be_chosen_when_one_logs_in() -> None:
    authz = JWTAuthz(server(), login=Login("https://issuer.test/authorize", "https://issuer.test/token"))
    document = protected(authz.requires("read:{org_id}", "a"), authz=authz).app.openapi()
    scheme = document["components"]["securitySchemes"]["jwtauthz"]
    assert scheme["flows"]["authorizationCode"]["scopes"] == {"a": ""}


def test_a_login_is_documented_the_same_twice_and_leaves_a_scheme_of_the_app_alone() -> None:
    authz = JWTAuthz(server(), login=LOGIN)
    app = documented(authz)
    assert deepcopy(app.openapi()) == app.openapi()
    own = {"type": "http", "scheme": "bearer"}
    app.openapi_schema["components"]["securitySchemes"]["jwtauthz"] = own  # type: ignore[index]
    assert app.openapi()["components"]["securitySchemes"] == {"jwtauthz": own}


@pytest.mark.parametrize(
    ("made", "told"),
    [
        pytest.param(
            lambda: Login("http://issuer.test/a", "https://issuer.test/t"), "authorization_url", id="http"
        ),
        pytest.param(lambda: Login("https://issuer.test/a", "/token"), "token_url", id="no whole URL"),
        pytest.param(lambda: Login("https://issuer.test/a", None), "token_url", id="none at all"),
        pytest.param(lambda: Login("https://a.test", "https://a.test", ["a"]), "what they are for", id="a list"),
        pytest.param(lambda: Login("https://a.test", "https://a.test", {"a b": ""}), "a b", id="two in one"),
        pytest.param(lambda: Login("https://a.test", "https://a.test", {"a": None}), "None of 'a'", id="no text"),
        pytest.param(lambda: JWTAuthz(server(), login="https://a.test"), "Write login=Login", id="a text"),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(made: Callable[[], object], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        made()


def test_the_403_of_an_operation_says_what_it_needs() -> None:
    document = documented(JWTAuthz(server())).openapi()
    told = {path: answers(document, path).get("403", {}).get("description") for path in document["paths"]}
    words = "The access token does not grant what this operation needs"
    assert told == {
        "/open": None,
        "/any": words,
        "/chain": f"{words}: `c` and `a`",
        "/either": f"{words}: (`a` or `b`) and `c`",
        "/two": f"{words}: `c` and `a` and `b`",
        "/optional": f"{words}: `a`",
    }


def test_the_403_of_an_operation_says_nothing_of_another_issuer_and_of_policies_that_are_tried_out() -> None:
    ours, others = JWTAuthz(server()), JWTAuthz(server(), scheme_name="others")
    app = FastAPI()
    ours.init_app(app)
    needs = [ours.requires("a"), ours.requires("tried", shadow=True), others.requires("theirs")]

    @app.get("/", dependencies=needs)
    async def view() -> None: ...

    assert answers(app.openapi())["403"]["description"].endswith(" needs: `a`")


def test_openapi_asks_no_issuer() -> None:
    with FakeIssuer() as issuer:
        app = documented(JWTAuthz(ResourceServer(issuer.url, audience="x")))
        assert TestClient(app).get("/openapi.json").status_code == 200
        assert issuer.requests == ()


def test_without_init_app_the_scheme_and_the_scopes_are_shown_too() -> None:
    authz = JWTAuthz(server())
    http = protected(authz.requires("a"), authz=authz, init=False)
    assert security(http.app.openapi()) == {"/": [{"jwtauthz": ["a"]}]}


def test_a_scheme_may_have_another_name() -> None:
    document = documented(JWTAuthz(server(), scheme_name="Accounts")).openapi()
    assert list(document["components"]["securitySchemes"]) == ["Accounts"]
    assert "401" in document["paths"]["/any"]["get"]["responses"]


# ── OpenAPI: the answers ──


def answers(document: dict[str, Any], path: str = "/") -> dict[str, Any]:
    found: dict[str, Any] = document["paths"][path]["get"]["responses"]
    return found


def test_protected_operations_document_the_answers_of_a_denial() -> None:
    document = documented(JWTAuthz(server())).openapi()
    assert list(answers(document, "/open")) == ["200"]
    for path in ("/any", "/chain", "/either", "/two", "/optional"):
        assert list(answers(document, path)) == ["200", "400", "401", "403", "503"]
    denied = answers(document, "/any")["403"]
    schema = denied["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/JWTAuthzDenial"}
    assert document["components"]["schemas"]["JWTAuthzDenial"]["required"] == ["error", "error_description"]
    json.dumps(document)


@pytest.mark.parametrize(
    ("own", "added"),
    [
        pytest.param({401: {"description": "Mine"}}, ["400", "403", "503"], id="a status"),
        pytest.param({"4XX": {"description": "Mine"}}, ["503"], id="a range"),
        pytest.param({"default": {"description": "Mine"}}, [], id="the default"),
    ],
)
def test_answers_that_the_app_documents_itself_stay(own: dict[int | str, Any], added: list[str]) -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)

    @app.get("/", dependencies=[Depends(authz)], responses=own)
    async def view() -> None: ...

    found = answers(app.openapi())
    (status,) = map(str, own)
    assert found.pop(status) == {"description": "Mine"}
    assert sorted(found) == ["200", *added]


def test_under_a_handler_of_the_app_bodies_are_not_described() -> None:
    authz = JWTAuthz(server())
    app = documented(authz)
    app.add_exception_handler(AccessDenied, teapot)
    document = app.openapi()
    assert answers(document, "/any")["401"] == {"description": "There is no valid access token"}
    assert "JWTAuthzDenial" not in document["components"].get("schemas", {})


def test_routes_that_come_later_are_documented_too() -> None:
    authz = JWTAuthz(server())
    app = documented(authz)
    assert app.openapi() == app.openapi()
    router = APIRouter(dependencies=[authz.requires("late")], generate_unique_id_function=lambda route: route.name)

    @router.get("/late")
    async def late() -> None: ...

    app.include_router(router, prefix="/of")
    app.openapi_schema = None
    document = app.openapi()
    operation = document["paths"]["/of/late"]["get"]
    assert operation["operationId"] == "late"
    assert operation["security"] == [{"jwtauthz": ["late"]}]
    assert "403" in operation["responses"]


def test_init_app_twice_changes_nothing() -> None:
    authz = JWTAuthz(server())
    once, twice = documented(authz), documented(authz)
    authz.init_app(twice)
    assert twice.openapi() == once.openapi()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_custom_openapi_works(when: str) -> None:
    """One that the app has before init_app gets our answers too; one that comes later has the last word."""
    authz = JWTAuthz(server())
    app = FastAPI()

    def custom() -> dict[str, Any]:
        return get_openapi(title="Custom", version="1", routes=app.routes)

    if when == "before":
        app.openapi = custom  # type: ignore[method-assign]
    authz.init_app(app)
    if when == "after":
        app.openapi = custom  # type: ignore[method-assign]

    @app.get("/", dependencies=[authz.requires("a")])
    async def view() -> None: ...

    document = TestClient(app).get("/openapi.json").json()
    assert document["info"]["title"] == "Custom"
    assert security(document) == {"/": [{"jwtauthz": ["a"]}]}
    assert ("403" in answers(document)) == (when == "before")


def test_a_mounted_app_documents_itself() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)
    app.mount("/inner", documented(authz))
    document = TestClient(app).get("/inner/openapi.json").json()
    assert "403" in answers(document, "/two")
    assert TestClient(app).get("/inner/any").json() == DENIED_401


# ── answers ──


async def teapot(connection: HTTPConnection, denied: Exception) -> JSONResponse:
    assert isinstance(denied, AccessDenied)
    return JSONResponse({"mine": denied.finding.code}, 418)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_app_goes_first(when: str) -> None:
    authz = JWTAuthz(server())
    app = FastAPI(exception_handlers={AccessDenied: teapot} if when == "before" else {})
    authz.init_app(app)
    if when == "after":
        app.exception_handler(AccessDenied)(teapot)

    @app.get("/", dependencies=[Depends(authz)])
    async def view() -> None: ...

    response = TestClient(app).get("/")
    assert (response.status_code, response.json()) == (418, {"mine": "no_credentials"})


def test_a_handler_for_one_kind_of_denial_answers_that_kind() -> None:
    authz = JWTAuthz(server())
    http = protected(authz.requires("a"), authz=authz)
    http.app.add_exception_handler(InsufficientScope, teapot)
    assert http.get("/", headers=bearer()).status_code == 418
    assert http.get("/").json() == DENIED_401


def test_a_denial_that_a_view_raises_is_answered() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)

    @app.get("/")
    async def view(token: Annotated[VerifiedToken, Depends(authz)]) -> None:
        await authz.server.apermit(token, Request(), "a")

    assert TestClient(app).get("/", headers=bearer()).status_code == 403


@pytest.mark.parametrize(
    ("claims", "status", "challenge"),
    [
        pytest.param(None, 401, 'Bearer realm="api"', id="no token"),
        pytest.param({"expires_in": -60}, 401, 'Bearer realm="api", error="invalid_token"', id="expired"),
        pytest.param({}, 403, 'Bearer realm="api", error="insufficient_scope"', id="short of a scope"),
    ],
)
def test_without_init_app_the_answer_is_fastapis_own_with_our_status_and_challenge(
    claims: dict[str, Any] | None, status: int, challenge: str
) -> None:
    authz = JWTAuthz(server())
    http = protected(authz.requires("a"), authz=authz, init=False)
    response = http.get("/", headers={} if claims is None else bearer(**claims))
    assert response.status_code == status
    assert response.headers["WWW-Authenticate"].startswith(challenge)
    assert response.headers["Cache-Control"] == "no-store"
    assert "error" in response.json()["detail"]


def test_without_init_app_there_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    authz = JWTAuthz(server())
    http = protected(Depends(authz), authz=authz, init=False)
    for _ in range(3):
        assert http.get("/").status_code == 401
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert ["authz.init_app(app)" in record.getMessage() for record in warnings] == [True]


def test_without_init_app_a_handler_for_http_exceptions_answers() -> None:
    authz = JWTAuthz(server())
    http = protected(Depends(authz), authz=authz, init=False)

    async def mine(connection: HTTPConnection, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        assert isinstance(error.__cause__, AccessDenied)
        return JSONResponse({"mine": error.detail}, error.status_code, error.headers)

    http.app.add_exception_handler(HTTPException, mine)
    assert http.get("/").json() == {"mine": DENIED_401}


def test_a_mounted_app_without_its_own_init_app_is_not_open_and_no_500() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)
    app.mount("/inner", protected(Depends(authz), authz=authz, init=False).app)
    response = TestClient(app).get("/inner/")
    assert (response.status_code, response.json()) == (401, {"detail": DENIED_401})


def test_a_body_that_is_no_json_is_422_to_anybody_unless_the_middleware_asks_first() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)

    @app.post("/", dependencies=[authz.requires("a")])
    async def view(body: dict[str, int]) -> dict[str, int]:
        return body

    def post(**settings: Any) -> int:
        headers = {"Content-Type": "application/json"} | settings.pop("headers", {})
        return TestClient(app).post("/", content=b'{"a":', headers=headers).status_code

    assert post() == 422
    app.middleware_stack = None
    app.add_middleware(JWTAuthzMiddleware, server=authz.server)
    assert post() == 401
    assert post(headers=bearer(scope="a")) == 422


def test_a_body_that_can_not_be_validated_is_shown_to_nobody_without_a_token() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    authz.init_app(app)

    @app.post("/{item}", dependencies=[authz.requires("a")])
    async def view(item: int, body: dict[str, int]) -> dict[str, int]:
        return body

    assert TestClient(app).post("/nan", json=["no"]).status_code == 401


# ── what makes no sense ──


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        pytest.param([""], "empty scope", id="an empty scope"),
        pytest.param(["a b"], "holds a space", id="two scopes in one string"),
        pytest.param(["a", "\u00e9"], "holds a character", id="a character that no scope may have"),
    ],
)
@pytest.mark.parametrize("above", [False, True], ids=["on authz", "above requires"])
def test_scopes_that_make_no_sense_keep_the_app_from_starting(scopes: Any, said: str, above: bool) -> None:
    authz = JWTAuthz(server())

    async def subject(token: Annotated[VerifiedToken, authz.requires("a")]) -> str | None:
        return token.subject

    http = protected(Security(subject if above else authz, scopes=scopes), authz=authz)
    with pytest.raises(ConfigurationError, match=said), http:
        pytest.fail("the app has started")
    with pytest.raises(ConfigurationError, match=said):
        http.app.openapi()
    with pytest.raises(ConfigurationError, match=said):
        authz.init_app(http.app)


@pytest.mark.parametrize("scope", [7, any_of("a", "b")], ids=["a number", "a requirement"])
def test_what_is_no_scope_at_all_keeps_the_app_from_starting(scope: Any) -> None:
    authz = JWTAuthz(server())
    http = protected(Security(authz, scopes=[scope]), authz=authz)
    with pytest.raises(ConfigurationError, match="A scope is a string"), http:
        pytest.fail("the app has started")


def test_scopes_that_make_no_sense_are_loud_and_not_open_where_nothing_starts() -> None:
    """Whatever the client sends: an app without a lifespan learns it from its first request."""
    authz = JWTAuthz(server())
    http = protected(Security(authz, scopes=["a b"]), authz=authz, init=False)
    for headers in ({}, bearer(), bearer(scope="a b")):
        with pytest.raises(ConfigurationError, match="holds a space"):
            http.get("/", headers=headers)


def test_scopes_that_make_no_sense_are_found_in_included_routers() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()
    inner, outer = APIRouter(), APIRouter()

    @inner.get("/users")
    async def view() -> None: ...

    outer.include_router(inner, dependencies=[Security(authz, scopes=["a b"])])
    app.include_router(outer, prefix="/of")
    with pytest.raises(ConfigurationError, match="at /of/users: 'a b' holds a space"):
        authz.init_app(app)


def test_scopes_that_make_no_sense_are_found_on_websockets() -> None:
    authz = JWTAuthz(server())
    app = FastAPI()

    @app.websocket("/talk", dependencies=[Security(authz, scopes=["a b"])])
    async def talk(websocket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match="at /talk: 'a b' holds a space"):
        authz.init_app(app)


def test_an_annotation_that_fastapi_could_not_read_keeps_the_app_from_starting() -> None:
    """Without this the dependency would vanish, and with a default the route would be open."""
    authz = JWTAuthz(server())
    need = authz.requires("a")
    app = FastAPI()
    authz.init_app(app)

    @app.get("/users")
    async def users(token: "Annotated[VerifiedToken | None, need]" = None) -> str:  # noqa: F821
        return "open"

    del need
    with pytest.raises(ConfigurationError, match="At /users FastAPI could not read token"), TestClient(app):
        pytest.fail("the app has started")


@pytest.mark.parametrize(
    ("build", "said"),
    [
        pytest.param(
            lambda authz: JWTAuthz(FastAPI()),  # type: ignore[arg-type]
            "nothing to decide with",
            id="an app for a server",
        ),
        pytest.param(lambda authz: authz.requires(), "asks for nothing", id="no need"),
        pytest.param(lambda authz: authz.requires(""), "empty scope", id="an empty scope"),
        pytest.param(lambda authz: authz.requires("a b"), "holds a space", id="two scopes in one string"),
        pytest.param(lambda authz: authz.requires(["a"]), "all or one of them", id="a list"),
        pytest.param(lambda authz: authz.requires("a", claim=""), "names no claim", id="an empty claim"),
    ],
)
def test_what_makes_no_sense_is_refused_when_built(build: Callable[[JWTAuthz], Any], said: str) -> None:
    authz = JWTAuthz(server())
    with pytest.raises(ConfigurationError, match=said):
        build(authz)


# ── the lifespan ──


def test_the_servers_lifespan_fetches_the_keys() -> None:
    with FakeIssuer() as issuer:
        decides = ResourceServer(issuer.url, audience=issuer.audience)
        authz = JWTAuthz(decides)
        with protected(authz.requires("a"), authz=authz, lifespan=decides.lifespan) as http:
            assert decides.ready
            token = issuer.token(scope="a")
            assert http.get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_apps_own_lifespan_keeps_its_state() -> None:
    ended = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        yield {"answer": 42}
        ended.append(app)

    authz = JWTAuthz(server())
    app = FastAPI(lifespan=lifespan)
    authz.init_app(app)

    @app.get("/")
    async def view(connection: HTTPConnection) -> int:
        answer: int = connection.state.answer
        return answer

    with TestClient(app) as http:
        assert http.get("/").json() == 42
    assert ended == [app]


# ── WebSockets ──


def talking(authz: JWTAuthz, *, init: bool = True) -> FastAPI:
    app = FastAPI()
    if init:
        authz.init_app(app)

    @app.websocket("/talk")
    async def talk(websocket: WebSocket, token: Annotated[VerifiedToken, authz.requires("a")]) -> None:
        await websocket.accept()
        await websocket.send_json(token.subject)
        if await websocket.receive_text() == "more":
            await authz.server.apermit(token, Request(), "b")
        await websocket.close()

    return app


def without_denial_response(app: FastAPI) -> Any:
    """The app at a server that knows no other answer to a handshake than yes and no."""

    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "extensions": {}}, receive, send)

    return plain


def test_a_websocket_with_a_good_token_is_accepted() -> None:
    http = TestClient(talking(JWTAuthz(server())))
    with http.websocket_connect("/talk", headers=bearer(scope="a")) as websocket:
        assert websocket.receive_json() == "user-1"
        websocket.send_text("bye")


@pytest.mark.parametrize("init", [True, False], ids=["with init_app", "without"])
@pytest.mark.parametrize(
    ("claims", "status", "challenge"),
    [
        pytest.param(None, 401, 'Bearer realm="api"', id="no token"),
        pytest.param({"scope": "b"}, 403, "insufficient_scope", id="short of a scope"),
    ],
)
def test_a_websocket_is_refused_with_status_and_challenge(
    claims: dict[str, Any] | None, status: int, challenge: str, init: bool
) -> None:
    http = TestClient(talking(JWTAuthz(server()), init=init))
    connect = partial(http.websocket_connect, "/talk", headers={} if claims is None else bearer(**claims))
    with pytest.raises(WebSocketDenialResponse) as refused, connect():
        pytest.fail("it was accepted")
    assert refused.value.status_code == status
    assert challenge in refused.value.headers["WWW-Authenticate"]
    body = refused.value.json()
    assert "error" in (body if init else body["detail"])


@pytest.mark.parametrize("init", [True, False], ids=["with init_app", "without"])
def test_a_websocket_is_closed_where_the_server_knows_no_other_answer(init: bool) -> None:
    http = TestClient(without_denial_response(talking(JWTAuthz(server()), init=init)))
    with pytest.raises(WebSocketDisconnect) as refused, http.websocket_connect("/talk"):
        pytest.fail("it was accepted")
    assert refused.value.code == 1008


def test_a_websocket_that_is_open_already_is_closed() -> None:
    http = TestClient(talking(JWTAuthz(server())))
    with http.websocket_connect("/talk", headers=bearer(scope="a")) as websocket:
        websocket.receive_json()
        websocket.send_text("more")
        with pytest.raises(WebSocketDisconnect) as closed:
            websocket.receive_text()
    assert (closed.value.code, closed.value.reason) == (1008, "insufficient_scope")


def test_a_handler_of_the_app_may_close_a_websocket_its_own_way() -> None:
    async def close(websocket: WebSocket, denied: AccessDenied) -> None:
        await websocket.close(4000 + denied.status)

    app = talking(JWTAuthz(server()))
    app.add_exception_handler(AccessDenied, close)  # type: ignore[arg-type]
    with pytest.raises(WebSocketDisconnect) as refused, TestClient(app).websocket_connect("/talk"):
        pytest.fail("it was accepted")
    assert refused.value.code == 4401


def test_over_a_real_server(cannot_run: Callable[[str], None]) -> None:
    try:
        import websockets  # noqa: F401
    except ImportError:
        cannot_run("uvicorn serves no WebSocket without the package websockets")
    good, short = (f"Authorization: {bearer(scope=scope)['Authorization']}" for scope in "ab")
    with served(talking(JWTAuthz(server()))) as port:
        assert exchange(port, "/talk", *_UPGRADE, good).startswith("HTTP/1.1 101")
        anonymous = exchange(port, "/talk", *_UPGRADE)
        assert anonymous.startswith("HTTP/1.1 401")
        assert "www-authenticate: bearer realm=" in anonymous.lower()
        denied = exchange(port, "/talk", *_UPGRADE, short)
        assert denied.startswith("HTTP/1.1 403")
        assert json.loads(denied.partition("\r\n\r\n")[2])["required"] == ["a"]


def test_a_shadow_policy_is_reported_and_lets_the_request_in(caplog):
    """The token itself, and scopes asked for above, are checked all the same."""
    issuer = FakeIssuer(network=False)
    authz = JWTAuthz(ResourceServer(Issuer(issuer.url, key_set=issuer.key_set), issuer.audience))
    app = FastAPI()
    authz.init_app(app)
    shadowed = authz.requires("new:scope", shadow=True)

    @app.get("/tried", dependencies=[shadowed])
    def tried():
        return {}

    router = APIRouter(dependencies=[Security(authz, scopes=["old:scope"])])

    @router.get("/below", dependencies=[shadowed])
    def below():
        return {}

    app.include_router(router)
    client = TestClient(app)
    bearer = {"Authorization": f"Bearer {issuer.token(scope='other')}"}
    assert client.get("/tried", headers=bearer).status_code == 200
    assert "shadow policy: would be denied 403 scope_missing: `new:scope`" in caplog.text
    assert client.get("/tried").status_code == 401
    assert client.get("/below", headers=bearer).status_code == 403


def test_an_issuer_without_metadata_is_no_open_id_connect_scheme():
    """Its keys stand at a URL of their own, so there may be no document behind the discovery URL."""
    server = ResourceServer(
        Issuer("https://issuer.test/", jwks_url="https://issuer.test/keys"), "https://api.test"
    )
    assert JWTAuthz(server).model.type_.value == "http"
    assert (
        JWTAuthz(ResourceServer("https://issuer.test/", "https://api.test")).model.type_.value == "openIdConnect"
    )
