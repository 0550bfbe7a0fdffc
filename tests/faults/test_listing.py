"""Every scenario has a test with its id in the name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
# In the name of a test, or at the beginning of the id of one of its rows.
_NAME = re.compile(r"def test_(\w+)\(")
_ROW = re.compile(r"""(?:id=|[(\[{,]|^)\s*f?["'](F\d\d\b)""", re.MULTILINE)


def scenarios_in_names() -> set[str]:
    """The ids that occur in test files."""
    found: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        if "node_modules" in file.parts or file == Path(__file__):
            continue
        text = file.read_text()
        for name in _NAME.findall(text):
            found |= {part.upper() for part in name.split("_") if re.fullmatch(r"f\d\d", part)}
        found |= set(_ROW.findall(text))
    return found


@pytest.mark.parametrize("scenario", [f"F{number:02}" for number in range(1, 95)])
def test_has_a_test(scenario):
    assert scenario in scenarios_in_names()
