"""`claims=Me`: what a route asks for, and claims that fit a class of the application besides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .claims_model import claims_model
from .decision import ALLOWED, Decision, Requirement
from .requirements import AllOf, Answered, Shadow

if TYPE_CHECKING:
    from .claims_model import ClaimsModel
    from .request import Request
    from .verified_token import VerifiedToken


@dataclass(frozen=True, slots=True)
class Fits(Requirement):
    """The claims can be read into a class. If not, that is a defect of the token: 401."""

    model: ClaimsModel

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether they can; what they were read into waits for `token.claims_as`."""
        finding = token.misfit(self.model)
        return ALLOWED if finding is None else Decision(allowed=False, findings=(finding,))

    def without_functions(self) -> None:
        """Nothing is left: a class may have validators, which are functions of the application."""


class Typed(AllOf):
    """Claims that fit, and then the rest: functions can rely on `token.claims_as`, so they are asked second."""

    __slots__ = ()

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:
        """Whether the claims fit; if they do, whether the rest holds."""
        fits, rest = self.requirements
        decision = fits.decide(token, request, now)
        return rest.decide(token, request, now) if decision is ALLOWED else decision

    def without_functions(self) -> Requirement | None:
        """The rest without functions."""
        return self.requirements[1].without_functions()

    async def resolved(self, token: VerifiedToken, request: Request) -> Requirement:
        """It with the rest resolved, if the claims fit."""
        fits, rest = self.requirements
        decision = fits.decide(token, request, 0.0)
        if decision is not ALLOWED:
            return Answered(decision)
        return Typed((fits, await rest.resolved(token, request)))


def typed(needed: Requirement, model: object) -> Requirement:
    """A requirement of tokens whose claims can be read into a class; a shadow stays one.

    Raises:
        ConfigurationError: it is no class that claims can be read into.
    """
    fits = Fits(claims_model(model))
    if isinstance(needed, Shadow):
        return Shadow(Typed((fits, needed.requirement)))
    return Typed((fits, needed))
