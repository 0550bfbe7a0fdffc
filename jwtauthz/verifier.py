"""The verifier: parse, find the issuer, find the key, check the signature, check the claims.

It decides from values: the token and the time. The only thing it may have to wait for is a key, and then it
says so (`MustWait`) instead of waiting, so that threads, asyncio and trio are served by the same lines.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .checks import HEADER_CHECKS, claim_checks, first_finding, repeats_claims, show, wrong_issuer
from .cures import cure
from .errors import Code, ConfigurationError, Finding, KeySetUnavailable
from .keys.jwk import KeyUnknown
from .plain_claims import plain_claims
from .token import parse
from .token_cache import TokenCache
from .verified_token import VerifiedToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .checks import Check, Rules
    from .explain import Step
    from .hierarchy import Hierarchy
    from .issuer import Issuer
    from .issuer_pool import IssuerPool
    from .issuer_resolver import IssuerResolver
    from .keys.jwk import Found, Key
    from .keys.remote import Flight
    from .plain_claims import Look
    from .token import Header, UnverifiedToken

# Tokens of one key share one header, so it is worth remembering; only headers of verified tokens are, so
# that a stranger can fill nothing.
_MAX_HEADERS: Final = 64
_MAX_CACHED_TOKEN: Final = 4 * 1024
_PLACES: Final = 4  # for marks, to each token that is remembered; less, and tokens that come often lose theirs
_MAX_PLACES: Final = 64 * 1024
_MARK: Final = 40  # characters of a signature that tell tokens apart, if not against somebody who means otherwise
# So many good signatures with untimely claims in a row, and so little time amiss, point at a clock.
_MANY: Final = 5
_MAX_CLOCK_ERROR: Final = 300.0
_MAX_UNTIMELY: Final = 64  # it begins anew then, for tokens that are long expired may come for ever
# Stands for the flight of a token that is refused anyway: it takes the keys as they are.
_WAIT_FOR_NOTHING: Any = object()


class _Trusted(NamedTuple):
    """An issuer and what its tokens are checked against at this API."""

    issuer: Issuer
    rules: Rules
    claim_checks: tuple[Check, ...]
    looks_plain: Look
    good_headers: set[Header]  # remembered ones that pass the checks of this issuer


class _Seen(NamedTuple):
    """A token whose signature held under a key, and the span of time in which its claims hold.

    What a look needs is copied here and unpacked at once: a property costs 0.2 µs where caches are cold.
    """

    token: VerifiedToken
    trusted: _Trusted
    key: Key
    key_id: str | None
    algorithm: str
    stale: bool
    valid_from: float
    valid_until: float


class Examination(NamedTuple):
    """What there is to say about a token: its parts, every check, and whether signature and claims hold."""

    token: UnverifiedToken | None
    steps: tuple[Step, ...]
    issuer: Issuer | None = None
    verified: bool = False


class Verifier:
    """Checks access tokens of several issuers, each against its own keys, algorithms and audience.

    Args:
        issuers: the issuers that are accepted.
        resolver: finds issuers beside those, when tokens name them.
        audience: the audience for those issuers that name none themselves.
        leeway: seconds by which clocks may differ, for `exp`, `nbf` and `iat`.
        token_cache: how many verified tokens are remembered; None for none.
        hierarchy: which scopes imply which.

    Raises:
        ConfigurationError: no issuer, the same issuer twice, or one without an audience.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        resolver: IssuerResolver | None = None,
        audience: frozenset[str] | None,
        leeway: float,
        token_cache: int | None,
        hierarchy: Hierarchy | None = None,
    ) -> None:
        self._trusted: dict[str, _Trusted] = {}
        for issuer in issuers:
            if issuer.url in self._trusted:
                raise ConfigurationError(f"The issuer {issuer.url!r} is given twice. Leave one out.")
            self._trusted[issuer.url] = _trusted(issuer, issuer.rules(audience=audience, leeway=leeway))
        self._by_iss = dict(self._trusted)
        for trusted in self._trusted.values():
            for alias in trusted.issuer.aliases:
                self._by_iss.setdefault(alias, trusted)
        self._pool: IssuerPool[_Trusted] | None = None
        if resolver is not None:
            from .issuer_pool import IssuerPool

            self._pool = IssuerPool(
                resolver, lambda issuer: _trusted(issuer, issuer.rules(audience=audience, leeway=leeway))
            )
            example = resolver.example()
            if example is not None:
                example.rules(audience=audience, leeway=leeway)
        elif not self._trusted:
            raise ConfigurationError("No issuer is given. Write issuer='https://tenant.eu.auth0.com/'.")
        self._headers: dict[bytes, Header] = {}
        self._hierarchy = hierarchy
        self._untimely: set[bytes] = set()  # signatures of tokens that failed by their times, one after another
        self._cache: TokenCache[bytes, _Seen] | None = None if token_cache is None else TokenCache(token_cache)
        # Marks of tokens that have come. Each stands at its value modulo the length; the next one for that place
        # pushes it to the place before, and out of there. Whose mark is gone is checked once more.
        self._marks = [0] * min(_PLACES * (token_cache or 1), _MAX_PLACES)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers that are accepted; of a resolver's, those that have had a good token."""
        return self.listed + (() if self._pool is None else self._pool.issuers)

    @property
    def listed(self) -> tuple[Issuer, ...]:
        """The issuers that were given one by one."""
        return tuple(trusted.issuer for trusted in self._trusted.values())

    @property
    def pool(self) -> IssuerPool[_Trusted] | None:
        """What is kept of the issuers that a resolver found; None without one."""
        return self._pool

    def subscribe(self, hook: Callable[[Any], object]) -> None:
        """Tell a hook of what happens to the keys of the issuers."""
        for issuer in self.listed:
            subscribe = getattr(issuer.key_set, "subscribe", None)
            if subscribe is not None:  # a key set without a network has no events
                subscribe(hook)
        if self._pool is not None:
            self._pool.subscribe(hook)

    def close(self) -> None:
        """Let go of the key sets."""
        for issuer in self.listed:
            issuer.key_set.close()
        if self._pool is not None:
            self._pool.close()

    def verify(self, text: str, now: float, after: Flight | None = None) -> VerifiedToken | Finding:
        """The verified token, or the first finding that speaks against it.

        Args:
            text: the compact JWS.
            now: seconds since 1970.
            after: the flight that this request has already waited for; it waits for no second one.

        Raises:
            MustWait: a key is being fetched; wait for its flight and call again with it.
            KeySetUnavailable: no keys are to be had; nothing can be said of the token.
        """
        cache = self._cache
        if cache is None:
            return self._verify(text, now, after)
        # Where every request brings another token, remembering them all is wasted: it costs 6 µs a token, most of
        # it for memory that has gone cold. So the first time only a mark is left, and the second time the token.
        marks, mark = self._marks, hash(text[-_MARK:])
        place = mark % len(marks)
        is_new = marks[place] != mark and marks[place - 1] != mark
        if is_new or len(text) > _MAX_CACHED_TOKEN or not text.isascii():
            result = self._verify(text, now, after)
            if is_new and type(result) is VerifiedToken:
                marks[place - 1], marks[place] = marks[place], mark
            return result
        digest = sha256(text.encode()).digest()
        seen = cache.get(digest)
        if seen is not None:
            token = self._seen_again(seen, now, after)
            if token is not None:
                return token
            cache.forget(digest)
        return self._verify(text, now, after, digest)

    def _seen_again(self, seen: _Seen, now: float, after: Flight | None) -> VerifiedToken | None:
        """The token of an earlier request, if all but its signature still speaks for it."""
        token, trusted, key, key_id, algorithm, stale, valid_from, valid_until = seen
        if not valid_from <= now < valid_until:
            return None
        pool = self._pool
        if pool is not None and self._held(token.issuer) is not trusted:
            return None  # the resolver's pool dropped the issuer, or has it anew
        try:
            found = trusted.issuer.key_set.find(key_id, algorithm, after=after)
        except KeyUnknown:
            return None
        if key not in found.keys or found.stale is not stale:
            return None
        if self._untimely:
            self._untimely.clear()
        if pool is not None:
            pool.verified(token.issuer, trusted)
        return token

    def _verify(
        self, text: str, now: float, after: Flight | None, digest: bytes | None = None
    ) -> VerifiedToken | Finding:
        token = parse(text, self._headers)
        if isinstance(token, Finding):
            return self._with_cure(token, text)
        trusted = self._issuer_of(token)
        if trusted is None or isinstance(trusted, Finding):
            return trusted or self._wrong_issuer(token)
        return self._verify_for(trusted, token, now, after, digest)

    def _verify_for(
        self, trusted: _Trusted, token: UnverifiedToken, now: float, after: Flight | None, digest: bytes | None
    ) -> VerifiedToken | Finding:
        if token.header in trusted.good_headers and trusted.looks_plain(token, now):
            finding = None
        else:
            finding = first_finding(HEADER_CHECKS, token, trusted.rules, now)
            if finding is not None:
                return finding
            # Claims are read before the key is looked for: a token that they refuse anyway is worth no fetch.
            finding = first_finding(trusted.claim_checks, token, trusted.rules, now)
        try:
            found = trusted.issuer.key_set.find(
                token.header.key_id,
                token.header.algorithm,
                after=after if finding is None else _WAIT_FOR_NOTHING,
            )
        except KeyUnknown as unknown:
            return finding or self._key_unknown(token, trusted, unknown)
        except KeySetUnavailable:
            if finding is None:
                raise
            return finding
        key = _signing_key(token, found)
        if key is None:
            if finding is None and after is None:
                trusted.issuer.key_set.recheck(found)
            return _BAD_SIGNATURE
        if finding is not None:
            return self._perhaps_the_clock(finding, token)
        verified = self.reading(token, trusted.issuer, stale=found.stale)
        self._remember(token, verified, trusted, key, digest)
        return verified

    def _issuer_of(self, token: UnverifiedToken) -> _Trusted | Finding | None:
        """The issuer that a token says it comes from, if it is accepted; a finding if that can't be told."""
        issuer = token.claims.get("iss")
        if type(issuer) is not str:
            return None
        trusted = self._by_iss.get(issuer)
        return self._pool.find(issuer) if trusted is None and self._pool is not None else trusted

    def _held(self, issuer: object) -> _Trusted | None:
        """The same of those at hand; asks nobody."""
        if type(issuer) is not str:
            return None
        trusted = self._by_iss.get(issuer)
        return self._pool.held(issuer) if trusted is None and self._pool is not None else trusted

    def _wrong_issuer(self, token: UnverifiedToken) -> Finding:
        if self._pool is None:
            return wrong_issuer(token, list(self._trusted))
        resolver = self._pool.resolver
        finding = wrong_issuer(token, [*self._trusted, *resolver.describe()])
        return replace(finding, hint=resolver.hint(token.claims.get("iss")) or finding.hint)

    def examine(self, text: str, now: float) -> Examination:
        """Run every check of a token to the end, for an explanation; waits for nothing, decides nothing.

        A token of an issuer that is not accepted is held against the only one that is, if there is only one.
        """
        from .explain import Step, steps_of

        token = parse(text, {})
        if isinstance(token, Finding):
            token = self._with_cure(token, text)
            return Examination(None, (Step("form", _FORM, "failed", finding=token),))
        steps = [Step("form", _FORM, "passed")]
        trusted = self._held(token.claims.get("iss"))
        known = trusted is not None
        if trusted is None:
            if len(self._trusted) != 1 or self._pool is not None:
                finding, accepted = self._wrong_issuer(token), list(self._trusted)
                if self._pool is not None:
                    accepted += self._pool.resolver.describe()
                steps.append(Step("issuer", "issuer (iss)", "failed", " or ".join(accepted), finding=finding))
                return Examination(token, tuple(steps))
            trusted = next(iter(self._trusted.values()))
        key = self._key_step(token, trusted, known=known)
        signed = key[-1].verdict == "passed"
        checks = list(steps_of(token, trusted.rules, now, verified=signed))
        before = len(HEADER_CHECKS)
        steps += [*checks[:before], *key, *checks[before:]]
        verified = signed and all(step.verdict == "passed" for step in checks)
        return Examination(token, tuple(steps), trusted.issuer, verified)

    def _key_step(self, token: UnverifiedToken, trusted: _Trusted, *, known: bool) -> tuple[Step, Step]:
        """Whether the issuer lists a key for the token, and whether the signature holds under it."""
        from .explain import Step

        kid = show(token.header.key_id, 100)
        reached = known and first_finding(HEADER_CHECKS, token, trusted.rules, 0.0) is None
        signature = Step("signature", _SIGNATURE, "not reached")
        if not reached:
            return Step("key", _KEY, "not reached", found=kid), signature
        try:
            found = trusted.issuer.key_set.find(
                token.header.key_id, token.header.algorithm, after=_WAIT_FOR_NOTHING
            )
        except KeyUnknown as unknown:
            finding = self._key_unknown(token, trusted, unknown)
            return Step("key", _KEY, "failed", found=kid, finding=finding), signature
        except KeySetUnavailable as unavailable:
            finding = keys_unavailable(unavailable)
            return Step("key", _KEY, "failed", found=kid, finding=finding), signature
        key = Step("key", _KEY, "passed", found=kid)
        if _signing_key(token, found) is None:
            return key, Step("signature", _SIGNATURE, "failed", finding=_BAD_SIGNATURE)
        return replace(key, verified=True), Step("signature", _SIGNATURE, "passed", verified=True)

    def reading(self, token: UnverifiedToken, issuer: Issuer | None, *, stale: bool = False) -> VerifiedToken:
        """A token as a policy reads it; whether it may be believed, the caller has to know."""
        if issuer is None:
            return VerifiedToken(
                token.header, token.claims, token.payload, scopes_from=("scope",), hierarchy=self._hierarchy
            )
        return VerifiedToken(
            token.header,
            token.claims,
            token.payload,
            scopes_from=issuer.scopes_from,
            hierarchy=self._hierarchy,
            stale=stale,
            # Only presets have aliases: without one, no call.
            issuer=issuer.url if issuer.preset is not None and token.claims.get("iss") in issuer.aliases else None,
        )

    def _perhaps_the_clock(self, finding: Finding, token: UnverifiedToken) -> Finding:
        """A finding about a time claim, with the suspicion that many of them in a row raise.

        Only tokens whose signature held are counted, so that no stranger can raise it.
        """
        if finding.code not in {Code.EXPIRED, Code.NOT_YET_VALID}:
            return finding
        if len(self._untimely) >= _MAX_UNTIMELY:
            self._untimely.clear()
        self._untimely.add(token.signature)
        amiss = abs(finding.expected - finding.found)  # type: ignore[operator]
        if len(self._untimely) < _MANY or amiss > _MAX_CLOCK_ERROR:
            return finding
        return replace(
            finding,
            hint=f"{len(self._untimely)} tokens in a row failed by their times, this one by less than "
            f"{_MAX_CLOCK_ERROR:.0f} s: compare the clock of this machine with the issuer's (NTP).",
        )

    def _key_unknown(self, token: UnverifiedToken, trusted: _Trusted, unknown: KeyUnknown) -> Finding:
        hint = cure(Code.KEY_UNKNOWN, trusted.issuer.url)
        for other in self._trusted.values():
            if other is not trusted and _lists(other, token):
                hint = (
                    f"The key belongs to {other.issuer.url!r}, which is accepted too, but the token says that "
                    f"it comes from {trusted.issuer.url!r}. Look at how the token was made."
                )
        return Finding(Code.KEY_UNKNOWN, _sentence(unknown), "kid", None, token.header.key_id, hint)

    def _with_cure(self, finding: Finding, text: str) -> Finding:
        """A finding about something that is no JWT, with what to do at the issuer it likely comes from."""
        issuer = next(iter(self._trusted)) if len(self._trusted) == 1 else ""
        if text.startswith("ya29."):  # how Google's access tokens begin
            finding, issuer = (
                Finding(Code.OPAQUE_TOKEN, _GOOGLE),
                "https://accounts.google.com",
            )
        hint = finding.hint or cure(finding.code, issuer)
        return replace(finding, hint=hint)

    def _remember(
        self,
        token: UnverifiedToken,
        verified: VerifiedToken,
        trusted: _Trusted,
        key: Key,
        digest: bytes | None,
    ) -> None:
        header = token.header
        if self._untimely:
            self._untimely.clear()
        if header not in trusted.good_headers:
            self._remember_header(token, trusted)
        if self._pool is not None:
            self._pool.verified(verified.issuer, trusted)
        if self._cache is None or digest is None:
            return
        claims, leeway, stale = token.claims, trusted.rules.leeway, verified.stale
        valid_from = max(claims.get("nbf", 0), claims.get("iat", 0)) - leeway
        valid_until = claims["exp"] + leeway
        if trusted.rules.max_token_age is not None:
            valid_until = min(valid_until, claims["iat"] + trusted.rules.max_token_age + leeway)
        seen = _Seen(verified, trusted, key, header.key_id, header.algorithm, stale, valid_from, valid_until)
        self._cache.put(digest, seen)

    def _remember_header(self, token: UnverifiedToken, trusted: _Trusted) -> None:
        if repeats_claims(token.header):
            return  # each token has to be compared with it
        if len(self._headers) >= _MAX_HEADERS:
            self._headers.clear()
        if len(trusted.good_headers) >= _MAX_HEADERS:
            trusted.good_headers.clear()
        self._headers[token.signing_input.partition(b".")[0]] = token.header
        trusted.good_headers.add(token.header)


def _trusted(issuer: Issuer, rules: Rules) -> _Trusted:
    return _Trusted(issuer, rules, claim_checks(rules), plain_claims(rules), set())


def keys_unavailable(unavailable: KeySetUnavailable) -> Finding:
    """The finding for a token that can't be judged, for there are no keys."""
    return Finding(Code.KEYS_UNAVAILABLE, _sentence(unavailable), hint=cure(Code.KEYS_UNAVAILABLE))


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def _lists(trusted: _Trusted, token: UnverifiedToken) -> bool:
    """Whether an issuer has a key of that ID at hand."""
    try:
        trusted.issuer.key_set.find(token.header.key_id, token.header.algorithm, after=_WAIT_FOR_NOTHING)
    except (KeyUnknown, KeySetUnavailable):
        return False
    return True


def _signing_key(token: UnverifiedToken, found: Found) -> Key | None:
    for key in found.keys:
        if key.verify(token.header.algorithm, token.signing_input, token.signature):
            return key
    return None


_GOOGLE: Final = "The token is an opaque access token of Google."
_FORM: Final = "well-formed JWT"
_KEY: Final = "key that its issuer lists"
_SIGNATURE: Final = "signature"
_BAD_SIGNATURE: Final = Finding(
    Code.BAD_SIGNATURE,
    "The signature does not verify under the issuer's key of that key ID.",
    hint="The token was changed, cut, or signed by somebody else; for tokens of a test issuer, check that "
    "the API trusts that issuer and not the real one.",
)
