"""What a URL must be before anything is fetched from it, and how it is shown afterwards."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def problem_with(url: str, *, query_allowed: bool = True) -> str | None:
    """Say why keys must not be fetched from this URL, as the end of a sentence, or None if they may.

    Plain http is for loopback alone; a password in a URL ends up in logs; a fragment is never sent.
    """
    parts = _split(url)
    if parts is None or not parts.hostname or parts.scheme not in ("https", "http"):
        return "is not an https URL with a host"
    if parts.scheme == "http" and not is_loopback(url):
        return "is not https, so that anybody on the way could replace the keys"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password"
    if "#" in url:
        return "has a fragment"
    if "?" in url and not query_allowed:
        return "has a query"
    return None


def is_loopback(url: str) -> bool:
    """Whether this URL's host is this very machine: localhost, 127.0.0.0/8 or ::1."""
    parts = _split(url)
    host = (parts.hostname if parts else None) or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def redacted(url: str) -> str:
    """Show a URL without what may be secret in it: user name, password, query, fragment."""
    parts = _split(url)
    if parts is None:
        return "(not a URL)"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?…' if parts.query else ''}"


def _split(url: str) -> SplitResult | None:
    # urlsplit drops tabs and line breaks and reads a bad port only when asked; both are refused here.
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
