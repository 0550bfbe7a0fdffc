"""docs/credentials.md: every block runs, and takes the token from where the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import jwtauthz.credentials
from jwtauthz import AccessDenied, Request, authenticated

PAGE = Path(__file__).parent.parent / "docs" / "credentials.md"
TEXT = PAGE.read_text()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OWN, ANOTHER = {"Sec-Fetch-Site": "same-origin"}, {"Origin": "https://app.example.com"}


def blocks() -> dict[str, str]:
    """The Python block of each section."""
    found = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        title, _, rest = section.partition("\n")
        for block in re.findall(r"```python\n(.*?)```", rest, re.DOTALL):
            assert title not in found
            found[title] = block
    return found


BLOCKS = blocks()


def in_header(token: str) -> Request:
    return Request(f"Bearer {token}")


def in_cookie(token: str, method: str = "GET", **more: str) -> Request:
    return Request(method=method, headers={"Cookie": f"__Host-access_token={token}", **more})


def in_form(token: str, method: str = "POST", name: str = "access_token", **more: str) -> Request:
    body = f"a=b&{name}={token}".encode()
    return Request(method=method, headers={**FORM, "Content-Length": str(len(body)), **more}, form=body)


# heading → [(how the token is sent, status)]
ROWS: dict[str, list[tuple[Any, int]]] = {
    "Header and cookie": [
        (in_header, 200),
        (in_cookie, 200),
        (lambda token: in_cookie(token, "POST"), 400),
        (lambda token: in_cookie(token, "POST", **OWN), 200),
        (lambda token: in_cookie(token, "POST", **ANOTHER), 200),
        (lambda token: in_cookie(token, "POST", Origin="https://evil.example.com"), 400),
        (lambda token: Request(f"Bearer {token}", headers={"Cookie": f"__Host-access_token={token}"}), 400),
        (lambda token: Request(query=f"access_token={token}"), 401),
    ],
    "Form": [
        (in_header, 200),
        (in_form, 200),
        (lambda token: in_form(token, "GET"), 401),
        (lambda token: in_form(token, name="é"), 401),
        (lambda token: in_form(token, **{"Content-Type": "multipart/form-data"}), 401),
        (lambda token: in_form(token, **{"Content-Length": "65537"}), 400),
        (lambda token: in_form(token, **{"Content-Length": ""}), 400),
    ],
    "Query": [
        (in_header, 200),
        (lambda token: Request(query=f"a=b&access_token={token}"), 200),
        (lambda token: Request(query=f"token={token}"), 401),
    ],
    "WebSocket": [
        (in_header, 200),
        (lambda token: Request(scheme="wss", headers={"Sec-WebSocket-Protocol": f"bearer, {token}, chat"}), 200),
        (lambda token: Request(headers={"Sec-WebSocket-Protocol": f"bearer, {token}"}), 401),
    ],
    "A function of your own": [
        (in_header, 401),
        (lambda token: Request(headers={"X-Access-Token": token}), 200),
        (lambda token: Request(headers={"X-Access-Token": f"Bearer {token}"}), 400),
    ],
}


@pytest.mark.parametrize("title", ROWS)
def test_a_block_reads_the_token_where_it_says(title, issuer):
    names: dict[str, Any] = {"__name__": "docs"}
    block = BLOCKS[title].replace("https://tenant.eu.auth0.com/", issuer.url)
    exec(compile(block, PAGE.name, "exec", dont_inherit=True), names)
    for number, (sent, status) in enumerate(ROWS[title]):
        decided = 200
        try:
            names["server"].authorize(sent(issuer.token()), authenticated())
        except AccessDenied as denied:
            decided = denied.status
        assert decided == status, number


def test_no_block_is_left_out():
    assert set(ROWS) == set(BLOCKS)
    assert len(BLOCKS) == TEXT.count("```python")


def test_the_table_names_every_source():
    told = set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE))
    assert told == {"header", "cookie", "form", "query", "subprotocol"}
    assert all(callable(getattr(jwtauthz.credentials, name)) for name in told)


def test_links_lead_somewhere():
    for target, anchor in re.findall(r"\]\(([^)#\s]+)(?:#([^)]*))?\)", TEXT):
        page = PAGE.parent / target
        titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        assert not anchor or anchor in {title.lower().replace(" ", "-") for title in titles}, anchor
