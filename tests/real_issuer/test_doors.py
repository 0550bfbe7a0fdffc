"""Tokens of a real OpenID provider through every door and every form of it."""

from __future__ import annotations

import pytest

from doors.table import Sent
from doors.test_table import DOORS
from jwtauthz import ResourceServer


@pytest.fixture(scope="module")
def server(real_issuer):
    """One server for all doors: the issuer is asked for its keys once."""
    return ResourceServer(real_issuer.url, real_issuer.audience)


@pytest.fixture(scope="module")
def tokens(real_issuer):
    return {scope: real_issuer.token(scope=scope) for scope in ("read:users", "write:users")}


@pytest.mark.parametrize(
    ("door", "form"),
    [pytest.param(door, form, id=f"{name}, {form}") for name, door in DOORS.items() for form in door.FORMS],
)
def test_read_users_gets_200_and_nothing_else_403(door, form, server, tokens):
    """Client credentials with a resource indicator give an RS256 token of type at+jwt."""
    client = door.FORMS[form](server)

    def status(scope: str) -> int:
        return client(Sent("/read", (("Authorization", f"Bearer {tokens[scope]}"),))).status

    assert status("read:users") == 200
    assert status("write:users") == 403
    assert client(Sent("/read")).status == 401
