"""Operations that want a stronger or a fresher login than the token tells of (RFC 9470)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .decision import ALLOWED, Decision, Requirement
from .errors import Code, ConfigurationError, Finding

if TYPE_CHECKING:
    from .request import Request
    from .verified_token import VerifiedToken

# Clocks differ, and a login a second older than allowed is no reason for another one.
_LEEWAY: Final = 5.0
_MAX_TIME: Final = 10**21  # more fits into no float
_MAX_AGE: Final = 10**9


@dataclass(frozen=True, slots=True)
class StepUp(Requirement):
    """The user has logged in well enough (`acr`) and lately enough (`auth_time`)."""

    acr_values: tuple[str, ...] = ()
    max_age: int | None = None

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether they have (RFC 9470 section 5)."""
        problem = self._weak(token) or self._old(token, now)
        if problem is None:
            return ALLOWED
        finding = Finding(
            Code.AUTHENTICATION_TOO_WEAK,
            problem,
            hint="The client has to send the user to the issuer again, with the acr_values and max_age of the "
            "challenge (RFC 9470).",
        )
        return Decision(allowed=False, findings=(finding,), acr_values=self.acr_values, max_age=self.max_age)

    def _weak(self, token: VerifiedToken) -> str | None:
        if not self.acr_values or token.claims.get("acr") in self.acr_values:
            return None
        wanted = " or ".join(self.acr_values)
        return f"The login has to be of the class {wanted} (acr), and the token tells of another or of none."

    def _old(self, token: VerifiedToken, now: float) -> str | None:
        if self.max_age is None:
            return None
        at = token.claims.get("auth_time")
        if isinstance(at, bool) or not isinstance(at, (int, float)) or abs(at) > _MAX_TIME:
            return f"The login has to be at most {self.max_age} s ago, and the token does not tell (auth_time)."
        # In the future is no login either: then a clock or an issuer can't be trusted with it.
        if -_LEEWAY <= now - at <= self.max_age + _LEEWAY:
            return None
        return f"The login has to be at most {self.max_age} s ago, and it was {now - at:,.0f} s ago (auth_time)."


def step_up(*acr_values: Any, max_age: Any = None) -> Requirement:
    """The user has logged in by one of these classes, and no longer ago than `max_age` seconds.

    A token that tells of less is answered 401 `insufficient_user_authentication`, and the challenge says what
    would do (RFC 9470 section 3).

    Args:
        acr_values: authentication context classes, any of which will do, the preferred one first.
        max_age: seconds since the login (`auth_time`), 0 or more.

    Raises:
        ConfigurationError: it asks for nothing, or for something that can't be meant.
    """
    for value in acr_values:
        if (
            not isinstance(value, str)
            or not value.isascii()
            or not value.isprintable()
            or set(value) & set(' "\\')
        ):
            raise ConfigurationError(
                f"step_up({value!r}): a class (acr) is printable ASCII without spaces and quotes."
            )
    if max_age is not None and (
        isinstance(max_age, bool) or not isinstance(max_age, int) or not 0 <= max_age <= _MAX_AGE
    ):
        raise ConfigurationError(f"max_age={max_age!r}: write a whole number of seconds, 0 to {_MAX_AGE:,}.")
    if not acr_values and max_age is None:
        raise ConfigurationError(
            "step_up() asks for nothing. Write step_up('urn:example:mfa') or step_up(max_age=300)."
        )
    if "" in acr_values:
        raise ConfigurationError("step_up(''): an empty class (acr) is none.")
    return StepUp(acr_values, max_age)
