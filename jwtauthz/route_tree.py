"""Rules as a tree of path segments: refuses what is ambiguous, and finds the narrowest rule for a path."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import ConfigurationError
from .route_paths import careless, is_of_kind
from .route_rules import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .route_paths import PathPattern
    from .route_rules import Rule

_KINDS: Final = ("uuid", "int", None)  # in the order in which they are tried: what may be a UUID first


@dataclass(slots=True, eq=False)
class _Node:
    """What rules say after some segments."""

    literals: dict[str, _Node] = field(default_factory=dict)
    spellings: dict[str, list[_Node]] = field(default_factory=dict)  # the same by what they may be taken for
    kinds: dict[str | None, _Node] = field(default_factory=dict)  # narrow ones first, then the one for anything
    here: dict[str, Rule] = field(default_factory=dict)  # by method, or `_slash(method)` if it opens "/a/"
    below: dict[str, Rule] = field(default_factory=dict)


class _Asked(NamedTuple):
    segments: list[str]
    methods: tuple[str, ...]  # by which rules may be found, the first that is there first
    slash: bool


class Hit(NamedTuple):
    """A rule, the values of its parameters, and whether it is sure that the path is meant by it."""

    rule: Rule
    values: tuple[str, ...]
    sure: bool


class RouteTree:
    """The rules of a table, by segment and method.

    Raises:
        ConfigurationError: two rules are for the same requests, or one is never reached.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(rules)
        self._root = _Node()
        for rule in self._rules:
            self._add(rule)
        for rule in self._rules:
            self._refuse_crossings(rule)
            self._refuse_unreachable(rule)

    def find(self, method: str, path: str) -> Hit | None:
        """The narrowest rule for a method and a path that is not odd."""
        segments = path[1:].split("/")
        slash = segments[-1] == ""
        if slash:
            segments.pop()
        methods = ("HEAD", "GET", ALL) if method == "HEAD" else (method, ALL)
        return _walk(self._root, _Asked(segments, methods, slash), 0, (), sure=True)

    def _add(self, rule: Rule) -> None:
        node = self._root
        for part in rule.path.segments:
            if isinstance(part, str):
                if part not in node.literals:
                    node.literals[part] = child = _Node()
                    node.spellings.setdefault(careless(part), []).append(child)
                node = node.literals[part]
            else:
                node.kinds.setdefault(part.kind, _Node())
                node.kinds = {kind: node.kinds[kind] for kind in _KINDS if kind in node.kinds}
                node = node.kinds[part.kind]
        place = node.below if rule.path.below else node.here
        with_slash = rule.needed is None and rule.path.slash
        for method in rule.methods or (ALL,):
            for key in (method, _slash(method)):
                other = place.get(key)
                # "/a" and "/a/" are two paths where both are open.
                if other is not None and (other.needed or rule.needed or other.path.slash == rule.path.slash):
                    raise ConfigurationError(
                        f"The rules {other.text!r} and {rule.text!r} are for the same requests. Leave one out, or "
                        "write one with all_of(...) or any_of(...)."
                    )
            place[_slash(method) if with_slash else method] = rule

    def _refuse_crossings(self, rule: Rule) -> None:
        """Two rules that cover a path, neither of them the narrower one, need a third for what they share."""
        for other in _overlapping(self._root, rule.path, 0):
            common = rule.covers & other.covers
            meet = rule.path.meet(other.path)
            if not common or meet is None or _in_order(rule, other, meet) or _in_order(other, rule, meet):
                continue
            thirds = (third for third in self._rules if third.path.shape == meet.shape)
            narrower = (third.covers for third in thirds if third.needed is not None)
            if not common <= frozenset().union(*narrower):
                raise ConfigurationError(
                    f"{meet.text!r} is covered by the rules {rule.text!r} and {other.text!r}, and neither is the "
                    f"narrower one. Write a rule for {meet.text!r} too, one that asks for something."
                )

    def _refuse_unreachable(self, rule: Rule) -> None:
        node = self._root
        for part in rule.path.segments:
            node = node.literals[part] if isinstance(part, str) else node.kinds[part.kind]
        if not rule.path.below or None not in node.kinds:
            return
        inner = node.kinds[None]
        if all(_closing(node.here, method) and _full(inner, method) for method in rule.methods or (ALL,)):
            raise ConfigurationError(
                f"The rule {rule.text!r} is never reached: narrower ones cover all that it covers. Leave it out."
            )


def _slash(method: str) -> str:
    return f"{method}/"


# ── looking up ──


def _walk(node: _Node, asked: _Asked, at: int, values: tuple[str, ...], *, sure: bool) -> Hit | None:
    """The narrowest rule at or below a node for the segments from `at` on.

    `sure` is false where a segment on the way is only like one of a rule. An opening is not taken then.
    """
    if at == len(asked.segments):
        return _rule_at(node, asked, values, sure=sure)
    segment = asked.segments[at]
    exact = node.literals.get(segment)
    if exact is not None:
        hit = _walk(exact, asked, at + 1, values, sure=sure)
        if hit is not None:
            return hit
    for child, taken, alike in _next(node, segment, exact):
        hit = _walk(child, asked, at + 1, values + taken, sure=sure and alike)
        if hit is not None:
            return hit
    for method in asked.methods if node.below else ():
        rule = node.below.get(method)
        if rule is not None and (sure or rule.needed is not None):
            rest = "/".join(asked.segments[at:]) + ("/" if asked.slash else "")
            return Hit(rule, (*values, rest), sure)
    return None


def _next(node: _Node, segment: str, exact: _Node | None) -> Iterator[tuple[_Node, tuple[str, ...], bool]]:
    """Where a segment leads beside its own node: the node, the parameter that it fills, whether it is sure."""
    if node.literals:
        for alike in node.spellings.get(careless(segment), ()):
            if alike is not exact:
                yield alike, (), False
    for kind, child in node.kinds.items():
        fits = True if kind is None else is_of_kind(kind, segment)
        if fits is not False:
            yield child, (segment,), fits is True


def _rule_at(node: _Node, asked: _Asked, values: tuple[str, ...], *, sure: bool) -> Hit | None:
    """The rule for a path that ends here."""
    for method in asked.methods:
        rule = node.here.get(_slash(method)) if asked.slash and sure else None
        if rule is not None:
            return Hit(rule, values, sure)
        rule = node.here.get(method)
        if rule is not None and (rule.needed is not None or (sure and not asked.slash)):
            return Hit(rule, values, sure)
    for method in asked.methods:
        rule = node.below.get(method)
        if rule is not None and (rule.needed is not None or (sure and asked.slash)):
            return Hit(rule, (*values, ""), sure)
    return None


# ── building ──


def _overlapping(node: _Node, path: PathPattern, at: int) -> Iterator[Rule]:
    """The rules that cover something that the path covers."""
    if at == len(path.segments):
        yield from _all_below(node) if path.below else (*node.here.values(), *node.below.values())
        return
    yield from node.below.values()
    part = path.segments[at]
    if isinstance(part, str):
        children: Sequence[_Node] = [
            *([node.literals[part]] if part in node.literals else ()),
            *(child for kind, child in node.kinds.items() if kind is None or is_of_kind(kind, part)),
        ]
    else:
        children = [*node.literals.values(), *node.kinds.values()]
    for child in children:
        yield from _overlapping(child, path, at + 1)


def _all_below(node: _Node) -> Iterator[Rule]:
    yield from node.here.values()
    yield from node.below.values()
    for child in (*node.literals.values(), *node.kinds.values()):
        yield from _all_below(child)


def _in_order(one: Rule, other: Rule, meet: PathPattern) -> bool:
    """Whether it is plain that the first is asked where both cover a path."""
    if one.path.within(other.path):
        return True
    if one.path.below and not meet.below and len(meet.segments) == len(one.path.segments):
        # "/admin/*" at "/admin": there public() opens nothing, and all else is as narrow as its path is.
        return one.needed is None or one.path.bare.within(other.path)
    return False


def _closing(rules: Mapping[str, Rule], method: str) -> bool:
    return any(name in rules and rules[name].needed is not None for name in (method, ALL))


def _full(node: _Node, method: str) -> bool:
    """Whether rules at or below a node cover all paths that lead through it."""
    if _closing(node.below, method):
        return True
    return _closing(node.here, method) and None in node.kinds and _full(node.kinds[None], method)
