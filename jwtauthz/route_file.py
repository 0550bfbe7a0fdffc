"""Rules in a TOML file: what may stand there, and where a mistake is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .claim_requirements import claim_equals, claim_includes
from .errors import ConfigurationError
from .organization_requirement import organization
from .policy import all_of, any_of, authenticated, requirement, shadow
from .route_rules import public, rule_of
from .step_up_requirement import step_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from .route_rules import Rule


def rules_in(path: str | PathLike[str]) -> list[Rule]:
    """The rules of a file.

    Raises:
        ConfigurationError: the file is no TOML, or holds what is no rule; the message names line and rule.
        OSError: the file can't be read.
    """
    name, data = Path(path).name, Path(path).read_bytes()
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{name} is no TOML: {error}") from None
    strangers = sorted(document.keys() - {"rules"})
    if strangers or not isinstance(document.get("rules"), dict) or not document["rules"]:
        found = f"the key {strangers[0]!r}" if strangers else "no rule"
        raise ConfigurationError(
            f'{name} holds {found}. It is one table: [rules], with lines such as "GET /users" = "read:users".'
        )
    return [_rule(f"{name}{_line(text, key)}", key, value) for key, value in document["rules"].items()]


def _rule(where: str, key: str, value: Any) -> Rule:
    try:
        asked = _value(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: the rule {key!r}: {error}") from None
    try:
        return rule_of(key, asked)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _line(text: str, key: str) -> str:
    """The line in which a rule begins, where it can be told."""
    written = re.compile(rf"""^[^#\n]*["']{re.escape(key)}["']\s*[\]=.]""", re.MULTILINE)
    match = written.search(text)
    return "" if match is None else f", line {text.count(chr(10), 0, match.end()) + 1}"


def _value(value: Any) -> object:
    """What a rule asks for. Raises ConfigurationError."""
    if isinstance(value, dict) and "public" in value:
        _only(value, "public")
        if value["public"] is not True:
            raise ConfigurationError(
                "public = true is all that can stand there. Leave it out, and name what is needed."
            )
        return public()
    return _needed(value)


def _needed(value: Any) -> object:
    if isinstance(value, str):
        return requirement(value)
    if isinstance(value, list):
        raise ConfigurationError(
            "a list leaves open whether all or one of them are meant. Write { all_of = [...] } or "
            "{ any_of = [...] }."
        )
    if not isinstance(value, dict):
        raise ConfigurationError(f'{value!r} is no scope. Write it as a string: "read:users".')
    words = [word for word in _WORDS if word in value]
    if words[:1] == ["organization"] or (words and words[0] != "claim"):
        words = [word for word in words if word != "claim"]  # where to read, not what to ask
    if len(words) != 1:
        raise ConfigurationError(
            f"{{ {', '.join(value)} }} asks for {' and '.join(words) or 'nothing known'}; a rule asks for one of "
            f"{', '.join(_WORDS)}. all_of = [...] puts several together."
        )
    return _WORDS[words[0]](value)


def _only(table: Mapping[str, Any], *known: str) -> None:
    strangers = [key for key in table if key not in known]
    if strangers:
        raise ConfigurationError(f"{strangers[0]!r} is unknown here. Known are {', '.join(known)}.")


def _claim(table: Mapping[str, Any]) -> Any:
    """The claim that a table names: a key, or a path as a list."""
    claim = table.get("claim")
    return tuple(claim) if isinstance(claim, list) else claim


def _scope(table: Mapping[str, Any]) -> object:
    _only(table, "scope", "claim")
    if not isinstance(table["scope"], str):
        raise ConfigurationError('scope = "..." is one scope, as a string.')
    return requirement(table["scope"], claim=_claim(table))


def _several(word: str, combine: Callable[..., object]) -> Callable[[Mapping[str, Any]], object]:
    def read(table: Mapping[str, Any]) -> object:
        _only(table, word, "claim")
        parts = table[word]
        if not isinstance(parts, list):
            raise ConfigurationError(f"{word} = [...] takes a list.")
        needs = [part if isinstance(part, str) else _needed(part) for part in parts]
        return combine(*needs, claim=_claim(table))

    return read


def _authenticated(table: Mapping[str, Any]) -> object:
    _only(table, "authenticated")
    if table["authenticated"] is not True:
        raise ConfigurationError("authenticated = true is all that can stand there.")
    return authenticated()


def _of_claim(table: Mapping[str, Any]) -> object:
    _only(table, "claim", "equals", "includes")
    if ("equals" in table) == ("includes" in table):
        raise ConfigurationError(
            "a claim is asked for one thing: { claim = ..., equals = ... } or includes = [...]."
        )
    if "equals" in table:
        return claim_equals(_claim(table), table["equals"])
    values = table["includes"]
    return claim_includes(_claim(table), *(values if isinstance(values, list) else [values]))


def _organization(table: Mapping[str, Any]) -> object:
    _only(table, "organization", "claim")
    settings: dict[str, Any] = {"claim": _claim(table)} if "claim" in table else {}
    named = table["organization"]
    if isinstance(named, dict):
        _only(named, "header", "host")
        return organization(**named, **settings)
    return organization(named, **settings)


def _step_up(table: Mapping[str, Any]) -> object:
    _only(table, "step_up")
    asked = table["step_up"]
    if not isinstance(asked, dict):
        raise ConfigurationError("write step_up = { acr = [...], max_age = 300 }, or one of the two.")
    _only(asked, "acr", "max_age")
    acr = asked.get("acr", [])
    return step_up(*(acr if isinstance(acr, list) else [acr]), max_age=asked.get("max_age"))


def _shadow(table: Mapping[str, Any]) -> object:
    _only(table, "shadow")
    return shadow(_needed(table["shadow"]))


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "scope": _scope,
    "all_of": _several("all_of", all_of),
    "any_of": _several("any_of", any_of),
    "authenticated": _authenticated,
    "organization": _organization,
    "step_up": _step_up,
    "shadow": _shadow,
    "claim": _of_claim,
}
