"""Dataclasses and TypedDicts, read from JSON values with nothing but the standard library, and strictly.

Strictly: a value is of the type that the class says, and `1`, `True` and `"1"` are three values; a whole number
will do for a float. What a type can't say here (dates, bounds, patterns) is refused when the reader is built, for
a constraint that nobody checks is worse than none: that is what pydantic and msgspec are for.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from .claims import MISSING, Claim, claim_name, lookup, show_claim
from .errors import ConfigurationError
from .signatures import signature_of

Reader = Callable[[Any], Any]

_WORDS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    NoneType: "null",
}
_LISTS: Final[Mapping[Any, type]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_PLAIN: Final = {*_WORDS, float}
_QUALIFIERS: Final = ("Required", "NotRequired", "ReadOnly")


class Unfit(Exception):
    """A value that is not what a type asks for.

    `problems` are pairs of where (a path of names) and what; neither holds a value of the token.
    """

    def __init__(self, problems: Sequence[tuple[Sequence[object], str]], hint: str | None = None) -> None:
        super().__init__(problems)
        self.problems = problems
        self.hint = hint

    def below(self, name: object) -> Unfit:
        """It, seen from one level further up."""
        return Unfit([((name, *path), what) for path, what in self.problems], self.hint)


def is_plain_model(model: Any) -> bool:
    """Whether a class is a dataclass or a TypedDict."""
    return dataclasses.is_dataclass(model) or _is_typed_dict(model)


def plain_reader(model: Any) -> Reader:
    """How a JSON object is read into a dataclass or a TypedDict; the reader raises `Unfit`.

    Raises:
        ConfigurationError: a field has a type that can't be read from JSON alone.
    """
    return _reader(model, {})


def plain(value: Any) -> Any:
    """A copy of a JSON value, down to its last list."""
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    return [plain(element) for element in value] if isinstance(value, list) else value


def _reader(wanted: Any, known: dict[Any, Reader]) -> Reader:
    """How a value is read as a type; `known` are the classes that are being read already, for they may recur."""
    wanted = _unwrapped(wanted)
    if wanted is Any or wanted is object:
        return plain
    if wanted is None or wanted in _WORDS:
        return _exactly(wanted or NoneType)
    if wanted is float:
        return _number
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return _one_of({(type(member.value), member.value): member for member in wanted}, len(wanted), wanted)
    if isinstance(wanted, type) and is_plain_model(wanted):
        if wanted not in known:
            known[wanted] = lambda value: known[wanted](value)  # noqa: PLW0108  # it may hold objects of itself
            known[wanted] = _object(wanted, known)
        return known[wanted]
    return _generic_reader(wanted, get_origin(wanted) or wanted, get_args(wanted), known)


def _generic_reader(wanted: Any, origin: Any, arguments: tuple[Any, ...], known: dict[Any, Reader]) -> Reader:
    """How a value is read as a type that is made of others: `list[X]`, `X | None`."""
    if origin is Literal:
        return _one_of({(type(value), value): value for value in arguments}, len(arguments), wanted)
    if origin in {Union, UnionType}:
        # Two kinds of object can't be told apart but by trial, which takes twice as long at each level of a tree.
        if sum(not _is_leaf(_unwrapped(argument)) for argument in arguments) > 1:
            return _refuse(wanted)
        return _first([_reader(argument, known) for argument in arguments])
    if origin in {dict, Mapping} and arguments[:1] in {(), (str,)}:
        return _mapping(_reader(arguments[1], known) if arguments else plain)
    if origin is tuple and arguments[1:] != (...,):
        return _refuse(wanted)
    if origin in _LISTS:
        return _several(_LISTS[origin], _reader(arguments[0], known) if arguments else plain)
    return _refuse(wanted)


def _unwrapped(wanted: Any) -> Any:
    while isinstance(wanted, typing.NewType) or type(wanted).__name__ == "TypeAliasType":  # that of Python 3.12
        wanted = wanted.__supertype__ if isinstance(wanted, typing.NewType) else wanted.__value__
    return wanted


def _is_leaf(wanted: Any) -> bool:
    if wanted is float or wanted is None or get_origin(wanted) is Literal:
        return True
    return wanted in _WORDS or (isinstance(wanted, type) and issubclass(wanted, Enum))


def _refuse(wanted: Any) -> Reader:
    raise ConfigurationError(
        f"{wanted!r} can't be read from JSON by a dataclass or a TypedDict alone. Write str, int, float, bool, "
        "None, Any, Literal, Enum, tuple[X, ...], list[X], set[X], dict[str, X], such a class, or a union with at "
        "most one of those that hold others; or make it a pydantic model or a msgspec Struct."
    )


def _exactly(kind: type) -> Reader:
    def read(value: Any) -> Any:
        if type(value) is kind:
            return value
        raise Unfit([((), f"not {_WORDS[kind]}")])

    return read


def _number(value: Any) -> float:
    try:
        if type(value) in {int, float}:
            return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        pass
    raise Unfit([((), "not a number")])


def _one_of(values: Mapping[tuple[type, Any], Any], count: int, wanted: Any) -> Reader:
    if len(values) != count or not {kind for kind, _ in values} <= _PLAIN:
        return _refuse(wanted)

    def read(value: Any) -> Any:
        if type(value) in _PLAIN and (type(value), value) in values:
            return values[type(value), value]
        raise Unfit([((), "none of the values that are allowed")])

    return read


def _first(readers: Sequence[Reader]) -> Reader:
    def read(value: Any) -> Any:
        problems: list[tuple[Sequence[object], str]] = []
        for reader in readers:
            try:
                return reader(value)
            except Unfit as unfit:
                problems += unfit.problems
        raise Unfit(problems)

    return read


def _several(kind: type, element: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise Unfit([((), "not a list")])
        read = []
        for number, each in enumerate(value):
            try:
                read.append(element(each))
            except Unfit as unfit:
                raise unfit.below(number) from None
        return kind(read)

    return read


def _mapping(member: Reader) -> Reader:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unfit([((), "not an object")])
        read = {}
        for name, each in value.items():
            try:
                read[name] = member(each)
            except Unfit as unfit:
                raise unfit.below(name) from None
        return read

    return read


@dataclasses.dataclass(frozen=True, slots=True)
class _Field:
    """One field of a class: its name, the claim it is read from, how, and whether it has to be there."""

    name: str
    claim: str | tuple[str, ...]
    read: Reader
    required: bool


def _object(model: Any, known: dict[Any, Reader]) -> Reader:
    fields = _typed_dict_fields(model, known) if _is_typed_dict(model) else _dataclass_fields(model, known)

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Unfit([((), "not an object")])
        found: dict[str, Any] = {}
        problems: list[tuple[Sequence[object], str]] = []
        for field in fields:
            member = lookup(value, field.claim)
            if member is MISSING:
                if field.required:
                    problems.append(((show_claim(field.claim),), "missing"))
                continue
            try:
                found[field.name] = field.read(member)
            except Unfit as unfit:
                problems += unfit.below(show_claim(field.claim)).problems
        if problems:
            raise Unfit(problems)
        try:
            return model(**found)
        except (ValueError, AssertionError):  # its __post_init__ says no, as validators of pydantic do
            refused = Unfit([((), "refused by __post_init__")])
        raise refused

    return read


def _hints(model: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, localns={model.__name__: model}, include_extras=True)
    except NameError as error:
        raise ConfigurationError(
            f"The annotations of {model.__qualname__} can't be read: {error}. Move what they name to the top of "
            "the module, out of `if TYPE_CHECKING`."
        ) from error


def _is_typed_dict(model: Any) -> bool:
    # Also those of typing_extensions, which `typing.is_typeddict` does not know.
    return isinstance(model, type) and hasattr(model, "__required_keys__") and hasattr(model, "__total__")


def _typed_dict_fields(model: Any, known: dict[Any, Reader]) -> list[_Field]:
    fields = []
    for name, hint in _hints(model).items():
        required, wanted = name in model.__required_keys__, hint
        while (qualifier := getattr(get_origin(wanted), "_name", None)) in _QUALIFIERS:
            # Where annotations are strings, `__required_keys__` knows nothing of these.
            required = qualifier == "Required" if qualifier != "ReadOnly" else required
            wanted = get_args(wanted)[0]
        fields.append(_Field(name, name, _field_reader(model, name, wanted, known), required))
    return fields


def _dataclass_fields(model: Any, known: dict[Any, Reader]) -> list[_Field]:
    hints, fields = _hints(model), []
    for field in dataclasses.fields(model):
        if not field.init:
            continue
        claim = claim_name(field.metadata.get("claim", field.name))
        if isinstance(claim, Claim):
            raise ConfigurationError("A Claim(...) says how to read scopes. Here, write its name or path.")
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        fields.append(
            _Field(field.name, claim, _field_reader(model, field.name, hints[field.name], known), required)
        )
    try:
        signature_of(model).bind(**{field.name: None for field in fields})
    except TypeError as error:
        raise ConfigurationError(
            f"{model.__qualname__} can't be made from its fields alone: {error}. Leave out InitVar and an "
            "__init__ of its own."
        ) from error
    return fields


def _field_reader(model: Any, name: str, wanted: Any, known: dict[Any, Reader]) -> Reader:
    try:
        return _reader(wanted, known)
    except ConfigurationError as error:
        raise ConfigurationError(f"{model.__qualname__}.{name}: {error}") from None
