"""The `VerifiedToken`: what an API works with when signature and claims have been checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from .claims import read_scopes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .claims import ClaimName, Reading
    from .claims_model import ClaimsModel
    from .errors import Finding
    from .hierarchy import Hierarchy
    from .token import Header

_Model = TypeVar("_Model")

# The client's ID: RFC 9068, OpenID Connect, Okta, Entra ID 1.0.
_CLIENT_CLAIMS: Final = ("client_id", "azp", "cid", "appid")


class ReadOnlyDict(dict[str, Any]):
    """A JSON object that can't be changed: claims are shared by every request that brings the same token."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("The claims of a verified token are read-only; work on a copy: dict(token.claims).")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[ReadOnlyDict], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


class ReadOnlyList(list[Any]):
    """A JSON array that can't be changed."""

    __slots__ = ()

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("The claims of a verified token are read-only; work on a copy: list(...).")

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __reduce__(self) -> tuple[type[ReadOnlyList], tuple[list[Any]]]:
        return type(self), (list(self),)


def read_only(value: Any) -> Any:
    """The same JSON value with every object and array closed; depth is bounded by `json_object`."""
    if type(value) is dict:
        return ReadOnlyDict({name: read_only(member) for name, member in value.items()})
    if type(value) is list:
        return ReadOnlyList(map(read_only, value))
    return value


class VerifiedToken:
    """An access token whose signature and claims have been checked; what an API works with.

    Two tokens are never compared by content: the identity of a user is the pair of `issuer` and `subject`.
    The text of the token itself is not kept, so that it can't be logged.
    """

    __slots__ = (
        "_claims",
        "_header",
        "_hierarchy",
        "_issuer",
        "_made",
        "_payload",
        "_read_only",
        "_readings",
        "_scopes_from",
        "_stale",
    )

    def __init__(
        self,
        header: Header,
        claims: Mapping[str, Any],
        payload: bytes,
        *,
        scopes_from: Sequence[ClaimName],
        hierarchy: Hierarchy | None = None,
        stale: bool = False,
        issuer: str | None = None,
    ) -> None:
        self._header = header
        self._issuer = issuer
        self._claims = claims
        self._payload = payload  # the claims as JSON, for `mentions` alone; without a signature it is no token
        self._read_only: ReadOnlyDict | None = None
        self._scopes_from = scopes_from
        self._hierarchy = hierarchy
        self._stale = stale
        self._readings: dict[ClaimName | None, Reading] = {}
        self._made: dict[ClaimsModel, Any] | None = None  # what claims were read into, by classes

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims, read-only; they compare and serialise like plain JSON values."""
        # Made when first asked for: most routes never do, and it would cost each new token 3 µs.
        if self._read_only is None:
            self._read_only = read_only(self._claims)
        return self._read_only

    def claims_as(self, model: type[_Model]) -> _Model:
        """The claims as a class says them: a pydantic model, a msgspec Struct, a dataclass or a TypedDict.

        `claims=Me` where the token is asked for makes sure that they fit before anything else happens. An object
        that is frozen to its last field, and so can be hashed, is made once for a token and shared by all requests
        that bring it; of any other, each caller gets one of its own.

        Raises:
            AccessDenied: they do not fit (401), or a validator raised something odd (503). Doors answer it as any
                denial.
            ConfigurationError: claims can't be read into such a thing.
        """
        from .claims_model import claims_model  # few routes ask for a class, and all would import what reads them

        value: _Model = claims_model(model).take(self._claims, self._made_so_far())
        return value

    def misfit(self, model: ClaimsModel) -> Finding | None:
        """Why the claims can't be read into a class, or None if they can."""
        return model.misfit(self._claims, self._made_so_far())

    def _made_so_far(self) -> dict[ClaimsModel, Any]:
        if self._made is None:
            self._made = {}
        return self._made

    @property
    def issuer(self) -> str:
        """`iss`: who issued it (RFC 7519 section 4.1.1); one name, where an issuer writes itself in two ways."""
        return self._issuer or str(self._claims.get("iss", ""))

    @property
    def subject(self) -> str | None:
        """`sub`: whom it is about; unique only within the issuer (RFC 7519 section 4.1.2)."""
        return self._claims.get("sub")

    @property
    def audience(self) -> tuple[str, ...]:
        """`aud`: for whom it is meant (RFC 7519 section 4.1.3)."""
        value = self._claims.get("aud", ())
        return (value,) if isinstance(value, str) else tuple(value)

    @property
    def client_id(self) -> str | None:
        """`client_id` (RFC 9068 section 2.2), or `azp` where the issuer writes that."""
        value = self._claims.get("client_id", self._claims.get("azp"))
        return value if isinstance(value, str) else None

    @property
    def is_client(self) -> bool:
        """Whether a client got it for itself, so that its `sub` is no user (RFC 9068 sections 2.2 and 5).

        It is, if `sub` is the client's ID (at Auth0 with `@clients` behind it), or where the issuer says so: `gty`
        at Auth0, `idtyp` at Entra ID. Where an issuer gives clients subjects of their own, as Keycloak does for
        its service accounts, that can't be told, and it is False.
        """
        claims = self._claims
        if claims.get("idtyp") == "app" or claims.get("gty") == "client-credentials":
            return True
        subject = self.subject
        clients = (claims.get(name) for name in _CLIENT_CLAIMS)
        return subject is not None and any(
            isinstance(client, str) and client and subject in (client, f"{client}@clients") for client in clients
        )

    @property
    def expires_at(self) -> float:
        """`exp`, in seconds since 1970 (RFC 7519 section 4.1.4)."""
        value: float = self._claims["exp"]
        return value

    @property
    def key_id(self) -> str | None:
        """`kid` of the key that signed it."""
        value: str | None = self._header.key_id
        return value

    @property
    def stale(self) -> bool:
        """Whether the issuer could not be reached and a key set past its time vouched for this token."""
        return self._stale

    @property
    def scopes(self) -> frozenset[str]:
        """What it grants by the claims that the issuer's `scopes_from` names, merged."""
        return self.granted(None)

    def granted(self, claim: ClaimName | None = None) -> frozenset[str]:
        """What it grants by one claim; by the issuer's own claims without one."""
        reading = self._readings.get(claim)
        return (self.reading(claim) if reading is None else reading).granted

    def reading(self, claim: ClaimName | None = None, *, remember: bool = True) -> Reading:
        """As `granted`, with the reason why a claim grants nothing. Read once, then remembered."""
        reading = self._readings.get(claim)
        if reading is None:
            reading = self._read(claim)
            if self._hierarchy is not None:
                reading = reading._replace(granted=self._hierarchy.with_implied(reading.granted))
            if remember:
                self._readings[claim] = reading
        return reading

    def _read(self, claim: ClaimName | None) -> Reading:
        if claim is not None:
            return read_scopes(self._claims, claim)
        readings = [read_scopes(self._claims, source) for source in self._scopes_from]
        if len(readings) == 1:
            return readings[0]
        problems = [reading.problem for reading in readings if reading.problem]
        # Merged: an absent, empty or odd claim hides no other.
        merged = frozenset[str]().union(*(reading.granted for reading in readings))
        return type(readings[0])(merged, "; ".join(problems) or None)

    def mentions(self, name: str) -> bool:
        """Whether a name stands anywhere in the claims, in whatever letters and whatever it is glued to.

        For a printable name without quotes and backslashes, which stand there escaped.
        """
        # The JSON as it came says it a good deal faster than one that is made for it, unless it has escapes.
        text = self._payload.decode()
        return name.lower() in (repr(self._claims) if "\\" in text else text).lower()

    @property
    def scopes_from(self) -> Sequence[ClaimName]:
        """The claims that `scopes` merges."""
        return self._scopes_from

    def __repr__(self) -> str:
        return f"<VerifiedToken subject={self.subject!r} issuer={self.issuer!r} scopes={sorted(self.scopes)!r}>"
