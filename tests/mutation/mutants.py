"""The mistakes that could stand in a file: each mutant is its source with one of them."""

from __future__ import annotations

import ast
import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Mutant:
    """One mistake: where it is, how the line reads with it, and the whole file as a tree that can be compiled."""

    path: Path
    line: int
    change: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.path.stem}:{self.line}: {self.change}"


def mutants_of(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    original = ast.parse(path.read_text())
    for number, node in enumerate(_places(original)):
        for change in range(len(_changes(node))):
            tree = copy.deepcopy(original)
            changed = next(place for at, place in enumerate(_places(tree)) if at == number)
            before = _head(changed)
            _changes(changed)[change]()
            yield Mutant(path, changed.lineno, f"{before} → {_head(changed)}", tree)


def _head(node: ast.AST) -> str:
    """The node as it is written, and of a statement with a body only its first line."""
    return ast.unparse(node).partition("\n")[0]


def _places(node: ast.AST, *, inside: bool = False) -> Iterator[ast.AST]:
    """What can be changed in the bodies of functions; annotations, defaults and decorators are no decisions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _FUNCTIONS):
            for statement in child.body:
                yield from _places(ast.Module([statement], []), inside=True)
        elif isinstance(child, (ast.Import, ast.ImportFrom, ast.JoinedStr)) or _is_prose(child):
            continue
        elif isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield from _places(ast.Expr(child.value), inside=inside)
        else:
            if inside and _changes(child):
                yield child
            yield from _places(child, inside=inside)


def _is_prose(node: ast.AST) -> bool:
    """A docstring or a sentence for the log: what words say is held against the documentation, not here."""
    if isinstance(node, ast.Expr):
        node = node.value
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value


def _changes(node: ast.AST) -> list:  # noqa: C901
    """What can be done to a node, each as a function that does it."""
    found: list = []

    def to(name: str, value: object) -> None:
        found.append(lambda: setattr(node, name, value))

    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARISONS:
            to("ops", [_COMPARISONS[type(operator)]()])
        case ast.BoolOp(op=ast.And()):
            to("op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            to("op", ast.And())
        case ast.BinOp(op=operator) if type(operator) in _OPERATORS:
            to("op", _OPERATORS[type(operator)]())
        case ast.UnaryOp(op=ast.Not()):
            found.append(lambda: _bool(node))
        case ast.If() | ast.IfExp() | ast.While():
            to("test", ast.copy_location(ast.Constant(value=False), node.test))
            if not isinstance(node, ast.While):
                to("test", ast.copy_location(ast.Constant(value=True), node.test))
        case ast.Return(value=ast.expr() as value) if not (
            isinstance(value, ast.Constant) and value.value is None
        ):
            to("value", ast.copy_location(ast.Constant(value=None), value))
        case ast.Constant(value=bool() as value):
            to("value", not value)
        case ast.Constant(value=int() | float() as value):
            to("value", value + 1)
        case ast.Constant(value=str() as value) if value:
            to("value", f"{value}_")
        case ast.Constant(value=bytes() as value) if value:
            to("value", value + b"_")
    return found


def _bool(node: ast.UnaryOp) -> None:
    """`not x` becomes `not not x`."""
    node.operand = ast.copy_location(ast.UnaryOp(op=ast.Not(), operand=node.operand), node)
    ast.fix_missing_locations(node)
