"""The record of a denial in structured logs has the fields of the documentation, whoever formats it."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from jwtauthz import any_of

from .conftest import status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = (Path(__file__).parent.parent.parent / "docs" / "observability.md").read_text()
FIELDS = re.findall(r"^\| `(\w+)` \|", DOCS.partition("## Logs")[2].partition("\n## ")[0], re.MULTILINE)


@pytest.fixture
def logged() -> Iterator[Callable[[logging.Formatter], io.StringIO]]:
    """Sends the log through a formatter to a stream."""
    handlers, logger = [], logging.getLogger("jwtauthz")
    level = logger.level

    def through(formatter: logging.Formatter) -> io.StringIO:
        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter)
        handlers.append(handler)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        return stream

    yield through
    for handler in handlers:
        logger.removeHandler(handler)
    logger.setLevel(level)


class JSONFormatter(logging.Formatter):
    """What many applications write by hand: everything that a record has beside what all records have."""

    USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in self.USUAL}
        return json.dumps({"message": record.getMessage(), "level": record.levelname, **extra})


def test_with_a_json_formatter_of_the_standard_library(make, logged, issuer):
    stream = logged(JSONFormatter())
    status(make(), f"Bearer {issuer.token(permissions=['a'])}", "x", any_of("a", "b"))
    told = json.loads(stream.getvalue())
    assert told.pop("message").startswith("denied 403 scope_missing: ")
    assert told.pop("level") == "WARNING"
    assert list(told) == FIELDS
    assert (told["status"], told["finding"], told["suppressed"], told["enforced"]) == (
        403,
        "scope_missing",
        0,
        True,
    )
    assert told["required"] == ["x", {"any_of": ["a", "b"]}]
    assert told["more"] == "docs/why-was-i-denied.md#scope_missing"


def test_with_a_format_of_the_standard_library(make, logged, issuer):
    stream = logged(logging.Formatter("%(levelname)s status=%(status)d finding=%(finding)s %(message)s"))
    status(make(), f"Bearer {issuer.token(expires_in=-60)}")
    assert stream.getvalue().startswith("WARNING status=401 finding=expired denied 401 expired: ")


def test_with_structlog(make, logged, issuer):
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    stream = logged(formatter)
    status(make(), f"Bearer {issuer.token()}")
    told: dict[str, Any] = json.loads(stream.getvalue())
    assert told["event"].startswith("denied 403 scope_missing: ")
    assert told["level"] == "warning"
    assert [name for name in told if name not in {"event", "level"}] == FIELDS
    assert told["required"] == ["read:users"]


def test_no_field_replaces_one_that_records_or_formatters_have():
    usual = {*JSONFormatter.USUAL, "asctime", "event", "level", "logger", "timestamp", "exception", "stack"}
    assert usual.isdisjoint(FIELDS)
