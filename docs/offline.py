"""Keeps the site whole without a network: what a page loads from elsewhere is a warning, and so a failure.

Links that a reader may follow are not meant; scripts, styles, pictures and the like are, which a browser
fetches by itself.
"""

from __future__ import annotations

import logging
import re
from typing import Any

_log = logging.getLogger("mkdocs.hooks.offline")
_LOADS = re.compile(
    r"""<(?:script|img|iframe|source|audio|video|embed|link(?![^>]*\brel="?(?:canonical|prev|next|alternate)\b))
        \b[^>]*?\b(?:src|srcset|href)=["']?((?:https?:)?//[^"'\s>]+)""",
    re.VERBOSE | re.IGNORECASE,
)


def loaded_from_elsewhere(html: str) -> list[str]:
    """The addresses on other hosts that a browser would fetch to show this page."""
    return _LOADS.findall(html)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """MkDocs calls this with each finished page."""
    for address in loaded_from_elsewhere(output):
        _log.warning("%s loads %s, and would be broken without a network", page.file.src_uri, address)
    return output
