"""What a requirement is, and what it says: allowed, or denied with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .claims import ClaimName
    from .errors import Finding
    from .request import Request
    from .verified_token import VerifiedToken

# What the JSON body of a 403 says: a scope, or {"any_of": [...]}.
Description = str | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a requirement holds and, if not, why not.

    Attributes:
        allowed: whether it holds.
        findings: the reasons why not, the deciding one first.
        scope: what to ask the issuer for.
        acr_values: the authentication contexts that would do, the preferred one first (RFC 9470 section 3).
        max_age: how many seconds ago the user may have logged in (RFC 9470 section 3).
    """

    allowed: bool
    findings: tuple[Finding, ...] = ()
    scope: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None

    @property
    def undecided(self) -> bool:
        """Denied only because something could not be asked: it may be allowed when that works again."""
        return bool(self.findings) and self.findings[0].answer.status == 503


ALLOWED = Decision(allowed=True)


class Requirement:
    """What a route asks of a token. Subclasses decide; they are values, so that equal ones are one."""

    __slots__ = ()

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """Whether the token meets it, and why not.

        Args:
            token: the verified token.
            request: the request that brought it.
            now: seconds since 1970.
        """
        raise NotImplementedError

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that it names, each once, for documentation."""
        return ()

    def describe(self) -> list[Description]:
        """What it needs as JSON: all elements are needed, each a scope or {"any_of": [...]}."""
        return []

    def claims_read(self, scopes_from: Sequence[ClaimName]) -> tuple[ClaimName, ...]:  # noqa: ARG002
        """The claims it reads scopes from; `scopes_from` are the issuer's own."""
        return ()

    def held(self, token: VerifiedToken, request: Request) -> tuple[str, ...]:  # noqa: ARG002
        """The scopes by which it holds, where it does."""
        return ()

    def without_functions(self) -> Requirement | None:
        """It without the application's functions, for a token that is not verified; None if nothing is left."""
        return self

    @property
    def is_async(self) -> bool:
        """Whether something has to be awaited before it can be decided."""
        return False

    async def resolved(self, token: VerifiedToken, request: Request) -> Requirement:  # noqa: ARG002
        """It with everything awaited that has to be, so that it can be decided."""
        return self


def unique(names: Any) -> tuple[Any, ...]:
    """The names in their order, each once."""
    return tuple(dict.fromkeys(names))
