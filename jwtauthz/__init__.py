"""Authorize API requests by their OAuth 2.0 access tokens, and say why a request was refused.

The doors are modules of their own: `jwtauthz.flask`, `jwtauthz.starlette`, `jwtauthz.fastapi`.
"""

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
from .issuer_resolver import IssuerResolver
from .keys.jwk import KeySet
from .keys.remote import RemoteKeySet
from .policy import (
    Decision,
    Requirement,
    all_of,
    any_of,
    authenticated,
    check,
    claim_equals,
    claim_includes,
    organization,
    shadow,
    step_up,
)
from .request import Request
from .resource_server import ResourceServer
from .route_table import RouteTable, public
from .token import VerifiedToken
from .verifier import Verifier

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
