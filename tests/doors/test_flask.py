"""What only Flask has: blueprints, error handlers, `current_token`, and ways to go wrong."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest
from flask import Blueprint, Flask, g, jsonify
from flask.views import MethodView

from jwtauthz import AccessDenied, ConfigurationError, InvalidToken, Issuer, ResourceServer, authenticated
from jwtauthz.flask import JWTAuthz, current_token, requires
from jwtauthz.testing import FakeIssuer

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

ISSUER = FakeIssuer(network=False)


def server(**settings: Any) -> ResourceServer:
    return ResourceServer(Issuer(ISSUER.url, key_set=ISSUER.key_set), audience=ISSUER.audience, **settings)


def bearer(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {ISSUER.token(**claims)}"}


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    JWTAuthz(server()).init_app(app)
    return app


def get(app: Flask, path: str = "/", method: str = "GET", **claims: Any) -> TestResponse:
    return app.test_client().open(path, method=method, headers=bearer(**claims) if claims else {})


class Counting:
    """A `revoked=` that counts how often a token was verified."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, token: object) -> bool:
        self.asked += 1
        return False


# ── setting up ──


def test_the_app_may_be_given_at_once() -> None:
    app = Flask(__name__)
    authz = JWTAuthz(server(), app)
    assert app.extensions["jwtauthz"] is authz


def test_init_app_twice_does_nothing_more() -> None:
    app = Flask(__name__)
    authz = JWTAuthz(server(), app)
    authz.init_app(app)
    assert len(app.before_request_funcs[None]) == 1


def test_one_server_may_serve_two_apps() -> None:
    authz = JWTAuthz(server())
    for app in (Flask("one"), Flask("two")):
        authz.init_app(app)
        app.get("/")(requires(authenticated())(lambda: "in"))
        assert get(app, scope="a").status_code == 200
        assert get(app).status_code == 401


def test_two_servers_in_one_app_are_refused(app: Flask) -> None:
    with pytest.raises(ConfigurationError, match="has a JWTAuthz already"):
        JWTAuthz(server()).init_app(app)


def test_it_wants_a_resource_server() -> None:
    with pytest.raises(ConfigurationError, match=r"Write JWTAuthz\(ResourceServer"):
        JWTAuthz("https://issuer.example.com/")  # type: ignore[arg-type]


@pytest.mark.parametrize("claims", [{}, {"scope": "a"}], ids=["without a token", "with a good token"])
def test_requires_in_an_app_without_jwtauthz_is_loud_and_not_open(claims: dict[str, str]) -> None:
    app = Flask(__name__)
    app.testing = True
    app.get("/")(requires("a")(lambda: "in"))
    with pytest.raises(RuntimeError, match=r"Write JWTAuthz\(server\)\.init_app\(app\)"):
        get(app, **claims)
    app.testing = False
    assert get(app, **claims).status_code == 500


def test_a_protected_blueprint_in_an_app_without_jwtauthz_is_not_open() -> None:
    app, blueprint = Flask(__name__), Blueprint("b", __name__)
    blueprint.get("/")(lambda: "in")
    JWTAuthz(server()).protect(blueprint, "a")
    app.register_blueprint(blueprint)
    assert get(app, scope="a").status_code == 500


def test_a_blueprint_protected_by_another_jwtauthz_is_not_open(app: Flask) -> None:
    blueprint = Blueprint("b", __name__)
    blueprint.get("/")(lambda: "in")
    JWTAuthz(server()).protect(blueprint, "a")
    app.register_blueprint(blueprint)
    assert get(app, scope="a").status_code == 500


# ── decorating ──


@pytest.mark.parametrize(
    ("decorate", "said"),
    [
        pytest.param(lambda: requires(lambda: "in"), "parentheses are missing", id="without parentheses"),
        pytest.param(lambda: requires(lambda user_id: "in"), "are missing", id="without them, on a parameter"),
        pytest.param(lambda: requires(lambda self, x: "in"), "are missing", id="without them, on a method"),
        pytest.param(requires, "asks for nothing", id="asking for nothing"),
        pytest.param(lambda: requires(""), "asks for nothing", id="asking for an empty scope"),
        pytest.param(lambda: requires("a b"), "holds a space", id="asking for two scopes in one string"),
        pytest.param(lambda: requires(["a", "b"]), "leaves open whether", id="asking with a list"),
        pytest.param(lambda: requires("a")(MethodView), "decorators = ", id="on a view class"),
        pytest.param(lambda: requires("a")("view"), "can't protect 'view'", id="on no view at all"),  # type: ignore[type-var]
        pytest.param(lambda: JWTAuthz(server()).protect(Flask("x"), "a"), "Blueprint", id="protecting an app"),  # type: ignore[arg-type]
        pytest.param(
            lambda: JWTAuthz(server()).protect(Blueprint("b", "b")),
            "asks for nothing",
            id="protecting for nothing",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(decorate: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        decorate()


def test_requires_above_the_route_is_loud_and_not_open(app: Flask) -> None:
    app.testing = True

    @requires("a")
    @app.get("/")
    def view() -> str:
        return "in"

    with pytest.raises(RuntimeError, match=r"goes around its @requires"):
        get(app)
    with pytest.raises(RuntimeError, match=r"goes around its @requires"):
        get(app, scope="a")


def test_a_view_may_be_open_on_one_route_and_protected_on_another(app: Flask) -> None:
    def view() -> str:
        return "in"

    app.add_url_rule("/open", "open", view)
    app.add_url_rule("/closed", "closed", requires("a")(view))
    assert [get(app, path).status_code for path in ("/open", "/closed")] == [200, 401]


def test_another_decorator_may_stand_over_it(app: Flask) -> None:
    def shouting(view: Any) -> Any:
        @functools.wraps(view)
        def louder() -> str:
            return str(view()).upper()

        return louder

    @app.get("/")
    @shouting
    @requires("a")
    def view() -> str:
        return "in"

    assert get(app, scope="a").text == "IN"
    assert get(app).status_code == 401


def test_the_view_keeps_its_name_and_its_kind() -> None:
    @requires("a")
    async def view() -> None:
        """Say nothing."""

    assert (view.__name__, view.__doc__) == ("view", "Say nothing.")
    coroutine = view()
    coroutine.close()


def test_every_policy_holds_and_the_token_is_verified_once() -> None:
    counting = Counting()
    app, outer, inner = Flask(__name__), Blueprint("outer", __name__), Blueprint("inner", __name__)
    authz = JWTAuthz(server(revoked=counting), app)

    @inner.get("/")
    @requires("c")
    @requires("d")
    def view() -> str:
        return "in"

    authz.protect(outer, "a")
    authz.protect(inner, "b")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert get(app, scope="a b c d").text == "in"
    assert counting.asked == 1
    for missing in "abcd":
        answer = get(app, scope=" ".join({*"abcd"} - {missing}))
        assert (answer.status_code, answer.get_json()["required"]) == (403, [missing])


def test_an_optional_blueprint_may_hold_a_view_that_is_not(app: Flask) -> None:
    blueprint = Blueprint("b", __name__)

    @blueprint.get("/open")
    def opened() -> dict[str, bool]:
        return {"anonymous": not current_token}

    @blueprint.get("/closed")
    @requires("a")
    def closed() -> str:
        return "in"

    app.extensions["jwtauthz"].protect(blueprint, authenticated(), optional=True)
    app.register_blueprint(blueprint)
    assert get(app, "/open").get_json() == {"anonymous": True}
    assert get(app, "/closed").status_code == 401
    assert get(app, "/closed", scope="a").text == "in"


# ── OPTIONS that Flask answers itself ──

_PREFLIGHT = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "GET"}


@pytest.mark.parametrize("form", ["view", "blueprint"])
@pytest.mark.parametrize(
    ("preflight", "headers", "status"),
    [
        pytest.param(True, _PREFLIGHT, 200, id="a preflight passes"),
        pytest.param(True, {}, 401, id="OPTIONS that is no preflight does not"),
        pytest.param(False, _PREFLIGHT, 401, id="a preflight does not pass where it is closed"),
    ],
)
def test_options_that_flask_answers(form: str, preflight: bool, headers: dict[str, str], status: int) -> None:
    app, blueprint = Flask(__name__), Blueprint("b", __name__)
    authz = JWTAuthz(server(preflight=preflight), app)
    if form == "view":
        blueprint.get("/")(requires("a")(lambda: "in"))
    else:
        blueprint.get("/")(lambda: "in")
        authz.protect(blueprint, "a")
    app.register_blueprint(blueprint)
    answer = app.test_client().options("/", headers=headers)
    assert (answer.status_code, answer.text) == (status, answer.text if status == 401 else "")


# ── answers of the app's own ──


def teapot(denied: AccessDenied) -> Any:
    return jsonify(because=str(denied.finding.code)), 418


@pytest.mark.parametrize("first", ["app", "jwtauthz"])
def test_a_handler_of_the_app_answers(first: str) -> None:
    """Whether it was registered before or after `init_app`."""
    app = Flask(__name__)
    if first == "app":
        app.errorhandler(AccessDenied)(teapot)
    JWTAuthz(server()).init_app(app)
    if first == "jwtauthz":
        app.errorhandler(AccessDenied)(teapot)
    app.get("/")(requires("a")(lambda: "in"))
    assert (get(app).status_code, get(app).get_json()) == (418, {"because": "no_credentials"})


def test_a_handler_of_the_app_for_one_kind_of_denial_answers_that_kind(app: Flask) -> None:
    app.errorhandler(InvalidToken)(teapot)
    app.get("/")(requires("a")(lambda: "in"))
    assert get(app, expires_in=-60).status_code == 418
    assert get(app).status_code == 401


def test_a_handler_for_every_exception_leaves_denials_alone(app: Flask) -> None:
    app.errorhandler(Exception)(lambda error: ("oops", 500))
    app.get("/")(requires("a")(lambda: "in"))
    assert get(app).status_code == 401


def test_a_handler_of_a_blueprint_answers_there(app: Flask) -> None:
    blueprint = Blueprint("b", __name__)
    blueprint.errorhandler(AccessDenied)(teapot)
    app.get("/app", endpoint="app")(requires("a")(lambda: "in"))
    blueprint.get("/blueprint")(requires("a")(lambda: "in"))
    blueprint.get("/protected", endpoint="protected")(lambda: "in")
    app.extensions["jwtauthz"].protect(blueprint, "a")
    app.register_blueprint(blueprint)
    assert [get(app, path).status_code for path in ("/app", "/blueprint", "/protected")] == [401, 418, 418]


def test_a_denial_that_a_view_raises_is_answered_too(app: Flask) -> None:
    app.get("/")(lambda: str(app.extensions["jwtauthz"].server.authorize(None, "a")))
    answer = get(app)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="api"')


# ── current_token ──


def test_outside_of_a_request_there_is_no_token() -> None:
    with pytest.raises(RuntimeError, match=r"there is no request here\. Read it in a view"):
        _ = current_token.subject
    assert not current_token


def test_in_an_open_view_the_message_says_what_to_write(app: Flask) -> None:
    app.testing = True
    app.get("/")(lambda: current_token.subject)
    with pytest.raises(RuntimeError, match=r"Write @requires"):
        get(app, scope="a")


def test_a_token_does_not_outlive_its_request(app: Flask) -> None:
    """Even in an application context that does, with everything on `g`."""
    app.get("/")(requires("a")(lambda: current_token.subject))
    app.get("/open", endpoint="open")(lambda: {"token": bool(current_token)})
    with app.app_context():
        assert get(app, scope="a").text == "user-1"
        assert get(app).status_code == 401
        assert get(app, "/open").get_json() == {"token": False}
        assert [name for name in g if "jwtauthz" in name] == []


def test_its_repr_shows_no_token(app: Flask) -> None:
    app.get("/")(requires("a")(lambda: repr(current_token)))
    assert get(app, scope="a").text.startswith("<VerifiedToken subject='user-1'")


def test_a_check_sees_the_request_of_flask(app: Flask) -> None:
    seen: list[Any] = []

    def look(token: Any, request: Any) -> bool:
        seen.append(
            (request.method, request.path, dict(request.path_params), request.headers["x-a"], request.source)
        )
        return True

    app.get("/users/<int:number>")(requires(look)(lambda number: "in"))
    app.test_client().get("/users/7", headers={**bearer(), "X-A": "b"}, environ_overrides={"SCRIPT_NAME": "/v1"})
    ((method, path, params, header, source),) = seen
    assert (method, path, params, header) == ("GET", "/v1/users/7", {"number": 7}, "b")
    assert source.path == "/users/7"
