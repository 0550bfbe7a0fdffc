"""Rules by route: who may do what, written once as a table, and looked up by method and path.

    RouteTable({
        "GET /users": "read:users",
        "GET,PUT /users/{id}": any_of("admin", owner),
        "/admin/*": "admin",
        "/health": public(),
    })

The narrowest rule for the path and the method decides; what no rule covers is closed. *An opening is read
narrowly, a closing widely*: `public()` opens the path as it is written and no other spelling of it, all else also
covers the path with or without a slash at its end, and "/admin/*" covers "/admin" too. A path that two readers
may read in two ways belongs to no rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import fspath
from typing import TYPE_CHECKING, Final, NamedTuple

from .app_routes import Layer, covering, dead_rules, layers_of_rules
from .errors import ConfigurationError
from .route_paths import is_odd
from .route_rules import WEBSOCKET, NoRule, Rule, public, public_rule, rule_of
from .route_tree import RouteTree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from .app_routes import AppRoute
    from .decision import Requirement

__all__ = ["WEBSOCKET", "Found", "NoRule", "RouteTable", "Rule", "public"]


_MAX_SHOWN: Final = 120


class Found(NamedTuple):
    """What a table says of a request: what it needs (None: nothing), the path's parameters, and the rule."""

    needed: Requirement | None
    path_params: Mapping[str, str]
    rule: Rule | None


class RouteTable:
    """Rules by method and path, checked when it is built, and looked up at the same cost however many there are.

    Args:
        rules: `{"GET /users": "read:users"}`. A key is a path, with or without methods before it: "GET /x",
            "GET,POST /x", "WEBSOCKET /x"; "/x" and "* /x" are for all, those that a narrower rule has excepted. A
            path is written as in Starlette and FastAPI (`{id}`, `{id:int}`, `{rest:path}`) or as in Flask
            (`<int:id>`); "/admin/*" is all that lies below. A value is a scope, a requirement such as
            `any_of(...)`, a function `(token, request) -> bool`, or `public()`.

    Raises:
        ConfigurationError: a rule makes no sense, two of them are for the same requests, or one is never reached.
    """

    def __init__(self, rules: Mapping[str, object]) -> None:
        if not isinstance(rules, Mapping) or not rules:
            raise ConfigurationError(
                f"rules={rules!r} holds no rule. Write {{'GET /users': 'read:users', '/health': public()}}."
            )
        self._build(rule_of(key, value) for key, value in rules.items())

    def _build(self, rules: Iterable[Rule], otherwise: Found | None = None) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._tree = RouteTree(self.rules)
        self._otherwise = otherwise

    @classmethod
    def of(cls, rules: object) -> RouteTable:
        """A table as it is, or one made of a dict. Raises ConfigurationError."""
        return rules if isinstance(rules, cls) else cls(rules)  # type: ignore[arg-type]

    @classmethod
    def for_door(cls, rules: object, public_paths: Iterable[str], otherwise: Requirement) -> RouteTable | None:
        """What a door looks up: `rules`, with the paths that `public=` opens; None if there is neither.

        Without `rules`, `otherwise` is asked wherever nothing is public.

        Raises:
            ConfigurationError: a rule or a path makes no sense.
        """
        if isinstance(public_paths, str):
            raise ConfigurationError(f"public={public_paths!r} is one string. Write public=[{public_paths!r}].")
        opened = list({rule.text: rule for rule in map(public_rule, public_paths)}.values())
        if rules is None and not opened:
            return None
        given: tuple[Rule, ...] = ()
        if rules is not None:
            table = cls.of(rules)
            if not opened:
                return table
            given = table.rules
        made = cls.__new__(cls)
        made._build([*given, *opened], None if rules is not None else Found(otherwise, {}, None))  # noqa: SLF001
        return made

    @classmethod
    def from_toml(cls, path: str | PathLike[str]) -> RouteTable:
        """The table in a TOML file, so that others may read and review it; docs/rules.md has the format.

        Raises:
            ConfigurationError: as for the constructor; the message names file, line and rule.
            OSError: the file can't be read.
        """
        from .route_file import rules_in

        rules, made = rules_in(path), cls.__new__(cls)
        try:
            made._build(rules)  # noqa: SLF001
        except ConfigurationError as error:
            raise ConfigurationError(f"{fspath(path)}: {error}") from None
        return made

    def find(self, method: str, path: str) -> Found:
        """What a request needs.

        Args:
            method: the HTTP method, or `websocket` for a handshake.
            path: the decoded path, relative to where the application stands.
        """
        upper = method if method == WEBSOCKET else method.upper()
        odd, rule = is_odd(path), None
        hit = None if odd else self._tree.find(upper, path)
        if hit is not None:
            rule, values, sure = hit
            if sure:
                return Found(rule.needed, dict(zip(rule.path.names, values, strict=False)), rule)
        return self._otherwise or Found(_no_rule(upper, path, odd=odd, like=rule), {}, None)

    def covering(self, route: AppRoute) -> Rule | None:
        """The narrowest rule that covers a whole route; narrower ones may stand for a part of it."""
        return covering(self.rules, route)

    def layers_for(self, route: AppRoute) -> list[Layer]:
        """What the rules ask of a route; nobody may where none covers it."""
        layers = layers_of_rules(self.rules, route)
        if self._otherwise is None and not any(layer.only_at is None for layer in layers):
            return [Layer(NoRule("", ""), "no rule"), *layers]
        return layers

    def without_route(self, routes: Iterable[AppRoute]) -> list[str]:
        """A sentence for each rule that is for none of these routes, or for a method that they have not."""
        return list(dead_rules(self.rules, list(routes)))

    def __repr__(self) -> str:
        return f"<RouteTable {[rule.text for rule in self.rules]!r}>"


def _shown(text: str) -> str:
    """What a client sent, for a log: escaped, and cut."""
    escaped = ascii(text)[1:-1]
    return escaped if len(escaped) <= _MAX_SHOWN else f"{escaped[:_MAX_SHOWN]}…"


def _no_rule(method: str, path: str, *, odd: bool, like: Rule | None) -> NoRule:
    asked = f"{_shown(method.upper())} {_shown(path)}"
    if odd:
        return NoRule(
            f"{asked} can be read as another path, so no rule covers it.",
            "Paths with empty segments, dot segments, backslashes, control characters or what is still encoded "
            "belong to no rule: let the client send the plain one.",
        )
    if like is not None:
        return NoRule(
            f"{asked} can be taken for what the rule {like.text!r} covers, and is not; no rule covers it.",
            "Let the client send the path as the rule has it, or add a rule for this very path.",
        )
    return NoRule(
        f"No rule covers {asked}; add one.",
        f"Write {asked!r} into the table of rules, with what it needs; '/*' is all that has no rule of its own.",
    )
