"""The blocks of the documentation, as every test of it reads and runs them.

A page is any Markdown file below docs/. Its fenced blocks are found wherever they stand, in tabs and lists too.
What a block says of `https://tenant.eu.auth0.com/` is said of an issuer on loopback when it runs.
"""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from jwtauthz.testing import FakeIssuer

DOCS = Path(__file__).parent.parent / "docs"
TENANT = "https://tenant.eu.auth0.com/"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)


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
    exec(compile(code.replace(TENANT, issuer_url), where, "exec", dont_inherit=True), names)
    return names


def furnish(folder: Path, issuer: FakeIssuer) -> None:
    """Put the files there that blocks read."""
    (folder / "jwks.json").write_text(json.dumps(issuer.jwks()))
    (folder / "internal-ca.pem").write_bytes(certificate())
    (folder / "rules.toml").write_text(next(each.text for each in blocks("rules.md") if each.language == "toml"))


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an internal CA")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
