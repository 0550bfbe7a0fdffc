"""The routes of the table as Flask apps, one for each way to write a protected view."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask
from flask.views import MethodView

from jwtauthz import authenticated, public
from jwtauthz.flask import JWTAuthz, current_token, requires

from .table import EITHER, NESTED, Answer, Client, Sent, broken, owner

if TYPE_CHECKING:
    from collections.abc import Callable

    from jwtauthz import ResourceServer

ROUTES: list[tuple[str, object, dict[str, Any]]] = [
    ("/any", authenticated(), {"methods": ["GET", "OPTIONS", "POST"]}),
    ("/read", "read:users", {}),
    ("/either", EITHER, {}),
    ("/nested", NESTED, {}),
    ("/own/<user_id>", owner, {}),
    ("/broken", broken, {}),
    ("/optional", authenticated(), {}),
]


def _answer() -> dict[str, Any]:
    return {"sub": current_token.subject if current_token else None}


def _decorated(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    @app.route(path, endpoint=path, **options)
    @requires(need, optional=optional)
    def view(user_id: str = "") -> dict[str, Any]:
        return _answer()


def _decorated_async(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    @app.route(path, endpoint=path, **options)
    @requires(need, optional=optional)
    async def view(user_id: str = "") -> dict[str, Any]:
        return _answer()


def _method(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    class View(MethodView):
        @requires(need, optional=optional)
        def get(self, user_id: str = "") -> dict[str, Any]:
            return _answer()

        @requires(need, optional=optional)
        async def options(self, user_id: str = "") -> dict[str, Any]:
            return _answer()

        @requires(need, optional=optional)
        def post(self, user_id: str = "") -> dict[str, Any]:
            return _answer()

    app.add_url_rule(path, view_func=View.as_view(path), **options)


def _view_class(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    class View(MethodView):
        decorators = [requires(need, optional=optional)]  # noqa: RUF012

        async def get(self, user_id: str = "") -> dict[str, Any]:
            return _answer()

        def options(self) -> dict[str, Any]:
            return _answer()

        def post(self) -> dict[str, Any]:
            return _answer()

    app.add_url_rule(path, view_func=View.as_view(path), **options)


def _blueprint(app: Flask, path: str, need: object, optional: bool, options: Any, *, nested: bool = False) -> None:
    name = path.strip("/").replace("/", "_")
    blueprint = inner = Blueprint(name, __name__)
    if nested:
        inner = Blueprint("inner", __name__)

    @inner.route(path, **options)
    def view(user_id: str = "") -> dict[str, Any]:
        return _answer()

    app.extensions["jwtauthz"].protect(blueprint, need, optional=optional)
    if nested:
        blueprint.register_blueprint(inner)
    app.register_blueprint(blueprint)


def _twice(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    @app.route(path, endpoint=path, **options)
    @requires(authenticated(), optional=optional)
    @requires(need, optional=optional)
    def view(user_id: str = "") -> dict[str, Any]:
        return _answer()


def _plain(app: Flask, path: str, need: object, optional: bool, options: Any) -> None:
    """A view that asks for nothing, unless no rule can say it."""
    if optional:
        _decorated(app, path, need, optional, options)
        return

    @app.route(path, endpoint=path, **options)
    def view(user_id: str = "") -> dict[str, Any]:
        return _answer()


RULES = {
    "/public": public(),
    "/optional": public(),
    "/any": authenticated(),
    "GET,OPTIONS /read": "read:users",
    "/either": EITHER,
    "/nested": NESTED,
    "/own/<user_id>": owner,
    "/broken": broken,
}


def _app(add_route: Callable[..., None], server: ResourceServer, **settings: Any) -> Flask:
    app = Flask(__name__)
    JWTAuthz(server).init_app(app, **settings)
    app.add_url_rule("/public", view_func=lambda: {"sub": None}, endpoint="public")
    for path, need, options in ROUTES:
        add_route(app, path, need, path == "/optional", options)
    return app


def client(server: ResourceServer, add_route: Callable[..., None] = _decorated, **settings: Any) -> Client:
    """A client of an app with the table's routes."""
    app = _app(add_route, server, **settings)

    def send(sent: Sent) -> Answer:
        response = app.test_client(use_cookies=False).open(
            sent.path, method=sent.method, headers=list(sent.headers), data=sent.body.encode("latin-1")
        )
        headers = response.headers
        return Answer(
            response.status_code,
            headers.get("WWW-Authenticate"),
            response.get_json() if response.data else None,
            headers.get("Retry-After"),
            headers.get("Cache-Control"),
        )

    return send


FORMS: dict[str, Callable[[ResourceServer], Client]] = {
    "view": client,
    "async view": partial(client, add_route=_decorated_async),
    "method": partial(client, add_route=_method),
    "view class": partial(client, add_route=_view_class),
    "blueprint": partial(client, add_route=_blueprint),
    "nested blueprint": partial(client, add_route=partial(_blueprint, nested=True)),
    "view under two decorators": partial(client, add_route=_twice),
    "rules": partial(client, add_route=_plain, rules=RULES),
    "rules and decorators": partial(client, rules=RULES),
}
