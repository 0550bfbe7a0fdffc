"""`jwtauthz routes`: every route of an app, and what stands before it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from jwtauthz import ConfigurationError, RouteTable, public
from jwtauthz.spelling import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from jwtauthz.app_routes import AppRoute, Layer

_COLOURS = {"protected": "green", "public": "cyan", "UNPROTECTED": "bold red"}


@dataclass(frozen=True)
class Row:
    """A route, with all its methods before which the same stands."""

    methods: tuple[str, ...]
    path: str
    layers: tuple[Layer, ...]
    status: str


def load(target: str) -> Any:
    """The app that `module:name` names, `module:make_app()` calls for, or a usage error."""
    module_name, _, name = target.partition(":")
    if not module_name or not name:
        raise click.UsageError(f"{target!r} names no app. Write it as module:app, or module:create_app().")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
        for part in name.removesuffix("()").split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise click.UsageError(f"{target!r} can't be loaded: {error}") from error
    try:
        return found() if name.endswith("()") else found
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def examine(app: Any) -> tuple[list[AppRoute], list[str]]:
    """The routes of an app, and its rules that are for none of them."""
    flask = sys.modules.get("flask")
    if flask is not None and isinstance(app, flask.Flask):
        from jwtauthz import flask_routes

        return flask_routes.routes_of(app), flask_routes.dead_rules_of(app)
    if not callable(app) or isinstance(app, type):
        raise click.UsageError(f"{app!r} is no app of Flask, Starlette or FastAPI.")
    try:
        from jwtauthz import starlette_routes
    except ModuleNotFoundError as missing:
        raise click.UsageError(f"{app!r} is no app of Flask, and there is no {missing.name} here.") from missing

    return starlette_routes.routes_of(app), starlette_routes.dead_rules_of(app)


def rows_of(routes: Iterable[AppRoute], known_open: tuple[str, ...]) -> list[Row]:
    """The routes as rows; those that `known_open` names may be open."""
    try:
        opened = RouteTable(dict.fromkeys(known_open, public())) if known_open else None
    except ConfigurationError as error:
        raise click.UsageError(f"--public: {error}") from error
    rows: dict[tuple[str, tuple[Layer, ...], str], list[str]] = {}
    for route in routes:
        status = "protected" if route.is_protected else "public" if route.is_public else "UNPROTECTED"
        path = route.pattern.text
        if status == "UNPROTECTED" and opened is not None and opened.covering(route) is not None:
            status = "public"
        rows.setdefault((path, route.layers, status), []).append(route.method.upper())
    return [Row(_methods(methods), *key[:2], key[2]) for key, methods in rows.items()]


def _methods(methods: list[str]) -> tuple[str, ...]:
    """Without those that a framework adds by itself, where there are others."""
    own = [name for name in methods if name not in {"OPTIONS", "HEAD"}]
    return tuple(own or methods)


def show(rows: list[Row], dead: list[str], console: Console) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for title in ("methods", "path", "", "who may"):
        table.add_column(title, overflow="fold")
    for row in rows:
        texts = (",".join(row.methods), row.path, row.status, "; ".join(map(_layer, row.layers)))
        methods, path, status, policy = map(escape, texts)
        table.add_row(methods, path, f"[{_COLOURS[row.status]}]{status}[/]", policy)
    console.print(table)
    for sentence in dead:
        console.print(sentence, style="bold red", markup=False, highlight=False)


def _layer(layer: Layer) -> str:
    needs = "public()" if layer.needed is None else spelled(layer.needed)
    at = "" if layer.only_at is None else f"at {layer.only_at}: "
    return f"{at}{needs}{' optional' if layer.optional else ''} ({layer.where})"


def as_json(rows: list[Row], dead: list[str]) -> dict[str, Any]:
    """The same for programs."""
    return {
        "routes": [
            {
                "methods": list(row.methods),
                "path": row.path,
                "status": row.status.lower(),
                "layers": [
                    {
                        "where": layer.where,
                        "needs": None if layer.needed is None else spelled(layer.needed),
                        "optional": layer.optional,
                        "only_at": layer.only_at,
                    }
                    for layer in row.layers
                ],
            }
            for row in rows
        ],
        "rules_without_route": dead,
    }


def exit_code(rows: list[Row], dead: list[str]) -> int:
    """What `--check` exits with: 1 for a route that nothing protects, or a rule without a route."""
    return 1 if dead or any(row.status == "UNPROTECTED" for row in rows) else 0
