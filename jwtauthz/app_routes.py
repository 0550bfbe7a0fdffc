"""The routes of an application as data: where they are, and what stands between a request and each of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from .route_paths import Parameter, PathPattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .decision import Requirement
    from .route_table import Rule

# A parameter as a router may write it, `<any("a/b"):x>` and custom kinds included.
_PARAMETER: Final = re.compile(r"\{(?P<name>\w*)(?::(?P<kind>[^{}]*))?\}|<(?:(?P<kind2>[^<>]*):)?(?P<name2>\w*)>")
_KINDS: Final = frozenset({"int", "uuid"})
_WHOLE: Final = {"", "str", "string", "default", "float", *_KINDS}  # other kinds may hold slashes


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that stands before a route.

    Attributes:
        needed: what it asks for; None if it says that the route is public.
        where: what asks: a rule, a decorator, a blueprint, a dependency.
        optional: whether requests without credentials pass it.
        only_at: the path of a rule that is for a part of the route, and there goes before the others.
    """

    needed: Requirement | None
    where: str
    optional: bool = False
    only_at: str | None = None


@dataclass(frozen=True, slots=True)
class AppRoute:
    """A route for one method.

    Attributes:
        method: the HTTP method, `websocket`, or `*` for all that there are, or where nobody knows.
        path: the path as the framework writes it, with that of its mounts and routers.
        layers: what stands before it, the outermost first.
        opaque: it is an application of its own, whose routes can't be seen.
    """

    method: str
    path: str
    layers: tuple[Layer, ...] = ()
    opaque: bool = False

    @property
    def pattern(self) -> PathPattern:
        """What it covers, or more."""
        return loosely(self.path + ("/*" if self.opaque else ""))

    def below(self, prefix: str) -> AppRoute:
        """The same, seen from below a prefix of its path."""
        return replace(self, path=self.path.removeprefix(prefix))

    @property
    def is_protected(self) -> bool:
        """Whether no request without a valid token comes in."""
        whole = [layer for layer in self.layers if layer.only_at is None]
        return any(layer.needed is not None and not layer.optional for layer in whole)

    @property
    def is_public(self) -> bool:
        """Whether somebody has said that it is open: by `public()`, `public=` or `optional=True`."""
        return not self.is_protected and any(layer.needed is None or layer.optional for layer in self.layers)


def loosely(path: str) -> PathPattern:
    """What a route covers, and rather more than less: a segment with a part that may change may be anything."""
    found: list[tuple[str, str]] = []

    def keep(match: re.Match[str]) -> str:
        found.append(
            (match["name"] or match["name2"] or "_", (match["kind"] or match["kind2"] or "").partition("(")[0])
        )
        return "\0"

    marked = _PARAMETER.sub(keep, path)
    parameters = iter(found)
    segments: list[str | Parameter] = []
    parts = marked.split("/")[1:] or [""]
    slash = parts[-1] == ""
    for part in parts[:-1] if slash else parts:
        inside = [next(parameters) for _ in range(part.count("\0"))]
        if part == "*" or any(kind not in _WHOLE for _, kind in inside):
            return PathPattern(path, tuple(segments), below=True)
        if not inside:
            segments.append(part)
        else:
            name, kind = inside[0]
            segments.append(Parameter(name, kind if part == "\0" and kind in _KINDS else None))
    return PathPattern(path, tuple(segments), slash=slash)


def dead_rules(rules: Iterable[Rule], routes: Sequence[AppRoute]) -> Iterator[str]:
    """What rules name that no route has: a typo, or a route that is gone."""
    patterns = [(route.method, route.pattern) for route in routes]
    for rule in rules:
        there = {method for method, pattern in patterns if pattern.meet(rule.path) is not None}
        if not there:
            yield f"The rule {rule.text!r} is for no route of the application."
            continue
        for method in rule.methods or ():
            # Frameworks and their CORS middleware answer OPTIONS without a route.
            if method != "OPTIONS" and not there & {method, "*"}:
                known = ", ".join(sorted(name.upper() for name in there))
                yield f"The rule {rule.text!r} is for {method.upper()}; the application has {known} there."


def layers_of_rules(rules: Sequence[Rule], route: AppRoute) -> list[Layer]:
    """What rules ask of a route: the narrowest that covers all of it, and narrower ones that cover a part."""
    rule, pattern = covering(rules, route), route.pattern
    layers = [] if rule is None else [Layer(rule.needed, f"rule {rule.text!r}")]
    for other in rules:
        apart = other is not rule and _is_for(other, route.method) and other.path.within(pattern)
        if apart and not pattern.within(other.path):
            layers.append(Layer(other.needed, f"rule {other.text!r}", only_at=other.path.text))
    return layers


def covering(rules: Iterable[Rule], route: AppRoute) -> Rule | None:
    """The narrowest rule that covers a whole route; None where none does."""
    pattern, best = route.pattern, None
    for rule in rules:
        if _is_for(rule, route.method) and pattern.within(rule.path) and _opens_or_closes(rule, pattern):
            best = rule if best is None or _narrower(rule, best) else best
    return best


def _is_for(rule: Rule, method: str) -> bool:
    return rule.methods is None or method in rule.covers - {"*"}


def _opens_or_closes(rule: Rule, pattern: PathPattern) -> bool:
    if rule.needed is not None:
        return True
    if rule.path.below:
        return pattern.below or pattern.slash or len(pattern.segments) > len(rule.path.segments)
    return rule.path.slash == pattern.slash


def _narrower(one: Rule, other: Rule) -> bool:
    if one.path.shape == other.path.shape:
        return one.methods is not None and (other.methods is None or "HEAD" in one.methods)
    return one.path.within(other.path)
