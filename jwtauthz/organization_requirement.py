"""The organization that a request is about must be the token's: a token for A opens nothing of B."""

from __future__ import annotations

import inspect
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .checks import show
from .claims import MISSING, Claim, claim_name, lookup, show_claim
from .decision import ALLOWED, Decision, Requirement
from .errors import Code, ConfigurationError, Finding
from .signatures import is_async, takes
from .templates import fields_of, text_of

if TYPE_CHECKING:
    from .claims import ClaimName
    from .request import Request
    from .verified_token import VerifiedToken

Named = Callable[["Request"], "str | None"]


@dataclass(frozen=True, slots=True)
class Organization(Requirement):
    """The organization of the request is one of the token's.

    The claim is a string, a list of strings, or an object whose keys are organizations. The request never adds
    one: it only says which of those that the signed token names is meant.
    """

    named: Named
    where: str
    claim: ClaimName

    def decide(self, token: VerifiedToken, request: Request, now: float) -> Decision:  # noqa: ARG002
        """Whether it is."""
        try:
            wanted: object = self.named(request)
            if inspect.iscoroutine(wanted):
                wanted.close()
        except Exception:
            logger.exception("The function of organization() raised; the request is answered 503")
            failed = Finding(
                Code.CHECK_FAILED, "The function of organization() raised; the traceback is in the log."
            )
            return Decision(allowed=False, findings=(failed,))
        found = lookup(token.claims, self.claim)
        if isinstance(wanted, str) and wanted and _is_one_of(wanted, found):
            return ALLOWED
        claim = show_claim(self.claim)
        if not isinstance(wanted, str) or not wanted:
            detail, hint = f"The request names no organization: {self.where} has none.", None
        elif found is MISSING:
            detail = f"The request is about organization {show(wanted, 80)}; the token has no `{claim}`."
            hint = "Log in to the organization (send organization= in the authorization request)."
        else:
            detail = f"The request is about organization {show(wanted, 80)}; `{claim}` of the token is another."
            hint = "Log in to that organization and use its token; a token is good for its own alone."
        finding = Finding(Code.ORGANIZATION_MISMATCH, detail, claim, wanted, None, hint)
        return Decision(allowed=False, findings=(finding,))

    def without_functions(self) -> Requirement | None:
        """Nothing, where a function of the application names the organization."""
        return None if self.where == _FUNCTION else self


logger = logging.getLogger("jwtauthz")

_HEADER: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_HOST: Final = re.compile(r"[a-z0-9.*-]+", re.ASCII)
_FUNCTION: Final = "the function"


def _is_one_of(wanted: str, found: object) -> bool:
    if isinstance(found, str):
        return found == wanted
    if isinstance(found, list):
        return any(type(element) is str and element == wanted for element in found)
    # {"org_2": false} is how some say that somebody is no member.
    return isinstance(found, dict) and wanted in found and found[wanted] not in (None, False, 0, "")


def organization(
    from_: str | Named | None = None,
    *,
    header: str | None = None,
    host: str | None = None,
    claim: object = "org_id",
) -> Requirement:
    """The organization that a request is about must be one of the token's.

    Args:
        from_: the path parameter that names it, or a function `(request) -> str | None`.
        header: the header that names it.
        host: the host that names it, with the place marked: `"{org}.example.com"`.
        claim: where the token names its own: a string, a list, or an object with organizations as keys.

    Raises:
        ConfigurationError: not exactly one of from_, header and host is given, or it makes no sense.
    """
    given = [option for option in (from_, header, host) if option is not None]
    if len(given) != 1:
        raise ConfigurationError(
            "organization() has to know one place where the request names it. Write organization('org_id') for a "
            "path parameter, organization(header='X-Org'), organization(host='{org}.example.com') or a function."
        )
    source = claim_name(claim)
    if isinstance(source, Claim):
        raise ConfigurationError("A Claim(...) says how to read scopes. Here, write the claim's name or path.")
    if any(map(fields_of, source if isinstance(source, tuple) else ())):
        raise ConfigurationError(
            f"claim={source!r}: the claim of organization() can't depend on the request. Name the object itself, "
            "whose keys are organizations."
        )
    if callable(from_):
        if isinstance(from_, type) or not takes(from_, 1) or is_async(from_):
            raise ConfigurationError(f"organization({from_!r}): write a plain function (request) -> str | None.")
        return Organization(from_, _FUNCTION, source)
    if not isinstance(given[0], str) or not given[0]:
        raise ConfigurationError(f"organization({given[0]!r}): name a path parameter or a header.")
    if host is not None:
        return Organization(_Host(_host_pattern(host)), f"the host ({host})", source)
    if header is not None:
        if _HEADER.fullmatch(header) is None:
            raise ConfigurationError(f"header={header!r} is no name of a header.")
        return Organization(_Header(header.lower()), f"the header {header}", source)
    return Organization(PathParameter(given[0]), f"the path parameter {given[0]}", source)


@dataclass(frozen=True, slots=True)
class PathParameter:
    """Where the request names its organization: in a parameter of its path."""

    name: str

    def __call__(self, request: Request) -> str | None:
        """The parameter as text, if there is one."""
        return text_of(request.path_params.get(self.name))


@dataclass(frozen=True, slots=True)
class _Header:
    name: str

    def __call__(self, request: Request) -> str | None:
        several = getattr(request.headers, "getlist", None)
        if several is not None and len(several(self.name)) > 1:
            return None  # whichever we took, somebody else on the way might have taken the other
        return request.headers.get(self.name)


@dataclass(frozen=True, slots=True)
class _Host:
    pattern: re.Pattern[str]

    def __call__(self, request: Request) -> str | None:
        host = request.headers.get("host", "").lower().rpartition(":")
        match = self.pattern.fullmatch(host[0] if host[1] and host[2].isdigit() else "".join(host))
        return match["org"] if match else None


def _host_pattern(host: str) -> re.Pattern[str]:
    before, mark, after = host.lower().partition("{org}")
    if not mark or not (before or after) or _HOST.fullmatch(before + after) is None:
        raise ConfigurationError(
            f"host={host!r}: mark the place of the organization, as in '{{org}}.example.com'."
        )
    return re.compile(f"{re.escape(before)}(?P<org>[a-z0-9-]{{1,63}}){re.escape(after)}", re.ASCII)
