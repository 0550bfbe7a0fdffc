"""The settings of a resource server as environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigurationError
from .issuer import Issuer

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "JWTAUTHZ_"
_KNOWN: Final = (
    "ALGORITHMS",
    "AUDIENCE",
    "INTEGRITY_KEY",
    "ISSUER",
    "JWKS_URL",
    "LEEWAY",
    "PROFILE",
    "REALM",
    "REDIS_URL",
    "SCOPES_FROM",
)


def settings_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of `ResourceServer` that the environment gives.

    Raises:
        ConfigurationError: a variable is missing, empty or unknown, or its value makes no sense.
    """
    values = {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX)}
    for name, value in values.items():
        if name not in _KNOWN:
            known = ", ".join(PREFIX + each for each in _KNOWN)
            raise ConfigurationError(f"{PREFIX}{name} is no variable we know. There are {known}.")
        if not value.strip():
            raise ConfigurationError(f"{PREFIX}{name} is empty. Give it a value, or leave it out.")
    for name in ("ISSUER", "AUDIENCE"):
        if name not in values:
            raise ConfigurationError(f"{PREFIX}{name} is not set; the API can't check tokens without it.")
    issuer: dict[str, Any] = {
        name.lower(): value.split() if name in {"ALGORITHMS", "SCOPES_FROM"} else value
        for name, value in values.items()
        if name in {"ALGORITHMS", "SCOPES_FROM", "JWKS_URL", "PROFILE"}
    }
    settings: dict[str, Any] = {
        "issuer": Issuer(values["ISSUER"], **issuer),
        "audience": values["AUDIENCE"].split(),
    }
    if "LEEWAY" in values:
        settings["leeway"] = _seconds(values["LEEWAY"])
    if "REALM" in values:
        settings["realm"] = values["REALM"]
    if "REDIS_URL" in values:
        from .keys.fleet import Fleet  # who has one process needs none

        settings["fleet"] = Fleet.from_url(values["REDIS_URL"], integrity_key=values.get("INTEGRITY_KEY"))
    elif "INTEGRITY_KEY" in values:
        raise ConfigurationError(f"{PREFIX}INTEGRITY_KEY is for a fleet. Set {PREFIX}REDIS_URL as well.")
    return settings


def _seconds(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigurationError(
            f"{PREFIX}LEEWAY={value!r} is no number of seconds. Write 5, for example."
        ) from None
