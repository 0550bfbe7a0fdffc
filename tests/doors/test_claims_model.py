"""`claims=` behind every door: claims that fit are an object of the class, others a 401; OpenAPI tells nothing."""

from typing import Annotated, Any, ClassVar

import pytest
from fastapi import FastAPI, Security
from flask import Blueprint, Flask
from pydantic import BaseModel, Field, model_validator
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from authorizing import bearer, case, server_for
from jwtauthz import AccessDenied, ConfigurationError, VerifiedToken, authenticated, shadow
from jwtauthz import fastapi as fastapi_door
from jwtauthz import flask as flask_door
from jwtauthz import starlette as starlette_door

ROLES = "https://example.com/roles"
GOOD = {ROLES: ["editor"], "scope": "read"}


class Me(BaseModel):
    made: ClassVar[int] = 0
    sub: str
    roles: list[str] = Field(alias=ROLES)

    @model_validator(mode="after")
    def count(self):
        type(self).made += 1
        return self


class Other(BaseModel):
    iss: str


class Broken(BaseModel):
    sub: str

    @model_validator(mode="after")
    def fail(self):
        raise LookupError("the database is away")


def told(me: Me | None) -> dict[str, Any]:
    return {"me": None} if me is None else {"me": me.sub, "roles": me.roles}


def flask_app(form: str, *needs: Any, model: Any = Me, server: Any = None, **settings: Any) -> Any:
    app = Flask("claims")
    authz = flask_door.JWTAuthz(server or server_for(), app)

    def view():
        token = flask_door.current_token
        return told(token.claims_as(model) if token else None)

    async def async_view():
        return view()

    if form == "blueprint":
        blueprint = Blueprint("me", "me")
        blueprint.get("/me")(view)
        authz.protect(blueprint, *needs, claims=model, **settings)
        app.register_blueprint(blueprint)
    else:
        guard = flask_door.requires(*needs, claims=model, **settings)
        app.get("/me")(guard(async_view if form == "async" else view))

    def send(headers: Any = ()) -> tuple[int, Any, str | None]:
        response = app.test_client().get("/me", headers=headers)
        return response.status_code, response.get_json(silent=True), response.headers.get("WWW-Authenticate")

    return send


def starlette_app(form: str, *needs: Any, model: Any = Me, server: Any = None, **settings: Any) -> Any:
    guard = starlette_door.requires(*needs, claims=model, **settings)

    def answer(request):
        token = starlette_door.token_from(request, optional=True)
        return JSONResponse(told(token.claims_as(model) if token else None))

    @guard
    async def view(request):
        return answer(request)

    @guard
    def sync_view(request):
        return answer(request)

    @guard
    class Endpoint(HTTPEndpoint):
        async def get(self, request):
            return answer(request)

    endpoint = {"async": view, "sync": sync_view, "class": Endpoint}[form]
    optional = settings.get("optional", False)
    middleware = Middleware(starlette_door.JWTAuthzMiddleware, server=server or server_for(), optional=optional)
    return asgi(Starlette(routes=[Route("/me", endpoint)], middleware=[middleware]))


def fastapi_app(
    form: str, *needs: Any, model: Any = Me, server: Any = None, init: bool = True, **settings: Any
) -> Any:
    app, authz = FastAPI(), fastapi_door.JWTAuthz(server or server_for())
    if init:
        authz.init_app(app)
    asked = authz.requires(*needs, claims=model, **settings)
    if form == "annotated":

        @app.get("/me")
        async def annotated(me: Annotated[model | None, asked]) -> dict[str, Any]:
            return told(me)

    else:

        @app.get("/me")
        def default(me: model | None = asked) -> dict[str, Any]:
            return told(me)

    return asgi(app)


def asgi(app: Any) -> Any:
    client = TestClient(app)

    def send(headers: Any = ()) -> tuple[int, Any, str | None]:
        response = client.get("/me", headers=headers)
        is_json = response.headers.get("Content-Type") == "application/json"
        return response.status_code, response.json() if is_json else None, response.headers.get("WWW-Authenticate")

    send.app = app
    return send


FORMS = [
    *((flask_app, form) for form in ("sync", "async", "blueprint")),
    *((starlette_app, form) for form in ("sync", "async", "class")),
    *((fastapi_app, form) for form in ("annotated", "default")),
]
every_form = pytest.mark.parametrize(
    ("door", "form"), [pytest.param(*each, id=f"{each[0].__name__.split('_')[0]} {each[1]}") for each in FORMS]
)


@every_form
class TestEveryDoor:
    def test_gives_the_object(self, door, form):
        send = door(form, "read")
        assert send(bearer(**GOOD))[:2] == (200, {"me": "user-1", "roles": ["editor"]})

    def test_makes_it_once_for_each_request(self, door, form, monkeypatch):
        send, headers = door(form, "read"), bearer(**GOOD)
        monkeypatch.setattr(Me, "made", 0)
        for number in (1, 2, 3):
            assert send(headers)[0] == 200
            assert Me.made == number

    @pytest.mark.parametrize(
        "claims",
        [
            case("the claim is missing", {"scope": "read"}),
            case("it is something else", {**GOOD, ROLES: "editor"}),
            case("the scope is short as well", {}),
        ],
    )
    def test_refuses_with_a_challenge_of_the_server(self, door, form, claims):
        status, body, challenge = door(form, "read", server=server_for(realm="here"))(bearer(**claims))
        said = "The claims of the token are not what this API needs"
        assert (status, body) == (401, {"error": "invalid_token", "error_description": said})
        assert challenge == f'Bearer realm="here", error="invalid_token", error_description="{said}"'

    def test_asks_for_scopes_as_ever(self, door, form):
        status, body, challenge = door(form, "read")(bearer(**{ROLES: []}))
        assert (status, body["required"]) == (403, ["read"])
        assert 'scope="read"' in challenge

    def test_needs_a_token_unless_it_is_optional(self, door, form):
        assert door(form, "read")()[0] == 401
        assert door(form, "read", optional=True)()[:2] == (200, {"me": None})
        assert door(form, "read", optional=True)(bearer(scope="read"))[0] == 401

    def test_is_503_where_a_validator_raises(self, door, form, caplog):
        status, body, challenge = door(form, "read", model=Broken)(bearer(**GOOD))
        assert (status, body["error"], challenge) == (503, "temporarily_unavailable", None)
        assert "LookupError" in caplog.text

    def test_a_shadow_lets_in_by_scope_and_not_by_claims(self, door, form):
        send = door(form, shadow("read"))
        assert send(bearer(**{ROLES: []}))[:2] == (200, {"me": "user-1", "roles": []})
        assert send(bearer())[0] == 401

    def test_what_is_no_class_is_refused_when_the_view_is_built(self, door, form):
        for odd in (5, len, "permissions", int):
            with pytest.raises(ConfigurationError, match="claims="):
                door(form, "read", model=odd)


class TestFlask:
    def test_many_on_one_view_are_asked_one_after_another(self):
        app = Flask("many")
        flask_door.JWTAuthz(server_for(), app)

        @app.get("/me")
        @flask_door.requires("read", claims=Me)
        @flask_door.requires(authenticated(), claims=Other)
        def view():
            token = flask_door.current_token
            return {"me": token.claims_as(Me).sub, "iss": token.claims_as(Other).iss}

        client = app.test_client()
        assert client.get("/me", headers=bearer(**GOOD)).json == {"me": "user-1", "iss": "https://issuer.test/"}
        assert client.get("/me", headers=bearer(scope="read")).status_code == 401

    def test_a_class_that_is_first_named_in_the_view_is_401_too(self):
        app = Flask("late")
        flask_door.JWTAuthz(server_for(), app)

        @app.get("/me")
        @flask_door.requires("read")
        def view():
            return told(flask_door.current_token.claims_as(Me))

        response = app.test_client().get("/me", headers=bearer(scope="read"))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", ')


class TestStarlette:
    def test_a_class_that_is_first_named_in_the_endpoint_is_401_too(self):
        @starlette_door.requires("read")
        async def view(request):
            return JSONResponse(told(starlette_door.token_from(request).claims_as(Me)))

        middleware = Middleware(starlette_door.JWTAuthzMiddleware, server=server_for())
        send = asgi(Starlette(routes=[Route("/me", view)], middleware=[middleware]))
        assert send(bearer(scope="read"))[0] == 401
        assert send(bearer(**GOOD))[0] == 200


class TestFastAPI:
    def app(self) -> tuple[FastAPI, Any]:
        app, authz = FastAPI(), fastapi_door.JWTAuthz(server_for())
        authz.init_app(app)
        return app, authz

    def test_the_class_is_no_part_of_what_a_client_sends(self):
        documents = []
        for model in (None, Me):
            app, authz = self.app()
            kind: Any = model or VerifiedToken

            @app.post("/me/{item}")
            async def view(
                item: int, me: Annotated[kind, authz.requires("read", claims=model)], q: str = ""
            ) -> None:
                """A view."""

            documents.append(app.openapi())
        assert documents[0] == documents[1]
        operation = documents[1]["paths"]["/me/{item}"]["post"]
        assert "requestBody" not in operation
        assert [parameter["name"] for parameter in operation["parameters"]] == ["item", "q"]
        assert operation["security"] == [{"jwtauthz": ["read"]}]
        assert "Me" not in documents[1]["components"]["schemas"]

    def test_a_body_of_the_same_class_stays_a_body(self):
        app, authz = self.app()

        @app.post("/me")
        async def view(me: Annotated[Me, authz.requires("read", claims=Me)], body: Me) -> list[str]:
            return [me.sub, body.sub]

        client = TestClient(app)
        sent = client.post("/me", json={"sub": "sent", ROLES: []}, headers=bearer(**GOOD))
        assert sent.json() == ["user-1", "sent"]

    def test_several_dependencies_get_each_their_own(self):
        app, authz = self.app()

        @app.get("/me")
        async def view(
            me: Annotated[Me, authz.requires("read", claims=Me)],
            other: Annotated[Other, authz.requires(authenticated(), claims=Other)],
            token: Annotated[VerifiedToken, authz.requires("read")],
        ) -> list[str]:
            return [type(me).__name__, type(other).__name__, type(token).__name__]

        assert TestClient(app).get("/me", headers=bearer(**GOOD)).json() == ["Me", "Other", "VerifiedToken"]
        assert TestClient(app).get("/me", headers=bearer(scope="read")).status_code == 401

    def test_the_same_needs_and_class_are_the_same_callable_for_overrides(self):
        app, authz = self.app()
        assert authz.requires("read", claims=Me).dependency is authz.requires("read", claims=Me).dependency
        assert authz.requires("read", claims=Me).dependency is not authz.requires("read").dependency
        assert authz.requires("read", claims=Me).dependency is not authz.requires("read", claims=Other).dependency

        @app.get("/me")
        async def view(me: Annotated[Me, authz.requires("read", claims=Me)]) -> str:
            return me.sub

        app.dependency_overrides[authz.requires("read", claims=Me).dependency] = lambda: Me(
            sub="fake", **{ROLES: []}
        )
        assert TestClient(app).get("/me").json() == "fake"

    def test_a_whole_app_may_ask_for_a_class(self):
        authz = fastapi_door.JWTAuthz(server_for())
        app = FastAPI(dependencies=[authz.requires("read", claims=Me)])
        authz.init_app(app)
        app.get("/me")(lambda: "in")
        assert TestClient(app).get("/me", headers=bearer(**GOOD)).json() == "in"
        assert TestClient(app).get("/me", headers=bearer(scope="read")).status_code == 401

    def test_scopes_asked_for_above_count_in_every_case(self):
        for needs, settings in ((("read",), {}), (("read",), {"shadow": True})):
            app, authz = self.app()

            async def inner(me: Annotated[Me, authz.requires(*needs, claims=Me, **settings)]) -> Me:
                return me

            @app.get("/me")
            async def view(me: Annotated[Me, Security(inner, scopes=["write"])]) -> str:
                return me.sub

            client = TestClient(app)
            assert client.get("/me", headers=bearer(**{**GOOD, "scope": "read write"})).json() == "user-1"
            assert client.get("/me", headers=bearer(**GOOD)).status_code == 403
            assert client.get("/me", headers=bearer(scope="read write")).status_code == 401

    def test_behind_the_middleware_the_token_is_verified_once_and_the_claims_read(self):
        server = server_for()
        app, authz = FastAPI(), fastapi_door.JWTAuthz(server)
        authz.init_app(app)
        app.add_middleware(starlette_door.JWTAuthzMiddleware, server=server)

        @app.get("/me")
        async def view(me: Annotated[Me, authz.requires("read", claims=Me)]) -> str:
            return me.sub

        assert TestClient(app).get("/me", headers=bearer(**GOOD)).json() == "user-1"
        assert TestClient(app).get("/me", headers=bearer(scope="read")).status_code == 401

    @pytest.mark.filterwarnings("ignore")
    def test_without_init_app_it_is_an_http_exception(self):
        status, body, challenge = fastapi_app("annotated", "read", init=False)(bearer(scope="read"))
        assert (status, body["detail"]["error"]) == (401, "invalid_token")
        assert "error=" in challenge

    def test_a_preflight_has_no_claims(self):
        app, authz = self.app()

        @app.options("/me")
        async def view(me: Annotated[Me | None, authz.requires("read", claims=Me)]) -> bool:
            return me is None

        headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
        assert TestClient(app).options("/me", headers=headers).json() is True

    def test_a_function_that_can_not_be_hashed_goes_along(self):
        class Check:
            __hash__ = None  # type: ignore[assignment]

            def __call__(self, token, request):
                return "editor" in token.claims_as(Me).roles

        send = fastapi_app("annotated", Check())
        assert send(bearer(**GOOD))[0] == 200
        assert send(bearer(**{ROLES: []}))[0] == 403

    def test_a_handler_of_the_application_hears_which_claim_it_is(self):
        app, authz = self.app()
        heard = []

        @app.exception_handler(AccessDenied)
        async def hear(request, denied):
            heard.append(denied.finding.claim)
            return JSONResponse({}, denied.status)

        @app.get("/me")
        async def view(me: Annotated[Me, authz.requires("read", claims=Me)]) -> str:
            return me.sub

        assert TestClient(app).get("/me", headers=bearer(scope="read")).status_code == 401
        assert heard == [ROLES]
