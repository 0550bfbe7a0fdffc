"""Scopes and claims that depend on the request: `"read:{org_id}"` takes `org_id` from the path parameters."""

from __future__ import annotations

import re
from string import Formatter
from typing import TYPE_CHECKING, Final

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .request import Request

# What may be filled in. Nothing that separates scopes, or the parts of a name that people separate by ":",
# so that a value can't pass for more than one part of a template.
_VALUE: Final = re.compile(r"[A-Za-z0-9_.~@|-]{1,256}", re.ASCII)


def fields_of(template: str) -> tuple[str, ...]:
    """The path parameters that a template names; none for a plain text.

    Raises:
        ConfigurationError: its braces don't match, or hold more than a name.
    """
    if "{" not in template and "}" not in template:
        return ()
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ConfigurationError(
            f"{template!r}: {error}. Write 'read:{{org_id}}' with a path parameter's name."
        ) from None
    names: list[str] = []
    for text, name, spec, conversion in parts:
        if name is None:
            continue
        if names and _VALUE.sub("", text) == "":
            raise ConfigurationError(
                f"{template!r}: nothing keeps {{{names[-1]}}} and {{{name}}} apart, so one scope could be read in "
                "two ways. Write ':' or '/' between them."
            )
        if not name.isidentifier() or spec or conversion:
            raise ConfigurationError(
                f"{template!r}: braces hold a path parameter's name and nothing else, as in 'read:{{org_id}}'."
            )
        names.append(name)
    return tuple(names)


def text_of(value: object) -> str | None:
    """A path parameter as text: a string, a whole number or a UUID, as routes convert them."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, (str, int)):
        return str(value)
    from uuid import UUID  # who gives us one has imported it

    return str(value) if isinstance(value, UUID) else None


def plain(text: str) -> str:
    """A text without placeholders, with its doubled braces as single ones."""
    return text.format() if "{" in text or "}" in text else text


def fill_in(template: str, request: Request) -> str | None:
    """The template with the request's path parameters; None if one is missing or can't stand in a name."""
    values = {}
    for name in fields_of(template):
        text = text_of(request.path_params.get(name))
        if text is None or _VALUE.fullmatch(text) is None:
            return None
        values[name] = text
    return template.format_map(values)
