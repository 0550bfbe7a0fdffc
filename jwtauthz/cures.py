"""What to do about a finding, in the words of the issuer's own console.

The cure for "the token has only OpenID scopes" is another click at Auth0 than at Keycloak. The vendor is told
by the issuer's URL; where it is unknown, or its cure is no different, the general cure stands.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from .errors import Code

if TYPE_CHECKING:
    from collections.abc import Mapping

Vendor = Literal["auth0", "okta", "entra", "cognito", "keycloak", "google"]

_HOSTS: Final[Mapping[str, Vendor]] = {
    "auth0.com": "auth0",
    "okta.com": "okta",
    "oktapreview.com": "okta",
    "okta-emea.com": "okta",
    "login.microsoftonline.com": "entra",
    "login.microsoftonline.us": "entra",
    "sts.windows.net": "entra",
    "ciamlogin.com": "entra",
    "accounts.google.com": "google",
}


@lru_cache(maxsize=128)
def vendor_of(issuer: str) -> Vendor | None:
    """Who runs an issuer, as far as its URL tells."""
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return None
    host = parts.hostname or ""
    for domain, vendor in _HOSTS.items():
        if host == domain or host.endswith(f".{domain}"):
            return vendor
    if host.startswith("cognito-idp.") and host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return "cognito"
    if "/realms/" in parts.path:
        return "keycloak"
    return None


def cure(code: Code, issuer: str = "") -> str | None:
    """What to do about a finding at this issuer; None where the finding's own hint says it all."""
    vendor = vendor_of(issuer)
    return _CURES.get((code, vendor)) or _CURES.get((code, None))


_GET_SCOPE_AUTH0: Final = (
    "Auth0 grants API permissions only when the authorization request names the API: send audience=<this API>. "
    "Then add the permission under Applications → APIs → Permissions and give it to the user or the role; with "
    "“Enable RBAC” and “Add Permissions in the Access Token” on, it stands in `permissions`: "
    'write claim="permissions".'
)
_GET_SCOPE_OKTA: Final = (
    "At Okta, add the scope to a custom authorization server (Security → API → Scopes), allow it in an access "
    "policy rule, and ask for it in scope=. Okta writes scopes into `scp`: write scopes_from=('scp',)."
)
_GET_SCOPE_ENTRA: Final = (
    "At Entra ID, define the scope under App registrations → Expose an API, grant it to the client under API "
    "permissions, and ask for scope=api://<app>/<scope>. Delegated scopes stand in `scp`, application "
    "permissions in `roles`: write scopes_from=('scp', 'roles')."
)
_GET_SCOPE_COGNITO: Final = (
    "At Cognito, define a resource server with the scope, allow it for the app client, and ask for it at "
    "/oauth2/authorize or /oauth2/token; tokens of InitiateAuth never carry it. Its full name is "
    "<resource server>/<scope>."
)
_GET_SCOPE_KEYCLOAK: Final = (
    "At Keycloak, add a client scope of that name and assign it to the client. Roles are no scopes: they stand in "
    'claim=("realm_access", "roles") or claim=("resource_access", "<client>", "roles").'
)
_GET_SCOPE_CODES: Final = (Code.SCOPE_MISSING, Code.ONLY_OIDC_SCOPES)
_GET_SCOPE: Final[Mapping[Vendor, str]] = {
    "auth0": _GET_SCOPE_AUTH0,
    "okta": _GET_SCOPE_OKTA,
    "entra": _GET_SCOPE_ENTRA,
    "cognito": _GET_SCOPE_COGNITO,
    "keycloak": _GET_SCOPE_KEYCLOAK,
}
_NAME_THE_API: Final = "Send the audience (or resource) of this API in the authorization request"

_CURES: Final[Mapping[tuple[Code, Vendor | None], str]] = {
    **{(code, vendor): text for code in _GET_SCOPE_CODES for vendor, text in _GET_SCOPE.items()},
    (Code.ONLY_OIDC_SCOPES, None): (
        f"These scopes are about the login, not about this API. {_NAME_THE_API}, ask for the scope there, "
        "and grant it to the client or the user at the issuer."
    ),
    (Code.SCOPE_MISSING, None): (
        "Ask for the scope in the authorization request, and grant it to the client or the user at the issuer."
    ),
    (Code.OPAQUE_TOKEN, None): (
        f"{_NAME_THE_API}; without it many issuers give an opaque token that is meant for their own /userinfo."
    ),
    (Code.OPAQUE_TOKEN, "auth0"): (
        "Send audience=<this API> in the authorization request (the client SDK's authorizationParams.audience); "
        "without it Auth0 gives an opaque token that is meant for its own /userinfo."
    ),
    (Code.OPAQUE_TOKEN, "okta"): (
        "Use a custom authorization server of Okta, such as /oauth2/default; access tokens of the org "
        "authorization server are meant for Okta's own APIs."
    ),
    (Code.OPAQUE_TOKEN, "google"): (
        "Google's access tokens are opaque and meant for Google's APIs. Use tokens of an authorization server of "
        "your own for this API, or Google's ID tokens where a service account calls a service."
    ),
    (Code.ENCRYPTED_TOKEN, None): (
        f"Ask the issuer for a signed access token: {_NAME_THE_API[0].lower()}{_NAME_THE_API[1:]}, and switch "
        "token encryption off for it."
    ),
    (Code.ENCRYPTED_TOKEN, "auth0"): (
        "Send audience=<this API> in the authorization request: an Auth0 token of five parts is what one gets "
        "without an audience. If the API has JSON Web Encryption on, switch it off in the API's settings."
    ),
    (Code.ID_TOKEN, None): (
        "Send the access token (access_token in the token response), not the ID token (id_token)."
    ),
    (Code.ID_TOKEN, "auth0"): (
        "Send the access token (getAccessTokenSilently() or access_token), not the ID token, and ask for it with "
        "audience=<this API>."
    ),
    (Code.ID_TOKEN, "cognito"): (
        "Send Cognito's access token (token_use: access), not the ID token. An access token has no `aud`; its app "
        "client stands in `client_id`."
    ),
    (Code.WRONG_TYPE, None): "Send the access token; this is another kind of JWT of that issuer.",
    (Code.WRONG_TYPE, "okta"): (
        "Use a custom authorization server of Okta, such as /oauth2/default: tokens of the org server "
        "are meant for Okta's own APIs. Of other kinds of JWT, send the access token."
    ),
    (Code.KEY_UNKNOWN, None): (
        "Check that the token comes from the issuer that this API trusts, not from another environment of it; "
        "`jwtauthz doctor` lists the keys that the issuer publishes."
    ),
    (Code.KEYS_UNAVAILABLE, None): (
        "Run `jwtauthz doctor` on this machine: it looks at name resolution, proxy, certificates and the answers."
    ),
    (Code.ISSUER_UNRESOLVED, None): (
        "Mend the function given as allow= or make= of IssuerResolver; what it raised stands before this."
    ),
    (Code.CLAIM_DIFFERS, None): "Change what the issuer writes into the claim, or what the route asks for.",
    (Code.REVOKED, None): "The user has to log in again; or look at the function given as revoked=.",
    (Code.REVOCATION_UNAVAILABLE, None): "Mend the function given as revoked=; what it raised stands before this.",
    (Code.CHECK_FAILED, None): "Mend the function; what it raised stands before this.",
    (Code.CLAIMS_MISMATCH, None): "Change what the issuer writes into the claim, or what the model asks for.",
    (Code.MODEL_FAILED, None): "Mend the model, or what its validators ask; what it raised stands before this.",
    (Code.UNSUPPORTED_HEADER, None): "Ask who made this token: it is no ordinary access token.",
    (Code.CREDENTIALS_TOO_LARGE, None): (
        "Let the issuer write less into the token, fewer groups or permissions above all."
    ),
    (Code.REFUSED_BY_CHECK, None): (
        "The check is a function of this application: look there, or let it return a Decision with a finding that "
        "says more."
    ),
    (Code.ALGORITHM_NOT_ALLOWED, None): (
        "The token is signed with a shared secret. Set the signing algorithm of the API to RS256 at the issuer; "
        "an API that takes keys from a JWKS must never take HMAC."
    ),
    (Code.ALGORITHM_NOT_ALLOWED, "auth0"): (
        "The token is signed with a shared secret. Set the signing algorithm of the API to RS256 in Auth0's "
        "dashboard under Applications → APIs → Settings; an API that takes keys from a JWKS must never take HMAC."
    ),
}
