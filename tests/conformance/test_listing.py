"""That no line of the list is forgotten."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from .ids import LINES, WITHOUT_TEST

HERE = Path(__file__).parent
FOLDERS = [HERE, HERE.parent / "test_aws_http_api.py"]  # that one answers for no RFC


@pytest.fixture(scope="module")
def tested() -> set[str]:
    """The IDs of all rows here, asked of pytest itself: this run may be of a part of them."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        *map(str, FOLDERS),
    ]
    listing = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    assert listing.returncode == 0, listing.stdout + listing.stderr
    beginnings = re.findall(r"::\w+\[((?:R[0-9A-Z]+-\d\d )+)", listing.stdout)
    return {line for beginning in beginnings for line in beginning.split()}


def test_every_line_has_a_row_or_a_reason(tested):
    assert not set(LINES) - tested - WITHOUT_TEST.keys()


def test_a_line_that_has_a_row_needs_no_reason(tested):
    assert not tested & WITHOUT_TEST.keys()


def test_rows_and_reasons_are_of_lines_that_exist(tested):
    assert not (tested | WITHOUT_TEST.keys()) - set(LINES)
    assert len(set(LINES)) == len(LINES)
