"""Which paths need no token: exact ones, and all below a prefix, but none that can be read in two ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable


class PublicPaths:
    """The paths that a setting opens: "/health" is that path alone, "/static/*" is all that lies below.

    Raises:
        ConfigurationError: a path that makes no sense, or would open everything.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        if isinstance(paths, str):
            raise ConfigurationError(f"public={paths!r} is one string. Write public=[{paths!r}].")
        checked = [_checked(path) for path in paths]
        self._exact = frozenset(path for path in checked if not path.endswith("*"))
        self._below = tuple(path.removesuffix("*") for path in checked if path.endswith("*"))

    def __contains__(self, path: str) -> bool:
        return path in self._exact or (path.startswith(self._below) and not _is_ambiguous(path))

    def __repr__(self) -> str:
        return f"<PublicPaths {[*sorted(self._exact), *(prefix + '*' for prefix in self._below)]!r}>"


def _checked(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigurationError(
            f"public: {path!r} is no path. Write it with its first slash: public=['/health']."
        )
    if path == "/*":
        raise ConfigurationError(
            "public=['/*'] leaves nothing to protect. Name the paths that are public, or do without "
            "the middleware."
        )
    if "*" in path and (path.count("*") > 1 or not path.endswith("/*")):
        raise ConfigurationError(
            f"public: the star in {path!r} is in the wrong place. It stands at the end, after a slash: "
            "'/static/*'."
        )
    if _is_ambiguous(path) or not {"?", "#", "{", "}"}.isdisjoint(path):
        raise ConfigurationError(
            f"public: {path!r} can't match. Write the path as the app sees it: decoded, without query, "
            "path parameters, empty segments and dot segments."
        )
    return path


def _is_ambiguous(path: str) -> bool:
    """Whether somebody further on might normalise or decode the path into another one."""
    return (
        "//" in path or "\\" in path or "%" in path or any(segment in {".", ".."} for segment in path.split("/"))
    )
