"""One table of requests and answers against every door and every form of it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jwtauthz.testing import FakeIssuer

from .table import ROWS, SERVERS, TOKENS, Client, Row, Sent

if TYPE_CHECKING:
    from types import ModuleType

DOORS = {
    module.name.removeprefix("door_"): importlib.import_module(f".{module.name}", __package__)
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if module.name.startswith("door_")
}


@cache
def the_issuer() -> FakeIssuer:
    return FakeIssuer(network=False)


@cache
def the_client(door: ModuleType, form: str, server: str) -> Client:
    client: Client = door.FORMS[form](SERVERS[server](the_issuer()))
    return client


def filled_in(sent: Sent) -> Sent:
    """The request with tokens in the place of their names."""

    def token(name: re.Match[str]) -> str:
        return TOKENS[name[1]](the_issuer())

    path, body = (re.sub(r"\{(\w+)\}", token, text) for text in (sent.path, sent.body))
    headers = tuple((name, re.sub(r"\{(\w+)\}", token, value)) for name, value in sent.headers)
    return Sent(path, headers, sent.method, body)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
@pytest.mark.parametrize(
    ("door", "form"),
    [pytest.param(door, form, id=f"{name}, {form}") for name, door in DOORS.items() for form in door.FORMS],
)
def test_every_door_gives_the_same_answer(door: ModuleType, form: str, row: Row) -> None:
    """Status, challenge, body, Retry-After and Cache-Control are those of the table, to the letter."""
    assert the_client(door, form, row.server)(filled_in(row.sent)) == row.answer


def test_the_rows_tell_themselves_apart() -> None:
    """No two rows have the same sentence."""
    assert len({row.id for row in ROWS}) == len(ROWS)
