"""The routes of a Flask application, and the rules that stand before them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol

from flask import current_app, request

from .app_routes import AppRoute, Layer
from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

    from .policy import Requirement
    from .route_table import RouteTable

    class _Admit(Protocol):
        def __call__(
            self, needed: Requirement, *, optional: bool, path_params: Mapping[str, str] | None
        ) -> None: ...


logger = logging.getLogger("jwtauthz")

NEEDS: Final = "_jwtauthz_needs"  # the attribute of a guarded view, or of what guards a blueprint
_RULES: Final = "jwtauthz.rules"


def guard_by_rules(app: Flask, table: RouteTable, admit: _Admit) -> None:
    """Ask the rules of a table before everything else that an app does with a request.

    Raises:
        ConfigurationError: the app has rules already.
    """
    if _RULES in app.extensions:
        raise ConfigurationError(f"The app {app.name!r} has rules already. Write them into one table.")
    app.extensions[_RULES] = table
    told = False

    def by_rules() -> None:
        nonlocal told
        if not told:
            told = True
            for sentence in table.without_route(_routes(current_app)):
                logger.error("%s Correct it, or leave it out.", sentence)
        needed, path_params, _ = table.find(request.method, request.path)
        if needed is not None:
            admit(needed, optional=False, path_params=path_params)

    app.before_request_funcs.setdefault(None, []).insert(0, by_rules)


def routes_of(app: Flask) -> list[AppRoute]:
    """Every route of an application, with what stands before each."""
    table: RouteTable | None = app.extensions.get(_RULES)
    found = list(_routes(app))
    if table is None:
        return found
    return [AppRoute(each.method, each.path, (*table.layers_for(each), *each.layers)) for each in found]


def dead_rules_of(app: Flask) -> list[str]:
    """A sentence for each rule that is for no route of an application."""
    table: RouteTable | None = app.extensions.get(_RULES)
    return [] if table is None else table.without_route(_routes(app))


def _routes(app: Flask) -> Iterator[AppRoute]:
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods or ["*"]):
            layers = tuple(_layers(app, rule.endpoint, method))
            yield AppRoute(method, rule.rule, layers)


def _layers(app: Flask, endpoint: str, method: str) -> Iterator[Layer]:
    """Those of the blueprints around a view, those of the view, and those of its method."""
    names = endpoint.split(".")[:-1]
    for name in (".".join(names[: number + 1]) for number in range(len(names))):
        for function in app.before_request_funcs.get(name, ()):
            yield from _asked_by(function, f"blueprint {name}")
    view = app.view_functions.get(endpoint)
    yield from _asked_by(view, "@requires")
    of_class = getattr(view, "view_class", None)
    name = "get" if method == "HEAD" and not hasattr(of_class, "head") else method.lower()
    yield from _asked_by(getattr(of_class, name, None), "@requires")


def _asked_by(function: Any, where: str) -> Iterator[Layer]:
    for needed, optional in getattr(function, NEEDS, ()):
        yield Layer(needed, where, optional)
