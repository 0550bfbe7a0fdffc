"""The resource server: verifier, policy and challenge put together; what every door calls.

    server = ResourceServer(issuer="https://tenant.eu.auth0.com/", audience="https://api.example.com")
    token = server.authorize("Bearer …", "read:users")

It is made once and shared by all threads and event loops of a process.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import asynccontextmanager
from enum import Enum
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from .credentials import IN_HEADER, Credentials, flag
from .denials import Denials, explanation_of
from .environment import settings_from
from .errors import AccessDenied, Code, ConfigurationError, Finding, KeySetUnavailable
from .health import key_set_health
from .hierarchy import Hierarchy
from .hooks import Hooks
from .issuer import Issuer, audiences
from .keys.remote import MustWait
from .policy import Requirement, Shadow, requirement
from .request import Request, bearer_token
from .revocation import Revocation
from .server_settings import cache_size, issuers_of, leeway_seconds, wall_clock
from .verified_token import VerifiedToken
from .verifier import Verifier, keys_unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from .explain import Explanation
    from .hooks import Hook
    from .issuer_resolver import IssuerResolver
    from .keys.fleet import Fleet
    from .keys.remote import Flight
    from .revocation import Revoked
    from .sources import Source, TokenFunction

logger = logging.getLogger("jwtauthz")

DEFAULT_LEEWAY: Final = 5.0
DEFAULT_TOKEN_CACHE: Final = 1_024
_DECIDING: Final = frozenset({"authorize", "aauthorize", "authorize_at_once", "permit", "apermit"})


class Later(Enum):
    """What stands for a decision that can't be had without waiting."""

    LATER = "later"


LATER: Final = Later.LATER


class ResourceServer:
    """An API that lets requests in by their access tokens, and says why when it does not.

    A subclass may not decide in another way (TypeError): doors call whichever of `authorize`, `aauthorize` and
    `authorize_at_once` serves them best. Write functions among the needs, or `revoked=`, instead.

    Args:
        issuer: the issuer of the tokens, exactly as `iss` says it; an `Issuer`, or a list, for more; an
            `IssuerResolver`, in a list or alone, for issuers that are not known yet.
        audience: what the API is called at the issuer (`aud`); several if any of them will do.
        token_from: where the token of a request stands, the `Authorization` header by default: a source of
            `jwtauthz.credentials`, a function `(request) -> str | None`, or a list of them for any one place.
        realm: what challenges call the protected space (RFC 9110 section 11.5).
        leeway: seconds by which clocks may differ, 0 to 300.
        implies: for a scope, those it brings along: `{"admin": ["read:users", "write:users"]}`.
        revoked: `(token) -> bool`, sync or async, asked for each good token; True refuses it. If it raises,
            the answer is 503. A sync one is called in place, on the event loop too: let it look, not wait.
        token_cache: how many verified tokens are remembered; None for none.
        preflight: whether a CORS preflight passes without a token.
        fleet: what the processes of this API share, so that they ask the issuer for its keys as one; see
            `jwtauthz.keys.fleet.Fleet`.
        shadow: report what policies would deny, and let it in; tokens are checked all the same. For trying out
            policies on a running API.
        hooks: `(event) -> None`, one or several, told of decisions and of keys; see `jwtauthz.events`.
        debug: whether answers carry their explanation, claims included, as JSON, or as a page for a browser.
            True shows it to requests from this machine only.
        clock: the wall clock, in seconds since 1970.

    Raises:
        ConfigurationError: a setting that makes no sense.
    """

    def __init__(
        self,
        issuer: str | Issuer | IssuerResolver | Iterable[str | Issuer | IssuerResolver],
        audience: str | Iterable[str] | None = None,
        *,
        token_from: Source | TokenFunction | Iterable[Source | TokenFunction] = IN_HEADER,
        realm: str = "api",
        leeway: float = DEFAULT_LEEWAY,
        implies: Mapping[str, Iterable[str]] | None = None,
        revoked: Revoked | None = None,
        token_cache: int | None = DEFAULT_TOKEN_CACHE,
        preflight: bool = True,
        fleet: Fleet | None = None,
        shadow: bool = False,
        hooks: Hook | Iterable[Hook] | None = None,
        debug: bool | str = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        issuers, resolver = issuers_of(issuer)
        self.verifier = Verifier(
            issuers,
            resolver=resolver,
            audience=None if audience is None else audiences(audience),
            leeway=leeway_seconds(leeway),
            token_cache=cache_size(token_cache),
            hierarchy=None if implies is None else Hierarchy(implies),
        )
        self.credentials = Credentials(token_from)
        self._in_header = self.credentials.in_header
        self.preflight = flag(preflight, "preflight")
        self._shadow = flag(shadow, "shadow")
        if shadow:
            logger.warning("shadow=True: what policies deny is reported and let in; only tokens are checked")
        self._revocation = None if revoked is None else Revocation(revoked)
        self._clock = wall_clock(clock)
        self._hooks = Hooks(hooks) or None
        self._denials = Denials(self.verifier, self.credentials, realm=realm, debug=debug, hooks=self._hooks)
        self.realm = self._denials.realm
        if fleet is not None:
            _join(fleet, self.verifier.listed)
        if self._hooks is not None:
            self._hooks.attach(self, fleet)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **settings: Any) -> ResourceServer:
        """A server whose settings come from the environment; `settings` are those of the constructor.

        `JWTAUTHZ_ISSUER` and `JWTAUTHZ_AUDIENCE` (several separated by spaces) must be there.
        `JWTAUTHZ_ALGORITHMS`, `JWTAUTHZ_SCOPES_FROM` (separated by spaces), `JWTAUTHZ_JWKS_URL`,
        `JWTAUTHZ_PROFILE`, `JWTAUTHZ_LEEWAY` and `JWTAUTHZ_REALM` may. `JWTAUTHZ_REDIS_URL` and
        `JWTAUTHZ_INTEGRITY_KEY` make a fleet.

        Raises:
            ConfigurationError: a variable is missing, empty, unknown, or makes no sense.
        """
        found = settings_from(os.environ if environ is None else environ)
        for name in found.keys() & settings.keys():
            raise ConfigurationError(f"JWTAUTHZ_{name.upper()} is set, and {name}= is given too. Leave one out.")
        return cls(**found, **settings)

    def __init_subclass__(cls, **keywords: object) -> None:
        """Refuse another decision: doors call whichever of these serves them best, and would go around it."""
        super().__init_subclass__(**keywords)
        for name in sorted(_DECIDING):
            if getattr(cls, name) is not getattr(ResourceServer, name):  # of its own, or of a mixin
                raise TypeError(
                    f"{cls.__name__}.{name} would be asked by some requests and not by others. Leave it out; "
                    "write what it checks as a function (token, request) -> bool among the needs, or as revoked=."
                )

    # ── deciding ──

    @property
    def needs_async(self) -> bool:
        """Whether a decision has to await something of the application, so that only `aauthorize` will do."""
        return self._revocation is not None and self._revocation.is_async

    @overload
    def authorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = ...,
        claims: type | None = ...,
        optional: Literal[False] = ...,
    ) -> VerifiedToken: ...
    @overload
    def authorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = ...,
        claims: type | None = ...,
        optional: bool,
    ) -> VerifiedToken | None: ...
    def authorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
        optional: bool = False,
    ) -> VerifiedToken | None:
        """Let a request in, or raise the denial.

        Args:
            request: a `Request`, or the `Authorization` header as a string, or None if there is none.
            needs: what the operation needs, all of it: scopes, `any_of(...)`, `authenticated()`, functions.
            claim: the claim that scopes given as strings are read from, instead of the issuer's own.
            claims: a class that the claims are read into; `token.claims_as` of the same class gives what they
                became.
            optional: a request without credentials is anonymous (None is returned) instead of refused; a bad
                token is refused all the same.

        Returns:
            The token; None for an anonymous request where `optional` allows it.

        Raises:
            AccessDenied: the request is not let in.
            ConfigurationError: `needs` ask for nothing, or `revoked` is async.
        """
        asked, needed = _asked(request), _requirement(needs, claim, claims)
        started = perf_counter() if self._hooks is not None else 0.0
        now = self._clock()
        return self._concluded(self._authorize(asked, needed, optional, now), asked, needed, now, started)

    @overload
    async def aauthorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = ...,
        claims: type | None = ...,
        optional: Literal[False] = ...,
    ) -> VerifiedToken: ...
    @overload
    async def aauthorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = ...,
        claims: type | None = ...,
        optional: bool,
    ) -> VerifiedToken | None: ...
    async def aauthorize(
        self,
        request: Request | str | None,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
        optional: bool = False,
    ) -> VerifiedToken | None:
        """As `authorize`, for asyncio and trio: waits without blocking the loop, and awaits what is async."""
        asked, needed = _asked(request), _requirement(needs, claim, claims)
        started = perf_counter() if self._hooks is not None else 0.0
        now = self._clock()
        return self._concluded(await self._aauthorize(asked, needed, optional, now), asked, needed, now, started)

    def authorize_at_once(
        self, request: Request, needed: Requirement, *, optional: bool = False
    ) -> VerifiedToken | Later | None:
        """As `authorize`, for doors, without waiting: `jwtauthz.resource_server.LATER` if that can't be promised.

        So it is where a key has to be fetched, a check is async, or there is a `revoked=`, which may return
        something to await even if it is not async itself. Nobody has been told anything then; call `aauthorize` or
        `authorize`. A request that passes through no coroutine here takes 0.7 µs less.
        """
        if needed.is_async or self._revocation is not None:
            return LATER
        started = perf_counter() if self._hooks is not None else 0.0
        now = self._clock()
        try:
            outcome = self._authenticate(request, needed, optional, now, None)
        except MustWait:
            return LATER
        try:
            if isinstance(outcome, VerifiedToken):
                outcome = self._permit(outcome, request, needed, now)
            return self._concluded(outcome, request, needed, now, started)
        finally:
            del outcome  # a denial would hold itself by its traceback; see `_concluded`

    def permit(
        self,
        token: VerifiedToken,
        request: Request,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
    ) -> VerifiedToken:
        """Ask one thing more of a token that `authorize` has let in for this very request.

        For doors that authenticate early and learn later, route by route, what an operation needs. Arguments,
        result and errors as for `authorize`.
        """
        needed, now = _requirement(needs, claim, claims), self._clock()
        self._concluded(self._permit(token, request, needed, now), request, needed, now)
        return token

    async def apermit(
        self,
        token: VerifiedToken,
        request: Request,
        *needs: object,
        claim: object = None,
        claims: type | None = None,
    ) -> VerifiedToken:
        """As `permit`, for asyncio and trio."""
        needed, now = _requirement(needs, claim, claims), self._clock()
        resolved = await needed.resolved(token, request) if needed.is_async else needed
        self._concluded(self._permit(token, request, resolved, now), request, needed, now)
        return token

    def explain(
        self, request: Request | str | None, *needs: object, claim: object = None, claims: type | None = None
    ) -> Explanation:
        """Say why a request would be let in or not: every check, not only the first that fails.

        Takes the arguments of `authorize`, and decides as it does; it neither raises the denial nor logs it.
        """
        asked, needed, now = _asked(request), self._tried_out(_requirement(needs, claim, claims)), self._clock()
        outcome = self._authorize(asked, needed, optional=False, now=now, enforce=True)
        denied = outcome if isinstance(outcome, AccessDenied) else None
        return explanation_of(self.verifier, self.credentials, asked, needed, denied, now=now)

    async def aexplain(
        self, request: Request | str | None, *needs: object, claim: object = None, claims: type | None = None
    ) -> Explanation:
        """As `explain`, for asyncio and trio."""
        asked, needed, now = _asked(request), self._tried_out(_requirement(needs, claim, claims)), self._clock()
        outcome = await self._aauthorize(asked, needed, optional=False, now=now, enforce=True)
        denied = outcome if isinstance(outcome, AccessDenied) else None
        return explanation_of(self.verifier, self.credentials, asked, needed, denied, now=now)

    def _tried_out(self, needed: Requirement) -> Requirement:
        return Shadow(needed) if self._shadow and not isinstance(needed, Shadow) else needed

    # What follows returns a denial instead of raising it, so that it is raised in one place.

    def _authorize(
        self, request: Request, needed: Requirement, optional: bool, now: float, *, enforce: bool = False
    ) -> VerifiedToken | AccessDenied | None:
        after: Flight | None = None
        while True:
            try:
                token = self._authenticate(request, needed, optional, now, after)
                break
            except MustWait as wait:
                wait.flight.wait()
                after = wait.flight
        if not isinstance(token, VerifiedToken):
            return token
        if self._revocation is not None and (finding := self._revocation.ask(token)) is not None:
            return self._denials.of(needed, (finding,))
        return self._permit(token, request, needed, now, enforce=enforce)

    async def _aauthorize(
        self, request: Request, needed: Requirement, optional: bool, now: float, *, enforce: bool = False
    ) -> VerifiedToken | AccessDenied | None:
        after: Flight | None = None
        while True:
            try:
                token = self._authenticate(request, needed, optional, now, after)
                break
            except MustWait as wait:
                await wait.flight.await_()
                after = wait.flight
        if not isinstance(token, VerifiedToken):
            return token
        if self._revocation is not None and (finding := await self._revocation.aask(token)) is not None:
            return self._denials.of(needed, (finding,))
        resolved = await needed.resolved(token, request) if needed.is_async else needed
        return self._permit(token, request, resolved, now, enforce=enforce)

    def _authenticate(
        self, request: Request, needed: Requirement, optional: bool, now: float, after: Flight | None
    ) -> VerifiedToken | AccessDenied | None:
        """The token of the request; everything that ends in 400, 401 or 503."""
        text = bearer_token(request.authorization) if self._in_header else self.credentials.token_of(request)
        if isinstance(text, Finding):
            if optional and text.code is Code.NO_CREDENTIALS:
                return None
            return self._denials.of(needed, (text,))
        try:
            token = self.verifier.verify(text, now, after)
        except KeySetUnavailable as unavailable:
            finding = keys_unavailable(unavailable)
            return self._denials.of(needed, (finding,), retry_after=unavailable.retry_after, cause=unavailable)
        return self._denials.of(needed, (token,)) if isinstance(token, Finding) else token

    def _permit(
        self, token: VerifiedToken, request: Request, needed: Requirement, now: float, *, enforce: bool = False
    ) -> VerifiedToken | AccessDenied:
        """The token, if the policy holds; everything that ends in 403, and step-up.

        An explanation says `enforce`: it wants to know what a shadow policy would deny, and tells nobody.
        """
        if needed.is_async:
            raise ConfigurationError(
                "A check of this policy is async, so it needs `await server.aauthorize(...)`."
            )
        decision = needed.decide(token, request, now)
        if decision.allowed:
            return token
        denied = self._denials.of(needed, decision.findings, decision)
        denied.token = token
        tried_out = self._shadow or isinstance(needed, Shadow)
        if enforce or not tried_out or not denied.is_of_policy:
            return denied
        self._denials.tell(denied, request, needed, now, enforced=False)
        return token

    def _concluded(
        self,
        outcome: VerifiedToken | AccessDenied | None,
        request: Request,
        needed: Requirement,
        now: float,
        started: float | None = None,
    ) -> VerifiedToken | None:
        """The token, when hooks have been told; or its denial, raised when it has been told of."""
        if isinstance(outcome, AccessDenied):
            seconds = None if started is None else perf_counter() - started
            self._denials.tell(outcome, request, needed, now, seconds=seconds)
            try:
                raise outcome
            finally:
                del outcome  # else it would hold itself by its traceback, and wait for the garbage collector
        if self._hooks is not None and started is not None:
            self._hooks.allowed(request, outcome, perf_counter() - started)
        return outcome

    # ── life ──

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers whose tokens are accepted; of those that a resolver found, the ones with a good token."""
        return self.verifier.issuers

    def forget_issuer(self, url: str) -> bool:
        """Drop an issuer that a resolver found, say because its tenant is gone; True if it was kept.

        What the resolver said of it is forgotten, and so are its verified tokens: the next one asks anew.
        """
        return self.verifier.pool is not None and self.verifier.pool.forget(url)

    @property
    def ready(self) -> bool:
        """Whether the keys of every issuer are at hand, for a load balancer that asks.

        Issuers that a resolver finds do not count: one tenant's outage is not that of the API.
        """
        return all(issuer.key_set.ready for issuer in self.verifier.listed)

    def health(self) -> dict[str, object]:
        """How each issuer and its keys are, in values that fit JSON: nothing secret, nothing of a token.

        It says more than strangers need to know; for a load balancer there is `health_endpoint` of the doors.
        """
        return {
            "ready": self.ready,
            "issuers": [
                {"issuer": issuer.url, "ready": issuer.key_set.ready, "key_set": key_set_health(issuer.key_set)}
                for issuer in self.issuers
            ],
        }

    def warm_up(self, timeout: float | None = None) -> None:
        """Fetch the keys before the first request, but for issuers that only a resolver knows.

        Raises:
            KeySetUnavailable: an issuer can't be reached.
        """
        for issuer in self.verifier.listed:
            issuer.key_set.warm_up(timeout)

    async def awarm_up(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """As `warm_up`, for asyncio and trio."""
        for issuer in self.verifier.listed:
            await issuer.key_set.awarm_up(timeout)

    def close(self) -> None:
        """Let go of the key sets. Forgetting it leaks nothing: nothing outlives a fetch."""
        self.verifier.close()

    async def aclose(self) -> None:
        """As `close`."""
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:  # noqa: ARG002
        """Fetch the keys at the start, close at the end: `FastAPI(lifespan=server.lifespan)`, Starlette too.

        An issuer that is down does not keep the application from starting; requests get 503 until it is back.
        """
        try:
            await self.awarm_up()
        except KeySetUnavailable as unavailable:
            logger.error("Starting without keys: %s", unavailable)
        try:
            yield
        finally:
            await self.aclose()

    def __repr__(self) -> str:
        pool = self.verifier.pool
        resolver = "" if pool is None else f" resolver={pool.resolver!r}"
        return (
            f"<ResourceServer issuers={[issuer.url for issuer in self.issuers]!r}{resolver} realm={self.realm!r}>"
        )


def _join(fleet: Fleet, issuers: Iterable[Issuer]) -> None:
    """Share the keys of all issuers that have keys to fetch."""
    joins = [join for issuer in issuers if (join := getattr(issuer.key_set, "join", None)) is not None]
    if not joins:
        raise ConfigurationError("fleet= shares the fetching of keys, and no issuer here has any to fetch.")
    for join in joins:
        join(fleet)


def _asked(request: Request | str | None) -> Request:
    return request if isinstance(request, Request) else Request(request)


def _requirement(needs: tuple[object, ...], claim: object, claims: object = None) -> Requirement:
    if claims is not None:
        from .typed_claims import typed

        return typed(_requirement(needs, claim), claims)
    if len(needs) == 1 and claim is None and isinstance(needs[0], Requirement):
        return needs[0]
    try:
        return _remembered_requirement(needs, claim)
    except TypeError:  # something that can't be hashed, and so can't be meant
        return requirement(*needs, claim=claim)


@lru_cache(maxsize=256)
def _remembered_requirement(needs: tuple[object, ...], claim: object) -> Requirement:
    return requirement(*needs, claim=claim)
