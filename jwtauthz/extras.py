"""What to install where a framework is missing."""

from __future__ import annotations


def not_installed(missing: ModuleNotFoundError, extra: str) -> ModuleNotFoundError:
    """The error for a door that lacks what stands behind it; `missing` is what its own import said."""
    return ModuleNotFoundError(
        f"jwtauthz.{extra} needs {missing.name}, which is not installed. Write: pip install 'jwtauthz[{extra}]'",
        name=missing.name,
        path=missing.path,
    )
