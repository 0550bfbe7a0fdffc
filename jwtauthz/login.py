"""Where people log in to get a token, so that the pages that OpenAPI makes can do it for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .claims import scope_name
from .errors import ConfigurationError
from .keys.urls import problem_with


@dataclass(frozen=True, slots=True)
class Login:
    """The endpoints of an issuer for a login with an authorization code (RFC 6749 section 4.1).

    Both stand in the issuer's metadata, at `<issuer>/.well-known/openid-configuration`.

    Args:
        authorization_url: its `authorization_endpoint`.
        token_url: its `token_endpoint`.
        scopes: scopes that may be chosen, with what they are for. Those that operations need are added.

    Raises:
        ConfigurationError: an endpoint is no https URL (http is for this machine alone), or a scope is none.
    """

    authorization_url: str
    token_url: str
    scopes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("authorization_url", "token_url"):
            url: object = getattr(self, name)
            if not isinstance(url, str) or problem_with(url) is not None:
                raise ConfigurationError(
                    f"Login({name}={url!r}) is no place to send people and secrets to. Write the https URL that "
                    "the issuer's metadata name."
                )
        if not isinstance(self.scopes, Mapping):
            raise ConfigurationError(
                f"Login(scopes={self.scopes!r}) does not say what they are for. "
                "Write scopes={'read:users': 'See who is there'}."
            )
        for scope, purpose in self.scopes.items():
            scope_name(scope)
            if not isinstance(purpose, str):
                raise ConfigurationError(
                    f"Login(scopes=...) says {purpose!r} of {scope!r}. Write a sentence, or ''."
                )
        object.__setattr__(self, "scopes", MappingProxyType(dict(self.scopes)))
