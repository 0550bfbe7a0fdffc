"""The `WWW-Authenticate` challenge, as data and as text (RFC 6750 section 3, RFC 9470, RFC 9110 section 11)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from .decision import Decision
from .errors import ConfigurationError

if TYPE_CHECKING:
    from .errors import Answer


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme Bearer and its parameters, each name once, in the order they are sent."""

    parameters: tuple[tuple[str, str], ...]
    scheme: str = "Bearer"
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        parameters = ", ".join(f'{name}="{_quote(value)}"' for name, value in self.parameters)
        object.__setattr__(self, "_text", f"{self.scheme} {parameters}")

    def __str__(self) -> str:
        return self._text

    def __getitem__(self, name: str) -> str:
        return dict(self.parameters)[name]

    def get(self, name: str) -> str | None:
        """The value of a parameter, or None."""
        return dict(self.parameters).get(name)


NOTHING_MORE = Decision(allowed=False)


def challenge_for(answer: Answer, *, realm: str | None, decision: Decision = NOTHING_MORE) -> Challenge | None:
    """The challenge that goes with an answer; 503 has none, for nothing is wrong with the credentials.

    A `realm` of None is left out, which is for answers that have an error (RFC 6750 section 3).
    """
    if answer.status == 503:
        return None
    return _challenge(answer, realm, tuple(decision.scope), tuple(decision.acr_values), decision.max_age)


@lru_cache(maxsize=256)  # there are as many as answers and policies: 5 µs less for most denials
def _challenge(
    answer: Answer, realm: str | None, scope: tuple[str, ...], acr_values: tuple[str, ...], max_age: int | None
) -> Challenge:
    parameters = [] if realm is None else [("realm", realm)]
    if answer.error:
        parameters.append(("error", answer.error))
    if answer.description:
        parameters.append(("error_description", answer.description))
    if answer.error == "insufficient_user_authentication":
        # RFC 9470 section 3
        if acr_values:
            parameters.append(("acr_values", " ".join(acr_values)))
        if max_age is not None:
            parameters.append(("max_age", str(max_age)))
    if answer.error in {"insufficient_scope", "insufficient_user_authentication"} and scope:
        parameters.append(("scope", " ".join(scope)))
    return Challenge(tuple(parameters))


def realm_name(realm: object) -> str:
    """The realm that a setting means (RFC 9110 section 11.5).

    Raises:
        ConfigurationError: it is empty or holds something that a header can't carry.
    """
    if isinstance(realm, str) and realm and realm.isascii() and realm.isprintable():
        return realm
    raise ConfigurationError(f"realm={realm!r} can't stand in a header. Write a few printable ASCII characters.")


def _quote(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
