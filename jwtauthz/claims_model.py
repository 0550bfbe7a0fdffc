"""Claims as a class of the application says them: a pydantic model, a msgspec Struct, a dataclass, a TypedDict.

Claims are JSON, and they are read as such, and strictly: `1`, `True` and `"1"` are three values. What a class has
made of them is given to one request alone, for whoever gets it may change it; only what is frozen to its last
field, and so can be hashed, is made once and shared by all that bring the same token.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .challenge import challenge_for
from .claims import printable
from .cures import cure
from .errors import AccessDenied, Code, ConfigurationError, Finding, denial_class
from .plain_model import Unfit, is_plain_model, plain_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Read = Callable[[Mapping[str, Any]], Any]

logger = logging.getLogger("jwtauthz")

_MAX_PROBLEMS: Final = 5
# Every token that is let in has these.
_ALWAYS: Final = frozenset({"iss", "exp"})
_STRICT_HINT: Final = (
    "Claims are read strictly. Change what the issuer writes into the claim, or what the model asks for; "
    "model_config = ConfigDict(strict=False) lets pydantic convert."
)
_EXTRA_HINT: Final = (
    "The model forbids claims that it does not name, and an issuer may add some any day: let it ignore them."
)


class _Made(NamedTuple):
    """What a model has made of claims: a value, or the finding that they do not fit."""

    value: Any = None
    finding: Finding | None = None
    shared: bool = True


class ClaimsModel:
    """A class that claims are read into; there is one of these for each class."""

    __slots__ = ("_frozen", "_read", "name")

    def __init__(self, name: str, read: Read, *, frozen: bool) -> None:
        self.name = name
        self._read = read
        self._frozen = frozen

    def misfit(self, claims: Mapping[str, Any], made: dict[ClaimsModel, _Made]) -> Finding | None:
        """Why claims do not fit, or None; what they were read into waits in `made` for `take`."""
        known = made.get(self)
        if known is None:
            known = self._make(claims)
            self._keep(known, made)
        return known.finding

    def take(self, claims: Mapping[str, Any], made: dict[ClaimsModel, _Made]) -> Any:
        """What claims are read into: for the caller alone, unless nobody can change it.

        Raises:
            AccessDenied: they do not fit, or the model failed.
        """
        # Out of the dict in one step: what one thread has taken, no other gets.
        known = made.pop(self, None)
        if known is None:
            known = self._make(claims)
            if known.finding is not None:
                logger.warning(
                    "claims_as(%s): denied %d %s", self.name, known.finding.answer.status, known.finding
                )
        if known.shared:
            self._keep(known, made)
        if known.finding is not None:
            raise _denial(known.finding)
        return known.value

    def _keep(self, known: _Made, made: dict[ClaimsModel, _Made]) -> None:
        if known.finding is None or known.finding.code is not Code.MODEL_FAILED:  # which may be over soon
            made[self] = known

    def _make(self, claims: Mapping[str, Any]) -> _Made:
        try:
            value = self._read(claims)
        except Unfit as unfit:
            return _Made(finding=self._finding(unfit))
        except Exception:
            logger.exception("The model %s raised; the request is answered 503", self.name)
            told = f"The model {self.name} raised; the traceback is in the log."
            return _Made(finding=Finding(Code.MODEL_FAILED, told, hint=cure(Code.MODEL_FAILED)))
        return _Made(value, shared=self._frozen and _has_hash(value))

    def _finding(self, unfit: Unfit) -> Finding:
        told = dict.fromkeys(
            (" → ".join(printable(str(part), 100) for part in path), what) for path, what in unfit.problems
        )
        shown = [f"`{where}` ({what})" if where else what for where, what in list(told)[:_MAX_PROBLEMS]]
        if len(told) > _MAX_PROBLEMS:
            shown.append(f"{len(told) - _MAX_PROBLEMS:,} more")
        first = next((path[0] for path, _ in unfit.problems if path), None)
        return Finding(
            Code.CLAIMS_MISMATCH,
            f"The claims are not what {self.name} asks for: {', '.join(shown)}.",
            None if first is None else printable(str(first)),
            hint=unfit.hint or cure(Code.CLAIMS_MISMATCH),
        )

    def __repr__(self) -> str:
        return f"<ClaimsModel {self.name}>"


def claims_model(model: object) -> ClaimsModel:
    """How claims are read into a class.

    Raises:
        ConfigurationError: it is no class that claims can be read into.
    """
    if not issubclass(type(model), type):
        raise ConfigurationError(f"claims={_shown(model)} is no class to read claims into. Write {_WANTED}.")
    try:
        return _claims_model(model)
    except ConfigurationError:
        raise
    except Exception as error:  # a metaclass, or what the class is built of, can raise anything
        raise ConfigurationError(
            f"claims={_shown(model)} can't be read as a model: {type(error).__name__}: {error}"
        ) from error


@lru_cache(maxsize=256)
def _claims_model(model: Any) -> ClaimsModel:
    pydantic, msgspec = sys.modules.get("pydantic"), sys.modules.get("msgspec")
    if pydantic is not None and (
        issubclass(model, pydantic.BaseModel) or "__pydantic_validator__" in model.__dict__
    ):
        read = _pydantic_reader(model, pydantic)
    elif msgspec is not None and issubclass(model, msgspec.Struct):
        read = _msgspec_reader(model, msgspec)
    elif is_plain_model(model):
        read = plain_reader(model)
    else:
        raise ConfigurationError(f"claims={_shown(model)} says nothing of claims. Write {_WANTED}.")
    return ClaimsModel(model.__qualname__, read, frozen=_says_frozen(model))


_WANTED: Final = (
    "claims=Me, where Me is the class itself: a pydantic model (2 or newer), a msgspec Struct, a dataclass or a "
    "TypedDict. The claim that scopes are read from is claim='...', without an s"
)


def _shown(model: object) -> str:
    try:
        return printable(repr(model))
    except Exception:  # noqa: BLE001  # of a metaclass that raises at everything
        return "<a class that raises when it is shown>"


def _pydantic_reader(model: Any, pydantic: Any) -> Read:
    adapter = pydantic.TypeAdapter(model)
    adapter.rebuild(raise_errors=True)  # where it names classes that did not exist yet
    config = getattr(model, "model_config", None) or getattr(model, "__pydantic_config__", None) or {}
    fields = getattr(model, "__pydantic_fields__", {})
    if config.get("extra") == "forbid":
        _refuse_to_forbid(model, {name for each in fields.items() for name in _names(*each)}, 'extra="ignore"')
    strict = None if "strict" in config else True  # the model may say otherwise

    def read(claims: Mapping[str, Any]) -> Any:
        # As JSON, for in Python's own terms a strict model takes no list for a tuple and no string for a UUID.
        try:
            return adapter.validate_json(json.dumps(claims), strict=strict)
        except pydantic.ValidationError as error:
            refused = error
        # Not its messages, which may hold the value that was found.
        told = refused.errors(include_url=False, include_context=False, include_input=False)
        problems = [(each["loc"], each["type"]) for each in told]
        hint = None
        if any(what == "extra_forbidden" for _, what in problems):
            hint = _EXTRA_HINT
        elif strict and any(what.endswith("_type") for _, what in problems):
            hint = _STRICT_HINT
        raise Unfit(problems, hint)

    return read


def _names(name: str, field: Any) -> Iterator[str]:
    """The names of claims that a field of pydantic may be read from."""
    yield name
    for choice in getattr(field.validation_alias, "choices", [field.validation_alias]):
        yield getattr(choice, "path", [choice])[0]


# What msgspec says; the words in these places are types and the names of fields, never values.
_MSGSPEC: Final = re.compile(
    r"(?P<what>Expected `[^`]*`, got `[^`]*`)|Object (?P<how>missing|contains).* field `(?P<name>.*?)`(?: - at|$)",
    re.DOTALL,
)
_MSGSPEC_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?([^`]*)`$")


def _msgspec_reader(model: Any, msgspec: Any) -> Read:
    decoder, config = msgspec.json.Decoder(model), model.__struct_config__
    if config.forbid_unknown_fields:
        _refuse_to_forbid(model, set(model.__struct_encode_fields__), "forbid_unknown_fields=False")

    def read(claims: Mapping[str, Any]) -> Any:
        try:
            return decoder.decode(json.dumps(claims).encode())
        except msgspec.ValidationError as error:
            text = str(error)
        found, at = _MSGSPEC.match(text), _MSGSPEC_PATH.search(text)
        path = _msgspec_path(at[1], model.__struct_encode_fields__) if at is not None else []
        if found is None:
            raise Unfit([(path, "refused by the model")])
        if found["what"]:
            raise Unfit([(path, found["what"].replace("`", ""))])
        if found["how"] == "missing":
            raise Unfit([([*path, found["name"]], "missing")])
        raise Unfit([([*path, found["name"]], "not a field of the model")], _EXTRA_HINT)

    return read


def _msgspec_path(at: str, fields: tuple[str, ...]) -> list[str]:
    """The parts of a path of msgspec, the first of which is a field, whatever dots and slashes it holds."""
    first = max((name for name in fields if at.startswith(name)), key=len, default="")
    return [first, *(part for part in re.split(r"[.\[\]]+", at[len(first) :]) if part)] if at else []


def _refuse_to_forbid(model: type, names: set[str], instead: str) -> None:
    if missing := _ALWAYS - names:
        raise ConfigurationError(
            f"{model.__qualname__} forbids claims that it does not name, and every token has iss, aud, exp and "
            f"more: it names no {' and no '.join(sorted(missing))}, so no token would ever fit. Write {instead}."
        )


def _says_frozen(model: Any) -> bool:
    """Whether a class says that its objects can't be changed, which is not true of what their fields hold."""
    said = getattr(model, "__dataclass_params__", None) or getattr(model, "__struct_config__", None)
    if said is not None:
        return bool(said.frozen)
    return bool(getattr(model, "model_config", {}).get("frozen"))


def _has_hash(value: Any) -> bool:
    """Whether what the fields of a frozen object hold can't be changed either: then alone it has a hash."""
    kind: Any = type(value)
    if kind.__hash__ is object.__hash__ or getattr(value, "__pydantic_extra__", None):
        return False
    try:
        hash(value)
    except Exception:  # noqa: BLE001  # usually TypeError; a __hash__ of the application may raise anything
        return False
    return True


def _denial(finding: Finding) -> AccessDenied:
    """The denial where no server is at hand, and so no name of a realm."""
    retry_after = 1.0 if finding.answer.status == 503 else None
    challenge = challenge_for(finding.answer, realm=None)
    return denial_class(finding)(finding, challenge=challenge, retry_after=retry_after)
