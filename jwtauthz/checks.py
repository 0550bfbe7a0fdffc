"""The rules a token must meet: one function per rule, each giving a `Finding` or None.

`verify` stops at the first finding, an explanation runs them all; both walk the same tuples. Every rule is
pure: it gets the token, the `Rules` of the token's own issuer, and the time in seconds since 1970.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .cures import cure
from .errors import Code, Finding
from .token import MAX_KEY_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .token import Header, UnverifiedToken

    Check = Callable[[UnverifiedToken, "Rules", float], Finding | None]

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)

# Media types of an access token (RFC 9068 section 2.1; RFC 7519 section 5.1 for the plain one).
_ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_TYPES: Final = frozenset({"jwt", "application/jwt"}) | _ACCESS_TOKEN_TYPES
# What may be repeated in the header, and must be the same there (RFC 7519 section 5.3).
_REGISTERED: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
# Only ID tokens carry these (OpenID Connect Core sections 2, 3.1.3.6, 3.3.2.11).
ID_TOKEN_CLAIMS: Final = ("nonce", "at_hash", "c_hash", "s_hash")
# As seconds this is the year 5138; as milliseconds it was 1973.
_MILLISECONDS: Final = 1e11
# Seconds: three hundred times the age of the universe. Much larger integers fit into no float.
MAX_DATE: Final = 10**21
# What Keycloak writes into the claims of what is no access token.
_OTHER_KINDS: Final = ("Refresh", "Offline", "Logout")
_RFC9068_CLAIMS: Final = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")


class Rules(NamedTuple):
    """What one issuer's tokens are checked against; plain values, made once."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    leeway: float
    profile: str
    client_id_as_audience: bool = False
    token_use: str | None = None
    key_id_required: bool = False
    max_token_age: float | None = None
    subject: str | None = None
    aliases: tuple[str, ...] = ()
    access_claims: tuple[str, ...] = ()
    id_tokens: bool = False


def show(value: object, limit: int = 120) -> str:
    """A value of an unverified token for a log: escaped, so that it can forge no line, and cut."""
    text = ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# ── the header: what can be said before a key is looked for ──


def critical_header(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`crit`, `b64` and `zip` change the meaning of a token; we support none (RFC 7515 section 4.1.11)."""
    members = token.header.members
    for name in ("crit", "b64", "zip", "enc"):
        if name in members:
            return Finding(
                Code.UNSUPPORTED_HEADER, f"The token header holds {name!r}, which this API does not support."
            )
    content_type = members.get("cty")
    if content_type is not None and str(content_type).lower().removeprefix("application/") == "jwt":
        return Finding(
            Code.UNSUPPORTED_HEADER, "The token holds another token (cty: JWT); nesting is not supported."
        )
    return None


def repeated_claims(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """Claims that the header repeats are the same in the payload (RFC 7519 section 5.3)."""
    if not repeats_claims(token.header):
        return None
    members = token.header.members
    for name in sorted(_REGISTERED.intersection(members)):
        if name not in token.claims or not _same(members[name], token.claims[name]):
            return Finding(
                Code.MALFORMED_TOKEN,
                f"The header says {name} {show(members[name])}, the claims say {show(token.claims.get(name))}.",
                name,
                members[name],
                token.claims.get(name),
            )
    return None


def repeats_claims(header: Header) -> bool:
    """Whether a header repeats any claim, so that it can't be judged without the claims."""
    return not _REGISTERED.isdisjoint(header.members)


def _same(one: object, other: object) -> bool:
    """Whether two JSON values are equal; to Python true is 1."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def algorithm(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`alg` is on the issuer's list, letter by letter (RFC 8725 section 3.1)."""
    alg = token.header.algorithm
    if type(alg) is str and alg in rules.algorithms:
        return None
    allowed = sorted(rules.algorithms)
    hint = None
    if type(alg) is str and alg in ALGORITHMS:
        hint = f"If the issuer really signs with {alg}, write Issuer(..., algorithms=({alg!r},))."
    elif token.claims.get("typ") == "Refresh":
        hint = "This is a refresh token of Keycloak, which only Keycloak reads: send the access token."
    elif type(alg) is str and alg.startswith("HS"):
        hint = cure(Code.ALGORITHM_NOT_ALLOWED, rules.issuer)
    elif type(alg) is str and alg.lower() == "none":
        hint = "Nobody signed this token, so anybody can have written it: get one from the issuer."
    return Finding(
        Code.ALGORITHM_NOT_ALLOWED,
        f"The token says alg {show(alg)}; allowed for this issuer: {', '.join(allowed)}.",
        expected=allowed,
        found=alg,
        hint=hint,
    )


def key_id(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`kid`, if it is there, is a short printable string (RFC 7515 section 4.1.4, RFC 8725 section 3.10)."""
    kid = token.header.key_id
    if kid is None and "kid" not in token.header.members:
        if not rules.key_id_required:
            return None
        return Finding(
            Code.MALFORMED_TOKEN, "The token names no key (kid), which tokens of this issuer do.", "kid"
        )
    if type(kid) is str and len(kid) <= MAX_KEY_ID and kid.isprintable():
        return None
    return Finding(
        Code.MALFORMED_TOKEN, f"The key ID (kid) is {show(kid)}, no printable string of at most {MAX_KEY_ID}."
    )


def token_type(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`typ` is that of an access token (RFC 9068 section 4, RFC 8725 section 3.11)."""
    typ = token.header.type
    strict = rules.profile == "rfc9068"
    if token.claims.get("typ") in _OTHER_KINDS:
        return Finding(
            Code.WRONG_TYPE,
            f"The token says of itself that it is of the kind {show(token.claims['typ'])} (typ in its claims).",
            "typ",
            hint="Send the access token; only the issuer itself reads the refresh token.",
        )
    if typ is None and "typ" not in token.header.members and not strict:
        return None
    if type(typ) is str and typ.lower() in (_ACCESS_TOKEN_TYPES if strict else _PLAIN_TYPES):
        return None
    expected = "at+jwt" if strict else "none, JWT or at+jwt"
    return Finding(
        Code.WRONG_TYPE,
        f"The token says typ {show(typ)}; an access token here has typ {expected}.",
        expected=expected,
        found=typ,
        hint=cure(Code.WRONG_TYPE, rules.issuer),
    )


# ── the claims: worth reading once the signature holds ──


def issuer(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`iss` is the issuer, code point by code point (RFC 9068 section 4)."""
    found = token.claims.get("iss")
    if type(found) is str and (found == rules.issuer or found in rules.aliases):
        return None
    return wrong_issuer(token, [rules.issuer])


def wrong_issuer(token: UnverifiedToken, expected: Sequence[str]) -> Finding:
    """The finding for a token that comes from none of the expected issuers."""
    from .near_misses import issuer_hint

    found = token.claims.get("iss")
    if found is None:
        hint = "Access tokens name their issuer (RFC 9068): ask the issuer for one."
        return Finding(Code.MISSING_CLAIM, "The token has no issuer (iss).", "iss", list(expected), found, hint)
    return Finding(
        Code.WRONG_ISSUER,
        f"The token comes from {show(found)}; accepted: {', '.join(map(repr, expected))}.",
        "iss",
        list(expected),
        found,
        issuer_hint(token.claims, expected),
    )


def audience(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`aud` names this API, code point by code point (RFC 7519 section 4.1.3, RFC 9068 section 4)."""
    found = token.claims.get("aud")
    if found is None and rules.client_id_as_audience and "aud" not in token.claims:
        found = token.claims.get("client_id")
    if type(found) is str:
        if found in rules.audiences:
            return None
    elif type(found) is list and all(type(element) is str for element in found):
        for element in found:
            if element in rules.audiences:
                return None
    elif found is not None:
        return Finding(
            Code.BAD_CLAIM,
            f"The claim 'aud' is {show(found)}; it must be a string or a list of strings.",
            "aud",
            sorted(rules.audiences),
            found,
        )
    from .near_misses import audience_hint

    expected = sorted(rules.audiences)
    if found is None:
        return Finding(
            Code.MISSING_CLAIM,
            "The token has no audience (aud), so it may be meant for any API.",
            "aud",
            expected,
            found,
            audience_hint(token.claims, expected),
        )
    return Finding(
        Code.WRONG_AUDIENCE,
        f"The token is meant for {show(found)}; this API is {' or '.join(map(repr, expected))}.",
        "aud",
        expected,
        found,
        audience_hint(token.claims, expected),
    )


def _number(claims: Mapping[str, Any], name: str) -> float | Finding | None:
    """A NumericDate claim: a JSON number that is a number (RFC 7519 section 2), None where it is absent."""
    value = claims.get(name)
    if (type(value) is int or type(value) is float) and -MAX_DATE < value < MAX_DATE:
        return value
    if value is None and name not in claims:
        return None
    return Finding(
        Code.BAD_CLAIM,
        f"The claim {name!r} is {show(value)}; it must be a number of seconds.",
        name,
        "a number",
        value,
        f"Let the issuer write {name!r} as a number of seconds since 1970, without quotes (RFC 7519 section 2).",
    )


def expiry(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`exp` is there and not reached (RFC 7519 section 4.1.4, RFC 9068 section 4)."""
    exp = _number(token.claims, "exp")
    if isinstance(exp, Finding):
        return exp
    if exp is None:
        return Finding(
            Code.MISSING_CLAIM,
            "The token has no expiry (exp), so it would be good for ever.",
            "exp",
            "a number",
            hint="Let the issuer write exp; minutes to hours from now are usual for access tokens.",
        )
    if now < exp + rules.leeway:
        return None
    return Finding(
        Code.EXPIRED,
        f"The token expired {now - exp:,.0f} s ago (leeway {rules.leeway:g} s).",
        "exp",
        now,
        exp,
        "The client has to get a new token, as with its refresh token.",
    )


def not_before(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`nbf`, if it is there, is reached (RFC 7519 section 4.1.5)."""
    nbf = _number(token.claims, "nbf")
    if nbf is None or (not isinstance(nbf, Finding) and nbf - rules.leeway <= now):
        return None
    if isinstance(nbf, Finding):
        return nbf
    return Finding(Code.NOT_YET_VALID, f"The token is valid in {nbf - now:,.0f} s (nbf).", "nbf", now, nbf)


def issued_at(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`iat`, if it is there, is not in the future (RFC 7519 section 4.1.6)."""
    iat = _number(token.claims, "iat")
    if iat is None or (not isinstance(iat, Finding) and iat - rules.leeway <= now):
        return None
    if isinstance(iat, Finding):
        return iat
    return Finding(
        Code.NOT_YET_VALID,
        f"The token was issued {iat - now:,.0f} s in the future (iat).",
        "iat",
        now,
        iat,
        "The times are milliseconds; a JWT has seconds (RFC 7519 section 2)."
        if iat > _MILLISECONDS
        else "Compare the clocks of this machine and of the issuer; leeway= allows a few seconds.",
    )


def token_age(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """The token was issued no longer ago than the API takes, where it says so."""
    if rules.max_token_age is None:
        return None
    iat = _number(token.claims, "iat")
    if isinstance(iat, Finding):
        return iat
    if iat is None:
        return Finding(Code.MISSING_CLAIM, "The token has no iat, which max_token_age= needs.", "iat", "a number")
    if now - iat <= rules.max_token_age + rules.leeway:
        return None
    return Finding(
        Code.TOKEN_TOO_OLD,
        f"The token was issued {now - iat:,.0f} s ago; this API takes it for {rules.max_token_age:g} s.",
        "iat",
        rules.max_token_age,
        iat,
        "Let the client ask for a new token, though this one has not expired.",
    )


def subject(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`sub` is the one that is expected, and `token_use` too, where the issuer's rules say so."""
    for name, expected in (("sub", rules.subject), ("token_use", rules.token_use)):
        if expected is None:
            continue
        found = token.claims.get(name)
        if type(found) is not str or found != expected:
            return Finding(
                Code.BAD_CLAIM,
                f"The claim {name!r} is {show(found)}; this API takes {expected!r} alone.",
                name,
                expected,
                found,
            )
    return None


def string_claims(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """`sub`, `jti` and `client_id`, where they are there, are strings (RFC 7519 section 4.1, RFC 9068)."""
    claims = token.claims
    for name in ("sub", "jti", "client_id"):
        if name in claims and type(claims[name]) is not str:
            return Finding(
                Code.BAD_CLAIM,
                f"The claim {name!r} is {show(claims[name])}; it must be a string.",
                name,
                "a string",
                claims[name],
                f"Let the issuer write {name!r} as a string (RFC 7519, RFC 9068).",
            )
    return None


def required_claims(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """All claims that the strict profile asks for are there (RFC 9068 section 2.2)."""
    if rules.profile == "rfc9068":
        for name in _RFC9068_CLAIMS:
            if token.claims.get(name) is None:
                return Finding(
                    Code.MISSING_CLAIM,
                    f"The token has no {name!r}, which profile='rfc9068' asks for.",
                    name,
                    list(_RFC9068_CLAIMS),
                )
    return None


def id_token(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """It is no ID token, which says who logged in, not what may be done (RFC 9068 section 5)."""
    claims = token.claims
    if rules.id_tokens:
        return None
    if claims.get("token_use") == "id":
        return _id_token("The token says of itself that it is an ID token (token_use)", "token_use", rules)
    if claims.get("typ") == "ID":
        return _id_token("The token says of itself that it is an ID token (typ in its claims)", "typ", rules)
    if rules.access_claims and all(claims.get(name) is None for name in rules.access_claims):
        neither = " nor ".join(map(repr, rules.access_claims))
        return _id_token(f"The token has neither {neither}: it is an ID token", rules.access_claims[0], rules)
    for name in ID_TOKEN_CLAIMS:
        if name in claims:
            break
    else:
        return None
    typ = token.header.type
    if type(typ) is str and typ.lower() in _ACCESS_TOKEN_TYPES:
        return None  # It says of itself, under the signature, that it is an access token.
    if "scope" in claims or "scp" in claims:
        return None
    return _id_token(f"The token holds {name!r} and no scope: it is an ID token", name, rules)


def _id_token(why: str, claim: str, rules: Rules) -> Finding:
    return Finding(
        Code.ID_TOKEN, f"{why}, which is meant for the client.", claim, hint=cure(Code.ID_TOKEN, rules.issuer)
    )


def sender_constraint(token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """A token bound to a key of its client (`cnf`) is no plain bearer token (RFC 7800, 9449, 8705)."""
    if "cnf" not in token.claims:
        return None
    return Finding(
        Code.SENDER_CONSTRAINED,
        "The token is bound to a key (cnf) whose possession this API can't check.",
        "cnf",
        hint="Switch sender-constrained tokens (DPoP, mTLS) off for this API at the issuer.",
    )


HEADER_CHECKS: Final[tuple[Check, ...]] = (critical_header, repeated_claims, algorithm, key_id)
CLAIM_CHECKS: Final[tuple[Check, ...]] = (
    id_token,
    token_type,
    issuer,
    audience,
    expiry,
    not_before,
    issued_at,
    token_age,
    string_claims,
    subject,
    required_claims,
    sender_constraint,
)
CHECKS: Final[tuple[Check, ...]] = HEADER_CHECKS + CLAIM_CHECKS


def claim_checks(rules: Rules) -> tuple[Check, ...]:
    """The claim checks that can fail at all for tokens of this issuer; chosen once, for each costs a call."""
    idle = set()
    if rules.max_token_age is None:
        idle.add(token_age)
    if rules.subject is None and rules.token_use is None:
        idle.add(subject)
    if rules.profile != "rfc9068":
        idle.add(required_claims)
    return tuple(check for check in CLAIM_CHECKS if check not in idle)


def first_finding(checks: Sequence[Check], token: UnverifiedToken, rules: Rules, now: float) -> Finding | None:
    """The finding of the first check that fails."""
    for check in checks:
        finding = check(token, rules, now)
        if finding is not None:
            return finding
    return None
