"""Authorize API requests by their OAuth 2.0 access tokens, and say why a request was refused.

The doors are modules of their own: `jwtauthz.flask`, `jwtauthz.starlette`, `jwtauthz.fastapi`.
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING

from .claims import Claim
from .errors import (
    AccessDenied,
    Code,
    ConfigurationError,
    Finding,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidRequest,
    InvalidToken,
    JWTAuthzError,
    KeySetUnavailable,
    NoCredentials,
    ServiceUnavailable,
)
from .issuer import Issuer
from .keys.jwk import KeySet
from .keys.remote import RemoteKeySet
from .policy import (
    Decision,
    Requirement,
    all_of,
    any_of,
    authenticated,
    check,
    shadow,
)
from .request import Request
from .resource_server import ResourceServer
from .verified_token import VerifiedToken
from .verifier import Verifier

if _TYPE_CHECKING:
    from .claim_requirements import claim_equals, claim_includes
    from .issuer_resolver import IssuerResolver
    from .organization_requirement import organization
    from .route_table import RouteTable, public
    from .step_up_requirement import step_up

# What fewer applications use is imported when it is named: it would be a tenth of the time of the whole import.
# Nothing here may have the name of a module, which the import of that module would put in its place.
_WHEN_NAMED = {
    "IssuerResolver": "issuer_resolver",
    "RouteTable": "route_table",
    "claim_equals": "claim_requirements",
    "claim_includes": "claim_requirements",
    "organization": "organization_requirement",
    "public": "route_table",
    "step_up": "step_up_requirement",
}


def __getattr__(name: str) -> object:
    if name not in _WHEN_NAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_WHEN_NAMED[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "AccessDenied",
    "Claim",
    "Code",
    "ConfigurationError",
    "Decision",
    "Finding",
    "InsufficientAuthentication",
    "InsufficientScope",
    "InvalidRequest",
    "InvalidToken",
    "Issuer",
    "IssuerResolver",
    "JWTAuthzError",
    "KeySet",
    "KeySetUnavailable",
    "NoCredentials",
    "RemoteKeySet",
    "Request",
    "Requirement",
    "ResourceServer",
    "RouteTable",
    "ServiceUnavailable",
    "VerifiedToken",
    "Verifier",
    "all_of",
    "any_of",
    "authenticated",
    "check",
    "claim_equals",
    "claim_includes",
    "organization",
    "public",
    "shadow",
    "step_up",
]
