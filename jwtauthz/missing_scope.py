"""Why a scope is missing that somebody can plainly see in the token.

The most asked question there is: the permission stands in another claim, or in other letters, or glued to its
neighbour with a comma. Each answer is a finding of its own, with what to write instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from .claims import MISSING, find_scope, lookup, other_claims, printable, show_claim
from .cures import cure
from .errors import Code, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .claims import ClaimName
    from .verified_token import VerifiedToken

    _Told = tuple[Code, str, str | None]  # what kind of finding, what goes on after the scope, and the cure

OIDC_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})
_COMMA: Final = re.compile(r"[ ,]+")
_OTHER_SEPARATORS: Final = re.compile(r"[\s;|+]+")
_MAX_NAME: Final = 200
_NAME_SEPARATORS: Final = ":./"
_SPACES: Final = "let the issuer write a list, or one string with a space between scopes (RFC 6749 section 3.3)."


def missing_scope(token: VerifiedToken, scope: str, claim: ClaimName | None) -> Finding:
    """The finding for a scope that a token does not grant, with the best explanation there is.

    Args:
        token: the verified token.
        scope: what is needed.
        claim: the claim that is read; None for those that the issuer's `scopes_from` names.
    """
    sources = (claim,) if claim is not None else tuple(token.scopes_from)
    reading = token.reading(claim, remember=False)
    granted = reading.granted
    # Mostly nothing is like the scope, and 40 µs of search are saved.
    if _is_like_one(scope, granted) or token.mentions(scope):
        seen = _seen_by_people(token, scope, sources, granted)
        if seen is not None:
            return _finding(scope, sources, granted, seen)
    if granted:
        return _not_among(scope, sources, granted, token.issuer)
    return _finding(scope, sources, granted, _nothing_granted(token, sources, reading.problem))


# Two memories: roles give the same scopes to many tokens, and the same is said of each. 7 µs less a denial.
@lru_cache(maxsize=64)
def _is_like_one(scope: str, granted: frozenset[str]) -> bool:
    """Whether a scope that is granted might be taken for this one."""
    names = " ".join(granted)
    return (
        scope in names
        or "*" in names
        or not {"*", "'"}.isdisjoint(scope)
        or not _pieces(scope).isdisjoint(granted)
    )


@lru_cache(maxsize=64)
def _not_among(scope: str, sources: tuple[ClaimName, ...], granted: frozenset[str], issuer: str) -> Finding:
    """The finding where other scopes are granted."""
    reads, names = _names_of(sources), " ".join(sorted(granted))
    if granted <= OIDC_SCOPES:
        code, detail = Code.ONLY_OIDC_SCOPES, f"is needed; {reads} holds only scopes of OpenID Connect: {names}."
    else:
        code, detail = Code.SCOPE_MISSING, f"is needed; {reads} holds {printable(names)}."
    return _finding(scope, sources, granted, (code, detail, cure(code, issuer)))


def _nothing_granted(token: VerifiedToken, sources: tuple[ClaimName, ...], problem: str | None) -> _Told:
    reads, code = _names_of(sources), Code.SCOPE_MISSING
    if not any(_is_there(token, source) for source in sources):
        return code, f"is needed; the token has no {reads}.", cure(code, token.issuer)
    if not problem:
        return code, f"is needed; {reads} is empty.", cure(code, token.issuer)
    how = "let the issuer write a string of scopes or a list of strings."
    return Code.SCOPE_CLAIM_UNREADABLE, f"is needed; {reads} {problem}.", how


def _finding(scope: str, sources: tuple[ClaimName, ...], granted: frozenset[str], told: _Told) -> Finding:
    code, detail, hint = told
    claims = ", ".join(map(show_claim, sources))
    return Finding(code, f"`{scope}` {detail}", claims, scope, tuple(sorted(granted)), hint)


def _names_of(sources: tuple[ClaimName, ...]) -> str:
    return ", ".join(f"`{show_claim(source)}`" for source in sources)


def _pieces(scope: str) -> frozenset[str]:
    """What a scope is made of: `read`, `read:` and `users` of `read:users`."""
    cuts = [cut for cut in range(1, len(scope)) if not {scope[cut - 1], scope[cut]}.isdisjoint(_NAME_SEPARATORS)]
    return frozenset(piece for cut in cuts for piece in (scope[:cut], scope[cut:]))


def _seen_by_people(
    token: VerifiedToken, scope: str, sources: tuple[ClaimName, ...], granted: frozenset[str]
) -> _Told | None:
    """Where somebody who looks at the token sees the scope, or takes another for it."""
    reads = _names_of(sources)
    elsewhere = find_scope(token.claims, scope, sources)
    if elsewhere is not None:
        return (
            Code.SCOPE_IN_OTHER_CLAIM,
            f"stands in `{show_claim(elsewhere)}`; this route reads {reads}.",
            _read_it_there(elsewhere, sources),
        )
    near = _near_miss(token, scope, sources)
    if near is not None:
        return near
    for name in sorted(granted):
        if _is_part(name, scope):
            return (
                Code.SCOPE_DIFFERS_IN_PREFIX,
                f"is needed; {reads} holds `{printable(name)}`, which is another scope: there is no wildcard.",
                f'write requires("{printable(name)}") if that is what you mean, or grant `{scope}` at the issuer.',
            )
    return None


def _read_it_there(elsewhere: ClaimName, sources: Sequence[ClaimName]) -> str:
    """The cure for a scope in another claim, if that claim may be read instead."""
    if isinstance(elsewhere, tuple) and any(
        isinstance(source, tuple) and source[:-1] == elsewhere[:-1] for source in sources
    ):
        # {"org_1": [...], "org_2": [...]}: the scope is there, and it is somebody else's.
        return (
            f"it is granted for {printable(elsewhere[-1])!r}, and the request is about another: get a token that "
            "grants it here. With organization(...) beside it, a denial says so."
        )
    if len(repr(elsewhere)) > _MAX_NAME:
        return "name that claim in claim=."
    if isinstance(elsewhere, str) and elsewhere.isprintable() and not set(elsewhere) & set('"\\'):
        return f'write claim="{elsewhere}".'
    return f"write claim={elsewhere!r}."


def _is_there(token: VerifiedToken, claim: ClaimName) -> bool:
    return lookup(token.claims, claim) is not MISSING


def _near_miss(token: VerifiedToken, scope: str, sources: Sequence[ClaimName]) -> _Told | None:
    """Whether the scope stands there in other letters or glued to others; in the claims that are read, or else."""
    read = [(source, lookup(token.claims, source)) for source in sources]
    wanted = scope.lower()
    for claim, value in (*read, *other_claims(token.claims, sources)):
        for text in _texts(value):
            if wanted not in text.lower():
                continue
            found = _near(text, scope, f"`{show_claim(claim)}`")
            if found is not None:
                return found
    return None


def _near(text: str, scope: str, claim: str) -> _Told | None:
    shown = f"`{printable(text)}`"
    if scope in _COMMA.split(text) and "," in text:
        return Code.SCOPE_COMMA_JOINED, f"is joined to others in {claim}: {shown}.", _SPACES
    if text.startswith("[") and f'"{scope}"' in text:
        return (
            Code.SCOPE_OTHER_SEPARATOR,
            f"stands in {claim} in a list that was turned into a string: {shown}.",
            _SPACES,
        )
    if scope not in text.split(" ") and scope in _OTHER_SEPARATORS.split(text):
        return (
            Code.SCOPE_OTHER_SEPARATOR,
            f"stands in {claim} with another separator than a space: {shown}.",
            _SPACES,
        )
    for name in text.split(" "):
        if name.lower() == scope.lower() and name != scope:
            detail = f"is needed; {claim} holds `{printable(name)}`. Scopes are compared letter by letter."
            return (
                Code.SCOPE_DIFFERS_IN_CASE,
                detail,
                f'write requires("{printable(name)}"), or rename it at the issuer.',
            )
    return None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (element for element in value if isinstance(element, str))


def _is_part(held: str, needed: str) -> bool:
    """Whether one name is the other with something before or behind it: `read` and `read:users`, `read:*`."""
    for wild, plain in ((held, needed), (needed, held)):
        if wild.endswith("*") and plain.startswith(wild[:-1]):
            return True
    longer, shorter = (held, needed) if len(held) > len(needed) else (needed, held)
    if not shorter or len(longer) == len(shorter):
        return False
    if longer.startswith(shorter):
        return longer[len(shorter)] in _NAME_SEPARATORS or shorter[-1] in _NAME_SEPARATORS
    if longer.endswith(shorter):
        return longer[-len(shorter) - 1] in _NAME_SEPARATORS
    return False
