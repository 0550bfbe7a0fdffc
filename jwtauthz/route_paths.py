"""The paths of rules: how they are written, which is the narrower one, and what may be misread as one."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from .errors import ConfigurationError

# `{name}` and `{name:kind}` as Starlette and FastAPI write it, `<name>` and `<kind:name>` as Flask does.
_BRACES: Final = re.compile(r"\{(?P<name>\w+)(?::(?P<kind>\w+))?\}")
_ANGLES: Final = re.compile(r"<(?:(?P<kind>\w+):)?(?P<name>\w+)>")
_PLAIN_KINDS: Final = frozenset({None, "str", "string", "default"})

# What every router takes for such a value. Some take more (digits of other scripts, UUIDs without dashes):
# that is doubtful, and so belongs to nobody.
_SURE: Final = {
    "int": re.compile(r"[0-9]+"),
    "uuid": re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
}
_DOUBTFUL: Final = {
    "int": re.compile(r"[\s+\-_.,]*\d[\d\s+\-_.,eE]*"),
    "uuid": re.compile(r"\W*(?:urn:uuid:)?\W*[0-9A-Fa-f](?:-*[0-9A-Fa-f]){31}\W*", re.IGNORECASE),
}

# What a proxy, a file system or another router might decode or normalise into another path. Starlette's own
# routes match a line break at the end.
_ODD: Final = re.compile(r"//|\\|%(?:[0-9A-Fa-f]{2}|u)|/[ .]*[;?#]|/[ .]+(?:/|$)|[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_ATTACHED: Final = re.compile(r"[;?#]")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A segment that may be anything, or anything of a kind: `int`, `uuid`."""

    name: str
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class PathPattern:
    """The path of a rule.

    Attributes:
        text: the path as it is written.
        segments: what stands between its slashes: plain text or parameters.
        below: whether it goes on: `/*`, `/{rest:path}`.
        slash: whether it is written with a slash at its end.
        names: its parameters in their order.
    """

    text: str
    segments: tuple[str | Parameter, ...]
    below: bool = False
    slash: bool = False
    names: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What it covers, whatever its parameters are called: equal for two that cover the same paths."""
        return (*((part.kind,) if isinstance(part, Parameter) else part for part in self.segments), self.below)

    def within(self, other: PathPattern) -> bool:
        """Whether the other covers whatever this one covers."""
        if len(self.segments) < len(other.segments) or (self.below and not other.below):
            return False
        if len(self.segments) > len(other.segments) and not other.below:
            return False
        return all(map(_covers, other.segments, self.segments))

    @property
    def bare(self) -> PathPattern:
        """It without what lies below: "/admin" of "/admin/*"."""
        return PathPattern(self.text.removesuffix("/*"), self.segments)

    def meet(self, other: PathPattern) -> PathPattern | None:
        """What both cover; None if they have nothing in common."""
        long, short = (self, other) if len(self.segments) >= len(other.segments) else (other, self)
        if len(long.segments) > len(short.segments) and not short.below:
            return None
        parts: list[str | Parameter] = []
        for mine, theirs in zip(long.segments, short.segments, strict=False):
            common = _narrower(mine, theirs)
            if common is None:
                return None
            parts.append(common)
        parts += long.segments[len(short.segments) :]
        below = long.below and short.below
        text = "/" + "/".join(_written(part) for part in parts)
        return PathPattern(f"{text.rstrip('/')}/*" if below else text, tuple(parts), below)


def _written(part: str | Parameter) -> str:
    if isinstance(part, str):
        return part
    return f"{{{part.name}}}" if part.kind is None else f"{{{part.name}:{part.kind}}}"


def _narrower(one: str | Parameter, other: str | Parameter) -> str | Parameter | None:
    """What two segments have in common: the narrower one, or None for nothing."""
    return one if _covers(other, one) else other if _covers(one, other) else None


def _covers(wide: str | Parameter, narrow: str | Parameter) -> bool:
    if isinstance(wide, str):
        return wide == narrow
    if isinstance(narrow, str):
        return wide.kind is None or is_of_kind(wide.kind, narrow) is True
    return wide.kind in {None, narrow.kind}


def is_of_kind(kind: str, segment: str) -> bool | None:
    """Whether a segment is an `int` or a `uuid`; None if some would say yes and some no."""
    if _SURE[kind].fullmatch(segment):
        return True
    return None if _DOUBTFUL[kind].fullmatch(careless(segment)) else False


def is_odd(path: str) -> bool:
    """Whether somebody on the way, or behind us, might decode or normalise the path into another one."""
    if not path.startswith("/") or _ODD.search(path) is not None:
        return True
    if path.isascii():
        return False
    plain = unicodedata.normalize("NFKC", path)  # a full-width slash or dot is one for some
    return plain.count("/") != path.count("/") or _ODD.search(plain) is not None


def careless(segment: str) -> str:
    """What a careless reader takes a segment for: without case, `;parameters`, what can't be seen, outer dots."""
    text = segment
    if not segment.isascii():
        text = "".join(each for each in segment if unicodedata.category(each) != "Cf")
        text = unicodedata.normalize("NFKC", text)
    return _ATTACHED.split(text, maxsplit=1)[0].strip(" .").casefold()


def parse(path: object) -> PathPattern:
    """The path of a rule, as Starlette, FastAPI or Flask write it.

    Raises:
        ConfigurationError: it is no path, can match nothing, or says more than a rule can.
    """
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigurationError(f"{path!r} is no path. Write it with its first slash: '/health'.")
    below = path.endswith("/*")
    body = path[1:-1] if below else path[1:]
    if "*" in body:
        raise ConfigurationError(
            f"The star in {path!r} is in the wrong place. It stands at the end, after a slash: '/static/*'."
        )
    parts = body.split("/")
    slash = parts[-1] == ""
    if slash:
        parts.pop()
    segments = [_segment(path, part) for part in parts]
    rest = None
    if segments and isinstance(segments[-1], Parameter) and segments[-1].kind == "path" and not below:
        rest, below = segments.pop().name, True  # type: ignore[union-attr]
        if slash:
            raise _no_path(path)
    names = [part.name for part in segments if isinstance(part, Parameter)] + ([rest] if rest else [])
    if len(set(names)) < len(names):
        raise ConfigurationError(f"{path!r} names a path parameter twice. Give each a name of its own.")
    if any(isinstance(part, Parameter) and part.kind == "path" for part in segments):
        raise _no_path(path)
    return PathPattern(path, tuple(segments), below, slash and not below, tuple(names))


def _no_path(path: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path!r}: a parameter of the kind path can only be the end of a rule. Write '/files/{{rest:path}}' "
        "or '/files/*'."
    )


def _segment(path: str, part: str) -> str | Parameter:
    if "{" in part or "<" in part or "}" in part or ">" in part:
        match = _BRACES.fullmatch(part) or _ANGLES.fullmatch(part)
        if match is None:
            raise ConfigurationError(
                f"{path!r}: {part!r} is no parameter that a rule can have. One takes a whole segment: "
                "'{name}', '{name:int}', '<name>' or '<int:name>'; a rule for '{name}' covers more special ones."
            )
        name, kind = match["name"], match["kind"]
        if kind in _PLAIN_KINDS:
            return Parameter(name)
        if kind in _SURE or kind == "path":
            return Parameter(name, kind)
        raise ConfigurationError(
            f"{path!r}: routers do not agree on what the kind {kind!r} is, so a rule can't tell. "
            f"Write '{{{name}}}', which covers every segment."
        )
    if not part or is_odd(f"/{part}") or not {"?", "#"}.isdisjoint(part):
        raise ConfigurationError(
            f"{path!r} can't match. Write the path as the app sees it: decoded, without query, empty segments "
            "and dot segments."
        )
    return part
