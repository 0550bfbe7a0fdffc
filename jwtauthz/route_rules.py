"""One rule of a table: for which methods and paths it is, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .claims import Claim
from .decision import Decision, Requirement
from .errors import Code, ConfigurationError, Finding
from .organization_requirement import Organization, PathParameter
from .policy import requirement
from .requirements import AllOf, AnyOf, ScopeOfRequest, Shadow
from .route_paths import PathPattern, parse
from .templates import fields_of

if TYPE_CHECKING:
    from .request import Request
    from .verified_token import VerifiedToken

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
# In lower case, which no HTTP method is here: a request may call itself WEBSOCKET, a handshake is one.
WEBSOCKET: Final = "websocket"
ALL: Final = "*"
_EVERYTHING: Final = frozenset({*METHODS, WEBSOCKET, ALL})


class Public:
    """What `public()` gives: no token is asked for."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "public()"


_PUBLIC: Final = Public()


def public() -> Public:
    """In a table of rules: this path is open, no token is asked for and none is looked at."""
    return _PUBLIC


@dataclass(frozen=True, slots=True)
class NoRule(Requirement):
    """What is asked for where no rule is: nobody may."""

    detail: str
    hint: str

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """No."""
        return Decision(allowed=False, findings=(Finding(Code.NO_RULE, self.detail, hint=self.hint),))


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One line of a table.

    Attributes:
        text: the method and path as they are written.
        methods: those it names (`websocket` for WebSockets); None for all.
        path: where it holds.
        needed: what it asks for; None if it asks for nothing, being public.
    """

    text: str
    methods: tuple[str, ...] | None
    path: PathPattern
    needed: Requirement | None

    @property
    def covers(self) -> frozenset[str]:
        """The methods it covers: GET brings HEAD along."""
        if self.methods is None:
            return _EVERYTHING
        return frozenset({*self.methods, "HEAD"} if "GET" in self.methods else self.methods)


def rule_of(key: object, value: object) -> Rule:
    """The rule that a line of a table stands for. Raises ConfigurationError."""
    if not isinstance(key, str) or "/" not in key:
        raise ConfigurationError(f"The rule {key!r} has no path. Write 'GET /users' or '/users'.")
    at = key.index("/")
    methods = _methods(key, key[:at].strip())
    try:
        path = parse(key[at:])
        needed = None if isinstance(value, Public) else requirement(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"The rule {key!r}: {error}") from None
    for name in () if needed is None else _parameters(needed):
        if name not in path.names:
            raise ConfigurationError(
                f"The rule {key!r} asks for the path parameter {name!r}, which {path.text!r} has not. "
                f"Write {{{name}}} into the path."
            )
    if needed is None and path.below and not path.segments:
        raise ConfigurationError(
            f"The rule {key!r}: public() leaves nothing to protect. Name the paths that are public."
        )
    return Rule(key, methods, path, needed)


def _parameters(needed: Requirement) -> tuple[str, ...]:
    """The path parameters without which a requirement can't hold."""
    match needed:
        case AllOf(parts) | AnyOf(parts):
            return tuple(name for part in parts for name in _parameters(part))
        case Shadow(inner):
            return _parameters(inner)
        case ScopeOfRequest(template, claim):
            path = claim.name if isinstance(claim, Claim) else claim
            texts = (template, *(path if isinstance(path, tuple) else ()))
            return tuple(name for text in texts for name in fields_of(text))
        case Organization(PathParameter(name)):
            return (name,)
    return ()


def public_rule(path: object) -> Rule:
    """The rule that a path of `public=` stands for. Raises ConfigurationError."""
    try:
        pattern = parse(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"public: {error}") from None
    if pattern.below and not pattern.segments:
        raise ConfigurationError(
            f"public=[{path!r}] leaves nothing to protect. Name the paths that are public, or do without "
            "the middleware."
        )
    return Rule(pattern.text, None, pattern, None)


def _methods(key: str, text: str) -> tuple[str, ...] | None:
    if text in {"", ALL}:
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in {*METHODS, WEBSOCKET.upper()} or names.count(name) > 1:
            raise ConfigurationError(
                f"The rule {key!r}: {name!r} is no method that it can name. Write 'GET /x', 'GET,POST /x', "
                f"'WEBSOCKET /x', or '/x' for all; methods are {', '.join(METHODS)}."
            )
    return tuple(WEBSOCKET if name == WEBSOCKET.upper() else name for name in names)
