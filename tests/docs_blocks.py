"""The blocks of the documentation, as every test of it reads and runs them.

A page is any Markdown file below docs/. Its fenced blocks are found wherever they stand, in tabs and lists too. What a
block says of `https://tenant.eu.auth0.com/` is said to an issuer on loopback when it runs.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
TENANT = "https://tenant.eu.auth0.com/"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file that it is named after, and where it stands."""

    page: str
    line: int
    language: str
    title: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = (DOCS / page).read_text()
    found = []
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].partition(" ")
        title = re.search(r'title="([^"]+)"', rest)
        line = text.count("\n", 0, match.start()) + 1
        body = textwrap.dedent(match["text"])
        found.append(Block(page, line, language, title[1] if title else None, body))
    return found


def run(code: str, issuer_url: str = TENANT, where: str = "docs") -> dict[str, Any]:
    """Run a block, and give the names that it defines."""
    names: dict[str, Any] = {"__name__": "docs"}
    exec(compile(code.replace(TENANT, issuer_url), where, "exec", dont_inherit=True), names)  # noqa: S102
    return names
