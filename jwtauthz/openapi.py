"""What OpenAPI says of protected operations: how a token is sent, which scopes, and what a denial looks like."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.models import (
    APIKey,
    HTTPBearer,
    OAuth2,
    OAuthFlowAuthorizationCode,
    OAuthFlows,
    OpenIdConnect,
)

from .keys.discovery import metadata_urls
from .keys.remote import RemoteKeySet
from .sources import Cookie, Header, Query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from .login import Login
    from .resource_server import ResourceServer

_DENIAL: Final = "JWTAuthzDenial"
_SCHEMA: Final[dict[str, Any]] = {
    "title": "Denial",
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {
        "error": {"type": "string"},
        "error_description": {"type": "string"},
        "required": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}},
    },
}
_CONTENT: Final = {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{_DENIAL}"}}}}
_TOKEN: Final = "An access token (JWT)"  # noqa: S105
_ANSWERS: Final = {
    "400": "The credentials are malformed or sent twice",
    "401": "There is no valid access token",
    "403": "The access token does not grant what this operation needs",
    "503": "The access token can't be judged now",
}

_Scheme = OAuth2 | OpenIdConnect | HTTPBearer | APIKey


class SecurityDescription:
    """How one server describes itself in the OpenAPI document of an application.

    `model` is the security scheme for FastAPI; where the token may stand elsewhere too, others stand beside it.
    """

    def __init__(self, server: ResourceServer, scheme_name: str, login: Login | None) -> None:
        self._scheme_name = scheme_name
        self.model, *others = _security_models(server, login)
        self._other_models = {f"{scheme_name}-{number}": model for number, model in enumerate(others, 2)}

    def documented(
        self,
        document: dict[str, Any],
        *,
        ours: bool,
        anonymous: AbstractSet[tuple[str, str]],
        needs: Mapping[tuple[str, str], str],
    ) -> dict[str, Any]:
        """The OpenAPI document with the answers of protected operations; what it says already stays.

        Args:
            document: as FastAPI makes it.
            ours: whether denials are answered as every door answers them, and so with that body.
            anonymous: the (path, method) of operations that let anonymous requests in.
            needs: what each (path, method) asks of a token, in words.
        """
        scopes: dict[str, str] = {}
        found = False
        for path, item in document.get("paths", {}).items():
            for method, operation in item.items():
                security = operation.get("security", []) if isinstance(operation, dict) else []
                if not any(self._scheme_name in one for one in security):
                    continue
                found = True
                self._name_each_scope_once(security)
                scopes.update((scope, "") for one in security for scope in one.get(self._scheme_name, ()))
                security.extend(self._alternatives(security))
                if (path, method) in anonymous and {} not in security:
                    security.append({})
                answers = operation.setdefault("responses", {})
                for status, description in _ANSWERS.items():
                    if not {status, f"{status[0]}XX", "default"} & answers.keys():
                        if status == "403" and (path, method) in needs:
                            description = f"{description}: {needs[path, method]}"  # noqa: PLW2901
                        answers[status] = {"description": description, **deepcopy(_CONTENT if ours else {})}
        components = document.setdefault("components", {}) if found else {}
        for name, model in self._other_models.items() if found else ():
            described = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            components["securitySchemes"].setdefault(name, described)
        if found and ours:
            components.setdefault("schemas", {}).setdefault(_DENIAL, deepcopy(_SCHEMA))
        self._list(scopes, document)
        return document

    def _name_each_scope_once(self, security: list[dict[str, Any]]) -> None:
        for one in security:
            if self._scheme_name in one:
                one[self._scheme_name] = list(dict.fromkeys(map(str, one[self._scheme_name])))

    def _alternatives(self, security: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The same needs by each other place that a token may stand in."""
        needed = [one[self._scheme_name] for one in security if self._scheme_name in one]
        each = ({name: scopes} for name in self._other_models for scopes in needed)
        return [one for one in each if one not in security]

    def _list(self, scopes: dict[str, str], document: dict[str, Any]) -> None:
        """Let people choose, when they log in, the scopes that operations need."""
        scheme = document.get("components", {}).get("securitySchemes", {}).get(self._scheme_name, {})
        flow = scheme.get("flows", {}).get("authorizationCode")
        if flow is not None:
            # Which scope "read:{org_id}" will be, the request alone knows.
            choices = {scope: purpose for scope, purpose in scopes.items() if "{" not in scope}
            flow["scopes"] = {**choices, **flow.get("scopes", {})}


def _security_models(server: ResourceServer, login: Login | None) -> list[_Scheme]:
    """The security schemes, each of which will do, for those places of the token that OpenAPI knows."""
    models: list[_Scheme] = []
    for source in server.credentials.sources:
        if isinstance(source, Header):
            models.append(_issuer_model(server, login))
        elif isinstance(source, (Cookie, Query)):
            where = "cookie" if isinstance(source, Cookie) else "query"
            models.append(APIKey.model_validate({"in": where, "name": source.name, "description": _TOKEN}))
    places = ", or ".join(source.place for source in server.credentials.sources)
    return models or [HTTPBearer(bearerFormat="JWT", description=f"{_TOKEN}, in {places}")]


def _issuer_model(server: ResourceServer, login: Login | None) -> OAuth2 | OpenIdConnect | HTTPBearer:
    """For the header: where to get a token if there is one place, else only what to send."""
    if login is not None:
        flow = OAuthFlowAuthorizationCode(
            authorizationUrl=login.authorization_url, tokenUrl=login.token_url, scopes=dict(login.scopes)
        )
        return OAuth2(flows=OAuthFlows(authorizationCode=flow))
    listed = server.verifier.listed
    if len(listed) != 1 or server.verifier.pool is not None:
        return HTTPBearer(bearerFormat="JWT")
    keys = listed[0].key_set
    if not isinstance(keys, RemoteKeySet) or not keys.discovers:
        return HTTPBearer(bearerFormat="JWT")
    return OpenIdConnect(openIdConnectUrl=metadata_urls(listed[0].url)[0])
